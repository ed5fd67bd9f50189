/** What pg-boss gives to another run: the heartbeats of a run are put back, as those of a process that died. */
import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Engine, TaskHandler } from '../../src/engine/engine.ts'
import type { Task, TaskKind } from '../../src/job/task.ts'
import { countAfterCrash } from '../../src/store/counts.ts'
import type { Database } from '../../src/store/database.ts'
import { type CrashedTask, listCrashed, listJobTasks } from '../../src/store/tasks.ts'
import { migrated } from '../harness/data.ts'
import { isQuick } from '../quick.ts'
import { newPlace, type Place } from '../store/open-database.ts'
import { clockOf, ofHandlers, openEngine } from './open-engine.ts'

describe.skipIf(isQuick)('a run whose process is taken for dead', () => {
  let place: Place
  let database: Database
  let engine: Engine
  let begun: { readonly task: Task; readonly signal: AbortSignal; readonly at: number }[]

  beforeEach(async () => {
    place = await newPlace('postgres')
    database = await migrated(await place.open())
    await database.transaction((tx) => tx.run('create table marks (subject text not null)'))
    begun = []
  })
  afterEach(async () => {
    await engine.stop({ graceMs: 0 })
    await database.close()
    await place.remove()
  })

  const untilAborted: TaskHandler = async (_task, { signal }) => {
    if (!signal.aborted) await once(signal, 'abort')
    throw signal.reason as Error
  }
  const open = async (handler: TaskHandler = untilAborted): Promise<void> => {
    engine = await openEngine({ place, database, clock: clockOf('postgres') })
    const onExhausted = (): never => expect.unreachable('no death is the fault of a task')
    for (const kind of ['render-scene', 'follow-render'] as const)
      engine.handle(kind, { concurrency: 10, isRisky: kind === 'render-scene', onExhausted }, (task, how) => {
        begun.push({ task, signal: how.signal, at: performance.now() })
        return handler(task, how)
      })
    await engine.start()
  }
  const enqueue = (kind: TaskKind, ...subjects: string[]): Promise<void> =>
    database.transaction(async (tx) => {
      for (const subject of subjects) await engine.enqueue(tx, { kind, subject, jobId: 7 })
    })
  const until = async (reached: () => boolean | Promise<boolean>): Promise<void> => {
    while (!(await reached())) await setTimeout(5)
  }
  const runsOf = (subject: string) => begun.filter(({ task }) => task.subject === subject)
  /** Another run follows after its last one was taken for dead; resolves to how long it waited. */
  const die = async (subject: string): Promise<number> => {
    const { length } = runsOf(subject)
    const last = runsOf(subject).at(-1)!
    const tasks = `${place.server!.tasksSchema}.job_common`
    const run = await database.get(
      `select id::text as id, retry_count from ${tasks} where singleton_key = $1 and state = 'active'`,
      [subject],
    )
    await until(async () => {
      await database.transaction((tx) =>
        tx.run(
          `update ${tasks} set heartbeat_on = now() - interval '1 minute'
           where id = $1::uuid and retry_count = $2 and state = 'active'`,
          [run!['id']!, run!['retry_count']!],
        ),
      )
      return last.signal.aborted || runsOf(subject).length > length
    })
    const died = performance.now()
    await until(() => runsOf(subject).length > length)
    return runsOf(subject).at(-1)!.at - died
  }

  it('begins again at once, then later each time, and says so while it waits', async () => {
    await open()
    await enqueue('render-scene', 'poison')
    await until(() => begun.length === 1)
    const waits: number[] = []
    for (let deaths = 0; deaths < 3; deaths++) waits.push(await die('poison'))
    expect(waits[0]).toBeLessThan(2500)
    const next = die('poison')
    let crashed: CrashedTask | undefined
    // Until it is put back, it shows the crash before.
    await until(async () => {
      crashed = (await listCrashed(database, 7))[0]
      return crashed?.crashes === 4
    })
    expect(crashed).toMatchObject({ kind: 'render-scene', subject: 'poison', jobId: 7, tries: 0 })
    expect(Math.abs(crashed!.crashedAt - Date.now())).toBeLessThan(5000)
    expect(crashed!.runAt - crashed!.crashedAt).toBeGreaterThan(900)
    expect(await countAfterCrash(database, crashed!.crashedAt)).toBe(1)
    expect(await engine.runningOf(database, 7)).toEqual([])
    await next
    expect(await listCrashed(database, 7)).toEqual([])
    expect(await engine.runningOf(database, 7)).toMatchObject([{ subject: 'poison' }])
  })

  it('does not begin again while its job is paused', async () => {
    await open()
    await enqueue('render-scene', 'a')
    await until(() => begun.length === 1)
    await database.transaction((tx) =>
      tx.run(`insert into stops (scope, reason, inserted_at) values ('all', 'x', 1)`),
    )
    const again = die('a')
    await until(async () => (await listCrashed(database, 7)).length === 1)
    await setTimeout(1500)
    expect(begun).toHaveLength(1)
    await database.transaction((tx) => tx.run('delete from stops'))
    await again
  })

  it('is not delayed where it follows a render at a provider', async () => {
    await open()
    await enqueue('follow-render', 'paid')
    await until(() => begun.length === 1)
    for (let deaths = 0; deaths < 3; deaths++) expect(await die('paid')).toBeLessThan(2500)
  })

  it('changes no row from then on, though it does not know yet', async () => {
    let letWrite = (): void => undefined
    const mayWrite = new Promise<void>((resolve) => (letWrite = resolve))
    const outcomes: unknown[] = []
    await open(async ({ subject }, { signal }) => {
      if (begun.length > 1)
        return untilAborted({ kind: 'render-scene', subject, jobId: 7 }, { signal, stopping: signal })
      await mayWrite
      const write = ofHandlers({ place, database }).transaction((tx) =>
        tx.run('insert into marks (subject) values ($1)', [subject]),
      )
      outcomes.push(
        await write.then(
          () => 'written',
          (error: unknown) => (error as Error).name,
        ),
      )
    })
    await enqueue('render-scene', 'a')
    await until(() => begun.length === 1)
    expect(begun[0]!.signal.aborted).toBe(false)
    // As a takeover by another node does.
    await database.transaction((tx) =>
      tx.run(`update ${place.server!.tasksSchema}.job_common set retry_count = retry_count + 1`),
    )
    letWrite()
    await until(() => outcomes.length === 1)
    expect(outcomes).toEqual(['TaskLostError'])
    expect(await database.all('select * from marks')).toEqual([])
  })

  it('writes as long as it holds its task, and after it has finished it', async () => {
    const outcomes: string[] = []
    await open(async (task) => {
      const own = ofHandlers({ place, database })
      const insert = (isLast: boolean): Promise<unknown> =>
        own.transaction(async (tx) => {
          await tx.run('insert into marks (subject) values ($1)', [task.subject])
          if (isLast) await engine.finish(tx, task)
        })
      await insert(false)
      await insert(true)
      await insert(false)
      outcomes.push('done')
    })
    await enqueue('render-scene', 'a')
    await until(() => outcomes.length === 1)
    expect(await database.all('select * from marks')).toHaveLength(3)
    await until(async () => (await listJobTasks(database, 7)).length === 0)
  })
})

describe.skipIf(isQuick)('the table of the embedded engine', () => {
  it('goes over to pg-boss with its tasks, once', async () => {
    const place = await newPlace('postgres')
    const database = await migrated(await place.open())
    await database.transaction((tx) =>
      tx.run(`insert into tasks (kind, subject, job_id, run_at, tries) values ('stitch-film', '7', 7, 1, 2)`),
    )
    const engines = await Promise.all(
      [1, 2].map(() => openEngine({ place, database, clock: clockOf('postgres') })),
    )
    expect(
      await database.all('select kind, subject, job_id, tries, crashes, crashed_at, running from tasks'),
    ).toEqual([
      { kind: 'stitch-film', subject: '7', job_id: 7, tries: 2, crashes: 0, crashed_at: null, running: 0 },
    ])
    for (const engine of engines) await engine.stop({ graceMs: 0 })
    await database.close()
    await place.remove()
  })
})
