/** Server-sent events as an async iterable, which reconnects and resumes after a lost connection. */
import type { JobEvent } from '../job/event.ts'
import { ApiError } from './error.ts'
import { type Request, type Sender, isPassing, pause } from './send.ts'

/** Events may be missing before the next one: the log no longer holds the requested position. */
export interface EventsReset {
  readonly oldest: number
  readonly latest: number
}

export interface FollowOptions {
  /** The id of the last known event; 0 starts at the first. */
  readonly after?: number
  readonly signal?: AbortSignal
  /** Called where events may be missing: read the jobs again. */
  readonly onReset?: (reset: EventsReset) => void
}

/** The server sends something every 15 s: after this silence, ms, the connection counts as lost. */
const silenceMs = 45_000
/** Delays before reconnecting, ms. */
const backMs = { first: 500, most: 30_000 } as const

export async function* follow(
  sender: Sender,
  request: Pick<Request, 'path' | 'query'>,
  { after, signal, onReset }: FollowOptions,
): AsyncGenerator<JobEvent, void, undefined> {
  let last = after === undefined ? undefined : String(after)
  let waitMs: number = backMs.first
  for (;;) {
    const connection = new AbortController()
    const signals = AbortSignal.any(signal ? [connection.signal, signal] : [connection.signal])
    try {
      const response = await sender.open(
        {
          ...request,
          method: 'GET',
          headers: { accept: 'text/event-stream', ...(last !== undefined && { 'last-event-id': last }) },
        },
        signals,
      )
      for await (const message of messagesIn(response, connection)) {
        waitMs = backMs.first
        if (message.id !== undefined) last = message.id
        if (message.data === '') continue
        const data: unknown = JSON.parse(message.data)
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the server's declared message
        if (message.event === 'reset') onReset?.(data as EventsReset)
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion
        else yield data as JobEvent
      }
    } catch (error) {
      signal?.throwIfAborted()
      if (error instanceof ApiError && !isPassing(error)) throw error
    } finally {
      connection.abort()
    }
    await pause(waitMs, signal)
    waitMs = Math.min(waitMs * 2, backMs.most)
  }
}

interface Message {
  readonly id: string | undefined
  readonly event: string
  readonly data: string
}

/** The messages of a stream, by the HTML standard. Ends with the stream; throws after too long a silence. */
async function* messagesIn(response: Response, connection: AbortController): AsyncGenerator<Message> {
  const reader = response.body?.getReader()
  if (!reader) return
  const decoder = new TextDecoder()
  let text = ''
  for (;;) {
    const timer = setTimeout(() => connection.abort(new Error('the server fell silent')), silenceMs)
    const { value, done } = await reader.read().finally(() => clearTimeout(timer))
    if (done) return
    text += decoder.decode(value, { stream: true })
    const blocks = text.split(/\r?\n\r?\n/)
    text = blocks.pop()!
    for (const block of blocks) yield messageOf(block)
  }
}

function messageOf(block: string): Message {
  let [id, event]: [string | undefined, string] = [undefined, 'message']
  const data: string[] = []
  for (const line of block.split(/\r?\n/)) {
    const colon = line.indexOf(':')
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (field === 'data') data.push(value)
    else if (field === 'id') id = value
    else if (field === 'event') event = value
  }
  return { id, event, data: data.join('\n') }
}
