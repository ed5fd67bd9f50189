/** Server-sent events as a browser reads them. */
import type { JobEvent } from '../../src/job/event.ts'

export interface Message {
  readonly type: string
  readonly id: string | undefined
  readonly data: any
}

export interface EventSource {
  /** What was told without an event: the id to come back with, and comments. */
  readonly lastId: string | undefined
  readonly comments: readonly string[]
  readonly retry: string | undefined
  /** The next message; undefined at the end. */
  next(): Promise<Message | undefined>
  /** The next `count` events. */
  take(count: number): Promise<JobEvent[]>
  /** Reads on until a comment comes. */
  comment(): Promise<string>
  close(): Promise<void>
}

export function readEvents(body: ReadableStream<Uint8Array>): EventSource {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  const comments: string[] = []
  let text = ''
  let lastId: string | undefined
  let retry: string | undefined

  /** The next block of lines, up to an empty one. */
  const block = async (): Promise<string | undefined> => {
    for (;;) {
      const end = text.indexOf('\n\n')
      if (end >= 0) {
        const found = text.slice(0, end)
        text = text.slice(end + 2)
        return found
      }
      const { value } = await reader.read()
      if (value === undefined) return undefined
      text += value
    }
  }

  const read = (found: string): Message | undefined => {
    const fields = new Map<string, string>()
    for (const line of found.split('\n')) {
      const [, name, value] = /^([^:]*): ?(.*)$/.exec(line)!
      if (name === '') comments.push(value!)
      else fields.set(name!, value!)
    }
    lastId = fields.get('id') ?? lastId
    retry = fields.get('retry') ?? retry
    const data = fields.get('data')
    if (data === undefined) return undefined
    return { type: fields.get('event') ?? 'message', id: lastId, data: JSON.parse(data) }
  }

  const source: EventSource = {
    get lastId() {
      return lastId
    },
    comments,
    get retry() {
      return retry
    },
    async next() {
      for (;;) {
        const found = await block()
        if (found === undefined) return undefined
        const message = read(found)
        if (message) return message
      }
    },
    async take(count) {
      const events: JobEvent[] = []
      while (events.length < count) {
        const message = await source.next()
        if (!message) throw new Error(`the stream ended after ${events.length} of ${count} events`)
        events.push(message.data)
      }
      return events
    },
    async comment() {
      const before = comments.length
      while (comments.length === before) {
        const found = await block()
        if (found === undefined) throw new Error('the stream ended')
        read(found)
      }
      return comments.at(-1)!
    },
    close: () => reader.cancel(),
  }
  return source
}
