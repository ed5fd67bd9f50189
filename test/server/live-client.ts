/** A client of the live events over a socket of its own, that checks what it hears, or stalls. */
import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'

export interface LiveClient {
  /** How many events it has heard, and the id of the last. */
  readonly heard: number
  readonly lastId: number
  /** Ids that were not the one after the last. */
  readonly faults: number
  /** Whether its connection has ended. */
  readonly isOver: boolean
  /** How long each event took from its time in the log, ms; of one that is timed. */
  takeLatencies(): number[]
  /** Takes nothing more. */
  stall(): void
  goOn(): void
  leave(): void
}

const agent = new Agent({ maxSockets: Number.POSITIVE_INFINITY })

/** Resolves once the greeting is there. */
export async function followEvents(
  url: string,
  { after, isTimed = false }: { readonly after?: number; readonly isTimed?: boolean } = {},
): Promise<LiveClient> {
  const headers = {
    accept: 'text/event-stream',
    ...(after !== undefined && { 'last-event-id': String(after) }),
  }
  const sent = request(`${url}/api/v3/events`, { agent, headers }).end()
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  if (response.statusCode !== 200) throw new Error(`HTTP ${response.statusCode}`)
  const latencies: number[] = []
  const greeted = Promise.withResolvers<void>()
  let heard = 0
  let lastId = -1
  let faults = 0
  let isOver = false
  let rest = ''
  const hear = (block: string): void => {
    const id = Number(/^id: (\d+)$/m.exec(block)?.[1])
    if (!block.includes('\ndata: ')) {
      if (Number.isNaN(id)) return
      lastId = id
      greeted.resolve()
      return
    }
    if (id !== lastId + 1) faults++
    lastId = id
    heard++
    if (isTimed) latencies.push(Date.now() - Date.parse(/"inserted_at":"([^"]+)"/.exec(block)![1]!))
  }
  response.setEncoding('utf8').on('data', (text: string) => {
    const blocks = (rest + text).split('\n\n')
    rest = blocks.pop()!
    for (const block of blocks) hear(block)
  })
  response.on('error', () => undefined)
  response.on('close', () => (isOver = true))
  await greeted.promise
  return {
    get heard() {
      return heard
    },
    get lastId() {
      return lastId
    },
    get faults() {
      return faults
    },
    get isOver() {
      return isOver
    },
    takeLatencies: () => latencies.splice(0),
    stall: () => void response.pause(),
    goOn: () => void response.resume(),
    leave: () => void response.destroy(),
  }
}
