/** Renders at Replicate through its HTTP API. The official client is not used: it repeats POSTs, each of which costs money. */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Host } from '../../host.ts'
import { type Catalogue, CatalogueError, modelsOf, renderInput } from '../../job/catalogue.ts'
import type {
  AccountOutcome,
  FetchOutcome,
  ListOutcome,
  ListedRender,
  PreparedOrder,
  Provider,
  ProviderOrder,
  ProviderTrouble,
  ReadOutcome,
  Recognise,
  SubmitOutcome,
} from '../provider.ts'
import {
  type Answer,
  answerBytes,
  type Api,
  createApi,
  createDeadlineMs,
  deadlineMs,
  pageBytes,
} from './api.ts'
import { reachPictures } from './input.ts'
import { fetchClip } from './output.ts'
import {
  createdPrediction,
  listedRenderOf,
  prediction,
  predictionId,
  predictionPage,
  renderOf,
} from './prediction.ts'
import { notNow, refusalOf, refusedInput, silent } from './refusal.ts'

export interface ReplicateOptions {
  readonly baseUrl?: string
  readonly token: string
  readonly maxConcurrency: number
  readonly startDelayMs: number
  readonly cancelAfterMs?: number
  readonly catalogue: Catalogue
  /**
   * The address where Replicate can fetch picture `n` (from 0) of an attempt, signed and with the attempt's mark.
   * Undefined if this server can't be reached from outside; pictures are then sent with the request.
   */
  readonly inputUrl: ((attemptId: string, n: number) => string) | undefined
  /** The address for webhooks about an attempt; undefined: none. */
  readonly webhookUrl: ((attemptId: string) => string) | undefined
  readonly host: Host
  readonly fetch?: typeof fetch
  /** Fetches from addresses in Replicate's answers; connects to public ones only. */
  readonly fetchOutside: typeof fetch
}

export interface Replicate extends Provider {
  /**
   * The secrets that Replicate signs webhooks with; empty while they can't be read, and then no webhook is trusted.
   * @param options.fresh reads them again after a wrong signature, at most once a minute
   */
  webhookSecrets(options?: { readonly fresh: boolean }): Promise<readonly string[]>
}

/** The minimum that Replicate accepts. */
const leastCancelAfterSeconds = 5

/** @throws {TypeError} if the address or the token is unusable. */
export function createReplicate(options: ReplicateOptions): Replicate {
  const {
    baseUrl = 'https://api.replicate.com',
    token,
    maxConcurrency,
    startDelayMs,
    catalogue,
    host,
  } = options
  const { cancelAfterMs = 30 * 60_000, inputUrl, webhookUrl, fetch, fetchOutside } = options
  const api = createApi({ baseUrl, token, host, fetch })
  const cancelAfter = `${Math.max(leastCancelAfterSeconds, Math.ceil(cancelAfterMs / 1000))}s`

  const readOne = async (
    method: 'GET' | 'POST',
    renderId: string,
    verb: '' | '/cancel',
    signal: AbortSignal,
    maySend?: () => boolean,
  ): Promise<ReadOutcome> => {
    // An id may come from a webhook and must not lead to another path.
    if (!predictionId.safeParse(renderId).success) return { kind: 'absent' }
    const url = api.url(`/v1/predictions/${renderId}${verb}`)
    return readOutcome(
      await api.send({ method, url, deadlineMs, maxBytes: answerBytes, ...(maySend && { maySend }) }, signal),
      renderId,
      api,
    )
  }

  return {
    name: 'replicate',
    models: modelsOf(catalogue).filter((name) => catalogue.models.get(name)?.renderer === 'replicate'),
    maxConcurrency,
    startDelayMs,
    cancelAfterMs,

    prepare: async (order, signal) => prepare(order, { api, catalogue, inputUrl, webhookUrl }, signal),

    async submit({ model, attemptId, input }, signal, maySend) {
      if (signal.aborted) return notNow('interrupted', 'The request was stopped before it was sent', null)
      const known = catalogue.models.get(model)
      if (!known) return refusedInput(badInput(`${model} is no longer among the models`))
      const { version } = known
      const body = JSON.stringify({
        ...(version === undefined ? {} : { version }),
        input,
        // `start` settles an attempt without an answer; Replicate repeats only `completed`.
        ...(webhookUrl && { webhook: webhookUrl(attemptId), webhook_events_filter: ['start', 'completed'] }),
      })
      let isTooLate = false
      const path = version === undefined ? `/v1/models/${model}/predictions` : '/v1/predictions'
      const answer = await api.send(
        {
          method: 'POST',
          url: api.url(path),
          headers: { 'cancel-after': cancelAfter },
          body,
          deadlineMs: createDeadlineMs,
          maxBytes: answerBytes,
          maySend() {
            isTooLate = !maySend()
            return !isTooLate
          },
        },
        signal,
      )
      if (isTooLate) return notNow('interrupted', 'The request was not sent, because its time was over', null)
      return submitOutcome(answer)
    },

    read: (renderId, signal) => readOne('GET', renderId, '', signal),
    cancel: (renderId, signal, maySend) => readOne('POST', renderId, '/cancel', signal, maySend),
    list: (window, recognise, signal) => list(window, { api, recognise }, signal),
    account: accountOf(api),
    fetchClip: (request, signal): Promise<FetchOutcome> =>
      fetchClip(request, { api, host, fetch: fetch ?? globalThis.fetch, fetchOutside }, signal),
    webhookSecrets: secretsOf(api, host),
  }
}

async function prepare(
  order: ProviderOrder,
  {
    api,
    catalogue,
    inputUrl,
    webhookUrl,
  }: Pick<ReplicateOptions, 'catalogue' | 'inputUrl' | 'webhookUrl'> & { readonly api: Api },
  signal: AbortSignal,
): Promise<PreparedOrder | ProviderTrouble> {
  const { model: name, attemptId, prompt, settings } = order
  const model = catalogue.models.get(name)
  if (!model) return badInput(`${name} is no longer among the models`)
  const pictures = await reachPictures(order, api, inputUrl, signal)
  if ('code' in pictures) return pictures
  try {
    const seed = seedOf(attemptId)
    const input = renderInput(model, { prompt, images: pictures.urls, settings, seed })
    const seedMarks = Object.entries(input)
      .filter(([, value]) => value === seed)
      .map(([member]) => `${JSON.stringify(member)}:${seed}`)
    // The webhook address contains the attempt's id.
    const webhookMarks = webhookUrl ? [attemptId] : []
    return { model: name, attemptId, input, marks: [...pictures.marks, ...seedMarks, ...webhookMarks] }
  } catch (error) {
    if (error instanceof CatalogueError) return badInput(error.message)
    throw error
  }
}

const leastSeed = 1_000_000_000
const mostSeed = 2 ** 31 - 1

/** A number unique to this request, which providers keep in their records. Of fixed length, so none is a prefix of another. */
const seedOf = (attemptId: string): number =>
  leastSeed + (createHash('sha256').update(attemptId).digest().readUInt32BE() % (mostSeed - leastSeed + 1))

const badInput = (reason: string): ProviderTrouble => ({ code: 'bad_input', reason, retry: false })

function submitOutcome(answer: Answer): SubmitOutcome {
  if (answer.kind === 'ok') {
    const created = createdPrediction.safeParse(answer.json)
    return created.success
      ? { kind: 'accepted', renderId: created.data.id }
      : { kind: 'unknown', reason: 'The answer has no valid id' }
  }
  if (answer.kind === 'unsent') return silent(answer.reason)
  if (answer.kind === 'lost') return { kind: 'unknown', reason: answer.reason }
  return refusalOf(answer) ?? { kind: 'unknown', reason: answer.words }
}

function readOutcome(answer: Answer, renderId: string, api: Api): ReadOutcome {
  if (answer.kind !== 'ok') {
    // Without a message it may come from a proxy, and absence counts as proof.
    if (answer.kind === 'status' && answer.status === 404 && answer.explained) return { kind: 'absent' }
    return nothingLearnt(answer)
  }
  const told = prediction.safeParse(answer.json)
  if (!told.success || told.data.id !== renderId)
    return unreadable('The answer is not the requested prediction')
  return { kind: 'found', render: renderOf(told.data, api) }
}

type Failed = Extract<ListOutcome, { kind: 'failed' }>

const nothingLearnt = (answer: Exclude<Answer, { kind: 'ok' }>): Failed =>
  answer.kind === 'status'
    ? { kind: 'failed', reason: answer.words, waitMs: answer.waitMs }
    : unreadable(answer.reason)

const unreadable = (reason: string): Failed => ({ kind: 'failed', reason, waitMs: null })

/** 100 renders each. */
const maxPages = 100

/** All or nothing: only a complete list proves that a render is absent. */
async function list(
  { after, before }: { readonly after: number; readonly before?: number },
  { api, recognise }: { readonly api: Api; readonly recognise: Recognise },
  signal: AbortSignal,
): Promise<ListOutcome> {
  const first = (): URL => {
    const url = api.url('/v1/predictions')
    url.searchParams.set('created_after', theirTime(after))
    if (before !== undefined) url.searchParams.set('created_before', theirTime(before))
    return url
  }
  const theirTime = (ms: number): string => new Date(api.clock.toTheirs(ms)).toISOString()
  const renders: ListedRender[] = []
  let wasKnown = api.clock.isKnown()
  let url = first()
  for (let page = 0; page < maxPages; page++) {
    const listed: ListedRender[] = []
    const onItem = (item: unknown): void => {
      const told = prediction.safeParse(item)
      if (told.success) listed.push(listedRenderOf(told.data, api, recognise))
    }
    const items = { member: 'results', onItem }
    const answer = await api.send({ method: 'GET', url, deadlineMs, maxBytes: pageBytes, items }, signal)
    if (answer.kind !== 'ok') return nothingLearnt(answer)
    if (!wasKnown) {
      if (!api.clock.isKnown()) return unreadable('The answer has no date')
      // The first request used our own clock, which may be wrong.
      wasKnown = true
      url = first()
      continue
    }
    const told = predictionPage.safeParse(answer.json)
    // An entry that failed to parse could be the render searched for.
    if (!told.success || told.data.results.length !== listed.length)
      return unreadable('A page of the list has an unexpected form')
    renders.push(...listed)
    if (told.data.next === null) return { kind: 'listed', renders }
    const next = URL.parse(told.data.next, url.href)
    // The request would carry the token.
    if (next?.origin !== api.origin) return unreadable("The list's next page is at another origin")
    url = next
  }
  return unreadable(`The list has more than ${maxPages} pages`)
}

const account = z.object({ username: z.string().min(1).max(200) })

/** Requested until known: a token belongs to one account. */
function accountOf(api: Api): Provider['account'] {
  let known: AccountOutcome | undefined
  return async (signal) => {
    if (known) return known
    const answer = await api.send(
      { method: 'GET', url: api.url('/v1/account'), deadlineMs, maxBytes: answerBytes },
      signal,
    )
    if (answer.kind === 'ok') {
      const told = account.safeParse(answer.json)
      if (!told.success) return accountUnknown('The answer names no account')
      known = { kind: 'known', name: told.data.username }
    } else if (answer.kind !== 'status') return accountUnknown(answer.reason)
    // Without a message it may come from a proxy.
    else if (answer.status === 404 && answer.explained) known = { kind: 'known', name: null }
    else return accountUnknown(answer.words, aboutUs.has(answer.status) ? refusalOf(answer) : undefined)
    return known
  }
}

/** These statuses concern the account; others say nothing about the next order. */
const aboutUs: ReadonlySet<number> = new Set([401, 402, 403, 429])

const accountUnknown = (reason: string, refusal = silent(reason)): AccountOutcome => ({
  kind: 'failed',
  reason,
  refusal,
})

const webhookSecret = z.object({ key: z.string().regex(/^whsec_[A-Za-z0-9+/]+=*$/) })

/** Limits requests to Replicate that junk at the webhook's address could cause. */
const secretRefreshMs = 60_000

function secretsOf(api: Api, host: Host): Replicate['webhookSecrets'] {
  let secrets: readonly string[] = []
  let askedAt = Number.NEGATIVE_INFINITY
  let asking: Promise<void> = Promise.resolve()
  const ask = async (): Promise<void> => {
    const url = api.url('/v1/webhooks/default/secret')
    const answer = await api.send(
      { method: 'GET', url, deadlineMs, maxBytes: answerBytes },
      new AbortController().signal,
    )
    const told = webhookSecret.safeParse(answer.kind === 'ok' ? answer.json : undefined)
    if (told.success) secrets = [told.data.key]
  }
  return async ({ fresh } = { fresh: false }) => {
    if ((fresh || secrets.length === 0) && host.monotonic() - askedAt >= secretRefreshMs) {
      askedAt = host.monotonic()
      asking = ask()
    }
    await asking
    return secrets
  }
}
