/** What any engine must do: the embedded one on SQLite, and pg-boss on PostgreSQL. */
import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Engine, TaskHandler } from '../../src/engine/engine.ts'
import type { Task } from '../../src/job/task.ts'
import type { Database } from '../../src/store/database.ts'
import type { Clock } from '../clock.ts'
import { migrated } from '../harness/data.ts'
import { kinds, newPlace, type Place } from '../store/open-database.ts'
import { aMoment, clockOf, openEngine } from './open-engine.ts'

const task = (subject: string): Task => ({ kind: 'stitch-film', subject, jobId: 1 })

describe.each(kinds)('an engine on %s', (kind) => {
  let place: Place
  let database: Database
  let clock: Clock
  let engine: Engine
  let opened: Engine[]
  let exhausted: [string, unknown][]

  const open = async (handler: TaskHandler, concurrency = 10): Promise<Engine> => {
    engine = await openEngine({ place, database, clock })
    opened.push(engine)
    const onExhausted = ({ subject }: Task, error: unknown): Promise<void> => {
      exhausted.push([subject, error])
      return Promise.resolve()
    }
    engine.handle('stitch-film', { concurrency, maxTries: 3, onExhausted }, handler)
    return engine
  }
  const enqueue = (...subjects: string[]): Promise<void> =>
    database.transaction(async (tx) => {
      for (const subject of subjects) await engine.enqueue(tx, task(subject))
    })
  const kept = async (): Promise<unknown[]> =>
    (await database.all('select subject from tasks order by subject')).map(({ subject }) => subject)
  /** Lets what is under way go on until `reached`; the test's own guard is the deadline. */
  const until = async (reached: () => boolean | Promise<boolean>): Promise<void> => {
    while (!(await reached())) await aMoment(kind)
  }

  beforeEach(async () => {
    place = await newPlace(kind)
    database = await migrated(await place.open())
    clock = clockOf(kind)
    exhausted = []
    opened = []
  })
  afterEach(async () => {
    for (const one of opened) await one.stop({ graceMs: 0 })
    await database.close()
    await place.remove()
  })

  it('runs a task once its transaction is on disk, and forgets it when it is done', async () => {
    const ran: string[] = []
    await open(({ subject }) => {
      ran.push(subject)
      return Promise.resolve()
    })
    await engine.start()
    await database.transaction(async (tx) => {
      await engine.enqueue(tx, task('a'))
      expect(ran).toEqual([])
    })
    await until(async () => (await kept()).length === 0)
    expect(ran).toEqual(['a'])
  })

  it('knows nothing of a task whose transaction was rolled back', async () => {
    const ran: string[] = []
    await open(({ subject }) => {
      ran.push(subject)
      return Promise.resolve()
    })
    await engine.start()
    const rolledBack = database.transaction(async (tx) => {
      await engine.enqueue(tx, task('a'))
      throw new Error('changed my mind')
    })
    await expect(rolledBack).rejects.toThrow('changed my mind')
    await enqueue('b')
    await until(async () => (await kept()).length === 0)
    expect(ran).toEqual(['b'])
  })

  it('keeps a task of the same kind and subject only once', async () => {
    let runs = 0
    await open(() => {
      runs++
      return Promise.resolve()
    })
    await enqueue('a', 'a')
    await enqueue('a')
    await engine.start()
    await until(async () => (await kept()).length === 0)
    expect(runs).toBe(1)
  })

  it('runs a task once more that is enqueued while it runs, because what it has read may be old', async () => {
    const releases: (() => void)[] = []
    await open(() => new Promise<void>((resolve) => releases.push(resolve)))
    await engine.start()
    await enqueue('a')
    await until(() => Promise.resolve(releases.length === 1))
    await enqueue('a', 'a')
    await enqueue('a')
    releases[0]!()
    await until(() => Promise.resolve(releases.length === 2))
    releases[1]!()
    await until(async () => (await kept()).length === 0)
    expect(releases).toHaveLength(2)
  })

  it('takes a cancelled task away, and tells the one that runs', async () => {
    const told: unknown[] = []
    await open(
      (_task, { signal }) =>
        new Promise<void>((_resolve, reject) =>
          signal.addEventListener('abort', () => {
            told.push(signal.reason)
            reject(signal.reason as Error)
          }),
        ),
    )
    await engine.start()
    await enqueue('a')
    await until(() => Promise.resolve(engine.running().length === 1))
    await database.transaction((tx) => engine.cancel(tx, task('a')))
    await until(() => Promise.resolve(engine.running().length === 0))
    expect(told).toHaveLength(1)
    expect(await kept()).toEqual([])
  })

  it('tells those that only wait as soon as it stops, and keeps their tasks for the next start', async () => {
    await open(
      (_task, { stopping }) =>
        new Promise<void>((_resolve, reject) =>
          stopping.addEventListener('abort', () => reject(stopping.reason as Error)),
        ),
    )
    await engine.start()
    await enqueue('a')
    await until(() => Promise.resolve(engine.running().length === 1))
    await engine.stop({ graceMs: 3_600_000 })
    expect(await kept()).toHaveLength(1)
  })

  it('runs no more of a kind at once than it may, and all in the end', async () => {
    let running = 0
    let most = 0
    let ended = 0
    await open(async () => {
      most = Math.max(most, ++running)
      await aMoment(kind)
      running--
      ended++
    }, 3)
    await engine.start()
    await enqueue(...Array.from({ length: 40 }, (_, index) => `task ${index}`))
    await until(async () => (await kept()).length === 0)
    expect([most, ended]).toEqual([3, 40])
  })

  it('tries a task that rejects again, later each time, and gives it up with its last error', async () => {
    const starts: number[] = []
    await open(() => {
      starts.push(clock.now())
      return Promise.reject(new Error(`try ${starts.length}`))
    })
    await engine.start()
    await enqueue('a')
    while (exhausted.length === 0) {
      await aMoment(kind)
      clock.advance(10)
    }
    await until(async () => (await kept()).length === 0)
    expect(starts).toHaveLength(3)
    expect(starts[1]! - starts[0]!).toBeGreaterThanOrEqual(50)
    expect(starts[2]! - starts[1]!).toBeGreaterThanOrEqual(100)
    expect(exhausted).toEqual([['a', new Error('try 3')]])
  })

  it('does not count a full disk as a try', async () => {
    let runs = 0
    // More than the tries; each waits for seconds.
    const fullFor = 3
    await open(() => {
      runs++
      return runs <= fullFor
        ? Promise.reject(Object.assign(new Error('no room'), { code: 'disk_full' }))
        : Promise.resolve()
    })
    await engine.start()
    await enqueue('a')
    while ((await kept()).length > 0) {
      await aMoment(kind)
      clock.advance(1000)
    }
    expect([runs, exhausted]).toEqual([fullFor + 1, []])
  })

  it('runs after a restart what an earlier process left', async () => {
    await open(() => new Promise(() => undefined), 1)
    await enqueue('a', 'b')
    // Never started, as a process that died: its tasks are rows.
    const ran: string[] = []
    await open(({ subject }) => {
      ran.push(subject)
      return Promise.resolve()
    }, 1)
    await engine.start()
    await until(async () => (await kept()).length === 0)
    expect(ran.toSorted()).toEqual(['a', 'b'])
  })

  it('stops: gives what runs its grace, then aborts it, and leaves it for the next start without a try', async () => {
    const aborted: string[] = []
    await open(
      ({ subject }, { signal }) =>
        new Promise((_, reject) =>
          signal.addEventListener('abort', () => {
            aborted.push(subject)
            reject(signal.reason as Error)
          }),
        ),
      1,
    )
    await engine.start()
    await enqueue('a', 'b')
    await until(() => engine.running().length === 1)
    const stopped = engine.stop({ graceMs: 1000 })
    await setImmediate()
    expect(aborted).toEqual([])
    clock.advance(1000)
    await stopped
    expect(aborted).toHaveLength(1)
    expect(engine.running()).toEqual([])
    expect(await database.all('select subject, tries from tasks order by subject')).toEqual([
      { subject: 'a', tries: 0 },
      { subject: 'b', tries: 0 },
    ])
  })
})
