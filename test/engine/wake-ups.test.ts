/**
 * No task is forgotten: engines in simulated time whose database refuses, whose timers ring a moment early and whose clock
 * ticks between two looks at it, or leaps.
 */
import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createEmbeddedEngine } from '../../src/engine/embedded.ts'
import type { Task, TaskKind } from '../../src/job/task.ts'
import { createLog } from '../../src/log.ts'
import { type Database, DatabaseError } from '../../src/store/database.ts'
import { migrate } from '../../src/store/migrate.ts'
import { migrations } from '../../src/store/migrations/all.ts'
import { createClock } from '../clock.ts'
import { createRealClock } from '../real-clock.ts'
import { newPlace, type Place } from '../store/open-database.ts'

const full = new DatabaseError('disk_full', 'database or disk is full')
const hour = 3_600_000
const names = ['render-scene', 'join-clips', 'stitch-film'] as const

describe('an engine in trouble', () => {
  let place: Place
  let database: Database
  beforeEach(async () => {
    place = await newPlace('sqlite')
    database = await place.open()
    await migrate(database, migrations)
  })
  afterEach(async () => {
    await database.close()
    await place.remove()
  })

  /** Resolves to how long it took after the trouble until all was done, in simulated ms; undefined where that never was. */
  async function endsAfter(seed: number, leaps: boolean): Promise<number | undefined> {
    const clock = createRealClock(seed)
    const { random } = createClock(seed + 1_000_000)
    let trouble = 0
    const refuses = (): boolean => random() < trouble
    const refusing: Database = {
      dialect: database.dialect,
      all: (...asked) => (refuses() ? Promise.reject(full) : database.all(...asked)),
      get: (...asked) => (refuses() ? Promise.reject(full) : database.get(...asked)),
      transaction: (work) => (refuses() ? Promise.reject(full) : database.transaction(work)),
      snapshot: (work) => (refuses() ? Promise.reject(full) : database.snapshot(work)),
      close: () => database.close(),
    }
    const log = createLog({ level: 'silent' })
    const engine = createEmbeddedEngine({ database: refusing, host: clock, log, maxTries: 1e9 })
    const handler = async (_task: Task): Promise<void> => {
      await clock.sleep(random() * 2000)
      if (refuses()) throw full
      if (random() < trouble / 3) throw new Error('failed')
    }
    for (const name of names)
      engine.handle(
        name,
        { concurrency: 1 + Math.floor(random() * 3), isRisky: true, onExhausted: () => Promise.resolve() },
        handler,
      )
    const enqueue = (kind: TaskKind, subject: string): Promise<void> =>
      refusing.transaction((tx) => engine.enqueue(tx, { kind, subject, jobId: 1 })).catch(() => undefined)
    const left = async (): Promise<number> =>
      Number((await database.get('select count(*) as n from tasks'))!.n)
    const step = async (): Promise<void> => {
      for (let turn = 0; turn < 6; turn++) await setImmediate()
      clock.pass(5000)
    }

    await engine.start()
    for (let round = 0; round < 12; round++) {
      trouble = [0, 0.3, 0.9, 1][Math.floor(random() * 4)]!
      for (let n = 0; n < 3; n++)
        await enqueue(names[Math.floor(random() * 3)]!, String(Math.floor(random() * 5)))
      if (leaps && random() < 0.3) clock.leap((random() - 0.5) * 10 * hour)
      for (let steps = Math.floor(random() * 6); steps >= 0; steps--) await step()
    }
    trouble = 0
    const began = clock.monotonic()
    let idle = 0
    while ((await left()) > 0 && idle < 100) {
      const before = clock.monotonic()
      await step()
      // Nobody sleeps and nothing is done any more: whoever waits, waits for ever.
      idle = clock.nextWakeAt() === undefined || clock.monotonic() - before >= 5000 ? idle + 1 : 0
    }
    const isDone = (await left()) === 0
    const took = clock.monotonic() - began
    await database.transaction((tx) => tx.run('delete from tasks'))
    const stopped = engine.stop({ graceMs: 0 })
    for (let n = 0; n < 20; n++) {
      await setImmediate()
      clock.advance(3000)
    }
    await stopped
    return isDone ? took : undefined
  }

  it.each(['the database refuses now and then', 'and the clock leaps by hours'])(
    'comes to the end of all its tasks: %s',
    async (how) => {
      const stuck: number[] = []
      for (let seed = 1; seed <= 40; seed++) {
        const took = await endsAfter(seed, how.includes('leaps'))
        if (took === undefined || took > 10 * 60_000) stuck.push(seed)
      }
      expect(stuck).toEqual([])
    },
  )
})
