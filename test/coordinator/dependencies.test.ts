import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { RefusedError } from '../../src/job/errors.ts'
import { createClock } from '../clock.ts'
import { newMigratedPlace, type Place } from '../store/open-database.ts'
import { type HeldHarness, openHeldHarness } from '../harness/held-tasks.ts'

const refusalOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'not refused',
    (error: RefusedError) => error.refusal,
  )

/** Lets what was begun by an event come to its end. */
const until = async (done: () => Promise<boolean>): Promise<void> => {
  for (let n = 0; n < 2000; n++) {
    if (await done()) return
    await new Promise((resolve) => setImmediate(resolve))
  }
  throw new Error('it does not come to that')
}

describe('jobs that wait for others', () => {
  let place: Place
  let harness: HeldHarness
  const clock = createClock()
  beforeEach(async () => {
    place = await newMigratedPlace()
    harness = await openHeldHarness({ open: () => place.open(), clock })
    await harness.coordinator.start()
  })
  afterEach(async () => {
    await harness.close()
    await place.remove()
  })

  const statusOf = async (id: number) => (await harness.coordinator.job(id)).status
  const becomes = (id: number, status: string) => until(async () => (await statusOf(id)) === status)
  const finish = async (id: number): Promise<void> => {
    const task = await harness.next('render-scene')
    expect(task.jobId).toBe(id)
    await harness.render(task)
    const stitch = await harness.next('stitch-film')
    await harness.coordinator.completeJob(id, new Uint8Array([1]))
    stitch.done()
  }
  const settled = async (): Promise<void> => {
    const task = await harness.next('settle-dependents')
    await harness.coordinator.settleDependents(task.jobId)
    task.done()
  }
  const approved = async (members: object = {}): Promise<number> => {
    const { id } = await harness.job(1, members)
    await harness.coordinator.approveJob(id)
    return id
  }

  it('begin when all of them are completed, and say until then which they wait for', async () => {
    const one = await approved()
    const two = await approved()
    const id = await approved({ depends_on: [one, { job_id: two, on_failure: 'wait' }] })
    for (const other of [one, two]) await becomes(other, 'processing')
    expect(await harness.coordinator.dependencies(id)).toMatchObject([
      { onJobId: one, onFailure: 'fail', isMet: false, status: 'processing' },
      { onJobId: two, onFailure: 'wait', isMet: false, status: 'processing' },
    ])
    expect((await harness.coordinator.waiting(id)).job).toMatchObject({
      code: 'dependency',
      reason: `job ${one} (processing) and 1 more must end first`,
    })
    await finish(one)
    await settled()
    expect((await harness.coordinator.waiting(id)).job?.reason).toBe(`job ${two} (processing) must end first`)
    await finish(two)
    await settled()
    expect((await harness.next('render-scene')).jobId).toBe(id)
    expect(await harness.coordinator.dependencies(id)).toMatchObject([{ isMet: true }, { isMet: true }])
  })

  it.each([
    ['fail', 'failed'],
    ['wait', 'approved'],
    ['ignore', 'processing'],
  ])('when one fails, by the setting of the edge: %s leaves the job %s', async (onFailure, status) => {
    const one = await approved()
    await harness.next('render-scene')
    const id = await approved({ depends_on: [{ job_id: one, on_failure: onFailure }] })
    await harness.coordinator.failJob(one, 'no light')
    await settled()
    await becomes(id, status)
    const job = await harness.coordinator.job(id)
    if (onFailure === 'fail')
      expect(job.error).toEqual({
        code: 'dependency_failed',
        reason: `Job ${one}, which this job waited for, is failed`,
      })
    else expect(job.error).toBeNull()
  })

  it('that are not approved yet are cancelled when one they need fails, and say why', async () => {
    const one = await approved()
    await harness.next('render-scene')
    const { id } = await harness.job(1, { depends_on: [one] })
    await harness.coordinator.cancelJob(one)
    await settled()
    expect(await harness.coordinator.job(id)).toMatchObject({
      status: 'cancelled',
      error: { code: 'dependency_failed' },
    })
  })

  it('go on when a failed one is retried and completes, where they wait for that', async () => {
    const one = await approved()
    await harness.next('render-scene')
    const id = await approved({ depends_on: [{ job_id: one, on_failure: 'wait' }] })
    await harness.coordinator.failJob(one, 'no light')
    await settled()
    await harness.coordinator.retryJob(one)
    await finish(one)
    await settled()
    expect((await harness.next('render-scene')).jobId).toBe(id)
  })

  it('are refused where they never could begin: a missing job, itself, one twice, one that has failed', async () => {
    const one = await approved()
    await harness.next('render-scene')
    await harness.coordinator.failJob(one, 'no light')
    const next = one + 1
    const problems = async (dependsOn: unknown) =>
      ((await refusalOf(harness.job(1, { depends_on: dependsOn }))) as { problems: unknown }).problems
    expect(await problems([next])).toEqual([
      {
        field: 'depends_on[0]',
        reason: `there is no job ${next}: a job can wait only for jobs that exist`,
      },
    ])
    expect(await problems([one])).toMatchObject([
      { field: 'depends_on[0]', reason: expect.stringContaining(`job ${one} is failed`) },
    ])
    const two = await approved()
    expect(await problems([two, { job_id: two, on_failure: 'wait' }])).toEqual([
      { field: 'depends_on[1]', reason: `names job ${two} a second time` },
    ])
    expect(await problems(['7'])).toMatchObject([{ field: 'depends_on[0]' }])
    const { id } = await harness.job(1, { depends_on: [{ job_id: one, on_failure: 'ignore' }] })
    expect(await harness.coordinator.dependencies(id)).toMatchObject([{ isMet: true, status: 'failed' }])
  })

  it('cannot be retried before the one that failed, and can afterwards', async () => {
    const one = await approved()
    await harness.next('render-scene')
    const id = await approved({ depends_on: [one] })
    await harness.coordinator.failJob(one, 'no light')
    await settled()
    expect(await refusalOf(harness.coordinator.retryJob(id))).toMatchObject({
      code: 'job_refused',
      reason: `Job ${one}, which this job waits for, is failed: retry that job first`,
    })
    await harness.coordinator.retryJob(one)
    await harness.coordinator.retryJob(id)
    expect((await harness.coordinator.waiting(id)).job).toMatchObject({ code: 'dependency' })
  })
})
