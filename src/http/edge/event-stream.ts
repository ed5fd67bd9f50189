/**
 * Serves a feed as server-sent events. The client pulls: the next page is read once the socket has accepted
 * the last one, so a slow client holds one page here.
 */
import type { Context } from 'hono'
import type { Feed, FeedQuery, FeedReader } from '../../events/feed.ts'
import type { Host } from '../../host.ts'
import type { JobEvent } from '../../job/event.ts'
import { type Log, logLine } from '../../log.ts'
import { HttpProblem } from './problem.ts'

export interface StreamLimits {
  /**
   * Maximum number of concurrent streams. Below the server's limit on connections, to leave room for other
   * requests.
   */
  readonly streams: number
  /** Maximum per caller: per key, or per address without one. */
  readonly streamsPerCaller: number
  /** A comment is sent after this silence: proxies and clients close a stream that is silent for longer. */
  readonly heartbeatMs: number
}

export const defaultStreamLimits: StreamLimits = {
  streams: 1_500,
  streamsPerCaller: 1_000,
  heartbeatMs: 15_000,
}

export const wantsStream = (c: Context): boolean =>
  /text\/event-stream(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/i.test(c.req.header('accept') ?? '')

/** Reconnection delay for clients; browsers obey it. */
const retryMs = 2_000

export interface EventStreams {
  /**
   * The body of an answer that lasts until its client disconnects, its key is no longer valid (`isLetIn`,
   * checked at each heartbeat and by `recheck`), or it is closed for a caller with fewer streams.
   * @throws {HttpProblem} 429 if the caller has too many, 503 if there are too many in total
   */
  open(
    query: FeedQuery,
    caller: string,
    isLetIn?: () => Promise<boolean>,
  ): Promise<ReadableStream<Uint8Array>>
  /** Call it when a key has ended here: its streams end at once. Those at other nodes end by their heartbeat. */
  recheck(): void
}

export interface EventStreamsOptions {
  readonly feed: Feed
  readonly host: Host
  readonly log: Log
  readonly limits: StreamLimits
}

/** Ends a stream, once it is open. */
interface Place {
  end?: () => void
  /** Ends it if its key is no longer valid. */
  check?: () => Promise<void>
}

export function createEventStreams({ feed, host, log, limits }: EventStreamsOptions): EventStreams {
  /** By caller, in the order of opening. */
  const places = new Map<string, Set<Place>>()
  let taken = 0

  const leave = (caller: string, place: Place): void => {
    const own = places.get(caller)
    if (!own?.delete(place)) return
    taken--
    if (own.size === 0) places.delete(caller)
  }

  /** Ends the newest stream of the caller with the most, if that is more than the new caller would have. */
  const makeRoom = (streams: number): boolean => {
    const [most, own] = [...places].reduce((one, other) => (other[1].size > one[1].size ? other : one))
    const newest = own.size > streams + 1 ? [...own].findLast(({ end }) => end !== undefined) : undefined
    if (!newest) return false
    leave(most, newest)
    newest.end?.()
    return true
  }

  return {
    async open(query, caller, isLetIn) {
      const streams = places.get(caller)?.size ?? 0
      if (streams >= limits.streamsPerCaller)
        throw tooMany(429, `${limits.streamsPerCaller} of yours are open, and no more can be. Share one`)
      if (taken >= limits.streams && !makeRoom(streams))
        throw tooMany(503, `${limits.streams} are open, and no more can be. Come back later`)
      const place: Place = {}
      places.set(caller, (places.get(caller) ?? new Set()).add(place))
      taken++
      const onEnd = (): void => leave(caller, place)
      try {
        const reader = await feed.follow(query)
        return streamOf(reader, { host, log, heartbeatMs: limits.heartbeatMs, place, onEnd, isLetIn })
      } catch (error) {
        onEnd()
        throw error
      }
    },
    recheck() {
      for (const own of places.values()) for (const { check } of own) void check?.()
    },
  }
}

const tooMany = (status: 429 | 503, reason: string): HttpProblem =>
  new HttpProblem(
    status,
    { error: 'Too many event streams', reason: `${reason}, or ask for the events as JSON` },
    { headers: { 'retry-after': '10' } },
  )

interface StreamParts {
  readonly host: Host
  readonly log: Log
  readonly heartbeatMs: number
  readonly place: Place
  readonly onEnd: () => void
  readonly isLetIn: (() => Promise<boolean>) | undefined
}

function streamOf(
  reader: FeedReader,
  { host, log, heartbeatMs, place, onEnd, isLetIn }: StreamParts,
): ReadableStream<Uint8Array> {
  const ended = new AbortController()
  let isHeard = false
  let sentAt = host.monotonic()
  const end = (): void => {
    if (ended.signal.aborted) return
    ended.abort()
    reader.close()
    onEnd()
  }

  /** Checks the key on its own timer: a busy stream sends no heartbeats. */
  const guard = async (check: () => Promise<void>): Promise<void> => {
    while (!ended.signal.aborted) {
      await host.sleep(heartbeatMs, ended.signal)
      if (!ended.signal.aborted) await check()
    }
  }

  const beat = async (controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> => {
    while (!ended.signal.aborted) {
      const waitMs = sentAt + heartbeatMs - host.monotonic()
      if (waitMs > 0) {
        await host.sleep(waitMs, ended.signal)
      } else {
        // One unread heartbeat is enough.
        if (controller.desiredSize === 0) controller.enqueue(heartbeat)
        sentAt = host.monotonic()
      }
    }
  }

  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        place.end = () => {
          end()
          controller.close()
        }
        void beat(controller)
        if (!isLetIn) return
        place.check = async () => {
          // A database error says nothing about the key.
          const isStillLetIn = await isLetIn().catch(() => true)
          if (!isStillLetIn && !ended.signal.aborted) place.end?.()
        }
        void guard(place.check)
      },
      async pull(controller) {
        if (!isHeard) {
          isHeard = true
          return controller.enqueue(greeting(reader))
        }
        const events = await reader.next().catch((error: unknown) => logLine.cannotReadEvents(log, error))
        if (ended.signal.aborted) return
        if (!events) {
          end()
          return controller.close()
        }
        controller.enqueue(joined(events))
        sentAt = host.monotonic()
      },
      cancel: end,
    },
    { highWaterMark: 0 },
  )
}

const bytes = new TextEncoder()
const heartbeat = bytes.encode(': ping\n\n')

/**
 * Even without an event, the id tells the client its position, so that it misses nothing after a
 * reconnection.
 */
function greeting({ after, reset }: FeedReader): Uint8Array {
  const told = reset ? `event: reset\ndata: ${JSON.stringify(reset)}\n` : ''
  return bytes.encode(`retry: ${retryMs}\nid: ${after}\n${told}\n`)
}

/** Followers share events and pages, so each is encoded only once. */
const kept = new WeakMap<JobEvent | readonly JobEvent[], Uint8Array>()

function joined(events: readonly JobEvent[]): Uint8Array {
  const before = kept.get(events)
  if (before) return before
  const text = Buffer.concat(events.map(written))
  kept.set(events, text)
  return text
}

function written(event: JobEvent): Uint8Array {
  const before = kept.get(event)
  if (before) return before
  const text = bytes.encode(`id: ${event.id}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
  kept.set(event, text)
  return text
}
