/** Checks the models, Replicate, and the parts that a program brings. */
import type { Config } from '../../config.ts'
import { systemHost } from '../../host.ts'
import type { OwnParts } from '../../own-parts.ts'
import { whyOf } from '../client.ts'
import { count, spokenDuration } from '../words.ts'
import type { Folder } from './database.ts'
import { type Found, jsonIn, messageOf, ok, problem, toError, warning, within } from './finding.ts'

export async function checkModels(config: Config, own: OwnParts): Promise<Found> {
  const { openCatalogue } = await import('../../models-file.ts')
  const { modelsOfOwn, refuseClashes, refuseUnpriced } = await import('../../own-parts.ts')
  try {
    refuseClashes(own)
    const catalogue = await openCatalogue(config, modelsOfOwn(own))
    refuseUnpriced(own, catalogue)
    const { models, onThisMachine = [], version } = catalogue
    const free = [...new Set(['local', ...onThisMachine])].join(', ')
    const paid = models.size === 0 ? `${free} alone` : `${free} and ${models.size} that are paid for`
    return ok(`${paid}; prices of ${version}`)
  } catch (error) {
    return problem(messageOf(error), 'Correct it, or leave MODELS_FILE out: serve would not start')
  }
}

const partDeadlineMs = 10_000

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(toError(signal.reason)), { once: true })
  })

/** Reports what a program's own part finds in its check. */
export async function checkPart(
  part: { check?(signal: AbortSignal): Promise<string> },
  signal: AbortSignal,
): Promise<Found> {
  if (!part.check) return ok('It has no check of its own')
  const over = AbortSignal.any([signal, AbortSignal.timeout(partDeadlineMs)])
  try {
    return ok(await Promise.race([part.check(over), aborted(over)]))
  } catch (error) {
    signal.throwIfAborted()
    return problem(messageOf(error), 'See what the program that brings it needs')
  }
}

export interface Account {
  readonly found: Found
  /** How far Replicate's clock is ahead of ours, ms; undefined where unknown. */
  readonly aheadMs: number | undefined
}

const tokenPage = 'https://replicate.com/account/api-tokens'

/** Reads the token's account, which costs nothing. */
export async function checkReplicate(
  { replicate }: Config,
  inFlight: Folder['accounts'],
  own: OwnParts,
  signal: AbortSignal,
): Promise<Account> {
  if (replicate === undefined)
    return {
      found: ok(
        (own.providers ?? []).length === 0
          ? 'No REPLICATE_API_TOKEN: everything is rendered on this machine, and costs nothing'
          : 'No REPLICATE_API_TOKEN: nothing is rendered there; the providers of this program have costs of their own',
      ),
      aheadMs: undefined,
    }
  const { baseUrl, token } = replicate
  try {
    const response = await fetch(`${baseUrl}/v1/account`, {
      headers: { authorization: `Bearer ${token}`, accept: 'application/json' },
      redirect: 'manual',
      signal: within(signal),
    })
    const text = await response.text()
    const at = Date.parse(response.headers.get('date') ?? '')
    const aheadMs = Number.isNaN(at) ? undefined : at - systemHost.now()
    return { found: accountFound(response.status, text, { baseUrl, inFlight }), aheadMs }
  } catch (cause) {
    signal.throwIfAborted()
    const found = problem(
      `${baseUrl} cannot be reached (${whyOf(cause)})`,
      'Look at the network, a proxy or firewall on the way, and REPLICATE_BASE_URL',
    )
    return { found, aheadMs: undefined }
  }
}

function accountFound(
  status: number,
  text: string,
  { baseUrl, inFlight = new Map() }: { readonly baseUrl: string; readonly inFlight: Folder['accounts'] },
): Found {
  const answer = jsonIn(text)
  if (status === 200) {
    const { username, type } = answer
    const who = typeof username === 'string' ? `${username} (${String(type)})` : 'an account'
    const words = `The token of ${who} is accepted by ${baseUrl}, and pays for each render`
    const other = [...inFlight].find(([name]) => name !== username)
    if (typeof username !== 'string' || !other) return ok(words)
    return warning(
      `${words}; ${count(other[1], 'render')} that ${other[1] === 1 ? 'is' : 'are'} not settled ${other[1] === 1 ? 'was' : 'were'} sent from the account ${other[0]}`,
      `Start the server with a token of ${other[0]} until they are settled: nobody else sees what became of them`,
    )
  }
  const words = typeof answer['detail'] === 'string' ? answer['detail'] : `HTTP ${status}`
  if (status === 401 || status === 403)
    return problem(
      `The token is refused: ${words}`,
      `Make one at ${tokenPage}, and set REPLICATE_API_TOKEN to it`,
    )
  return warning(
    `${baseUrl} does not name the owner of the token: ${words}`,
    'Try again later; look at https://status.replicate.com',
  )
}

const skewMs = 30_000
/** With a larger clock difference, webhook signatures are refused. In ms. */
const tooFarMs = 300_000

export function checkClock(aheadMs: number | undefined): Found {
  if (aheadMs === undefined) return ok('Not compared: no provider was asked')
  const off = Math.abs(aheadMs)
  if (off < skewMs) return ok("Within seconds of the provider's")
  const words = `${spokenDuration(off)} ${aheadMs > 0 ? 'behind' : 'ahead of'} the provider's`
  const toDo = 'Set it by NTP (timedatectl set-ntp true)'
  return off < tooFarMs ? warning(words, toDo) : problem(`${words}: its notices are refused`, toDo)
}
