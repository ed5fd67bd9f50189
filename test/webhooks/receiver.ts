/** Somebody else's server that webhooks are sent to: a real one, that answers as it is told. */
import { once } from 'node:events'
import { type IncomingHttpHeaders, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

export interface Received {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly raw: string
  readonly message: any
}

export interface Receiver {
  readonly url: string
  readonly port: number
  readonly received: readonly Received[]
  /** What it answers from now on; by default 204. */
  answer(how: Answer): void
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** A status with headers; or whatever is done with the answer, which may be nothing. */
export type Answer =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  | ((response: ServerResponse, received: Received) => void)

export async function openReceiver(address = '127.0.0.1'): Promise<Receiver> {
  const received: Received[] = []
  let how: Answer = { status: 204 }
  const server = createServer((request, response) => {
    void text(request).then((raw) => {
      const one = {
        path: request.url ?? '',
        headers: request.headers,
        raw,
        message: raw === '' ? undefined : JSON.parse(raw),
      }
      received.push(one)
      if (typeof how === 'function') how(response, one)
      else response.writeHead(how.status, how.headers).end()
    })
  })
  server.listen(0, address)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const close = async (): Promise<void> => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  }
  return {
    url: `http://${address.includes(':') ? `[${address}]` : address}:${port}`,
    port,
    received,
    answer: (next) => {
      how = next
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}
