/** Sends requests with a deadline. Repeats them after a network failure where that is safe. */
import { ApiError, errorOf } from './error.ts'
import { type Bytes, bodyOf, lengthHeader } from './upload.ts'

export interface ClientOptions {
  /**
   * The server's base URL, such as `http://127.0.0.1:4000`; a path in it is kept, as in
   * `https://example.com/films`.
   */
  readonly url: string
  /** Sent as `Authorization: Bearer`. */
  readonly key?: string
  /** Replaces the platform's `fetch`. */
  readonly fetch?: typeof fetch
  /**
   * Timeout of an answer, ms: for bytes until the first arrive, for an upload after its last bytes are sent.
   */
  readonly timeoutMs?: number
}

export interface CallOptions {
  readonly signal?: AbortSignal
}

export interface Request {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>> | undefined
  /** Body, sent as JSON. */
  readonly json?: unknown
  /** Body, sent unchanged. */
  readonly bytes?: Bytes
  readonly headers?: Readonly<Record<string, string>>
}

export interface Sender {
  /** The response, with its body unread. @throws {ApiError} */
  send(request: Request, options?: CallOptions): Promise<Response>
  /** The answer, parsed from JSON. @throws {ApiError} */
  json<Answer>(request: Request, options?: CallOptions): Promise<Answer>
  /** The answer as text. @throws {ApiError} */
  text(request: Request, options?: CallOptions): Promise<string>
  /** A response that streams until `signal` fires. @throws {ApiError} */
  open(request: Request, signal: AbortSignal): Promise<Response>
}

const standardTimeoutMs = 30_000

/** Delays before each repetition, ms. */
const againMs = [250, 1_000] as const

export function createSender({
  url,
  key,
  fetch: send = fetch,
  timeoutMs = standardTimeoutMs,
}: ClientOptions): Sender {
  /**
   * Builds the request immediately, so that an invalid one throws at once. The returned function sends it.
   */
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

  /** The deadline includes `read`. */
  const ask = async <Answer>(
    request: Request,
    { signal }: CallOptions,
    read: (response: Response) => Promise<Answer>,
  ): Promise<Answer> => {
    // A change whose answer is lost may have been made: with a key, repeating it is safe.
    const once = sending(request, request.method === 'GET' ? undefined : newKey())
    for (let sent = 0; ; sent++) {
      const deadline = deadlineIn(timeoutMs, signal)
      try {
        const response = await once(deadline)
        if (response.ok) return await read(response)
        // The server is still working on the lost request.
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
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the server's declared answer
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

/**
 * `fetch` throws TypeError where no answer arrives; a deadline or the caller's signal throws other errors.
 */
const isNetworkFailure = (error: unknown): boolean => error instanceof TypeError

/** Transient errors: the server restarts, is busy, or cannot be reached. */
export const isPassing = (error: unknown): boolean =>
  error instanceof ApiError
    ? error.status === 429 || error.status >= 500
    : isNetworkFailure(error) || (error instanceof DOMException && error.name === 'TimeoutError')

/** 128 random bits as hex digits. */
const newKey = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join(
    '',
  )

interface Deadline {
  /** Fires with the caller's signal, or at the deadline. */
  readonly signal: AbortSignal
  /** Sets the deadline to `ms` from now. */
  readonly restart: (ms: number) => void
  /** Removes the deadline. */
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
