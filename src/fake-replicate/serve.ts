/** A fake provider on a local port, with resets and hangs of real sockets. */
import { once } from 'node:events'
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http'
import { buffer } from 'node:stream/consumers'
import type { Answer, FakeRequest, Reply } from './reply.ts'

export interface Served {
  readonly url: string
  close(): Promise<void>
}

/** @param port 0: a free one */
export async function serveFake(
  handle: (request: FakeRequest) => Promise<Reply>,
  port: number,
): Promise<Served> {
  const server = createServer((request, response) => {
    answer(handle, request, response).catch((error: unknown) => {
      // Usually the client has disconnected; otherwise it is a bug of the fake, which should show.
      if (!request.socket.destroyed) console.error(error)
      request.socket.destroy()
    })
  })
  // Closing a connection while a client sends its next request would be an unplanned reset.
  server.keepAliveTimeout = 600_000
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    close: async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

async function answer(
  handle: (request: FakeRequest) => Promise<Reply>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const headers = new Headers()
  for (const [name, values] of Object.entries(request.headersDistinct))
    for (const value of values ?? []) headers.append(name, value)
  const { method = 'GET', url = '/' } = request
  const { host = '127.0.0.1' } = request.headers
  const reply = await handle({ method, url: `http://${host}${url}`, headers, body: await buffer(request) })
  if (reply.kind === 'hang') return
  if (reply.kind === 'reset') {
    request.socket.resetAndDestroy()
    return
  }
  if (reply.kind === 'close') {
    request.socket.end()
    return
  }
  response.writeHead(reply.status, Object.fromEntries(reply.headers))
  await sendBody(reply, request, response)
}

async function sendBody({ headers, body }: Answer, request: IncomingMessage, response: ServerResponse) {
  if (request.method === 'HEAD' || body instanceof Uint8Array) {
    response.end(body instanceof Uint8Array ? body : undefined)
    return
  }
  const closed = once(response, 'close')
  let left = Number(headers.get('content-length'))
  try {
    for await (const chunk of body) {
      left -= chunk.length
      // Wait until it is sent: a reset must not discard earlier bytes.
      await Promise.race([closed, new Promise<unknown>((sent) => response.write(chunk, sent))])
      if (response.destroyed) return
    }
  } catch {
    request.socket.resetAndDestroy()
    return
  }
  // Ending only the response would leave the client waiting for the missing bytes.
  response.end(() => left > 0 && request.socket.end())
}
