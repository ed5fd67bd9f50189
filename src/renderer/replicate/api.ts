/**
 * HTTP client for Replicate's API. Decides what an answer, or a missing one, proves. A request may start a paid render,
 * so each is sent once, and an outcome that doesn't prove that nothing arrived is `lost`.
 */
import { z } from 'zod'
import type { Host } from '../../host.ts'
import { createJsonReader } from '../../json-reader.ts'
import { networkWords } from '../../network-words.ts'
import { TooLateError, fencedFetch } from './fenced-fetch.ts'
import { type JsonItems, createJsonItems } from './json-items.ts'

export interface ApiRequest {
  readonly method: 'GET' | 'POST'
  readonly url: URL
  readonly headers?: Readonly<Record<string, string>>
  /** A string is JSON. */
  readonly body?: string | FormData
  /** Until the last byte of the answer. With `items`: from one chunk of the answer to the next. */
  readonly deadlineMs: number
  readonly maxBytes: number
  /** Called directly before the first byte leaves; if false, nothing is sent. */
  readonly maySend?: () => boolean
  /** Streams a long list: each item goes to `onItem`, and the answer's JSON holds a 0 in its place. */
  readonly items?: { readonly member: string; readonly onItem: (item: unknown) => void }
}

export type Answer =
  /** 2xx with complete JSON. */
  | { readonly kind: 'ok'; readonly json: unknown }
  /** Any other status. `words`: the provider's message, or the status. `waitMs`: how long the provider wants us to wait. */
  | {
      readonly kind: 'status'
      readonly status: number
      /** Whether the API itself answered, not a proxy on the way. */
      readonly explained: boolean
      readonly words: string
      readonly waitMs: number | null
    }
  /** Proven that no byte of the request arrived. */
  | { readonly kind: 'unsent'; readonly reason: string }
  /** It may have arrived: no answer, or an unreadable 2xx. */
  | { readonly kind: 'lost'; readonly reason: string }

export interface Api {
  readonly origin: string
  /** The `Authorization` header, for `origin` alone. */
  readonly authorization: string
  /** @param path starts with `/v1` */
  url(path: string): URL
  /** Never rejects. Follows no redirects: a POST would be sent again. */
  send(request: ApiRequest, signal: AbortSignal): Promise<Answer>
  /** Makes text from outside safe to store and show. */
  quote(text: string): string
  readonly clock: ProviderClock
}

/**
 * Replicate's clock, by the date of its last answer. If ours is an hour off, a list of "everything since" would be empty.
 * That would wrongly prove that a render is absent, and it would be bought a second time.
 */
export interface ProviderClock {
  /** Whether any answer had a date. */
  isKnown(): boolean
  /** Converts ms since the epoch from our clock to theirs. */
  toTheirs(ms: number): number
  toOurs(ms: number): number
}

export interface ApiOptions {
  readonly baseUrl: string
  readonly token: string
  readonly host: Host
  /** Default: the platform's. */
  readonly fetch?: typeof fetch | undefined
}

/** For creating a render: the API answers after it has queued it. */
export const createDeadlineMs = 60_000
export const deadlineMs = 30_000

/** For one prediction with its logs, of which little is kept. */
export const answerBytes = 64 * 2 ** 20
/** For a page of predictions, whose inputs may hold pictures of any size; it is streamed. */
export const pageBytes = 16 * 2 ** 30
/** Total time for one page, even while it still sends. */
const mostPageMs = 600_000
/** Replicate lists 100 per page. */
const mostItems = 10_000

/**
 * Limits to what is kept of an incoming answer. Only here a provider's text is shortened, before any pattern, log or row
 * sees it. An inlined picture starts with its mark; the output of a language model has a value for each word.
 */
const answerBounds = { values: 500_000, textBytes: 8192, keptBytes: 8 * 2 ** 20 }

/** Applies the same limit to messages that are objects. */
export const asWords = (told: string): string => told.slice(0, answerBounds.textBytes)

/** @throws {TypeError} if the address or the token is unusable. */
export function createApi({ baseUrl, token, host, fetch }: ApiOptions): Api {
  const { origin, protocol } = new URL(baseUrl)
  if (!isWeb(protocol)) throw new TypeError("Replicate's address must begin with http:// or https://")
  // Checked here because the error that fetch would throw shows the whole header.
  if (!/^[\x21-\x7e]+$/.test(token)) throw new TypeError("Replicate's token has invalid characters")
  const root = baseUrl.replace(/\/+$/, '')
  const authorization = `Bearer ${token}`
  const quote = (text: string): string => shorten(text.replaceAll(token, '[token]'))
  let aheadMs: number | undefined
  const readClock = ({ headers }: Response): void => {
    const at = Date.parse(headers.get('date') ?? '')
    if (!Number.isNaN(at)) aheadMs = at - host.now()
  }

  const answer = async (response: Response, reading: Reading): Promise<Answer> => {
    const { status, ok, headers } = response
    if (ok) return { kind: 'ok', json: await readJson(response, reading) }
    // The status alone is proof; the message may be missing.
    const { maxBytes } = reading
    const words = quote(wordsOf(await readJson(response, { maxBytes }).catch(() => undefined)))
    const waitMs = askedWaitMs(headers.get('retry-after'), words, host.now())
    return {
      kind: 'status',
      status,
      explained: words !== '',
      words: words || `HTTP ${status}`,
      waitMs: waitMs ?? (status === 429 ? throttledWaitMs : null),
    }
  }

  return {
    origin,
    authorization,
    quote,
    clock: {
      isKnown: () => aheadMs !== undefined,
      toTheirs: (ms) => ms + (aheadMs ?? 0),
      toOurs: (ms) => ms - (aheadMs ?? 0),
    },
    url: (path) => new URL(root + path),

    send: ({ method, url, headers, body, deadlineMs: ms, maxBytes, maySend, items }, signal) =>
      withDeadline({ host, ms, signal, ...(items && { mostMs: mostPageMs }) }, async (ending, onBytes) => {
        let response: Response | undefined
        const sender = senderOf(fetch, maySend)
        try {
          response = await sender.fetch(url, {
            method,
            redirect: 'manual',
            signal: ending,
            headers: {
              accept: 'application/json',
              authorization,
              // A pooled connection may be closed unnoticed. A POST that fails on it looks like one that was lost
              // on the way.
              connection: 'close',
              ...(typeof body === 'string' ? jsonHeaders(body) : {}),
              ...headers,
            },
            ...(typeof body === 'string' ? sentOnce(body) : body && { body }),
          })
          readClock(response)
          return await answer(response, { maxBytes, items, onBytes })
        } catch (error) {
          const reason = quote(reasonOf(error))
          if (response !== undefined)
            return { kind: 'lost', reason: `HTTP ${response.status}, which could not be read: ${reason}` }
          return { kind: provesUnsent(causeOf(error)) ? 'unsent' : 'lost', reason }
        } finally {
          await sender.close?.()
        }
      }),
  }
}

interface Sender {
  readonly fetch: typeof fetch
  readonly close?: () => Promise<void>
}

function senderOf(given: typeof fetch | undefined, maySend: (() => boolean) | undefined): Sender {
  if (maySend === undefined) return { fetch: given ?? globalThis.fetch }
  if (given === undefined) return fencedFetch(maySend)
  return {
    async fetch(...request) {
      if (!maySend()) throw new TooLateError()
      return given(...request)
    },
  }
}

const jsonHeaders = (body: string): Record<string, string> => ({
  'content-type': 'application/json',
  'content-length': String(Buffer.byteLength(body)),
})

/** As a stream, because `fetch` repeats a repeatable body after a 421 (measured). */
const sentOnce = (body: string) => ({ body: new Blob([body]).stream(), duplex: 'half' }) as const

export const isWeb = (protocol: string): boolean => protocol === 'https:' || protocol === 'http:'

interface Deadline {
  readonly host: Host
  readonly ms: number
  /** Total limit, if progress restarts `ms`. */
  readonly mostMs?: number
  readonly signal: AbortSignal
}

/** Passes `work` a signal that fires with the caller's or after `ms`, and a callback that reports progress. */
export async function withDeadline<Result>(
  { host, ms, mostMs = ms, signal }: Deadline,
  work: (ending: AbortSignal, onProgress: () => void) => Promise<Result>,
): Promise<Result> {
  const done = new AbortController()
  const late = new AbortController()
  const endsAt = host.monotonic() + mostMs
  let hasProgress = false
  const onProgress = (): void => {
    hasProgress = true
  }
  const watch = async (): Promise<void> => {
    let leftMs = ms
    do {
      hasProgress = false
      await host.sleep(leftMs, done.signal)
      leftMs = Math.min(ms, endsAt - host.monotonic())
    } while (hasProgress && leftMs > 0)
    const waitedMs = hasProgress ? mostMs : ms
    if (!done.signal.aborted) late.abort(new Error(`no end within ${waitedMs / 1000} s`))
  }
  void watch()
  try {
    return await work(AbortSignal.any([signal, late.signal]), onProgress)
  } finally {
    done.abort()
  }
}

interface Reading extends Pick<ApiRequest, 'maxBytes'> {
  readonly items?: ApiRequest['items']
  readonly onBytes?: () => void
}

/** @throws if it is longer than `maxBytes`, exceeds `answerBounds`, or is not JSON. */
async function readJson(response: Response, { maxBytes, items, onBytes }: Reading): Promise<unknown> {
  const reader = items ? createJsonItems({ ...items, bounds: answerBounds, mostItems }) : wholeJson()
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > maxBytes) throw new Error(`more than ${maxBytes} bytes`)
    reader.write(chunk)
    onBytes?.()
  }
  return reader.end()
}

function wholeJson(): JsonItems {
  const { write, bytes } = createJsonReader(answerBounds)
  return { write, end: (): unknown => JSON.parse(bytes().toString()) }
}

/** The cause of fetch's uninformative "fetch failed". */
function causeOf(error: unknown): unknown {
  return error instanceof TypeError && error.cause !== undefined ? error.cause : error
}

export function reasonOf(error: unknown): string {
  const cause = causeOf(error)
  // One error for each address that was tried.
  if (cause instanceof AggregateError) return cause.errors.map(reasonOf).join('; ')
  return networkWords(cause) ?? (cause instanceof Error ? cause.message || codeOf(cause) : String(cause))
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : ''

/** Raised before a request is written. */
const certificateTrouble =
  /^(CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|ERR_TLS_CERT_)|^(INVALID_CA|INVALID_PURPOSE|HOSTNAME_MISMATCH)$/
/** Alerts that only occur in a handshake (RFC 8446, 6.2). */
const handshakeTrouble =
  /^ERR_SSL_(UNSUPPORTED_PROTOCOL|\S*(HANDSHAKE_FAILURE|PROTOCOL_VERSION|UNRECOGNIZED_NAME))$/
/** Messages of Node and OpenSSL before a connection is secure; their codes alone also occur later. */
const beforeSecure = /before secure TLS connection was established|:tls_validate_record_header:wrong version/

/**
 * Depends on the system call that failed: `EHOSTUNREACH` and `ETIMEDOUT` come from `connect`, but also from reading an
 * answer, when the request has already arrived.
 */
function provesUnsent(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.length > 0 && error.errors.every(provesUnsent)
  if (!(error instanceof Error)) return false
  const code = codeOf(error)
  if ('syscall' in error && (error.syscall === 'connect' || error.syscall === 'getaddrinfo')) return true
  return (
    error instanceof TooLateError ||
    code === 'UND_ERR_CONNECT_TIMEOUT' ||
    certificateTrouble.test(code) ||
    handshakeTrouble.test(code) ||
    beforeSecure.test(error.message)
  )
}

const wordsShape = z.object({ detail: z.string().optional().catch(undefined), title: z.string().optional() })

/** Replicate explains errors in JSON; an HTML page comes from a proxy. */
function wordsOf(told: unknown): string {
  const { detail, title } = wordsShape.safeParse(told).data ?? {}
  return detail || title || ''
}

const wordsLength = 500

function shorten(text: string): string {
  const plain = asWords(text)
    .replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\s]+/gu, ' ')
    .trim()
  // Never cuts a surrogate pair in half.
  return plain.length <= wordsLength ? plain : plain.slice(0, wordsLength).replace(/[\ud800-\udbff]$/, '')
}

/** Wait after a 429 without a time. */
const throttledWaitMs = 10_000
const leastWaitMs = 1000
const mostWaitMs = 600_000

/**
 * Reads `Retry-After` (seconds or a date), or a message such as "Your rate limit resets in ~1m30s." or "Expected available
 * in 1 second." `words` comes from `quote`.
 */
function askedWaitMs(retryAfter: string | null, words: string, now: number): number | null {
  const ms = retryAfterMs(retryAfter, now) ?? spokenMs(words)
  return ms === null ? null : Math.min(Math.max(ms, leastWaitMs), mostWaitMs)
}

function retryAfterMs(value: string | null, now: number): number | null {
  if (value === null) return null
  if (/^\s*\d+(\.\d+)?\s*$/.test(value)) return Math.ceil(Number(value) * 1000)
  const at = Date.parse(value)
  return Number.isNaN(at) ? null : at - now
}

/** By first letters, longest first: `m` is a minute, `ms` and `milliseconds` are not. */
const unitMs: readonly (readonly [string, number])[] = [
  ['ms', 1],
  ['mil', 1],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
]
const amount = String.raw`\d+(?:\.\d+)? ?(?:ms|milliseconds?|hours?|hrs?|h|minutes?|mins?|m|seconds?|secs?|s)\b`
const spokenSpan = new RegExp(
  String.raw`(?:resets|available) in ?~? ?((?:${amount}(?:,| and)? ?|\d+[hm](?=\d))+)`,
  'i',
)

const msOf = (unit: string): number => unitMs.find(([start]) => unit.startsWith(start))?.[1] ?? 0

function spokenMs(words: string): number | null {
  const [, span = ''] = spokenSpan.exec(words) ?? []
  const parts = [...span.toLowerCase().matchAll(/(\d+(?:\.\d+)?) ?([a-z]+)/g)]
  if (parts.length === 0) return null
  return Math.ceil(parts.reduce((sum, [, many = '', unit = '']) => sum + Number(many) * msOf(unit), 0))
}
