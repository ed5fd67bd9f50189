import { describe, expect, test } from 'vitest'
import { ArtifactError } from '../../src/artifact/artifact.ts'
import type { Clips } from '../../src/pipeline/clips.ts'
import { createTakeClip } from '../../src/pipeline/take-clip.ts'
import { type Simulation, openSimulation, requestOf, sceneOf } from '../harness/simulation.ts'
import { hour, minute } from '../harness/harness.ts'

const estimate = async (simulation: Simulation, scenes: readonly (number | object)[], members?: object) =>
  (await simulation.ask('POST', '/estimates', requestOf(scenes, members))).body

const finished = async (simulation: Simulation, scenes: readonly (number | object)[], members?: object) => {
  const { job_id } = await simulation.job(scenes, members)
  await simulation.approve(job_id)
  return simulation.ended(job_id)
}

/** The next clip that is taken from what is kept is taken with this outcome, and those after it as they are. */
function takingNext(simulation: Simulation, fit: Clips['fit']): void {
  const { engine, coordinator } = simulation.life
  let isNext = true
  const clips: Pick<Clips, 'fit'> = {
    fit: (source, work, signal) => {
      if (!isNext) return Promise.resolve({ kind: 'clip', clip: { clip: source, source, place: '' } })
      isNext = false
      return fit(source, work, signal)
    },
  }
  engine.handle(
    'take-clip',
    { concurrency: 10, onExhausted: (_task, error) => Promise.reject(error) },
    createTakeClip({ coordinator, clips: clips as Clips, studio: { inTurn: (use) => use() } }),
  )
}

describe('an estimate', () => {
  test('tells what is to pay, and keeps nothing', async () => {
    await using simulation = await openSimulation()
    expect(await estimate(simulation, [0, 1, 2])).toMatchObject({
      currency: 'USD',
      estimated_cost: 1.2,
      total_scenes: 3,
      scenes_to_pay: 3,
      summary: '3 of 3 scenes to pay',
      price_book: '2026-11',
      scenes: [0, 1, 2].map((position) => ({ position, estimated: 0.4 })),
      storyboard: { total_duration: 12 },
    })
    expect(await simulation.get('/jobs')).toEqual({ jobs: [], next_cursor: null })
    expect((await simulation.job([0])).job_id).toBe(1)
  })

  test('of what was rendered before is nothing', async () => {
    await using simulation = await openSimulation()
    await finished(simulation, [0, 1, 2])
    expect(await estimate(simulation, [2, 1, 0])).toMatchObject({
      estimated_cost: 0,
      summary: '0 of 3 scenes to pay',
      scenes: [{ estimated: 0 }, { estimated: 0 }, { estimated: 0 }],
    })
    expect(await estimate(simulation, [0, sceneOf(0, { prompt: 'Another look.' })])).toMatchObject({
      estimated_cost: 0.4,
      summary: '1 of 2 scenes to pay',
      scenes: [{ estimated: 0 }, { estimated: 0.4 }],
    })
  })

  test('counts equal scenes once, and with force each of them', async () => {
    await using simulation = await openSimulation()
    expect(await estimate(simulation, [0, 0, 0])).toMatchObject({
      estimated_cost: 0.4,
      summary: '1 of 3 scenes to pay',
    })
    await finished(simulation, [0])
    expect(await estimate(simulation, [0, 0], { force: true })).toMatchObject({
      estimated_cost: 0.8,
      summary: '2 of 2 scenes to pay',
    })
    expect(await estimate(simulation, [0])).toMatchObject({ summary: '0 of 1 scene to pay' })
  })

  test('is what the job then costs', async () => {
    await using simulation = await openSimulation()
    await finished(simulation, [0])
    const scenes = [0, 1, 1, sceneOf(2, { duration: 8, audio: true })]
    const { estimated_cost } = await estimate(simulation, scenes)
    const before = simulation.billedUsd()
    const job = await finished(simulation, scenes)
    expect(job.costs).toMatchObject({ estimated: estimated_cost, spent: estimated_cost })
    expect(simulation.billedUsd() - before).toBeCloseTo(estimated_cost, 9)
  })
})

describe('what was rendered before is not paid for again', () => {
  test('a second equal job costs nothing and asks the provider for nothing', async () => {
    await using simulation = await openSimulation()
    await finished(simulation, [0, 1])
    const job = await simulation.job([0, 1])
    expect(job).toMatchObject({ estimated_cost: 0, costs: { to_approve: 0, scenes_to_pay: 0 } })
    await simulation.approve(job.job_id, { max_cost: 0 })
    const ended = await simulation.ended(job.job_id)
    expect(ended).toMatchObject({ status: 'completed', costs: { approved: 0, spent: 0 } })
    expect(simulation.posts()).toHaveLength(2)
    expect((await simulation.get(`/ledger?job_id=${job.job_id}`)).entries).toEqual([])
  })

  test('two equal scenes of a job are rendered once, and both get the clip', async () => {
    await using simulation = await openSimulation()
    const job = await finished(simulation, [0, 0, 1])
    expect(job).toMatchObject({ status: 'completed', costs: { spent: 0.8 } })
    expect(simulation.posts()).toHaveLength(2)
    const clips = await simulation.database.all('select clip from scenes order by position')
    expect(clips[0]).toEqual(clips[1])
  })

  test('equal scenes of two jobs at once are rendered once', async () => {
    await using simulation = await openSimulation()
    const jobs = [(await simulation.job([0, 1])).job_id, (await simulation.job([1, 0])).job_id]
    await Promise.all(jobs.map((jobId) => simulation.approve(jobId)))
    for (const jobId of jobs) expect((await simulation.ended(jobId)).status).toBe('completed')
    expect(simulation.posts()).toHaveLength(2)
    const { totals } = await simulation.get('/ledger')
    expect(totals).toEqual({ reserved: 0, spent: 0.8 })
  })

  test('who waits for the same render does it himself where that came to nothing', async () => {
    await using simulation = await openSimulation({ fake: { plan: { 1: 'fails_content' } } })
    const jobs = [(await simulation.job([0])).job_id, (await simulation.job([0])).job_id]
    for (const jobId of jobs) await simulation.approve(jobId)
    expect((await simulation.ended(jobs[0])).status).toBe('failed')
    expect((await simulation.ended(jobs[1])).status).toBe('completed')
    expect(simulation.posts()).toHaveLength(2)
  })

  test('who waits for the render of a job that is cancelled renders it himself', async () => {
    await using simulation = await openSimulation({ fake: { renderMs: minute } })
    const jobs = [(await simulation.job([0])).job_id, (await simulation.job([0])).job_id]
    for (const jobId of jobs) await simulation.approve(jobId)
    await simulation.until(() => simulation.posts().length === 1)
    await simulation.ask('POST', `/jobs/${jobs[0]}/cancel`)
    expect((await simulation.ended(jobs[1])).status).toBe('completed')
    expect(simulation.posts()).toHaveLength(2)
  })

  test.each<[string, object]>([
    ['another prompt', { prompt: 'Another look.' }],
    ['another length', { duration: 8 }],
    ['sound', { audio: true }],
    ['another model', { model: 'google/veo-3.1' }],
  ])('%s is another render', async (_name, members) => {
    await using simulation = await openSimulation()
    await finished(simulation, [0])
    expect((await estimate(simulation, [sceneOf(0, members)])).scenes_to_pay).toBe(1)
  })

  test('force renders again, and the new clip is the one that is kept', async () => {
    await using simulation = await openSimulation()
    await finished(simulation, [0])
    const job = await finished(simulation, [0], { force: true })
    expect(job).toMatchObject({ status: 'completed', estimated_cost: 0.4, costs: { spent: 0.4 } })
    expect(simulation.posts()).toHaveLength(2)
    await finished(simulation, [0])
    expect(simulation.posts()).toHaveLength(2)
    const clips = (await simulation.database.all('select clip from scenes order by job_id')).map(
      ({ clip }) => clip,
    )
    expect(clips[1]).not.toBe(clips[0])
    expect(clips[2]).toBe(clips[1])
  })
})

describe('a kept clip that is', () => {
  test.each<[string, Clips['fit'], string]>([
    [
      'missing',
      () => Promise.reject(new ArtifactError('missing', 'There is no artifact of that name')),
      'There is no artifact of that name',
    ],
    [
      'unusable',
      () => Promise.resolve({ kind: 'failed', failure: { code: 'clip_damaged', reason: 'It is cut off' } }),
      'It is cut off',
    ],
  ])('%s is rendered after all, once that is approved', async (_name, fit, reason) => {
    await using simulation = await openSimulation()
    await finished(simulation, [0])
    takingNext(simulation, fit)
    const { job_id } = await simulation.job([0])
    await simulation.approve(job_id)
    await simulation.until(
      async () => (await simulation.scenes(job_id))[0].waiting?.code === 'approval',
      hour,
    )
    expect(await simulation.get(`/jobs/${job_id}`)).toMatchObject({
      status: 'processing',
      costs: { to_pay: 0.4, to_approve: 0.4, spent: 0 },
    })
    expect((await simulation.scenes(job_id))[0].error.reason).toBe(reason)
    expect(simulation.posts()).toHaveLength(1)
    await simulation.approve(job_id)
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
    expect(simulation.posts()).toHaveLength(2)
    // What was rendered now is kept in its place.
    expect((await estimate(simulation, [0])).scenes_to_pay).toBe(0)
  })

  test('missing is rendered without being asked where the approval has money for it', async () => {
    await using simulation = await openSimulation()
    await finished(simulation, [0])
    takingNext(simulation, () => Promise.reject(new ArtifactError('missing', 'gone')))
    const { job_id } = await simulation.job([0])
    await simulation.approve(job_id, { max_cost: 1 })
    expect(await simulation.ended(job_id)).toMatchObject({
      status: 'completed',
      costs: { approved: 1, spent: 0.4 },
    })
    expect(simulation.posts()).toHaveLength(2)
  })
})
