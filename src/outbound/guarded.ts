/**
 * HTTP to public addresses only. A URL proves nothing: names are resolved here, every address of a name is checked, only
 * checked addresses are connected to, and the connection is checked again before its first byte. This holds for every new
 * connection, including redirects. No proxy is used.
 */
import type { LookupAddress } from 'node:dns'
import { Resolver } from 'node:dns/promises'
import { type LookupFunction, isIP } from 'node:net'
import { Readable } from 'node:stream'
import { Agent, buildConnector, fetch, request } from 'undici'
import type { Host } from '../host.ts'
import { type Network, addressProblem, isReachable } from '../job/web-address.ts'
import { networkWords } from '../network-words.ts'
import { printable } from '../printable.ts'
import type { Outbound, Outcome, Outgoing } from './outbound.ts'

export interface GuardedOptions {
  /** Private networks that may be reached. */
  readonly allowed: readonly Network[]
  readonly host: Host
  /** All addresses of a name. Default: DNS. */
  readonly resolve?: (name: string) => Promise<readonly string[]>
}

const connectMs = 5000
const totalMs = 15_000
const mostRedirects = 3
const readBytes = 1024
/** Connections to one server; the sender is responsible for fairness. */
const connections = 4

export function createGuardedOutbound({ allowed, host, resolve = lookUp }: GuardedOptions): Outbound {
  const agent = guardedAgent({ allowed, resolve }, connections)

  const send = async (outgoing: Outgoing, signal: AbortSignal): Promise<Outcome> => {
    const { url, headers } = outgoing
    const body = Buffer.from(outgoing.body)
    let address = url
    for (let redirects = 0; ; redirects++) {
      const problem = addressProblem(address, allowed)
      if (problem !== undefined)
        return unanswered(`${redirects > 0 ? 'The redirect target' : 'The address'} ${problem}`)
      const response = await request(address, {
        dispatcher: agent,
        method: 'POST',
        headers: {
          ...headers,
          'content-type': 'application/json',
          'content-length': String(body.length),
          'user-agent': 'workflow-coordinator',
        },
        body: Readable.from(checkedBody(body, outgoing.mayBeSent), { objectMode: false }),
        signal,
      })
      await drop(response.body)
      const next = redirectOf(response, address)
      if (next === undefined)
        return { kind: 'answered', status: response.statusCode, waitMs: waitOf(response, host.now()) }
      if (redirects === mostRedirects) return unanswered(`More than ${mostRedirects} redirects`)
      if (address.startsWith('https:') && !next.startsWith('https:'))
        return unanswered('The endpoint redirects from https to http')
      address = next
    }
  }

  return {
    async post(outgoing, signal) {
      const ended = new AbortController()
      const late = new AbortController()
      void host.sleep(totalMs, ended.signal).then(() => late.abort())
      try {
        return await send(outgoing, AbortSignal.any([signal, late.signal]))
      } catch (error) {
        if (signal.aborted || error instanceof TooLateError) return { kind: 'cut_off' }
        if (late.signal.aborted) return unanswered(`No answer within ${totalMs / 1000} s`)
        return unanswered(wordsOf(error))
      } finally {
        ended.abort()
      }
    },
    close: () => agent.destroy(),
  }
}

export interface GuardedFetch {
  /** Follows no redirect if `redirect` is `manual`; limits only the time to connect. */
  readonly fetch: typeof globalThis.fetch
  /** Drops every connection. */
  close(): Promise<void>
}

/** `fetch` with the same checks. Rejects if an address may not be reached. */
export function createGuardedFetch({
  allowed,
  resolve = lookUp,
}: Omit<GuardedOptions, 'host'>): GuardedFetch {
  const agent = guardedAgent({ allowed, resolve }, null)
  const guarded = (address: Parameters<typeof fetch>[0], init: Parameters<typeof fetch>[1]) =>
    fetch(address, { ...init, dispatcher: agent })
  return {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same by the standard, declared twice
    fetch: guarded as unknown as typeof globalThis.fetch,
    close: () => agent.destroy(),
  }
}

/** Without timeouts for responses, which its users set. */
const guardedAgent = (
  { allowed, resolve }: Required<Omit<GuardedOptions, 'host'>>,
  atOnce: number | null,
): Agent =>
  new Agent({
    connect: guardedConnector(allowed, resolve),
    connections: atOnce,
    allowH2: false,
    headersTimeout: 0,
    bodyTimeout: 0,
  })

class TooLateError extends Error {}

/** The client reads the first chunk when the connection is there, and writes the headers with it. */
async function* checkedBody(body: Uint8Array, mayBeSent: () => boolean = () => true) {
  await Promise.resolve()
  if (!mayBeSent()) throw new TooLateError('The request may no longer be sent')
  yield body
}

const unanswered = (reason: string): Outcome => ({ kind: 'unanswered', reason })

class AddressRefusedError extends Error {
  constructor(name: string) {
    super(
      isIP(name) === 0
        ? `${name} resolves to an address that is not on the public internet`
        : `${name} is not on the public internet`,
    )
    this.name = 'AddressRefusedError'
  }
}

const hint = 'the operator may allow it with WEBHOOK_ALLOWED_NETWORKS'

function guardedConnector(
  allowed: readonly Network[],
  resolve: (name: string) => Promise<readonly string[]>,
): buildConnector.connector {
  const checked = async (hostname: string): Promise<readonly LookupAddress[]> => {
    const name = hostname.replace(/\.+$/, '')
    const addresses = await resolve(name)
    // One private address refuses the name: a name with both kinds is made to pass a check of the first address.
    if (addresses.length === 0 || !addresses.every((address) => isReachable(address, allowed)))
      throw new AddressRefusedError(name)
    return addresses.map((address) => ({ address, family: isIP(address) }))
  }
  const answer = async (...[hostname, { all }, callback]: Parameters<LookupFunction>): Promise<void> => {
    try {
      const addresses = await checked(hostname)
      if (all) callback(null, [...addresses])
      else callback(null, addresses[0]!.address, addresses[0]!.family)
    } catch (error) {
      callback(error instanceof Error ? error : new Error(String(error)), [])
    }
  }
  const lookup: LookupFunction = (...args) => void answer(...args)
  const connectTcp = buildConnector({ timeout: connectMs, allowH2: false, lookup })
  const secure = buildConnector({ timeout: connectMs, allowH2: false })

  return (options, callback) => {
    const { hostname, protocol } = options
    // An address literal is not resolved, so it is checked here.
    if (isIP(hostname) !== 0 && !isReachable(hostname, allowed))
      return callback(new AddressRefusedError(hostname), null)
    const isSecure = protocol === 'https:'
    const port = options.port || (isSecure ? '443' : '80')
    connectTcp({ ...options, protocol: 'http:', port }, (error, socket) => {
      if (error) return callback(error, null)
      if (!isReachable(socket.remoteAddress ?? '', allowed)) {
        socket.destroy()
        return callback(new AddressRefusedError(hostname), null)
      }
      if (isSecure) secure({ ...options, port, httpSocket: socket }, callback)
      else callback(null, socket)
    })
  }
}

/**
 * Queries DNS without the threads of `getaddrinfo`, where two names with silent servers would block every other lookup of
 * this process. So the hosts file is not read; localhost follows RFC 6761.
 */
async function lookUp(name: string): Promise<readonly string[]> {
  if (/(?:^|\.)localhost$/.test(name)) return ['127.0.0.1']
  const resolver = new Resolver({ timeout: 2000, tries: 2 })
  const answers = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)])
  const addresses = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
  const failed = answers.find((answer) => answer.status === 'rejected')
  if (addresses.length === 0 && failed) throw failed.reason
  return addresses
}

type Answered = Awaited<ReturnType<typeof request>>

/** Reads a short response to its end, so that its connection can be reused; drops a long one. */
async function drop(body: AsyncIterable<Uint8Array>): Promise<void> {
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > readBytes) break
  }
}

/** The target of a redirect that repeats the POST; other redirects would make it a GET and count as responses. */
function redirectOf({ statusCode, headers }: Answered, from: string): string | undefined {
  const { location } = headers
  if ((statusCode !== 307 && statusCode !== 308) || typeof location !== 'string') return undefined
  return URL.canParse(location, from) ? new URL(location, from).href : undefined
}

function waitOf({ statusCode, headers }: Answered, now: number): number | null {
  const wish = headers['retry-after']
  if ((statusCode !== 429 && statusCode !== 503) || typeof wish !== 'string') return null
  if (/^\d{1,9}$/.test(wish)) return Number(wish) * 1000
  const at = Date.parse(wish)
  return Number.isNaN(at) ? null : Math.max(0, at - now)
}

const knownWords: Readonly<Record<string, string>> = {
  UND_ERR_CONNECT_TIMEOUT: `No connection within ${connectMs / 1000} s`,
}

const longestWords = 300

/** An error's message, safe to store and show: short, and without terminal control characters. */
function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return 'The endpoint is unreachable'
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  const first = error instanceof AggregateError ? error.errors[0] : error
  const said = first instanceof Error ? first.message : error.message
  // This message begins with a name or an address.
  if (first instanceof AddressRefusedError) return printable(`${said}: ${hint}`).slice(0, longestWords)
  const words =
    printable(networkWords(first) ?? said).slice(0, longestWords) || code || 'The endpoint is unreachable'
  return knownWords[code] ?? words.slice(0, 1).toUpperCase() + words.slice(1)
}
