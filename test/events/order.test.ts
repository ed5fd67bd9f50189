/** Ids of events are safe cursors, in whatever order the transactions that write them end. */
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createFeed } from '../../src/events/feed.ts'
import type { JobEvent } from '../../src/job/event.ts'
import { createLog } from '../../src/log.ts'
import type { Database, Transaction } from '../../src/store/database.ts'
import { continueEventIds } from '../../src/store/event-order.ts'
import { appendEvent, eventBounds, listEvents } from '../../src/store/events.ts'
import { openPostgres } from '../../src/store/postgres.ts'
import { createClock } from '../clock.ts'
import { migrated } from '../harness/data.ts'
import { until } from '../harness/until.ts'
import { type Place, kinds, newPlace } from '../store/open-database.ts'

const append = (tx: Transaction, jobId: number) =>
  appendEvent(tx, { type: 'job_progress', jobId, data: {} }, 0)

/** A transaction that a test holds open: each step resolves when it is done. */
interface Held {
  append(jobId: number): Promise<void>
  commit(): Promise<void>
  rollBack(): Promise<void>
}

function hold(database: Database): Held {
  const steps: ((tx: Transaction) => Promise<'on' | 'commit'>)[] = []
  let next = Promise.withResolvers<void>()
  let first = true
  const ended = database
    .transaction(async (tx) => {
      if (!first) throw new Error('collided')
      first = false
      for (;;) {
        const step = steps.shift()
        if (step) {
          if ((await step(tx)) === 'commit') return
          continue
        }
        await next.promise
        next = Promise.withResolvers()
      }
    })
    .catch((error: unknown) => {
      if (error !== rolledBack) throw error
    })
  const run = (step: (tx: Transaction) => Promise<'on' | 'commit'>): Promise<void> =>
    new Promise((resolve, reject) => {
      ended.catch(reject)
      steps.push(async (tx) => {
        try {
          return await step(tx)
        } finally {
          resolve()
        }
      })
      next.resolve()
    })
  return {
    append: (jobId) =>
      run(async (tx) => {
        await append(tx, jobId)
        return 'on'
      }),
    async commit() {
      await run(() => Promise.resolve('commit'))
      await ended
    },
    async rollBack() {
      await run(() => Promise.reject(rolledBack))
      await ended
    },
  }
}
const rolledBack = new Error('rolled back')

/** Reads on from its cursor. */
function follower(database: Database) {
  const jobs: number[] = []
  const ids: number[] = []
  let reading: Promise<void> = Promise.resolve()
  const readOn = async (limit: number): Promise<void> => {
    for (const { id, job_id } of await listEvents(database, ids.at(-1) ?? 0, limit)) {
      ids.push(id)
      jobs.push(job_id)
    }
  }
  return {
    jobs,
    ids,
    read: (limit = 1000) => (reading = reading.then(() => readOn(limit))),
  }
}

const rising = (ids: readonly number[]): boolean =>
  ids.every((id, index) => index === 0 || id > ids[index - 1]!)

describe.each(kinds)('events on %s', (kind) => {
  let place: Place
  let database: Database

  beforeEach(async () => {
    place = await newPlace(kind)
    database = await migrated(await place.open())
  })
  afterEach(async () => {
    await database.close()
    await place.remove()
  })

  it('of one transaction are in the order in which they were appended', async () => {
    const ids = await database.transaction(async (tx) => [
      (await append(tx, 1)).id,
      (await append(tx, 2)).id,
      (await append(tx, 3)).id,
    ])
    expect(rising(ids)).toBe(true)
    const reader = follower(database)
    await until(async () => {
      await reader.read(2)
      return reader.jobs.length === 3
    })
    expect([reader.ids, reader.jobs]).toEqual([ids, [1, 2, 3]])
    expect((await eventBounds(database)).latest).toBe(ids[2])
  })

  it('reach each of three readers once and in order, however many write, and wherever the readers stop', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            events: fc.integer({ min: 0, max: 4 }),
            commits: fc.boolean(),
            reads: fc.integer({ min: 0, max: 3 }),
          }),
          { minLength: 1, maxLength: 12 },
        ),
        async (writers) => {
          const { latest } = await eventBounds(database)
          const readers = [follower(database), follower(database), follower(database)]
          for (const { ids } of readers) ids.push(latest)
          const committed = new Set<number>()
          await Promise.all(
            writers.map(async ({ events, commits, reads }) => {
              const appended: number[] = []
              await database
                .transaction(async (tx) => {
                  appended.length = 0
                  for (let n = 0; n < events; n++) appended.push((await append(tx, n)).id)
                  if (!commits) throw rolledBack
                })
                .catch((error: unknown) => {
                  if (error !== rolledBack) throw error
                })
              if (commits) for (const id of appended) committed.add(id)
              if (reads < 3) await readers[reads]!.read(2)
            }),
          )
          for (const reader of readers) {
            await until(async () => {
              await reader.read(3)
              return reader.ids.length > committed.size
            })
            expect(reader.ids.slice(1)).toEqual([...committed].toSorted((one, other) => one - other))
          }
        },
      ),
      { seed: 20_261_127, numRuns: 30 },
    )
  })
})

describe.runIf(kinds.includes('postgres'))('events on a server', () => {
  let place: Place
  let database: Database

  beforeEach(async () => {
    place = await newPlace('postgres')
    database = await migrated(await place.open())
  })
  afterEach(async () => {
    await database.close()
    await place.remove()
  })

  it('wait for an older transaction that commits later', async () => {
    const reader = follower(database)
    const older = hold(database)
    await older.append(1)
    const newer = hold(database)
    await newer.append(2)
    await newer.commit()
    await reader.read()
    expect(reader.jobs).toEqual([])
    await older.append(3)
    await older.commit()
    await until(async () => {
      await reader.read()
      return reader.jobs.length === 3
    })
    expect(reader.jobs).toEqual([1, 3, 2])
    expect(rising(reader.ids)).toBe(true)
  })

  it('are reported where they wait for long', async () => {
    const clock = createClock()
    const lines: string[] = []
    const log = createLog({ level: 'warn', destination: { write: (line) => lines.push(line) } })
    const feed = createFeed({ database, onEvent: () => () => undefined, host: clock, log })
    const reader = await feed.follow({})
    const older = hold(database)
    await older.append(1)
    const newer = hold(database)
    await newer.append(2)
    await newer.commit()
    await until(() => {
      clock.advance(320)
      return lines.length > 0
    })
    expect(lines.join()).toContain('New events wait')
    await older.commit()
    let heard: readonly JobEvent[] | undefined
    void reader.next().then((events) => (heard = events))
    const events = await until(() => {
      clock.advance(1000)
      return heard
    })
    expect(events[0]?.job_id).toBe(1)
    feed.close()
    expect(lines).toHaveLength(1)
  })

  it('do not wait for one that was rolled back', async () => {
    const reader = follower(database)
    const older = hold(database)
    await older.append(1)
    const newer = hold(database)
    await newer.append(2)
    await newer.commit()
    await older.rollBack()
    await until(async () => {
      await reader.read()
      return reader.jobs.length === 1
    })
    expect(reader.jobs).toEqual([2])
  })

  it('reach each reader once and in order, in whatever order transactions that are held open begin and end', async () => {
    const step = fc.record({
      act: fc.constantFrom('begin', 'append', 'commit', 'rollBack', 'read'),
      which: fc.nat(3),
    })
    let job = 0
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        const { latest } = await eventBounds(database)
        const readers = [follower(database), follower(database), follower(database)]
        for (const { ids } of readers) ids.push(latest)
        const open: { held: Held; jobs: number[] }[] = []
        const committed = new Set<number>()
        const end = async (index: number, how: 'commit' | 'rollBack'): Promise<void> => {
          const [ending] = open.splice(index, 1)
          await ending!.held[how]()
          if (how === 'commit') for (const id of ending!.jobs) committed.add(id)
        }
        for (const { act, which } of steps) {
          if (act === 'read') await readers[which % 3]!.read(1 + which)
          else if (act === 'begin') {
            if (open.length < 4) open.push({ held: hold(database), jobs: [] })
          } else if (open.length > 0) {
            const index = which % open.length
            if (act === 'append') {
              await open[index]!.held.append(++job)
              open[index]!.jobs.push(job)
            } else await end(index, act)
          }
        }
        while (open.length > 0) await end(0, 'commit')
        for (const reader of readers) {
          await until(async () => {
            await reader.read(2)
            return reader.jobs.length >= committed.size
          })
          expect(rising(reader.ids)).toBe(true)
          expect(new Set(reader.jobs)).toEqual(committed)
          expect(reader.jobs).toHaveLength(committed.size)
          expect(reader.jobs).toEqual(readers[0]!.jobs)
        }
      }),
      { seed: 20_261_128, numRuns: 40 },
    )
  }, 60_000)

  it('are refused beyond 8192 in one transaction, before any is stored', async () => {
    const many = database.transaction(async (tx) => {
      for (let n = 0; n <= 8192; n++) await append(tx, n)
    })
    await expect(many).rejects.toThrow(/at most 8192/)
    expect((await eventBounds(database)).latest).toBe(0)
  }, 60_000)

  it('follow those of a dump whose server had counted further', async () => {
    const own = await database.transaction(async (tx) => (await append(tx, 1)).id)
    const far = own + 1e12
    await database.transaction((tx) =>
      tx.run(
        `insert into events (id, topic, type, job_id, data, inserted_at)
         values ($1, 'jobs:progress', 'job_progress', 2, '{}', 0)`,
        [far],
      ),
    )
    const reader = follower(database)
    await reader.read()
    expect(reader.jobs).not.toContain(2)
    const base = await continueEventIds(database)
    expect(base).toBeGreaterThan(0)
    // A second node, or a second start, changes nothing.
    expect(await continueEventIds(database)).toBe(base)
    const begun = await openPostgres(place.server!)
    begun.setAppendBase(base)
    await begun.transaction((tx) => append(tx, 3))
    await begun.close()
    await until(async () => {
      await reader.read()
      return reader.jobs.length === 3
    })
    expect(reader.jobs).toEqual([1, 2, 3])
    expect(rising(reader.ids)).toBe(true)
  })
})
