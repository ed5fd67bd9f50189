/** Who hears the events: a reader of the stream that moves from node to node, and a receiver of webhooks. */
import { once } from 'node:events'
import { type IncomingMessage, createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'

export interface StreamReader {
  /** Ids in the order in which they came. */
  readonly heard: readonly number[]
  /** How often it connected. */
  readonly connections: number
  readonly wrong: readonly string[]
  close(): Promise<void>
}

/** Stays at a node for as long as `stayMs` says, or until its connection ends. */
export function followNodes(
  urls: readonly string[],
  random: () => number,
  stayMs: readonly [number, number],
): StreamReader {
  const over = new AbortController()
  const heard: number[] = []
  const wrong: string[] = []
  let last = 0
  let connections = 0
  const hear = (block: string): void => {
    const event = /^event: (.*)$/m.exec(block)?.[1]
    if (event === 'reset') wrong.push(`the stream was reset after event ${last}: ${block}`)
    const id = Number(/^id: (\d+)$/m.exec(block)?.[1])
    if (!Number.isSafeInteger(id)) return
    last = id
    if (event !== undefined && event !== 'reset') heard.push(id)
  }
  const stay = async (url: string, ms: number): Promise<void> => {
    const signal = AbortSignal.any([over.signal, AbortSignal.timeout(Math.ceil(ms))])
    const sent = request(`${url}/api/v3/events`, {
      agent: false,
      signal,
      headers: { accept: 'text/event-stream', 'last-event-id': String(last) },
    }).end()
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    if (response.statusCode !== 200) return void response.destroy()
    connections++
    let rest = ''
    response.setEncoding('utf8').on('data', (more: string) => {
      const blocks = (rest + more).split('\n\n')
      rest = blocks.pop()!
      for (const block of blocks) hear(block)
    })
    response.on('error', () => undefined)
    await once(response, 'close')
  }
  const run = async (): Promise<void> => {
    while (!over.signal.aborted) {
      const url = urls[Math.floor(random() * urls.length)]!
      await stay(url, stayMs[0] + random() * (stayMs[1] - stayMs[0])).catch(() => undefined)
      await sleep(50)
    }
  }
  const running = run()
  return {
    heard,
    wrong,
    get connections() {
      return connections
    },
    close: async () => {
      over.abort()
      await running
    },
  }
}

export interface Receipt {
  readonly messageId: string
  readonly event: number
  readonly job: number
  readonly at: number
}

export interface WebhookReceiver {
  readonly url: string
  readonly received: readonly Receipt[]
  close(): Promise<void>
}

export async function receiveWebhooks(): Promise<WebhookReceiver> {
  const received: Receipt[] = []
  const server = createServer((asked, response) => {
    void text(asked).then(
      (raw) => {
        const { data } = JSON.parse(raw)
        const messageId = String(asked.headers['webhook-id'])
        received.push({ messageId, event: data.id, job: data.job_id, at: Date.now() })
        response.writeHead(204).end()
      },
      () => response.destroy(),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/hook`,
    received,
    close: async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}
