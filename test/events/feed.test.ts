import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Emit, createEmit } from '../../src/events/emit.ts'
import { type Feed, createFeed } from '../../src/events/feed.ts'
import { type PubSub, createPubSub } from '../../src/events/pubsub.ts'
import type { EventType, JobEvent } from '../../src/job/event.ts'
import type { Database } from '../../src/store/database.ts'
import { systemHost } from '../../src/host.ts'
import { eventBounds, listEvents } from '../../src/store/events.ts'
import type { Clock } from '../clock.ts'
import { delegating } from '../harness/data.ts'
import { type OpenHarness, openHarness, second } from '../harness/harness.ts'
import { eventsSettle } from '../harness/settled-events.ts'

let harness: OpenHarness
let database: Database
let pubsub: PubSub
let clock: Clock
let feed: Feed
let tell: Emit

beforeAll(async () => {
  harness = await openHarness()
  ;({ clock, database, pubsub } = harness)
  feed = newFeed()
  tell = createEmit({ pubsub, host: clock })
})
afterAll(async () => {
  feed.close()
  await harness.close()
})

/** Others may read, hear or wait in its place. */
const newFeed = (others: { database?: Database; pubsub?: PubSub } = {}): Feed =>
  createFeed({
    database,
    onEvent: (wake) => (others.pubsub ?? pubsub).subscribe('*', wake),
    host: {
      ...clock,
      // A server settles events in real time: other tests hold transactions open there.
      sleep: (ms, signal) => (ms < second ? systemHost : clock).sleep(ms, signal),
    },
    log: harness.log,
    ...(others.database && { database: others.database }),
  })

const types = ['job_created', 'job_progress', 'scene_failed'] as const satisfies readonly EventType[]

/** Appends events in one transaction, each told by a number: its job and its type. Resolves when all can be read. */
async function append(numbers: readonly number[]): Promise<void> {
  await database.transaction(async (tx) => {
    for (const number of numbers)
      await tell(tx, { type: types[number % 3]!, jobId: (number % 2) + 1, data: { number } })
  })
  await eventsSettle(database)
}

const many = (count: number): number[] => Array.from({ length: count }, (_, number) => number)
const latest = async (): Promise<number> => (await eventBounds(database)).latest
const ids = (events: readonly JobEvent[]): number[] => events.map(({ id }) => id)
const allAfter = async (after: number): Promise<readonly JobEvent[]> => listEvents(database, after, 100_000)

async function take(from: AsyncIterable<JobEvent>, count: number): Promise<JobEvent[]> {
  const taken: JobEvent[] = []
  for await (const event of from) {
    taken.push(event)
    if (taken.length === count) break
  }
  return taken
}

describe('a feed', () => {
  test('tells what is there after a place, and then what comes', async () => {
    const after = await latest()
    await append(many(3))
    const reading = take(feed.read({ after }), 5)
    await append(many(2))
    const events = await reading
    expect(events).toEqual(await allAfter(after))
    expect(events.map(({ data }) => data['number'])).toEqual([0, 1, 2, 0, 1])
    expect(ids(events)).toEqual(ids(events).toSorted((one, other) => one - other))
  })

  test('begins now where no place is given', async () => {
    await append(many(3))
    const reader = await feed.follow({})
    expect(reader.after).toBe(await latest())
    await append([7])
    expect((await reader.next())?.map(({ data }) => data['number'])).toEqual([7])
    reader.close()
  })

  test('tells a job’s events alone, or those of some types', async () => {
    const after = await latest()
    await append(many(300))
    const told = await allAfter(after)
    const ofJob = told.filter(({ job_id }) => job_id === 2)
    const failed = told.filter(({ type }) => type === 'scene_failed')
    const both = failed.filter(({ job_id }) => job_id === 2)
    expect(await take(feed.read({ after, jobId: 2 }), ofJob.length)).toEqual(ofJob)
    expect(await take(feed.read({ after, types: ['scene_failed'] }), failed.length)).toEqual(failed)
    expect(await take(feed.read({ after, jobId: 2, types: ['scene_failed'] }), both.length)).toEqual(both)
    // The same to those who wait at the end.
    const live = await Promise.all([feed.follow({ jobId: 2 }), feed.follow({ types: ['scene_failed'] })])
    const next = Promise.all(live.map((reader) => reader.next()))
    await append([0, 1, 2])
    expect((await next).map((events) => events?.map(({ data }) => data['number']))).toEqual([[1], [2]])
    for (const reader of live) reader.close()
  })

  test('gives no more than a hundred at a time, and reads nothing ahead of who takes them', async () => {
    let reads = 0
    const counted: Database = {
      ...delegating(database),
      all: (...asked) => {
        reads++
        return database.all(...asked)
      },
    }
    const own = newFeed({ database: counted })
    const after = await latest()
    await append(many(1000))
    const reader = await own.follow({ after })
    const first = await reader.next()
    expect(first).toHaveLength(100)
    const before = reads
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(reads).toBe(before)
    expect([...ids(first!), ...ids((await reader.next())!)]).toEqual(
      ids((await allAfter(after)).slice(0, 200)),
    )
    own.close()
  })

  test('lets whoever waits at the end share one reading of what is new', async () => {
    let reads = 0
    const own = newFeed({
      database: {
        ...delegating(database),
        async all(...asked) {
          const rows = await database.all(...asked)
          if (rows.length > 0) reads++
          return rows
        },
      },
    })
    const readers = await Promise.all(many(10).map(() => own.follow({})))
    const next = Promise.all(readers.map((reader) => reader.next()))
    await new Promise((resolve) => setImmediate(resolve))
    const before = reads
    await append(many(5))
    const pages = await next
    expect(reads - before).toBe(1)
    // One event is one object for all of them.
    for (const page of pages) expect(page![0]).toBe(pages[0]![0])
    own.close()
  })

  test('misses nothing where a reader is slower than what is kept in memory', async () => {
    const after = await latest()
    const slow = await feed.follow({ after })
    const quick = feed.read({ after })
    for (let round = 0; round < 10; round++) {
      await append(many(500))
      await take({ [Symbol.asyncIterator]: () => ({ next: () => quick.next() }) }, 500)
    }
    const taken: number[] = []
    while (taken.length < 5000) taken.push(...ids((await slow.next())!))
    expect(taken).toEqual(ids(await allAfter(after)))
    slow.close()
    await quick.return()
  })

  test('looks again by itself where a notification is lost', async () => {
    const own = newFeed({ pubsub: createPubSub(() => undefined) })
    const reader = await own.follow({})
    const next = reader.next()
    await append([4])
    while (clock.nextWakeAt() === undefined) await new Promise((resolve) => setImmediate(resolve))
    clock.advance(5_000)
    expect((await next)?.map(({ data }) => data['number'])).toEqual([4])
    own.close()
  })

  test('goes on where a read has failed', async () => {
    let fails = true
    const own = newFeed({
      database: {
        ...delegating(database),
        all: (...asked) => (fails ? Promise.reject(new Error('the disk is gone')) : database.all(...asked)),
      },
    })
    const reader = await own.follow({})
    const next = reader.next()
    await append([5])
    while (!JSON.stringify(harness.logged).includes('the disk is gone'))
      await new Promise((resolve) => setImmediate(resolve))
    fails = false
    while (clock.nextWakeAt() === undefined) await new Promise((resolve) => setImmediate(resolve))
    clock.advance(5_000)
    expect((await next)?.map(({ data }) => data['number'])).toEqual([5])
    own.close()
  })
})

describe('a place that is not in the log', () => {
  test('beyond its end: it begins now, and says so', async () => {
    const reader = await feed.follow({ after: (await latest()) + 1 })
    expect(reader.after).toBe(await latest())
    const { removed: _, ...bounds } = await eventBounds(database)
    expect(reader.reset).toEqual(bounds)
    reader.close()
  })

  test('before the oldest event that is kept: it begins with that, and says so', async () => {
    const [gone, ...later] = ids((await allAfter(0)).slice(0, 12))
    const [removed, oldest] = later.slice(-2)
    await database.transaction(async (tx) => {
      await tx.run('delete from events where id <= $1', [removed!])
      await tx.run('update removed_events set until = $1', [removed!])
    })
    const { removed: _, ...bounds } = await eventBounds(database)
    expect(bounds.oldest).toBe(oldest)
    expect((await feed.page({ after: gone!, limit: 1 })).reset).toEqual(bounds)
    expect((await feed.page({ after: removed!, limit: 1 })).reset).toBeUndefined()
    const fromStart = await feed.page({ after: 0, limit: 1 })
    expect(fromStart.reset).toBeUndefined()
    expect(ids(fromStart.events)).toEqual([oldest])
  })
})

describe('an end', () => {
  test('comes by the signal, also to one who waits, and leaves nothing behind', async () => {
    const ended = new AbortController()
    const reading = take(feed.read({ signal: ended.signal }), 1)
    while (feed.readers() === 0) await new Promise((resolve) => setImmediate(resolve))
    ended.abort()
    expect(await reading).toEqual([])
    expect(feed.readers()).toBe(0)
    expect(await take(feed.read({ signal: ended.signal }), 1)).toEqual([])
  })

  test('comes to all when the feed is closed, and to those who come later at once', async () => {
    const own = newFeed()
    const reading = Promise.all([take(own.read(), 1), take(own.read({ jobId: 1 }), 1)])
    while (own.readers() < 2) await new Promise((resolve) => setImmediate(resolve))
    own.close()
    expect(await reading).toEqual([[], []])
    expect(await take(own.read({ after: 0 }), 1)).toEqual([])
    expect(own.readers()).toBe(0)
  })

  test('of the last reader while the next begins lets the next miss nothing', async () => {
    for (let round = 0; round < 50; round++) {
      const after = await latest()
      const opening = feed.follow({ after })
      const appended = append(many(3))
      const first = await opening
      const other = feed.follow({ after })
      first.close()
      const next = await other
      await appended
      const taken: number[] = []
      while (taken.length < 3) taken.push(...ids((await next.next())!))
      expect(taken).toEqual(ids(await allAfter(after)))
      next.close()
    }
    expect(feed.readers()).toBe(0)
  })
})

const query = fc.record(
  {
    jobId: fc.constantFrom(1, 2),
    types: fc.uniqueArray(fc.constantFrom(...types), { minLength: 1 }),
  },
  { requiredKeys: [] },
)
const bursts = fc.array(fc.array(fc.nat(5), { minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 12 })

const wanted =
  ({ jobId, types: some }: { jobId?: number; types?: readonly EventType[] }) =>
  (event: JobEvent): boolean =>
    (jobId === undefined || event.job_id === jobId) && (some?.includes(event.type) ?? true)

const ends = [100, 101, 102, 103, 104, 105]

describe('whatever is added, and wherever it is cut', () => {
  test('pages of any size hold every event once', async () => {
    await fc.assert(
      fc.asyncProperty(
        bursts,
        query,
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }),
        async (added, asked, limits) => {
          const start = await latest()
          for (const burst of added) await append(burst)
          const found: JobEvent[] = []
          let after = start
          for (let turn = 0, isMore = true; isMore; turn++) {
            const page = await feed.page({ ...asked, after, limit: limits[turn % limits.length]! })
            expect(page.events.length).toBeLessThanOrEqual(limits[turn % limits.length]!)
            found.push(...page.events)
            ;({ after, isMore } = page)
          }
          expect(found).toEqual((await allAfter(start)).filter(wanted(asked)))
          expect(after).toBe(await latest())
        },
      ),
      { seed: 20_261_125, numRuns: 60 },
    )
  })

  test('a reader that breaks off and comes back with the last id it saw has every event once', async () => {
    await fc.assert(
      fc.asyncProperty(
        bursts,
        query,
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }),
        async (added, asked, cuts) => {
          const start = await latest()
          const adding = (async () => {
            for (const burst of added) await append(burst)
            // One of each job and type, so that every reader sees where it ends.
            await append(ends)
          })()
          const found: JobEvent[] = []
          let after = start
          let left = ends
            .map((number) => ({ type: types[number % 3], job_id: (number % 2) + 1 }) as JobEvent)
            .filter(wanted(asked)).length
          for (let turn = 0; left > 0; turn++) {
            const cut = cuts[turn % cuts.length]!
            let taken = 0
            for await (const event of feed.read({ ...asked, after })) {
              found.push(event)
              after = event.id
              if (Number(event.data['number']) >= 100) left--
              if (++taken === cut || left === 0) break
            }
          }
          await adding
          expect(found).toEqual((await allAfter(start)).filter(wanted(asked)))
        },
      ),
      { seed: 20_261_126, numRuns: 60 },
    )
  })
})
