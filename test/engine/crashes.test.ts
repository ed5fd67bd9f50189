/** Deaths of the process while tasks run: an engine whose database is closed under it stands for a killed process. */
import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createEmbeddedEngine } from '../../src/engine/embedded.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { createLog } from '../../src/log.ts'
import type { Database } from '../../src/store/database.ts'
import { createClock } from '../clock.ts'
import { migrated } from '../harness/data.ts'
import { newPlace, type Place } from '../store/open-database.ts'

describe('a task during which the process dies', () => {
  let place: Place
  let database: Database
  let engine: Engine
  const clock = createClock()
  let running: Map<string, () => void>
  let lines: string[]

  const settle = async (): Promise<void> => {
    for (let n = 0; n < 100; n++) await setImmediate()
  }
  const live = async (concurrency = 50): Promise<void> => {
    database = await migrated(await place.open())
    running = new Map()
    lines = []
    const destination = {
      write: (line: string) => lines.push((JSON.parse(line) as { msg: string }).msg),
    }
    engine = createEmbeddedEngine({ database, host: clock, log: createLog({ level: 'warn', destination }) })
    const onExhausted = (): never => expect.unreachable('no death is the fault of a task')
    engine.handle(
      'render-scene',
      { concurrency, isRisky: true, onExhausted },
      ({ subject }) => new Promise((resolve) => running.set(subject, resolve)),
    )
    engine.handle('follow-render', { concurrency, onExhausted }, ({ subject }) => {
      running.set(subject, () => undefined)
      return new Promise(() => undefined)
    })
    await engine.start()
    await settle()
  }
  const dieAndLive = async (concurrency?: number): Promise<void> => {
    await settle()
    await database.close()
    await live(concurrency)
  }
  const enqueue = (subject: string, kind: 'render-scene' | 'follow-render' = 'render-scene'): Promise<void> =>
    database.transaction((tx) => engine.enqueue(tx, { kind, subject, jobId: 1 }))
  const end = async (subject: string): Promise<void> => {
    running.get(subject)!()
    running.delete(subject)
    await settle()
  }
  /** Moves the time on until it runs; resolves to how long that took. */
  const waited = async (subject: string): Promise<number> => {
    const began = clock.now()
    while (!running.has(subject)) {
      clock.advance(50)
      await setImmediate()
    }
    return clock.now() - began
  }

  beforeEach(async () => {
    place = await newPlace('sqlite')
    await live()
  })
  afterEach(async () => {
    await database.close()
    await place.remove()
  })

  it('begins again at once, with all that ran beside it', async () => {
    for (let n = 0; n < 50; n++) await enqueue(`task ${n}`)
    await dieAndLive()
    expect(running.size).toBe(50)
    expect(lines).toEqual([
      '[Workflow.Coordinator] The process died while 50 tasks ran: 50 begin again at once',
    ])
  })

  it('begins again the second time, too: half of all at once, and the rest within a second', async () => {
    for (let n = 0; n < 50; n++) await enqueue(`task ${n}`)
    await dieAndLive()
    await dieAndLive()
    expect(running.size).toBe(25)
    expect(lines).toEqual([
      '[Workflow.Coordinator] The process died while 50 tasks ran: 25 begin again at once, 25 within 1 s',
    ])
    clock.advance(500)
    await settle()
    expect(running.size).toBe(50)
  })

  it('begins later each time, up to five minutes, and is never given up', async () => {
    await enqueue('poison')
    const waits: number[] = []
    for (let deaths = 0; deaths < 20; deaths++) {
      await dieAndLive()
      waits.push(await waited('poison'))
    }
    expect(waits[0]).toBe(0)
    expect(waits[1]).toBeLessThanOrEqual(500)
    for (let death = 2; death < 10; death++) {
      expect(waits[death]).toBeGreaterThanOrEqual(250 * 2 ** (death - 1))
      expect(waits[death]).toBeLessThanOrEqual(500 * 2 ** (death - 1) + 50)
    }
    for (const wait of waits.slice(11)) expect(wait).toBeLessThanOrEqual(300_050)
    expect(Math.min(...waits.slice(11))).toBeGreaterThanOrEqual(150_000)
    await end('poison')
    expect(await database.all('select * from tasks')).toEqual([])
  })

  it('has no other behind it while it waits, though there is one place alone', async () => {
    await dieAndLive(1)
    await enqueue('poison')
    for (let deaths = 0; deaths < 6; deaths++) {
      await dieAndLive(1)
      await waited('poison')
    }
    await dieAndLive(1)
    await enqueue('other')
    await settle()
    expect([...running.keys()]).toEqual(['other'])
    await end('other')
    await waited('poison')
  })

  it('lets work come to its end however often the process dies', async () => {
    for (let n = 0; n < 20; n++) await enqueue(`task ${n}`)
    let deaths = 0
    while ((await database.all('select 1 from tasks')).length > 0) {
      // A process that lives just long enough for one task.
      while (running.size === 0) {
        clock.advance(1000)
        await setImmediate()
      }
      await end([...running.keys()][0]!)
      await dieAndLive()
      expect(++deaths).toBeLessThanOrEqual(20)
    }
  })

  it('does not delay what is followed at a provider', async () => {
    await enqueue('paid', 'follow-render')
    for (let deaths = 0; deaths < 6; deaths++) {
      await dieAndLive()
      expect([...running.keys()]).toEqual(['paid'])
    }
  })

  it('is delayed no longer by a clock that is put back', async () => {
    await enqueue('poison')
    for (let deaths = 0; deaths < 8; deaths++) {
      await dieAndLive()
      await waited('poison')
    }
    await settle()
    await database.close()
    clock.advance(-5 * 3_600_000)
    await live()
    expect(await waited('poison')).toBeLessThanOrEqual(300_000)
  })

  it('is not counted where the engine was stopped as it should be', async () => {
    await enqueue('long')
    for (let restarts = 0; restarts < 4; restarts++) {
      await settle()
      const stopped = engine.stop({ graceMs: 0 })
      await settle()
      running.get('long')!()
      await stopped
      await database.close()
      await live()
      expect(lines).toEqual([])
      if (!running.has('long')) await enqueue('long')
    }
    const [row] = await database.all('select crashes from tasks')
    expect(row).toEqual({ crashes: 0 })
  })
})
