/**
 * The event log as a stream: from a cursor onward, in order, without a gap, and continuing as the log grows. Readers pull;
 * a slow one only lags. Readers at the end of the log share one loop that reads new events.
 *
 * Wakes carry no event, and each reader continues from the last id it has seen. This requires ids that become visible in
 * order: only settled events are read (`store/event-order.ts`). On PostgreSQL, ids are sparse, and an event that was just
 * committed settles when the transactions that began before it have ended: the loop looks again soon.
 */
import { setImmediate } from 'node:timers/promises'
import type { Host } from '../host.ts'
import type { EventType, JobEvent } from '../job/event.ts'
import { type Owner, type Reach, isEverything, isWithin } from '../job/reach.ts'
import { type Log, logLine } from '../log.ts'
import { createLoop } from '../loop.ts'
import type { Database } from '../store/database.ts'
import { eventBounds, lastCommitted, listEvents, listJobEvents } from '../store/events.ts'
import { listOwnersEver } from '../store/jobs.ts'

/** Which events, and from where. */
export interface FeedQuery {
  /** The id of the last known event: only later events are returned. 0 is the beginning. */
  readonly after?: number | undefined
  /** Only events of this job. */
  readonly jobId?: number | undefined
  /** Only events of jobs within this reach. */
  readonly reach?: Reach | undefined
  /** Only events of these types. */
  readonly types?: readonly EventType[] | undefined
  /** A reader for this program itself, which `readers()` does not count. */
  readonly isOwn?: boolean
}

export interface FeedPage {
  /** Oldest first. */
  readonly events: readonly JobEvent[]
  /** Everything up to this id has been read: the cursor of the next page. */
  readonly after: number
  /** Whether there may be more now. */
  readonly isMore: boolean
  readonly reset: FeedReset | undefined
}

/** The requested cursor is not, or no longer, in this log: events may be missing before the first one returned. */
export interface FeedReset {
  /** The oldest event that is kept. */
  readonly oldest: number
  readonly latest: number
}

export interface FeedReader {
  /** The cursor that it starts from. */
  readonly after: number
  readonly reset: FeedReset | undefined
  /** The next events, once there are any: 1 to 100. Undefined once it is closed. One call at a time. */
  next(): Promise<readonly JobEvent[] | undefined>
  close(): void
}

export interface Feed {
  /**
   * Yields each event after `after` (default: from now on), in order and without a gap, until `signal` is aborted or the
   * feed is closed. Nothing is read ahead of the consumer.
   */
  read(query?: FeedQuery & { readonly signal?: AbortSignal }): AsyncGenerator<JobEvent, void, undefined>
  /** The same in pages, with the cursor that it starts from. The caller must close it. */
  follow(query: FeedQuery): Promise<FeedReader>
  /** Up to `limit` events that exist now. May be fewer, or none, although `isMore`, if few events match the filters. */
  page(query: FeedQuery & { readonly limit: number }): Promise<FeedPage>
  /** The number of open readers of clients. */
  readers(): number
  /** Ends every reader; a later one ends at once. */
  close(): void
}

export interface FeedOptions {
  readonly database: Database
  /** Calls `wake` when there may be new events; returns a function that unsubscribes. */
  readonly onEvent: (wake: () => void) => () => void
  readonly host: Host
  readonly log: Log
}

const pageSize = 100
/** Reading this many rows takes about 1 ms, during which SQLite blocks everything else. */
const readSize = 500
/** Filters are applied while reading: one page reads at most this many events. */
const mostLookedAt = 10_000
/** Events that readers at the end share, in memory: about 1 kB each. */
const tailSize = 2_000
const mostStretches = 8
const mostPages = 32
/** Jobs whose owners are cached: about 100 bytes each. */
const mostOwners = 10_000
/** Poll interval, because wakes may get lost. */
const lookAgainMs = 5_000
/** How soon to look again for an event that is not settled yet; doubled up to the longest. */
const unsettledMs = { first: 20, longest: 320 }
/** Longer than this program holds a transaction open. */
const heldUpMs = 20_000
/** A page waits this long for the events that were committed before it was asked for. */
const settlesWithinMs = 1000
const pagesPerTurn = 32
/** Waking a reader costs 20 to 50 us for any number of events: many readers are woken less often, with more events each. */
const paceMsPerReader = 0.08

interface Follower {
  readonly isOwn: boolean
  isClosed: boolean
  /** Set while it waits. */
  wake: (() => void) | undefined
}

/**
 * Lets a few callers through in each turn of the event loop, in order of arrival. Waking 1,000 readers at once would block
 * everything else for 50 ms, or for half a second if they lag.
 */
function createGate(perTurn: number): () => Promise<void> {
  const queue: (() => void)[] = []
  let isServing = false
  const serve = async (): Promise<void> => {
    isServing = true
    while (queue.length > 0) {
      for (const go of queue.splice(0, perTurn)) go()
      await setImmediate()
    }
    isServing = false
  }
  return () =>
    new Promise((resolve) => {
      queue.push(resolve)
      if (!isServing) void serve()
    })
}

interface Read {
  readonly events: readonly JobEvent[]
  readonly after: number
}

/** Events after `start`, read at once; complete up to `end`, which is unknown until they are read. */
interface Stretch {
  readonly start: number
  readonly events: Promise<readonly JobEvent[]>
  end: number | undefined
}

export function createFeed({ database, onEvent, host, log }: FeedOptions): Feed {
  const readers = new Set<Follower>()
  const pass = createGate(pagesPerTurn)
  let isClosed = false
  /** The latest events, with all ids above `from` up to `to`, while there are readers. */
  let tail: JobEvent[] = []
  let from = 0
  let to = 0
  const pages = new Map<JobEvent, readonly JobEvent[]>()
  /** A job's owner never changes. */
  const owners = new Map<number, Owner>()
  let stretches: Stretch[] = []
  let following: { readonly begun: Promise<void>; readonly end: () => void } | undefined

  /** Resolves to whether there may be more. */
  const readOn = async (ended: AbortSignal): Promise<boolean> => {
    const fresh = await listEvents(database, to, readSize)
    if (ended.aborted || fresh.length === 0) return false
    tail.push(...fresh)
    to = tail.at(-1)!.id
    // Rarely, because the remaining events are moved.
    if (tail.length > tailSize * 1.5) from = tail.splice(0, tail.length - tailSize).at(-1)!.id
    for (const { wake } of readers) wake?.()
    return fresh.length === readSize
  }

  /** Whether an event after the settled ones is committed. SQLite has no such event. */
  const isUnsettled = async (after: number, jobId?: number): Promise<boolean> =>
    database.dialect === 'postgres' && (await lastCommitted(database, jobId)) > after

  /** Reads new events for all readers, as soon as there may be some, until the last reader leaves. */
  const follow = () => {
    let isEnded = false
    let againMs = unsettledMs.first
    /** Monotonic time since which nothing was read although something waits; infinite once that was logged. */
    let movedAt = host.monotonic()
    const loop = createLoop({
      host,
      async look(ended) {
        const before = to
        if (await readOn(ended)) loop.wake()
        const isHeldUp = await isUnsettled(to)
        const isStuck = isHeldUp && to === before
        againMs = isStuck ? Math.min(againMs * 2, unsettledMs.longest) : unsettledMs.first
        movedAt = isStuck ? movedAt : host.monotonic()
        if (host.monotonic() - movedAt > heldUpMs) {
          logLine.eventsHeldUp(log)
          movedAt = Number.POSITIVE_INFINITY
        }
        const paceMs = Math.floor(readers.size * paceMsPerReader)
        if (paceMs > 0) await host.sleep(paceMs, ended)
        else await setImmediate()
        return isHeldUp ? againMs : lookAgainMs
      },
      onError: (error) => logLine.cannotReadEvents(log, error),
    })
    const unsubscribe = onEvent(loop.wake)
    const begin = async (): Promise<void> => {
      const { latest } = await eventBounds(database)
      if (isEnded) return
      tail = []
      from = latest
      to = latest
      loop.start()
    }
    return {
      begun: begin(),
      end: () => {
        isEnded = true
        unsubscribe()
        void loop.stop()
      },
    }
  }

  const enter = (isOwn: boolean): Follower => {
    const reader: Follower = { isOwn, isClosed, wake: undefined }
    if (isClosed) return reader
    readers.add(reader)
    following ??= follow()
    return reader
  }

  const leave = (reader: Follower): void => {
    reader.isClosed = true
    reader.wake?.()
    if (!readers.delete(reader) || readers.size > 0) return
    following?.end()
    following = undefined
    tail = []
    stretches = []
    pages.clear()
  }

  /** Readers without a filter share one array for each page. */
  const pageAt = (events: readonly JobEvent[], begin: number): readonly JobEvent[] => {
    const first = events[begin]
    if (!first) return []
    const known = pages.get(first)
    if (known?.length === Math.min(pageSize, events.length - begin)) return known
    const page = events.slice(begin, begin + pageSize)
    pages.set(first, page)
    if (pages.size > mostPages) pages.delete(pages.keys().next().value!)
    return page
  }

  /** The next page from `events`, which are complete up to the id `end`. */
  const pageOf = (events: readonly JobEvent[], end: number, after: number, query: FeedQuery): Read => {
    const begin = indexAfter(events, after)
    if (query.jobId === undefined && query.types === undefined) {
      const page = pageAt(events, begin)
      return { events: page, after: page.at(-1)?.id ?? Math.max(after, end) }
    }
    const page: JobEvent[] = []
    for (let index = begin; index < events.length; index++) {
      const event = events[index]!
      if (isWanted(event, query)) page.push(event)
      if (page.length === pageSize) return { events: page, after: event.id }
    }
    return { events: page, after: Math.max(after, end) }
  }

  /** The stretch with the events after `after`, if one is kept, or being read and may hold them. */
  const stretchAt = (after: number): Stretch | undefined => {
    let best: Stretch | undefined
    for (const stretch of stretches)
      if (stretch.start <= after && after < (stretch.end ?? Number.POSITIVE_INFINITY))
        if (!best || stretch.start > best.start) best = stretch
    return best
  }

  const readStretch = (start: number): Stretch => {
    const complete = to
    const stretch: Stretch = { start, events: listEvents(database, start, readSize), end: undefined }
    const drop = (): void => {
      stretches = stretches.filter((other) => other !== stretch)
    }
    stretch.events.then((events) => {
      stretch.end = events.length === readSize ? events.at(-1)!.id : complete
      // An incomplete stretch is not kept, because it will grow.
      if (events.length < readSize) drop()
    }, drop)
    stretches = [...stretches.slice(1 - mostStretches), stretch]
    return stretch
  }

  /**
   * Events before the tail, read in stretches that lagging readers share: 900 readers with separate reads took five times
   * as long.
   */
  const fromStretch = async (after: number, query: FeedQuery): Promise<Read> => {
    for (;;) {
      const stretch = stretchAt(after) ?? readStretch(after)
      const events = await stretch.events
      const end = stretch.end!
      // Another reader's stretch may have ended before this place.
      if (after < end || stretch.start === after) return pageOf(events, end, after, query)
    }
  }

  /** Reads the log itself once. `isAll`: the read has reached the end. */
  const fromLog = async (after: number, query: FeedQuery, limit: number) => {
    const { latest } = await eventBounds(database)
    const read =
      query.jobId === undefined
        ? await listEvents(database, after, limit)
        : await listJobEvents(database, query.jobId, after, limit)
    const isAll = read.length < limit
    return {
      events: read.filter((event) => isWanted(event, query)),
      after: Math.max(read.at(-1)?.id ?? after, isAll ? latest : 0),
      isAll,
    }
  }

  const pageAfter = (after: number, query: FeedQuery): Read | Promise<Read> => {
    if (after >= from) return pageOf(tail, to, after, query)
    return query.jobId === undefined ? fromStretch(after, query) : fromLog(after, query, pageSize)
  }

  /** The events of jobs within the reach, including deleted jobs. */
  const reached = async (
    events: readonly JobEvent[],
    { reach = {} }: FeedQuery,
  ): Promise<readonly JobEvent[]> => {
    if (isEverything(reach) || events.length === 0) return events
    const known = new Map<number, Owner>()
    const unknownOwners = new Set<number>()
    for (const { job_id } of events) {
      const owner = owners.get(job_id)
      if (owner) known.set(job_id, owner)
      else unknownOwners.add(job_id)
    }
    for (const [id, owner] of await listOwnersEver(database, [...unknownOwners])) {
      known.set(id, owner)
      owners.set(id, owner)
      if (owners.size > mostOwners) owners.delete(owners.keys().next().value!)
    }
    return events.filter(({ job_id }) => {
      const owner = known.get(job_id)
      return owner !== undefined && isWithin(reach, owner)
    })
  }

  const begin = async ({ after }: FeedQuery): Promise<{ after: number; reset: FeedReset | undefined }> => {
    const { removed, ...bounds } = await eventBounds(database)
    if (after === undefined) return { after: bounds.latest, reset: undefined }
    // The cursor is of another data folder, or this log is an older copy: the id means nothing here.
    if (after > bounds.latest) return { after: bounds.latest, reset: bounds }
    return { after, reset: after > 0 && after < removed ? bounds : undefined }
  }

  const readerOf = (
    reader: Follower,
    query: FeedQuery,
    start: Awaited<ReturnType<typeof begin>>,
  ): FeedReader => {
    let { after } = start
    return {
      ...start,
      async next() {
        while (!reader.isClosed) {
          await pass()
          const page = await pageAfter(after, query)
          after = page.after
          const events = await reached(page.events, query)
          if (events.length > 0) return events
          if (after < to || reader.isClosed) continue
          await new Promise<void>((resolve) => (reader.wake = resolve))
          reader.wake = undefined
        }
        return undefined
      },
      close: () => leave(reader),
    }
  }

  /** Waits until the events that are committed now are settled: a program finds the events of what it has just changed. */
  const settle = async ({ jobId }: FeedQuery): Promise<void> => {
    if (database.dialect === 'sqlite') return
    const last = await lastCommitted(database, jobId)
    for (let waitedMs = 0; waitedMs < settlesWithinMs; waitedMs += unsettledMs.first) {
      if ((await eventBounds(database)).latest >= last) return
      await host.sleep(unsettledMs.first)
    }
  }

  const feed: Feed = {
    async follow(query) {
      const reader = enter(query.isOwn ?? false)
      try {
        await following?.begun
        return readerOf(reader, query, await begin(query))
      } catch (error) {
        leave(reader)
        throw error
      }
    },

    async *read({ signal, ...query } = {}) {
      const reader = await feed.follow(query)
      signal?.addEventListener('abort', reader.close, { once: true })
      try {
        for (;;) {
          const events = signal?.aborted ? undefined : await reader.next()
          if (!events) return
          for (const event of events) {
            if (signal?.aborted) return
            yield event
          }
        }
      } finally {
        signal?.removeEventListener('abort', reader.close)
        reader.close()
      }
    },

    async page({ limit, ...query }) {
      const isFiltered = query.types !== undefined || !isEverything(query.reach ?? {})
      await settle(query)
      const { reset, ...start } = await begin(query)
      let { after } = start
      let isMore = true
      const events: JobEvent[] = []
      for (let lookedAt = 0; isMore && events.length < limit && lookedAt < mostLookedAt;) {
        const size = isFiltered ? readSize : Math.min(readSize, limit - events.length)
        const read = await fromLog(after, query, size)
        const wanted = await reached(read.events, query)
        const taken = wanted.slice(0, limit - events.length)
        const isCut = taken.length < wanted.length
        events.push(...taken)
        after = isCut ? taken.at(-1)!.id : read.after
        isMore = isCut || !read.isAll
        lookedAt += size
        await setImmediate()
      }
      return { events, after, isMore, reset }
    },

    readers: () => [...readers].reduce((count, { isOwn }) => count + (isOwn ? 0 : 1), 0),

    close() {
      isClosed = true
      for (const reader of readers) leave(reader)
    },
  }
  return feed
}

const isWanted = (event: JobEvent, { jobId, types }: FeedQuery): boolean =>
  (jobId === undefined || event.job_id === jobId) && (types === undefined || types.includes(event.type))

/** The index of the first event after `id`. */
function indexAfter(events: readonly JobEvent[], id: number): number {
  let low = 0
  let high = events.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (events[middle]!.id <= id) low = middle + 1
    else high = middle
  }
  return low
}
