import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { RefusedError } from '../../src/job/errors.ts'
import { createClock } from '../clock.ts'
import { kinds, newPlace, type Place } from '../store/open-database.ts'
import { type House, openHouse } from './house.ts'

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

describe.each(kinds)('jobs that wait for others on %s', (kind) => {
  let place: Place
  let house: House
  const clock = createClock()
  beforeEach(async () => {
    place = await newPlace(kind)
    house = await openHouse({ place, clock })
    await house.coordinator.start()
  })
  afterEach(async () => {
    await house.close()
    await place.remove()
  })

  const statusOf = async (id: number) => (await house.coordinator.job(id)).status
  const becomes = (id: number, status: string) => until(async () => (await statusOf(id)) === status)
  const finish = async (id: number): Promise<void> => {
    const task = await house.next('render-scene')
    expect(task.jobId).toBe(id)
    await house.render(task)
    const stitch = await house.next('stitch-film')
    await house.coordinator.completeJob(id, new Uint8Array([1]))
    stitch.done()
  }
  const settled = async (): Promise<void> => {
    const task = await house.next('settle-dependents')
    await house.coordinator.settleDependents(task.jobId)
    task.done()
  }
  const approved = async (members: object = {}): Promise<number> => {
    const { id } = await house.job(1, members)
    await house.coordinator.approveJob(id)
    return id
  }

  it('begin when all of them are completed, and say until then which they wait for', async () => {
    const one = await approved()
    const two = await approved()
    const id = await approved({ depends_on: [one, { job_id: two, on_failure: 'wait' }] })
    for (const other of [one, two]) await becomes(other, 'processing')
    expect(await house.coordinator.dependencies(id)).toMatchObject([
      { onJobId: one, onFailure: 'fail', isMet: false, status: 'processing' },
      { onJobId: two, onFailure: 'wait', isMet: false, status: 'processing' },
    ])
    expect((await house.coordinator.waiting(id)).job).toMatchObject({
      code: 'dependency',
      reason: `job ${one} (processing) and 1 more must end first`,
    })
    await finish(one)
    await settled()
    expect((await house.coordinator.waiting(id)).job?.reason).toBe(`job ${two} (processing) must end first`)
    await finish(two)
    await settled()
    expect((await house.next('render-scene')).jobId).toBe(id)
    expect(await house.coordinator.dependencies(id)).toMatchObject([{ isMet: true }, { isMet: true }])
  })

  it.each([
    ['fail', 'failed'],
    ['wait', 'approved'],
    ['ignore', 'processing'],
  ])('when one fails, by the setting of the edge: %s leaves the job %s', async (onFailure, status) => {
    const one = await approved()
    await house.next('render-scene')
    const id = await approved({ depends_on: [{ job_id: one, on_failure: onFailure }] })
    await house.coordinator.failJob(one, 'no light')
    await settled()
    await becomes(id, status)
    const job = await house.coordinator.job(id)
    if (onFailure === 'fail')
      expect(job.error).toEqual({
        code: 'dependency_failed',
        reason: `Job ${one}, which it waited for, is failed`,
      })
    else expect(job.error).toBeNull()
  })

  it('that are not approved yet are cancelled when one they need fails, and say why', async () => {
    const one = await approved()
    await house.next('render-scene')
    const { id } = await house.job(1, { depends_on: [one] })
    await house.coordinator.cancelJob(one)
    await settled()
    expect(await house.coordinator.job(id)).toMatchObject({
      status: 'cancelled',
      error: { code: 'dependency_failed' },
    })
  })

  it('go on when a failed one is retried and completes, where they wait for that', async () => {
    const one = await approved()
    await house.next('render-scene')
    const id = await approved({ depends_on: [{ job_id: one, on_failure: 'wait' }] })
    await house.coordinator.failJob(one, 'no light')
    await settled()
    await house.coordinator.retryJob(one)
    await finish(one)
    await settled()
    expect((await house.next('render-scene')).jobId).toBe(id)
  })

  it('are refused where they never could begin: a missing job, itself, one twice, one that has failed', async () => {
    const one = await approved()
    await house.next('render-scene')
    await house.coordinator.failJob(one, 'no light')
    const next = one + 1
    const problems = async (dependsOn: unknown) =>
      ((await refusalOf(house.job(1, { depends_on: dependsOn }))) as { problems: unknown }).problems
    expect(await problems([next])).toEqual([
      {
        field: 'depends_on[0]',
        reason: `there is no job ${next}: a job can only wait for one that was asked for before it`,
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
    const { id } = await house.job(1, { depends_on: [{ job_id: one, on_failure: 'ignore' }] })
    expect(await house.coordinator.dependencies(id)).toMatchObject([{ isMet: true, status: 'failed' }])
  })

  it('cannot be retried before the one that failed, and can afterwards', async () => {
    const one = await approved()
    await house.next('render-scene')
    const id = await approved({ depends_on: [one] })
    await house.coordinator.failJob(one, 'no light')
    await settled()
    expect(await refusalOf(house.coordinator.retryJob(id))).toMatchObject({
      code: 'job_refused',
      reason: `Job ${one}, which it waits for, is failed: retry that first`,
    })
    await house.coordinator.retryJob(one)
    await house.coordinator.retryJob(id)
    expect((await house.coordinator.waiting(id)).job).toMatchObject({ code: 'dependency' })
  })
})
