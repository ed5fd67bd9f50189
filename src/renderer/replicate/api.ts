/**
 * HTTP to Replicate's API. What an answer, or the lack of one, proves is told here and nowhere else: a request may be
 * a render, which is money, so each is sent once, and whatever doesn't prove that nothing arrived is `lost`.
 */
import { z } from 'zod'
import type { Host } from '../../host.ts'
import { createJsonReader } from '../../json-reader.ts'
import { networkWords } from '../../network-words.ts'
import { type JsonItems, createJsonItems } from './json-items.ts'

export interface ApiRequest {
  readonly method: 'GET' | 'POST'
  readonly url: URL
  readonly headers?: Readonly<Record<string, string>>
  /** Text is JSON. */
  readonly body?: string | FormData
  /** Until the last byte of the answer; of one that is read item by item, from each of its bytes to the next. */
  readonly deadlineMs: number
  readonly maxBytes: number
  /** Reads an answer that lists many things as it comes: each is handed over, and a 0 stands for it in the answer's JSON. */
  readonly items?: { readonly member: string; readonly onItem: (item: unknown) => void }
}

export type Answer =
  /** 2xx, with JSON to the end. */
  | { readonly kind: 'ok'; readonly json: unknown }
  /** Any other status. `words`: the provider's own, or the status; `waitMs`: as long as it asks for patience. */
  | {
      readonly kind: 'status'
      readonly status: number
      /** Whether the API itself speaks, and not something on the way to it. */
      readonly explained: boolean
      readonly words: string
      readonly waitMs: number | null
    }
  /** Proven: no byte of the request arrived. */
  | { readonly kind: 'unsent'; readonly reason: string }
  /** It may have arrived: no answer, or a 2xx that can't be read. */
  | { readonly kind: 'lost'; readonly reason: string }

export interface Api {
  readonly origin: string
  /** The value of the `Authorization` header, for `origin` and nobody else. */
  readonly authorization: string
  /** @param path from `/v1` on */
  url(path: string): URL
  /** Rejects never. Follows no redirect: a POST would be sent again. */
  send(request: ApiRequest, signal: AbortSignal): Promise<Answer>
  /** Somebody else's text as it may be kept and shown. */
  quote(text: string): string
  readonly clock: ProviderClock
}

/**
 * Replicate's clock, by the date of its last answer. Ours may be an hour off, and then a list of "everything since" would
 * be empty, which proves that a render is absent, which buys it a second time.
 */
export interface ProviderClock {
  /** Whether any answer has told it. */
  isKnown(): boolean
  /** ms since the epoch, of our clock. */
  toTheirs(ms: number): number
  toOurs(ms: number): number
}

export interface ApiOptions {
  readonly baseUrl: string
  readonly token: string
  readonly host: Host
  readonly fetch: typeof fetch
}

/** For creating a render: the answer waits until it is queued. */
export const createDeadlineMs = 60_000
export const deadlineMs = 30_000

/** For one prediction, with its logs, of which little is kept. */
export const answerBytes = 64 * 2 ** 20
/** For a page of predictions, each of whose inputs may hold pictures of any size: it is read as it comes. */
export const pageBytes = 16 * 2 ** 30
/** A page that comes and comes is given up all the same. */
const mostPageMs = 600_000
/** Replicate lists 100 on a page. */
const mostItems = 10_000

/**
 * What is kept of an answer while it comes in: the one place where a provider's text is shortened, before any pattern, log
 * or row sees it. A picture that was sent along begins with its mark; the output of a language model has a value for each word.
 */
const answerBounds = { values: 500_000, textBytes: 8192, keptBytes: 8 * 2 ** 20 }

/** What a provider says as an object rather than a text, in as many characters. */
export const asWords = (told: string): string => told.slice(0, answerBounds.textBytes)

/** @throws {TypeError} where the address or the token can't be used. */
export function createApi({ baseUrl, token, host, fetch }: ApiOptions): Api {
  const { origin, protocol } = new URL(baseUrl)
  if (!isWeb(protocol)) throw new TypeError("Replicate's address must begin with http:// or https://")
  // Said here without its text: the error that fetch would throw for it shows the whole header.
  if (!/^[\x21-\x7e]+$/.test(token)) throw new TypeError("Replicate's token has characters no token has")
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
    // The status alone is proof; the words may be missing.
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

    send: ({ method, url, headers, body, deadlineMs: ms, maxBytes, items }, signal) =>
      withDeadline({ host, ms, signal, ...(items && { mostMs: mostPageMs }) }, async (ending, onBytes) => {
        let response: Response | undefined
        try {
          response = await fetch(url, {
            method,
            redirect: 'manual',
            signal: ending,
            headers: {
              accept: 'application/json',
              authorization,
              // A pooled connection may be gone without our knowing, and a POST that meets such a one can't be told
              // from one that was lost on the way.
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
        }
      }),
  }
}

const jsonHeaders = (body: string): Record<string, string> => ({
  'content-type': 'application/json',
  'content-length': String(Buffer.byteLength(body)),
})

/** As a stream, since `fetch` sends a body that it could send again a second time after a 421 (measured). */
const sentOnce = (body: string) => ({ body: new Blob([body]).stream(), duplex: 'half' }) as const

export const isWeb = (protocol: string): boolean => protocol === 'https:' || protocol === 'http:'

interface Deadline {
  readonly host: Host
  readonly ms: number
  /** Where each sign of life begins `ms` anew: the most it may take in all. */
  readonly mostMs?: number
  readonly signal: AbortSignal
}

/** Hands `work` a signal that fires with the caller's, or after `ms`, and a way to say that it goes on. */
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

/** @throws where it is longer than `maxBytes`, over `answerBounds`, or no JSON. */
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

/** The error below the "fetch failed" that says nothing. */
function causeOf(error: unknown): unknown {
  return error instanceof TypeError && error.cause !== undefined ? error.cause : error
}

export function reasonOf(error: unknown): string {
  const cause = causeOf(error)
  // Of several addresses that were tried.
  if (cause instanceof AggregateError) return cause.errors.map(reasonOf).join('; ')
  return networkWords(cause) ?? (cause instanceof Error ? cause.message || codeOf(cause) : String(cause))
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : ''

/** Found before a request is written. */
const certificateTrouble =
  /^(CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|ERR_TLS_CERT_)|^(INVALID_CA|INVALID_PURPOSE|HOSTNAME_MISMATCH)$/
/** Alerts that end a handshake and nothing else (RFC 8446, 6.2). */
const handshakeTrouble =
  /^ERR_SSL_(UNSUPPORTED_PROTOCOL|\S*(HANDSHAKE_FAILURE|PROTOCOL_VERSION|UNRECOGNIZED_NAME))$/
/** As Node and OpenSSL say it of a connection that is not yet secure; the code alone could come from a later one. */
const beforeSecure = /before secure TLS connection was established|:tls_validate_record_header:wrong version/

/**
 * Looked at by the call that failed: `EHOSTUNREACH` and `ETIMEDOUT` come from `connect`, but also from reading an
 * answer, when the request has long arrived.
 */
function provesUnsent(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.length > 0 && error.errors.every(provesUnsent)
  if (!(error instanceof Error)) return false
  const code = codeOf(error)
  if ('syscall' in error && (error.syscall === 'connect' || error.syscall === 'getaddrinfo')) return true
  return (
    code === 'UND_ERR_CONNECT_TIMEOUT' ||
    certificateTrouble.test(code) ||
    handshakeTrouble.test(code) ||
    beforeSecure.test(error.message)
  )
}

const wordsShape = z.object({ detail: z.string().optional().catch(undefined), title: z.string().optional() })

/** Replicate explains itself in JSON; a page is a proxy's. */
function wordsOf(told: unknown): string {
  const { detail, title } = wordsShape.safeParse(told).data ?? {}
  return detail || title || ''
}

const wordsLength = 500

function shorten(text: string): string {
  const plain = asWords(text)
    .replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\s]+/gu, ' ')
    .trim()
  // Not through the middle of a character.
  return plain.length <= wordsLength ? plain : plain.slice(0, wordsLength).replace(/[\ud800-\udbff]$/, '')
}

/** A 429 that doesn't say how long. */
const throttledWaitMs = 10_000
const leastWaitMs = 1000
const mostWaitMs = 600_000

/**
 * From `Retry-After`, in seconds or as a date, or from "Your rate limit resets in ~1m30s." or "Expected available in 1 second."
 * `words`: as `quote` leaves them.
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

/** By the first letters, the longest first: `m` is a minute, `ms` and `milliseconds` are not. */
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
