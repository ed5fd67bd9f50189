/** Tasks of the embedded engine, in the rows of a history that was moved, when pg-boss first opens the database. */
import { setTimeout } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { systemHost } from '../../src/host.ts'
import type { Task } from '../../src/job/task.ts'
import { insertTask, listCrashed, postponeTask, setTaskRunning } from '../../src/store/tasks.ts'
import { migrated } from '../harness/data.ts'
import { newPlace } from '../store/open-database.ts'
import { clockOf, openEngine } from './open-engine.ts'

it('runs the tasks that the embedded engine left: those that are due at once, others when they are', async () => {
  const place = await newPlace('postgres')
  const database = await migrated(await place.open())
  const task = (subject: string): Task => ({ kind: 'follow-render', subject, jobId: 7 })
  const now = systemHost.now()
  await database.transaction(async (tx) => {
    for (const subject of ['due', 'cut off', 'later', 'after a crash'])
      await insertTask(tx, task(subject), now - 1000)
    await setTaskRunning(tx, task('cut off'), { isRunning: true })
    await postponeTask(tx, task('later'), now + 3_600_000, 2)
    await tx.run(
      `update tasks set crashes = 3, crashed_at = $1, run_at = $2 where subject = 'after a crash'`,
      [now - 500, now + 60_000],
    )
  })
  const engine = await openEngine({ place, database, clock: clockOf('postgres') })
  try {
    const begun: Task[] = []
    engine.handle(
      'follow-render',
      { concurrency: 10, onExhausted: () => expect.unreachable('none was tried too often') },
      async (one) => void begun.push(one),
    )
    await engine.start()
    while (begun.length < 2) await setTimeout(10)
    expect(begun.toSorted((one, other) => (one.subject < other.subject ? -1 : 1))).toEqual([
      task('cut off'),
      task('due'),
    ])
    expect(
      await database.all(
        'select subject, tries, crashes, run_at, running from tasks where run_at > $1 order by run_at desc',
        [now],
      ),
    ).toEqual([
      { subject: 'later', tries: 2, crashes: 0, run_at: now + 3_600_000, running: 0 },
      { subject: 'after a crash', tries: 0, crashes: 3, run_at: now + 60_000, running: 0 },
    ])
    expect(await listCrashed(database, 7)).toMatchObject([
      { subject: 'after a crash', crashes: 3, crashedAt: now - 500 },
    ])
  } finally {
    await engine.stop({ graceMs: 0 })
    await database.close()
    await place.remove()
  }
})
