import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { RefusedError } from '../../src/job/errors.ts'
import { createClock } from '../clock.ts'
import { newMigratedPlace, type Place } from '../store/open-database.ts'
import { clip, openHeldHarness, type HeldHarness } from '../harness/held-tasks.ts'

const refusalOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'not refused',
    (error: RefusedError) => error.refusal,
  )

const types = async (harness: HeldHarness, jobId: number): Promise<string[]> =>
  (await harness.events(jobId)).map(({ type }) => type)

describe('the coordinator', () => {
  let place: Place
  let harness: HeldHarness
  beforeEach(async () => {
    place = await newMigratedPlace()
    harness = await openHeldHarness({ open: () => place.open() })
    await harness.coordinator.start()
  })
  afterEach(async () => {
    await harness.close()
    await place.remove()
  })

  it('takes a job from request to film, and tells each step once and in order', async () => {
    const { coordinator } = harness
    const heard: string[] = []
    harness.pubsub.subscribe('*', ({ type }) => heard.push(type))
    const { id } = await harness.job(2)
    expect(await coordinator.job(id)).toMatchObject({
      status: 'pending',
      progress: { percentage: 0, stage: 'created' },
    })

    await coordinator.approveJob(id)
    const renders = [await harness.next('render-scene'), await harness.next('render-scene')]
    expect(coordinator.processingTasks()).toHaveLength(2)
    expect(await coordinator.job(id)).toMatchObject({
      status: 'processing',
      progress: { percentage: 5, stage: 'rendering' },
    })
    for (const render of renders) await harness.render(render)

    const stitch = await harness.next('stitch-film')
    expect((await coordinator.job(id)).progress).toEqual({ percentage: 95, stage: 'stitching' })
    await coordinator.completeJob(id, new Uint8Array([7]))
    stitch.done()

    expect(await coordinator.job(id)).toMatchObject({
      status: 'completed',
      progress: { percentage: 100, stage: 'completed' },
    })
    expect(await coordinator.result(id)).toEqual(new Uint8Array([7]))
    expect((await coordinator.scenes(id)).map((scene) => [scene.status, scene.clip, scene.tries])).toEqual([
      ['completed', clip, 1],
      ['completed', clip, 1],
    ])
    const told = await types(harness, id)
    expect(told).toEqual([
      'job_created',
      'job_approved',
      'job_processing',
      'scene_processing',
      'scene_processing',
      'job_progress',
      'scene_completed',
      'job_progress',
      'scene_completed',
      'job_progress',
      'job_completed',
    ])
    expect(heard).toEqual(told)
    expect(await coordinator.activeJobs()).toEqual([])
  })

  it('approves once, however many ask at the same time', async () => {
    const { id } = await harness.job()
    const answers = await Promise.allSettled(
      Array.from({ length: 100 }, () => harness.coordinator.approveJob(id)),
    )
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect((await types(harness, id)).filter((type) => type === 'job_approved')).toHaveLength(1)
    for (const answer of answers)
      if (answer.status === 'rejected')
        expect((answer.reason as RefusedError).refusal).toMatchObject({
          code: 'transition_refused',
          jobId: id,
          reason: 'Job must be in pending state to be approved',
        })
  })

  it('refuses what the state does not allow, and says the state', async () => {
    const { coordinator } = harness
    const { id } = await harness.job()
    const refused = { code: 'transition_refused', currentStatus: 'pending' }
    expect(await refusalOf(coordinator.updateProgress(id, { percentage: 1, stage: 'x' }))).toMatchObject(
      refused,
    )
    expect(await refusalOf(coordinator.completeJob(id, new Uint8Array()))).toMatchObject(refused)
    expect(await refusalOf(coordinator.failJob(id, 'why'))).toMatchObject(refused)
    expect(await refusalOf(coordinator.approveJob(id + 1))).toEqual({ code: 'job_not_found', jobId: id + 1 })
    expect(await types(harness, id)).toEqual(['job_created'])
  })

  it('never lets progress fall, nor reach 100 before the film is there', async () => {
    const { coordinator } = harness
    const { id } = await harness.job()
    await coordinator.approveJob(id)
    await harness.next('render-scene')
    const readings: number[] = []
    for (const percentage of [30, 10, 60, 200, -5]) {
      await coordinator.updateProgress(id, { percentage, stage: 'rendering' })
      readings.push((await coordinator.job(id)).progress.percentage)
    }
    expect(readings).toEqual([30, 30, 60, 99, 99])
  })

  it('starts no more renders than there are slots, in order of approval and then of the storyboard', async () => {
    await harness.close()
    harness = await openHeldHarness({ open: () => place.open(), slots: 2 })
    await harness.coordinator.start()
    const [first, second] = [await harness.job(2), await harness.job(2)]
    harness.clock.advance(10)
    await harness.coordinator.approveJob(second.id)
    harness.clock.advance(10)
    await harness.coordinator.approveJob(first.id)

    const order: string[] = []
    for (let started = 0; started < 4; started++) {
      const task = await harness.next('render-scene')
      const scenes = [
        ...(await harness.coordinator.scenes(first.id)),
        ...(await harness.coordinator.scenes(second.id)),
      ]
      expect(scenes.filter(({ status }) => status === 'processing').length).toBeLessThanOrEqual(2)
      order.push(task.jobId === second.id ? 'second' : 'first')
      await harness.render(task)
    }
    expect(order).toEqual(['second', 'second', 'first', 'first'])
  })

  it('puts a job of higher priority first', async () => {
    await harness.close()
    harness = await openHeldHarness({ open: () => place.open(), slots: 1 })
    await harness.coordinator.start()
    const blocking = await harness.job()
    await harness.coordinator.approveJob(blocking.id)
    const running = await harness.next('render-scene')
    const low = await harness.job(1, { priority: 1 })
    const high = await harness.job(1, { priority: 99 })
    await harness.coordinator.approveJob(low.id)
    await harness.coordinator.approveJob(high.id)
    await harness.render(running)
    const next = await harness.next('render-scene')
    expect(next.jobId).toBe(high.id)
  })

  it('tries a failed render again after a wait, and fails the job with the last words when its tries are spent', async () => {
    const { coordinator, clock } = harness
    const { id } = await harness.job()
    await coordinator.approveJob(id)
    const failure = { code: 'ffmpeg_failed', reason: 'Conversion failed!' }
    for (let tried = 1; tried <= 3; tried++) {
      const task = await harness.next('render-scene')
      await coordinator.beginAttempt(task.subject)
      await coordinator.sceneFailed(task.subject, { failure, retry: true })
      task.done()
      const [scene] = await coordinator.scenes(id)
      expect(scene).toMatchObject({ tries: tried, status: tried < 3 ? 'pending' : 'failed' })
      if (tried < 3) {
        expect(scene!.notBefore! - clock.now()).toBeGreaterThan(0)
        // The alarm is set by the look that follows the failure: let it be set, then let it ring.
        await untilAdmissionRests(harness)
        clock.advance(60_000)
      }
    }
    const [scene] = await coordinator.scenes(id)
    expect(await coordinator.job(id)).toMatchObject({
      status: 'failed',
      error: { ...failure, scene_id: scene!.id },
      progress: { stage: 'failed' },
    })
    expect((await types(harness, id)).slice(-2)).toEqual(['scene_failed', 'job_failed'])
    expect(harness.lines).toContain(`[Workflow.Coordinator] Task failed for job ${id}: Conversion failed!`)
  })

  it('fails a job only when what still runs has ended, and starts nothing more for it', async () => {
    await harness.close()
    harness = await openHeldHarness({ open: () => place.open(), slots: 2 })
    await harness.coordinator.start()
    const { coordinator } = harness
    const { id } = await harness.job(4)
    await coordinator.approveJob(id)
    const [failing, running] = [await harness.next('render-scene'), await harness.next('render-scene')]
    await coordinator.beginAttempt(failing.subject)
    await coordinator.sceneFailed(failing.subject, {
      failure: { code: 'bad_input', reason: 'no' },
      retry: false,
    })
    failing.done()
    expect((await coordinator.job(id)).status).toBe('processing')
    await harness.render(running)
    expect((await coordinator.job(id)).status).toBe('failed')
    // What was rendered is kept: a retry need not pay for it again.
    expect((await coordinator.scenes(id)).map(({ status }) => status).toSorted()).toEqual([
      'completed',
      'failed',
      'pending',
      'pending',
    ])
  })

  it('lets who is too late change nothing', async () => {
    const { coordinator } = harness
    const { id } = await harness.job()
    await coordinator.approveJob(id)
    const task = await harness.next('render-scene')
    await harness.render(task)
    const before = [await coordinator.scenes(id), await harness.events(id)]
    const other = 'd'.repeat(64)
    await coordinator.sceneRendered(task.subject, { clip: other, source: other, place: '' })
    await coordinator.sceneFailed(task.subject, { failure: { code: 'x', reason: 'late' }, retry: true })
    expect(await coordinator.beginAttempt(task.subject)).toBeUndefined()
    expect([await coordinator.scenes(id), await harness.events(id)]).toEqual(before)
  })

  it('resumes after a crash what was interrupted, without spending a try', async () => {
    const { id } = await harness.job(2)
    await harness.coordinator.approveJob(id)
    const [kept, cut] = [await harness.next('render-scene'), await harness.next('render-scene')]
    await harness.render(kept)
    await harness.coordinator.beginAttempt(cut.subject)
    // The process ends here: what it had in memory is gone.
    await harness.close()

    harness = await openHeldHarness({ open: () => place.open(), clock: createClock(2) })
    await harness.coordinator.start()
    const again = await harness.next('render-scene')
    expect(again.subject).toBe(cut.subject)
    expect(harness.lines).toContain('[Workflow.Coordinator] Recovering interrupted jobs')
    await harness.render(again)
    const stitch = await harness.next('stitch-film')
    await harness.coordinator.completeJob(id, new Uint8Array([1]))
    stitch.done()
    expect((await harness.coordinator.scenes(id)).map(({ tries }) => tries)).toEqual([1, 1])
  })

  it('finds jobs whose task is lost, and gives them another', async () => {
    const { id } = await harness.job()
    await harness.coordinator.approveJob(id)
    await harness.render(await harness.next('render-scene'))
    await harness.next('stitch-film')
    await harness.close()
    const database = await place.open()
    await database.transaction((tx) => tx.run('delete from tasks'))
    await database.close()

    harness = await openHeldHarness({ open: () => place.open(), clock: createClock(2) })
    await harness.coordinator.start()
    expect((await harness.next('stitch-film')).jobId).toBe(id)
  })

  it('a listener that throws stops neither the others nor the job', async () => {
    const heard: number[] = []
    harness.pubsub.subscribe('jobs:approved', () => {
      throw new Error('mine alone')
    })
    const end = harness.pubsub.subscribe('jobs:approved', ({ job_id }) => heard.push(job_id))
    const { id } = await harness.job()
    await harness.coordinator.approveJob(id)
    expect(heard).toEqual([id])
    end()
    const other = await harness.job()
    await harness.coordinator.approveJob(other.id)
    expect(heard).toEqual([id])
  })

  it('keeps free members as they are, and finds jobs by them, newest first and page by page', async () => {
    const { coordinator } = harness
    const odd = { quote: `'"; drop table jobs; --`, nested: { emoji: ['🏠', null, 1.5] } }
    const ids: number[] = []
    for (let index = 0; index < 5; index++) {
      const { parameters } = (await harness.job()) as unknown as { parameters: { photos: unknown } }
      const job = await coordinator.createJob({
        type: 'property_photos',
        parameters: { ...parameters, client_id: index % 2, campaign_id: 'spring 🌸', ...odd },
      })
      ids.push(job.id)
      expect(job.parameters).toMatchObject(odd)
    }
    const found: number[] = []
    let before: number | undefined
    do {
      const page = await coordinator.jobs({ labels: { campaign_id: 'spring 🌸' }, limit: 2, before })
      found.push(...page.jobs.map(({ id }) => id))
      before = page.last ?? undefined
    } while (before !== undefined)
    expect(found).toEqual(ids.toReversed())
    const odds = await coordinator.jobs({ labels: { client_id: '1', campaign_id: 'spring 🌸' }, limit: 10 })
    expect(odds.jobs.map(({ id }) => id)).toEqual([ids[3], ids[1]])
  })
})

/** Waits until admission has looked and sleeps: a transaction queued behind its own has run. */
async function untilAdmissionRests({ database }: HeldHarness): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await database.transaction((tx) => tx.get('select 1 as one'))
}
