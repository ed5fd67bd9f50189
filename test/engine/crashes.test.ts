/** Deaths of the process while a task runs: an engine whose database is closed under it stands for a killed process. */
import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createEmbeddedEngine } from '../../src/engine/embedded.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { createLog } from '../../src/log.ts'
import type { Database } from '../../src/store/database.ts'
import { migrate } from '../../src/store/migrate.ts'
import { migrations } from '../../src/store/migrations/all.ts'
import { createClock } from '../clock.ts'
import { newPlace, type Place } from '../store/open-database.ts'

describe('a task during which the process dies', () => {
  let place: Place
  let database: Database
  let engine: Engine
  let running: Map<string, () => void>
  let begun: string[]
  let givenUp: [string, string][]
  const clock = createClock()

  const settle = async (): Promise<void> => {
    for (let n = 0; n < 100; n++) await setImmediate()
  }
  const live = async (): Promise<void> => {
    database = await place.open()
    await migrate(database, migrations)
    running = new Map()
    begun = []
    engine = createEmbeddedEngine({ database, host: clock, log: createLog({ level: 'silent' }) })
    engine.handle(
      'render-scene',
      {
        concurrency: 4,
        isRisky: true,
        onExhausted: ({ subject }, error) => {
          givenUp.push([subject, (error as { code: string }).code])
          return Promise.resolve()
        },
      },
      ({ subject }) =>
        new Promise((resolve) => {
          begun.push(subject)
          running.set(subject, resolve)
        }),
    )
    await engine.start()
    await settle()
  }
  const die = async (): Promise<void> => {
    await settle()
    await database.close()
  }
  const enqueue = (subject: string, jobId: number): Promise<void> =>
    database.transaction((tx) => engine.enqueue(tx, { kind: 'render-scene', subject, jobId }))

  beforeEach(async () => {
    place = await newPlace('sqlite')
    givenUp = []
    await live()
  })
  afterEach(async () => {
    await database.close()
    await place.remove()
  })

  it('is set aside after the third time', async () => {
    await enqueue('poison', 1)
    for (let deaths = 1; deaths < 3; deaths++) {
      await die()
      await live()
      expect(begun).toEqual(['poison'])
    }
    await die()
    await live()
    expect(begun).toEqual([])
    expect(givenUp).toEqual([['poison', 'process_killed']])
    expect(await database.all('select * from tasks')).toEqual([])
  })

  it('takes none along that only ran beside it: suspects run one after the other', async () => {
    for (const [index, subject] of ['a', 'b', 'poison', 'c'].entries()) await enqueue(subject, index)
    for (let deaths = 0; deaths < 8 && givenUp.length === 0; deaths++) {
      await settle()
      // Who is not the poison comes to his end, as soon as he runs without it.
      while (!running.has('poison') && running.size > 0) {
        const [subject, end] = [...running][0]!
        running.delete(subject)
        end()
        await settle()
      }
      await die()
      await live()
    }
    expect(givenUp).toEqual([['poison', 'process_killed']])
    while (running.size > 0) {
      for (const [subject, end] of running) {
        running.delete(subject)
        end()
      }
      await settle()
    }
    expect(await database.all('select * from tasks')).toEqual([])
  })

  it('is counted alone: one death is one, however many tasks of a job ran', async () => {
    for (const subject of ['one', 'two', 'three']) await enqueue(subject, 7)
    await die()
    await live()
    expect(givenUp).toEqual([])
    expect(begun).toHaveLength(1)
  })

  it('is not counted where the engine was stopped as it should be', async () => {
    await enqueue('long', 1)
    for (let restarts = 0; restarts < 4; restarts++) {
      await settle()
      const stopped = engine.stop({ graceMs: 0 })
      await settle()
      running.get('long')!()
      await stopped
      await die()
      await database.close().catch(() => undefined)
      database = await place.open()
      const [row] = await database.all('select crashes, running from tasks')
      if (row) expect(row).toEqual({ crashes: 0, running: 0 })
      await database.close()
      await live()
      if (!running.has('long')) await enqueue('long', 1)
    }
    expect(givenUp).toEqual([])
  })
})
