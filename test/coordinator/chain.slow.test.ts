/** A chain of 10,000 jobs that each wait for the one before: submitted, begun one by one, and failed as a whole. */
import { expect, it } from 'vitest'
import { createClock } from '../clock.ts'
import { newMigratedPlace } from '../store/open-database.ts'
import { openHeldHarness } from '../harness/held-tasks.ts'

const length = 10_000

it('a chain of 10,000 jobs is taken, goes on link by link, and fails to its end when one of it does', async () => {
  const place = await newMigratedPlace()
  const harness = await openHeldHarness({ open: () => place.open(), clock: createClock() })
  try {
    const { coordinator } = harness
    await coordinator.start()
    const ids: number[] = []
    for (let n = 0; n < length; n++) {
      const { id } = await harness.job(1, n === 0 ? {} : { depends_on: [ids[n - 1]!] })
      ids.push(id)
    }
    await Promise.all(ids.map((id) => coordinator.approveJob(id)))

    const settle = async (): Promise<void> => {
      const task = await harness.next('settle-dependents')
      await coordinator.settleDependents(task.jobId)
      task.done()
    }
    for (const id of ids.slice(0, 3)) {
      const task = await harness.next('render-scene')
      expect(task.jobId).toBe(id)
      await harness.render(task)
      const stitch = await harness.next('stitch-film')
      await coordinator.completeJob(id, new Uint8Array([1]))
      stitch.done()
      await settle()
    }

    await harness.next('render-scene')
    await coordinator.failJob(ids[3]!, 'no light')
    for (let n = 4; n < length; n++) await settle()
    expect((await coordinator.job(ids.at(-1)!)).error).toEqual({
      code: 'dependency_failed',
      reason: `Job ${ids.at(-2)}, which this job waited for, is failed`,
    })
    const { jobs } = await coordinator.jobs({ statuses: ['failed'], limit: 200 })
    expect(jobs.map(({ id }) => id)).toEqual(ids.slice(-200).toReversed())
    expect(await coordinator.activeJobs()).toEqual([])
  } finally {
    await harness.close()
    await place.remove()
  }
}, 120_000)
