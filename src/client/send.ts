/** Sends requests with a deadline, and again where the network failed and that does no harm. */
import { ApiError, errorOf } from './error.ts'
import { type Bytes, bodyOf, lengthHeader } from './upload.ts'

export interface ClientOptions {
  /** Where the server is, such as `http://127.0.0.1:4000`; its path is kept, as in `https://example.com/films`. */
  readonly url: string
  /** Sent as `Authorization: Bearer`. */
  readonly key?: string
  /** Another `fetch` than the platform's. */
  readonly fetch?: typeof fetch
  /** How long an answer may take, ms; of bytes, until they begin to come. Of an upload, from when its last bytes were sent. */
  readonly timeoutMs?: number
}

export interface CallOptions {
  readonly signal?: AbortSignal
}

export interface Request {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>> | undefined
  /** Sent as JSON. */
  readonly json?: unknown
  /** Sent as it is. */
  readonly bytes?: Bytes
  readonly headers?: Readonly<Record<string, string>>
}

export interface Sender {
  /** The answer, its body still to be read. @throws {ApiError} */
  send(request: Request, options?: CallOptions): Promise<Response>
  /** The answer's JSON. @throws {ApiError} */
  json<Answer>(request: Request, options?: CallOptions): Promise<Answer>
  /** The answer's text. @throws {ApiError} */
  text(request: Request, options?: CallOptions): Promise<string>
  /** The answer, which goes on for as long as `signal` lets it. @throws {ApiError} */
  open(request: Request, signal: AbortSignal): Promise<Response>
}

const standardTimeoutMs = 30_000

/** The waits before a request is sent again. */
const againMs = [250, 1_000] as const

export function createSender({
  url,
  key,
  fetch: send = fetch,
  timeoutMs = standardTimeoutMs,
}: ClientOptions): Sender {
  /** Builds the request at once, so that what is wrong with it throws at once; then sends it. */
  const sending = (request: Request, idempotencyKey?: string) => {
    const address = addressOf(url, request)
    const { method, json, bytes } = request
    const headers = {
      accept: 'application/json',
      ...(key !== undefined && { authorization: `Bearer ${key}` }),
      ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
      ...(json !== undefined && { 'content-type': 'application/json' }),
      ...(bytes !== undefined && lengthHeader(bytes)),
      ...request.headers,
    }
    const text = json === undefined ? null : JSON.stringify(json)
    return ({ signal, restart }: Deadline): Promise<Response> => {
      const body = bytes ? bodyOf(bytes, (travelMs) => restart(timeoutMs + travelMs)) : { body: text }
      return send(address, { method, headers, ...body, signal })
    }
  }

  /** `read` is within the deadline too. */
  const ask = async <Answer>(
    request: Request,
    { signal }: CallOptions,
    read: (response: Response) => Promise<Answer>,
  ): Promise<Answer> => {
    // A change whose answer is lost may have been done: with a key, sending it again does no harm.
    const once = sending(request, request.method === 'GET' ? undefined : newKey())
    for (let sent = 0; ; sent++) {
      const deadline = deadlineIn(timeoutMs, signal)
      try {
        const response = await once(deadline)
        if (response.ok) return await read(response)
        // The one that was lost before is still being worked on.
        const isRunning = response.status === 409 && sent > 0 && response.headers.has('retry-after')
        const error = await errorOf(response)
        if (!isRunning || sent >= againMs.length) throw error
      } catch (error) {
        if (!isNetworkFailure(error) || sent >= againMs.length) throw error
      } finally {
        deadline.end()
      }
      await pause(againMs[sent]!, signal)
    }
  }

  return {
    send: (request, options = {}) => ask(request, options, (response) => Promise.resolve(response)),
    json: <Answer>(request: Request, options: CallOptions = {}) =>
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the server says it sends
      ask(request, options, async (response) => (await response.json()) as Answer),
    text: (request, options = {}) => ask(request, options, (response) => response.text()),
    async open(request, signal) {
      const deadline = deadlineIn(timeoutMs, signal)
      try {
        const response = await sending(request)(deadline)
        if (response.ok) return response
        throw await errorOf(response)
      } finally {
        deadline.end()
      }
    },
  }
}

function addressOf(url: string, { path, query = {} }: Request): URL {
  const address = new URL(url)
  address.pathname = `${address.pathname.replace(/\/+$/, '')}${path}`
  address.search = ''
  address.hash = ''
  for (const [name, value] of Object.entries(query))
    if (value !== undefined) address.searchParams.set(name, String(value))
  return address
}

/** What `fetch` throws where no answer came; a deadline or the caller's signal throws other errors. */
const isNetworkFailure = (error: unknown): boolean => error instanceof TypeError

/** Errors that may pass: the server restarts, is busy, or cannot be reached for a while. */
export const isPassing = (error: unknown): boolean =>
  error instanceof ApiError
    ? error.status === 429 || error.status >= 500
    : isNetworkFailure(error) || (error instanceof DOMException && error.name === 'TimeoutError')

/** 128 bits of chance, as hex digits. */
const newKey = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join(
    '',
  )

interface Deadline {
  /** Fires with the caller's, or when the time is over. */
  readonly signal: AbortSignal
  /** Gives it so long from now on. */
  readonly restart: (ms: number) => void
  /** Lets the answer go on as long as it likes. */
  readonly end: () => void
}

function deadlineIn(firstMs: number, signal: AbortSignal | undefined): Deadline {
  const controller = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined
  let isOver = false
  const restart = (ms: number): void => {
    if (isOver) return
    clearTimeout(timer)
    timer = setTimeout(() => {
      controller.abort(new DOMException(`No answer within ${Math.round(ms)} ms`, 'TimeoutError'))
    }, ms)
  }
  restart(firstMs)
  const signals = signal ? [controller.signal, signal] : [controller.signal]
  return {
    signal: AbortSignal.any(signals),
    restart,
    end: () => {
      isOver = true
      clearTimeout(timer)
    },
  }
}

/** Resolves after `ms`; rejects when `signal` fires. */
export const pause = (ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop)
      resolve()
    }, ms)
    if (signal?.aborted) stop()
    else signal?.addEventListener('abort', stop, { once: true })
  })
