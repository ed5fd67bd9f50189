/** Requests and responses without a network: a process sends them over sockets, and a test uses them directly. */

export interface FakeRequest {
  readonly method: string
  /** Absolute. */
  readonly url: string
  readonly headers: Headers
  readonly body: Uint8Array
}

export interface Answer {
  readonly kind: 'answer'
  readonly status: number
  readonly headers: Headers
  /** An iterable may end early, or throw, which resets the connection. */
  readonly body: Uint8Array | AsyncIterable<Uint8Array>
}

export type Reply =
  | Answer
  /** The connection is reset. */
  | { readonly kind: 'reset' }
  /** The connection is closed cleanly before any byte of a response. */
  | { readonly kind: 'close' }
  /** No response ever comes. */
  | { readonly kind: 'hang' }

export const reset: Reply = { kind: 'reset' }
export const close: Reply = { kind: 'close' }
export const hang: Reply = { kind: 'hang' }

export function answerText(
  status: number,
  type: string,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  const body = Buffer.from(text)
  return {
    kind: 'answer',
    status,
    headers: new Headers({ 'content-type': type, 'content-length': String(body.length), ...headers }),
    body,
  }
}

export const answerJson = (
  status: number,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): Answer => answerText(status, 'application/json', JSON.stringify(value), headers)

/** A page of a list whose rows are built one by one, as the reader consumes them. */
export const answerList = (around: object, rows: readonly (() => object)[]): Answer => ({
  kind: 'answer',
  status: 200,
  headers: new Headers({ 'content-type': 'application/json' }),
  body: listBody(around, rows),
})

async function* listBody(around: object, rows: readonly (() => object)[]): AsyncGenerator<Uint8Array> {
  yield Buffer.from(`${JSON.stringify(around).slice(0, -1)},"results":[`)
  for (const [index, row] of rows.entries())
    yield await Promise.resolve(Buffer.from(`${index === 0 ? '' : ','}${JSON.stringify(row())}`))
  yield Buffer.from(']}')
}

/** JSON without its second half, though the headers declare it complete. */
export function answerHalf(status: number, value: unknown): Answer {
  const text = JSON.stringify(value)
  return answerText(status, 'application/json', text.slice(0, text.length / 2))
}

export const answerPage = (status: number, title: string): Answer =>
  answerText(
    status,
    'text/html; charset=utf-8',
    `<!DOCTYPE html><html><head><title>${title}</title></head><body><h1>${title}</h1></body></html>`,
  )

/** An error in Replicate's format. */
export const answerProblem = (status: number, title: string, detail: string, more: object = {}): Answer =>
  answerJson(status, { title, detail, status, ...more })

export const notFound = (): Answer =>
  answerProblem(404, 'Not found', 'The requested resource could not be found.')

/** `header`: with Retry-After; otherwise only with a message. */
export function answerThrottled(kind: 'header' | 'body' | 'second'): Answer {
  const seconds = kind === 'second' ? 1 : 30
  const howLong =
    kind === 'second' ? 'Expected available in 1 second.' : `Your rate limit resets in ~${seconds}s.`
  const problem = { title: 'Too many requests', detail: `Request was throttled. ${howLong}`, status: 429 }
  return kind !== 'header'
    ? answerJson(429, problem)
    : answerJson(429, { ...problem, retry_after: seconds }, { 'retry-after': String(seconds) })
}
