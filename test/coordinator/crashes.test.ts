/** What a user and an operator see of work that ran when the process died, and what they can do about it. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openMetrics } from '../../src/telemetry/metrics.ts'
import { createClock } from '../clock.ts'
import { newMigratedPlace, type Place } from '../store/open-database.ts'
import { parseExposition, valueOf } from '../telemetry/exposition.ts'
import { type HeldHarness, openHeldHarness } from '../harness/held-tasks.ts'
import { settle } from '../harness/settle.ts'

describe('a job during which the process dies again and again', () => {
  let place: Place
  let harness: HeldHarness
  let slots: number
  const clock = createClock()

  /** The process ends, and another begins. */
  const die = async (): Promise<void> => {
    await settle()
    await harness.database.close()
    harness = await openHeldHarness({ open: () => place.open(), slots, clock })
    await harness.coordinator.start()
    await settle()
  }
  /** A job whose only scene waits after some deaths. */
  const crashing = async (deaths = 6): Promise<number> => {
    const { id } = await harness.job()
    await harness.coordinator.approveJob(id)
    for (let death = 0; death < deaths; death++) {
      await running(id)
      await die()
    }
    return id
  }
  const runs = (jobId: number): boolean => harness.engine.running().some((task) => task.jobId === jobId)
  const running = async (jobId: number): Promise<void> => {
    while (!runs(jobId)) {
      clock.advance(1000)
      await settle(1)
    }
  }
  const waitCode = async (jobId: number): Promise<string | undefined> =>
    (await harness.coordinator.waiting(jobId)).job?.code

  beforeEach(async () => {
    place = await newMigratedPlace()
    slots = 4
    harness = await openHeldHarness({ open: () => place.open(), slots, clock })
    await harness.coordinator.start()
  })
  afterEach(async () => {
    await harness.close()
    await place.remove()
  })

  it('says so as the reason why its scene and the job wait, with since and until when, and never fails', async () => {
    const jobId = await crashing()
    const { job, scenes } = await harness.coordinator.waiting(jobId)
    expect(job).toEqual({
      code: 'after_crash',
      reason: 'the server died 6 times while this ran; it will resume by itself',
      since: clock.now(),
      until: expect.any(Number),
    })
    expect(job!.until! - clock.now()).toBeGreaterThan(0)
    expect([...scenes.values()]).toEqual([job])
    clock.advance(job!.until! - clock.now())
    await settle()
    expect(await harness.coordinator.waiting(jobId)).toEqual({ job: null, scenes: new Map() })
    await harness.render(await harness.next('render-scene'))
    expect((await harness.coordinator.scenes(jobId))[0]).toMatchObject({ status: 'completed', tries: 1 })
  })

  it('says the same of its film', async () => {
    const { id } = await harness.job()
    await harness.coordinator.approveJob(id)
    await harness.render(await harness.next('render-scene'))
    for (let death = 0; death < 3; death++) {
      await running(id)
      await die()
    }
    expect(await waitCode(id)).toBe('after_crash')
    await running(id)
    expect(await waitCode(id)).toBeUndefined()
    await harness.coordinator.completeJob(id, new Uint8Array([1]))
  })

  it('holds no place meanwhile that others could have, of a renderer or of jobs', async () => {
    slots = 1
    await harness.coordinator.setLimits({ jobs: 1 })
    const jobId = await crashing()
    expect(runs(jobId)).toBe(false)
    const other = await harness.job()
    await harness.coordinator.approveJob(other.id)
    await settle()
    expect(runs(other.id)).toBe(true)
    expect((await harness.coordinator.limits()).renderers[0]!.inFlight).toBe(1)
  })

  it('is counted by the metrics', async () => {
    const count = async (): Promise<number | undefined> => {
      const feed = { readers: () => 0 }
      const metrics = await openMetrics({
        ...harness,
        feed,
        host: clock,
        version: '1',
        freeBytes: async () => 1,
      })
      const page = parseExposition(await metrics.text())
      metrics.stop()
      return valueOf(page, 'workflow_tasks_after_crash')
    }
    const jobId = await crashing()
    expect(await count()).toBe(1)
    await running(jobId)
    await settle()
    expect(await count()).toBe(0)
  })

  it.each(['its job', 'everything', 'its renderer'] as const)(
    'begins no more while a person has paused %s, over restarts too, and at once when it is resumed',
    async (what) => {
      const jobId = await crashing()
      const actor = { by: 'ops' }
      const request = what === 'its renderer' ? { renderer: 'local' } : {}
      if (what === 'its job') await harness.coordinator.pauseJob(jobId, {}, actor)
      else await harness.coordinator.pause(request, actor)
      const code = { 'its job': 'job_paused', everything: 'paused', 'its renderer': 'renderer_paused' }[what]
      expect(await waitCode(jobId)).toBe(code)
      clock.advance(3_600_000)
      await settle()
      expect(runs(jobId)).toBe(false)
      await die()
      expect(runs(jobId)).toBe(false)
      expect(await waitCode(jobId)).toBe(code)

      if (what === 'its job') await harness.coordinator.resumeJob(jobId, actor)
      else await harness.coordinator.resume(request, actor)
      await settle()
      expect(runs(jobId)).toBe(true)
      expect(await waitCode(jobId)).toBeUndefined()
    },
  )

  it('is not begun again after the first death, where its job was paused meanwhile', async () => {
    const { id } = await harness.job()
    await harness.coordinator.approveJob(id)
    await running(id)
    await harness.coordinator.pauseJob(id)
    await die()
    expect(runs(id)).toBe(false)
    await harness.coordinator.resumeJob(id)
    await settle()
    expect(runs(id)).toBe(true)
  })

  it('is cancelled as any other, and is never begun again', async () => {
    const jobId = await crashing()
    await harness.coordinator.cancelJob(jobId)
    expect((await harness.coordinator.job(jobId)).status).toBe('cancelled')
    expect(await harness.database.all('select * from tasks')).toEqual([])
    await die()
    clock.advance(3_600_000)
    await settle()
    expect(harness.engine.running()).toEqual([])
  })
})

it('a render for which there was no place begins as soon as there is one again', async () => {
  const clock = createClock()
  const place = await newMigratedPlace()
  const harness = await openHeldHarness({ open: () => place.open(), clock })
  await harness.coordinator.start()
  const { id } = await harness.job(2)
  await harness.coordinator.approveJob(id)
  const [failing, other] = [await harness.next('render-scene'), await harness.next('render-scene')]
  const limit = (max_concurrency: number) =>
    harness.coordinator.setLimits({ renderers: { local: { max_concurrency } } })
  await limit(1)
  failing.reject(new Error('not now'))
  for (let seconds = 0; seconds < 60; seconds++) {
    await settle(10)
    clock.advance(1000)
  }
  expect(harness.engine.running()).toEqual([expect.objectContaining({ subject: other.subject })])
  await limit(2)
  expect(await harness.next('render-scene')).toMatchObject({ subject: failing.subject })
  await harness.close()
  await place.remove()
})
