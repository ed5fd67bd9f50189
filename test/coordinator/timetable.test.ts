import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { RefusedError } from '../../src/job/errors.ts'
import { type Clock, createClock } from '../clock.ts'
import { newMigratedPlace, type Place } from '../store/open-database.ts'
import { createRealClock } from '../real-clock.ts'
import { type HeldHarness, openHeldHarness } from '../harness/held-tasks.ts'
import { settle } from '../harness/settle.ts'

const refusalOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'not refused',
    (error: RefusedError) => error.refusal,
  )

const hour = 3_600_000

describe('what a job has to do with the clock', () => {
  let place: Place
  let harness: HeldHarness
  let clock: Clock
  beforeEach(async () => {
    clock = createClock()
    place = await newMigratedPlace()
    harness = await openHeldHarness({ open: () => place.open(), clock })
    await harness.coordinator.start()
  })
  afterEach(async () => {
    await harness.close()
    await place.remove()
  })

  const at = (ms: number): string => new Date(clock.now() + ms).toISOString()
  /** Moves the time on, as who waits for it looks at most a minute ahead. */
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 60_000) {
      await settle(20)
      clock.advance(Math.min(left, 60_000))
    }
    await settle(50)
  }
  const approved = async (members: object): Promise<number> => {
    const { id } = await harness.job(1, members)
    await harness.coordinator.approveJob(id)
    return id
  }

  it('is not begun before run_at, and says when it will be', async () => {
    const runAt = at(hour)
    const id = await approved({ run_at: runAt })
    expect((await harness.coordinator.waiting(id)).job).toEqual({
      code: 'scheduled',
      reason: 'scheduled to begin later',
      since: clock.now(),
      until: Date.parse(runAt),
    })
    await pass(hour - 120_000)
    expect(harness.coordinator.processingTasks()).toEqual([])
    await pass(120_000)
    expect((await harness.next('render-scene')).jobId).toBe(id)
  })

  it('is begun at once when run_at is taken away, and at another time when it is changed', async () => {
    const one = await approved({ run_at: at(hour) })
    const two = await approved({ run_at: at(hour) })
    await harness.coordinator.updateJob(one, { run_at: null })
    expect((await harness.next('render-scene')).jobId).toBe(one)
    await harness.coordinator.updateJob(two, { run_at: at(120_000) })
    await pass(180_000)
    expect((await harness.next('render-scene')).jobId).toBe(two)
  })

  it('fails at its deadline: what runs is stopped, and it says why', async () => {
    const deadline = at(hour)
    const id = await approved({ deadline_at: deadline })
    const task = await harness.next('render-scene')
    await pass(hour + 60_000)
    expect(await harness.coordinator.job(id)).toMatchObject({
      status: 'failed',
      error: { code: 'deadline_passed', reason: `The job had not ended by its deadline, ${deadline}` },
    })
    expect(task.signal.aborted).toBe(true)
    expect((await harness.coordinator.scenes(id))[0]!.status).toBe('cancelled')
  })

  it('fails at its deadline though it has not begun, and is cancelled where nobody has approved it', async () => {
    const waiting = await approved({ deadline_at: at(hour), run_at: at(hour / 2) })
    await harness.coordinator.pauseJob(waiting)
    const { id: pending } = await harness.job(1, { deadline_at: at(hour) })
    await pass(hour + 60_000)
    expect(await harness.coordinator.job(waiting)).toMatchObject({ status: 'failed' })
    expect(await harness.coordinator.job(pending)).toMatchObject({
      status: 'cancelled',
      error: { code: 'deadline_passed' },
    })
    expect((await harness.events(waiting)).map(({ type }) => type).slice(-2)).toEqual([
      'job_processing',
      'job_failed',
    ])
  })

  it('keeps its deadline after a restart', async () => {
    const id = await approved({ deadline_at: at(hour) })
    await harness.next('render-scene')
    await harness.close()
    clock.advance(2 * hour)
    harness = await openHeldHarness({ open: () => place.open(), clock })
    await harness.coordinator.start()
    await pass(1000)
    expect((await harness.coordinator.job(id)).status).toBe('failed')
  })

  it('is retried only with another deadline, or none', async () => {
    const id = await approved({ deadline_at: at(hour) })
    await harness.next('render-scene')
    await pass(hour + 60_000)
    expect(await refusalOf(harness.coordinator.retryJob(id))).toMatchObject({
      code: 'job_refused',
      reason: 'Its deadline has passed: retry it with another deadline_at, or null for none',
    })
    await harness.coordinator.retryJob(id, { deadline_at: null, reason: 'it may take longer' })
    expect(await harness.coordinator.job(id)).toMatchObject({ deadlineAt: null, error: null })
    expect((await harness.next('render-scene')).jobId).toBe(id)
  })

  it('refuses times that cannot be kept', async () => {
    const refused = async (members: object) =>
      ((await refusalOf(harness.job(1, members))) as { problems: unknown }).problems
    expect(await refused({ deadline_at: at(-1000) })).toEqual([
      { field: 'deadline_at', reason: 'must be in the future' },
    ])
    expect(await refused({ deadline_at: at(1000), run_at: at(2000) })).toEqual([
      { field: 'deadline_at', reason: 'must be after run_at' },
    ])
    expect(await refused({ run_at: 'tomorrow' })).toMatchObject([{ field: 'run_at' }])
  })
})

it('a job is begun on time, at whatever moment timers ring and between whatever ticks of the clock', async () => {
  const place = await newMigratedPlace()
  const clock = createRealClock(7)
  const harness = await openHeldHarness({ open: () => place.open(), slots: 1000, clock })
  await harness.coordinator.start()
  for (let n = 0; n < 60; n++) {
    const runAt = clock.now() + 20 + n
    const { id } = await harness.job(1, { run_at: new Date(runAt).toISOString() })
    await harness.coordinator.approveJob(id)
    while (!harness.coordinator.processingTasks().some(({ jobId }) => jobId === id)) {
      await settle(20)
      clock.pass(100)
    }
    expect(clock.now() - runAt).toBeLessThan(1000)
  }
  await harness.close()
  await place.remove()
})
