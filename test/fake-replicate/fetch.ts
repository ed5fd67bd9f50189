/** `fetch` to a fake in the same process, with the errors that Node's own throws. */
import type { FakeProvider } from '../../src/fake-replicate/provider.ts'
import type { Answer } from '../../src/fake-replicate/reply.ts'

/**
 * A body that ends before its announced length ends well here, where Node's fetch would throw: who counts bytes
 * himself notices both.
 */
export function createFetch(provider: Pick<FakeProvider, 'handle'>): typeof fetch {
  return async (input, init = {}) => {
    const signal = init.signal ?? (input instanceof Request ? input.signal : null)
    signal?.throwIfAborted()
    const request = new Request(input, { ...init, signal: null })
    const { method, url, headers } = request
    const body = new Uint8Array(await request.arrayBuffer())
    const reply = await orAborted(provider.handle({ method, url, headers, body }), signal)
    if (reply.kind === 'hang') return orAborted(new Promise<never>(() => {}), signal)
    if (reply.kind === 'reset') throw connectionLost('fetch failed')
    if (reply.kind === 'close')
      throw new TypeError('fetch failed', {
        cause: Object.assign(new Error('other side closed'), { code: 'UND_ERR_SOCKET' }),
      })
    return toResponse(reply, signal)
  }
}

function toResponse({ status, headers, body }: Answer, signal: AbortSignal | null): Response {
  if (body instanceof Uint8Array) return new Response(new Uint8Array(body), { status, headers })
  const chunks = body[Symbol.asyncIterator]()
  const stream = new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        const { done, value } = await orAborted(chunks.next(), signal).catch((error: unknown) => {
          throw signal?.aborted ? error : connectionLost('terminated')
        })
        if (done) controller.close()
        else controller.enqueue(value)
      },
      cancel: async () => {
        await chunks.return?.()
      },
    },
    { highWaterMark: 0 },
  )
  return new Response(stream, { status, headers })
}

const connectionLost = (message: string): TypeError =>
  new TypeError(message, { cause: Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }) })

async function orAborted<Result>(work: Promise<Result>, signal: AbortSignal | null): Promise<Result> {
  if (signal === null) return work
  const { promise, reject } = Promise.withResolvers<never>()
  const abort = (): void => reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  try {
    return await Promise.race([work, promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
