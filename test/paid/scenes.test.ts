import { describe, expect, test } from 'vitest'
import { type Simulation, openSimulation, sceneOf } from '../harness/simulation.ts'
import { assetOf } from '../harness/data.ts'
import { hour, minute } from '../harness/harness.ts'

const absent = '3f2b0c9e-8d1a-4c57-9f3e-2a6b7c8d9e0f'

const path = (jobId: number, sceneId: string): string => `/jobs/${jobId}/scenes/${sceneId}`
const put = (simulation: Simulation, { id, job_id }: any, change: unknown) =>
  simulation.ask('PUT', path(job_id, id), change)
const regenerate = (simulation: Simulation, { id, job_id }: any) =>
  simulation.ask('POST', `${path(job_id, id)}/regenerate`)
const remove = (simulation: Simulation, { id, job_id }: any) => simulation.ask('DELETE', path(job_id, id))
const statuses = async (simulation: Simulation, jobId: number) =>
  (await simulation.scenes(jobId)).map(({ status }) => status)

/** Exact, as money is. */
const sumUsd = (one: number, other: number): number => Math.round((one + other) * 1e6) / 1e6

/** A finished job of two scenes, and those. */
async function finished(simulation: Simulation, members: { readonly max_cost?: number } = {}) {
  const { job_id } = await simulation.job([0, 1])
  await simulation.approve(job_id, members)
  const job = await simulation.ended(job_id)
  if (job.status !== 'completed') throw new Error(JSON.stringify(job.error))
  return { job_id: job_id as number, job, scenes: await simulation.scenes(job_id) }
}

/** A job of two scenes of which the first is rendered just now, and the second waits. */
async function running(simulation: Simulation) {
  const { job_id } = await simulation.job([0, 1])
  await simulation.approve(job_id)
  await simulation.until(() => simulation.posts().length === 1)
  return { job_id: job_id as number, scenes: await simulation.scenes(job_id) }
}

describe('scenes', () => {
  test('are listed in the film’s order, and each is found by its id', async () => {
    await using simulation = await openSimulation()
    const { job_id } = await simulation.job([2, 0, 1])
    const list = await simulation.get(`/jobs/${job_id}/scenes`)
    expect(list).toMatchObject({ job_id, total_scenes: 3, completed_scenes: 0, progress_percentage: 0 })
    for (const [position, scene] of list.scenes.entries()) {
      expect(scene).toMatchObject({ job_id, position, asset_ids: [assetOf([2, 0, 1][position]!)] })
      expect(await simulation.get(path(job_id, scene.id))).toEqual(scene)
      expect(await simulation.get(path(job_id, scene.id.toUpperCase()))).toEqual(scene)
    }
    await simulation.approve(job_id)
    await simulation.ended(job_id)
    expect(await simulation.get(`/jobs/${job_id}/scenes`)).toMatchObject({
      completed_scenes: 3,
      progress_percentage: 100,
    })
  })

  test.each<[string, string, string, unknown]>([
    ['read', 'GET', '', undefined],
    ['changed', 'PUT', '', { duration: 8 }],
    ['deleted', 'DELETE', '', undefined],
    ['regenerated', 'POST', '/regenerate', undefined],
    ['resolved', 'POST', '/resolve', { resolution: 'absent' }],
  ])('that are not there, or another job’s, can’t be %s', async (_name, method, suffix, body) => {
    await using simulation = await openSimulation()
    const one = (await simulation.job([0, 1])).job_id
    const other = (await simulation.job([0, 1])).job_id
    const [scene] = await simulation.scenes(other)
    expect(await simulation.ask(method, path(one, absent) + suffix, body)).toEqual({
      status: 404,
      body: { error: 'Scene not found', scene_id: absent },
    })
    expect(await simulation.ask(method, path(one, scene.id) + suffix, body)).toEqual({
      status: 422,
      body: { error: 'Scene does not belong to this job', scene_id: scene.id, job_id: one },
    })
    expect(await simulation.ask(method, path(99_999, scene.id) + suffix, body)).toEqual({
      status: 404,
      body: { error: 'Job not found', job_id: '99999' },
    })
    expect(await simulation.ask(method, `/jobs/${one}/scenes/7${suffix}`, body)).toMatchObject({
      status: 400,
      body: { field: 'scene_id' },
    })
    expect(await statuses(simulation, other)).toEqual(['pending', 'pending'])
  })
})

describe('a scene is changed', () => {
  test.each<[string, object, object]>([
    ['title', { title: 'Kitchen' }, { title: 'Kitchen', price: 0.4 }],
    ['title, which is taken away', { title: null }, { title: null }],
    ['prompt', { prompt: 'Another look.' }, { prompt: 'Another look.' }],
    ['duration', { duration: 5 }, { duration: 6, render: { seconds: 6 }, price: 0.6 }],
    ['picture', { asset_ids: [assetOf(3)] }, { asset_ids: [assetOf(3)] }],
    [
      'first and last picture',
      { asset_ids: [assetOf(3), assetOf(4)] },
      { asset_ids: [assetOf(3), assetOf(4)] },
    ],
    ['transition', { transition: 'slide' }, { transition: 'slide' }],
    ['model', { model: 'google/veo-3.1' }, { model: 'google/veo-3.1', price: 0.8 }],
    ['sound', { audio: true }, { render: { audio: true }, price: 0.6 }],
    ['several things', { duration: 8, audio: true }, { duration: 8, render: { audio: true }, price: 1.2 }],
  ])('in its %s; its job’s storyboard and estimate say so too', async (_name, change, expected) => {
    await using simulation = await openSimulation()
    const { job_id } = await simulation.job([sceneOf(0, { title: 'Hall' }), 1])
    const [scene, other] = await simulation.scenes(job_id)
    const { status, body } = await put(simulation, scene, change)
    expect(status).toBe(200)
    expect(body).toMatchObject({
      message: 'Scene updated successfully',
      job_id,
      job_status: 'pending',
      scene: { id: scene.id, status: 'pending', ...expected },
    })
    const job = await simulation.get(`/jobs/${job_id}`)
    expect(job.storyboard.scenes[0]).toMatchObject(expected)
    const cost = sumUsd(body.scene.price, other.price)
    expect(job).toMatchObject({
      revision: 2,
      estimated_cost: cost,
      costs: { to_approve: cost, to_pay: cost },
    })
    expect(body.to_approve).toBe(cost)
    expect(await simulation.get(path(job_id, other.id))).toEqual(other)
    await simulation.approve(job_id)
    expect((await simulation.ended(job_id)).costs.spent).toBe(cost)
  })

  test.each<[string, unknown, number, string, RegExp]>([
    ['a duration above the ladder', { duration: 9 }, 422, 'duration', /at most 8/],
    ['a duration of nothing', { duration: 0 }, 422, 'duration', /at least 0\.5/],
    ['an unknown model', { model: 'no/such' }, 422, 'model', /must be one of local/],
    [
      'sound of a model without any',
      { model: 'minimax/hailuo-02', audio: true },
      422,
      'model',
      /renders no sound/,
    ],
    ['a picture that isn’t there', { asset_ids: ['f'.repeat(64)] }, 422, 'asset_ids', /no asset f{64}/],
    ['no picture', { asset_ids: [] }, 422, 'asset_ids', /at least 1/],
    ['three pictures', { asset_ids: [0, 1, 2].map(assetOf) }, 422, 'asset_ids', /at most 2/],
    ['a transition of another name', { transition: 'wipe' }, 422, 'transition', /fade, slide, cut/],
    ['a prompt that is none', { prompt: 7 }, 422, 'prompt', /string/],
    ['a member of its own', { status: 'completed' }, 422, '', /unknown member "status"/],
    ['a list', [], 422, '', /./],
    ['what is no JSON', '{', 400, '', /not JSON/],
  ])('but not into %s', async (_name, change, status, field, reason) => {
    await using simulation = await openSimulation()
    const { job_id } = await simulation.job([0])
    const [scene] = await simulation.scenes(job_id)
    const answer = await put(simulation, scene, change)
    expect({ status: answer.status, field: answer.body.field }).toEqual({ status, field })
    expect(answer.body.reason).toMatch(reason)
    expect(await simulation.scenes(job_id)).toEqual([scene])
    expect((await simulation.get(`/jobs/${job_id}`)).revision).toBe(1)
  })

  test('while it is rendered only in what doesn’t change its picture', async () => {
    await using simulation = await openSimulation({ maxConcurrency: 1 })
    const { job_id, scenes } = await running(simulation)
    const [scene] = scenes
    expect(await put(simulation, scene, { duration: 8, prompt: 'Another look.' })).toEqual({
      status: 422,
      body: {
        error: 'Scene cannot be updated',
        scene_id: scene.id,
        reason:
          'Scene is currently processing: what changes its picture (prompt, duration) cannot be changed now',
      },
    })
    const fine = await put(simulation, scene, { title: 'Kitchen', transition: 'fade', duration: 3.5 })
    expect(fine).toMatchObject({ status: 200, body: { scene: { status: 'processing', title: 'Kitchen' } } })
    expect((await simulation.ended(job_id)).status).toBe('completed')
    expect(simulation.posts()).toHaveLength(2)
  })

  test('while others of its job are rendered, and what it costs more is asked for', async () => {
    await using simulation = await openSimulation({ maxConcurrency: 1 })
    const { job_id, scenes } = await running(simulation)
    const changed = await put(simulation, scenes[1], { duration: 8 })
    expect(changed.body).toMatchObject({ to_approve: 0.4, job_status: 'processing' })
    await simulation.pass(hour)
    expect(simulation.posts()).toHaveLength(1)
    expect((await simulation.scenes(job_id))[1].waiting.code).toBe('approval')
    await simulation.approve(job_id)
    expect((await simulation.ended(job_id)).costs).toMatchObject({ approved: 1.2, spent: 1.2 })
  })

  test('of a finished job, and it alone is rendered again', async () => {
    await using simulation = await openSimulation()
    const { job_id, scenes } = await finished(simulation, { max_cost: 2 })
    const changed = await put(simulation, scenes[1], { prompt: 'Another look.' })
    expect(changed.body).toMatchObject({
      job_status: 'approved',
      to_approve: 0,
      scene: { status: expect.stringMatching(/pending|processing/) },
    })
    expect((await simulation.ended(job_id)).status).toBe('completed')
    expect(simulation.posts()).toHaveLength(3)
    const [first, second] = await simulation.scenes(job_id)
    expect(first).toEqual(scenes[0])
    expect(second).toMatchObject({ status: 'completed', prompt: 'Another look.', tries: 1 })
  })

  test('of a finished job back to what was rendered before: for nothing', async () => {
    await using simulation = await openSimulation()
    const { job_id, scenes } = await finished(simulation, { max_cost: 1.2 })
    await put(simulation, scenes[1], { prompt: 'Another look.' })
    await simulation.ended(job_id)
    expect((await put(simulation, scenes[1], { prompt: scenes[1].prompt })).body).toMatchObject({
      to_approve: 0,
    })
    expect((await simulation.ended(job_id)).costs.spent).toBeCloseTo(1.2, 9)
    expect(simulation.posts()).toHaveLength(3)
  })

  test('of a finished job into something dearer, which waits for approval while the old film is served', async () => {
    await using simulation = await openSimulation()
    const { job_id, job, scenes } = await finished(simulation)
    const changed = await put(simulation, scenes[0], { duration: 8 })
    expect(changed).toMatchObject({
      status: 200,
      body: {
        to_approve: 0.8,
        job_status: 'completed',
        scene: { status: 'pending', clip_url: scenes[0].clip_url },
      },
    })
    await simulation.pass(hour)
    expect(await simulation.get(`/jobs/${job_id}`)).toMatchObject({
      status: 'completed',
      progress_percentage: 100,
      ended_at: job.ended_at,
      costs: { to_approve: 0.8, to_pay: 0.8, spent: 0.8 },
    })
    expect((await simulation.scenes(job_id))[0].waiting).toEqual({
      code: 'approval',
      reason: 'the job needs $0.80 more than was approved: approve it',
      since: job.ended_at,
      until: null,
    })
    const refused = await simulation.ask('POST', `/jobs/${job_id}/approve`, { max_cost: 1.5 })
    expect(refused).toMatchObject({ status: 422, body: { current_status: 'completed', estimated_cost: 0.8 } })
    await simulation.approve(job_id)
    expect(await simulation.ended(job_id)).toMatchObject({
      status: 'completed',
      costs: { spent: 1.6, approved: 1.6 },
    })
    expect(simulation.posts()).toHaveLength(3)
  })

  test('of a finished job into something dearer and back again, and the job is as finished as before', async () => {
    await using simulation = await openSimulation()
    const { job_id, scenes } = await finished(simulation)
    await put(simulation, scenes[0], { duration: 8 })
    const back = await put(simulation, scenes[0], { duration: 4 })
    expect(back.body.to_approve).toBe(0)
    await simulation.pass(minute)
    expect(await simulation.get(`/jobs/${job_id}`)).toMatchObject({
      status: 'completed',
      costs: { spent: 0.8 },
    })
    expect(await statuses(simulation, job_id)).toEqual(['completed', 'completed'])
    expect(simulation.posts()).toHaveLength(2)
  })
})

describe('a scene is regenerated', () => {
  test('where it is finished: another one is rendered, although an equal clip is kept', async () => {
    await using simulation = await openSimulation()
    const { job_id, scenes } = await finished(simulation, { max_cost: 1.2 })
    const { status, body } = await regenerate(simulation, scenes[0])
    expect(status).toBe(200)
    expect(body).toMatchObject({
      message: 'Scene marked for regeneration',
      job_id,
      job_status: 'approved',
      to_approve: 0,
      scene: { id: scenes[0].id, tries: 0, error: null },
    })
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed' })
    expect(simulation.posts()).toHaveLength(3)
  })

  test('only once that is approved, where the money is spent', async () => {
    await using simulation = await openSimulation()
    const { job_id, scenes } = await finished(simulation)
    expect((await regenerate(simulation, scenes[0])).body).toMatchObject({
      to_approve: 0.4,
      job_status: 'completed',
    })
    await simulation.pass(hour)
    expect(simulation.posts()).toHaveLength(2)
    await simulation.approve(job_id)
    expect((await simulation.ended(job_id)).costs.spent).toBeCloseTo(1.2, 9)
    expect(simulation.posts()).toHaveLength(3)
  })

  test('where it has failed: its job goes on', async () => {
    await using simulation = await openSimulation({ fake: { plan: { 1: 'fails_content' } } })
    const { job_id } = await simulation.job([0, 1])
    await simulation.approve(job_id)
    const failed = await simulation.ended(job_id)
    expect(failed).toMatchObject({ status: 'failed', error: { code: 'content_refused' } })
    const scene = (await simulation.scenes(job_id)).find(({ status }) => status === 'failed')
    expect((await regenerate(simulation, scene)).body).toMatchObject({
      job_status: 'approved',
      to_approve: 0,
    })
    expect(await simulation.ended(job_id)).toMatchObject({
      status: 'completed',
      error: null,
      costs: { spent: 0.8 },
    })
  })

  test('and where it waits, runs or was cancelled it is refused', async () => {
    await using simulation = await openSimulation({ maxConcurrency: 1 })
    const { job_id, scenes } = await running(simulation)
    const refusal = (scene: any, reason: string) => ({
      status: 422,
      body: { error: 'Scene cannot be regenerated', scene_id: scene.id, reason },
    })
    expect(await regenerate(simulation, scenes[0])).toEqual(
      refusal(scenes[0], 'Scene is currently processing'),
    )
    expect(await regenerate(simulation, scenes[1])).toEqual(refusal(scenes[1], 'Scene is currently pending'))
    await simulation.ask('POST', `/jobs/${job_id}/cancel`)
    expect(await regenerate(simulation, scenes[0])).toEqual(
      refusal(scenes[0], 'Scene is currently cancelled'),
    )
    expect(await statuses(simulation, job_id)).toEqual(['cancelled', 'cancelled'])
  })
})

describe('a scene is deleted', () => {
  test('but not while its job is under way', async () => {
    await using simulation = await openSimulation({ maxConcurrency: 1 })
    const { job_id, scenes } = await running(simulation)
    for (const scene of scenes)
      expect(await remove(simulation, scene)).toEqual({
        status: 422,
        body: {
          error: 'Scene cannot be deleted',
          scene_id: scene.id,
          reason: 'Cannot delete scene while job is processing',
        },
      })
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed' })
  })

  test('but not the last one', async () => {
    await using simulation = await openSimulation()
    const { job_id } = await simulation.job([0])
    const [scene] = await simulation.scenes(job_id)
    expect(await remove(simulation, scene)).toEqual({
      status: 422,
      body: {
        error: 'Scene cannot be deleted',
        scene_id: scene.id,
        reason: 'A film has at least one scene',
      },
    })
  })

  test('and the others move up, in the storyboard, the estimate and the approval too', async () => {
    await using simulation = await openSimulation()
    const { job_id } = await simulation.job([0, sceneOf(1, { duration: 8 }), 2])
    const [first, second, third] = await simulation.scenes(job_id)
    expect(await remove(simulation, second)).toEqual({
      status: 200,
      body: {
        message: 'Scene deleted successfully',
        scene_id: second.id,
        job_id,
        job_status: 'pending',
        revision: 2,
        to_approve: 0.8,
      },
    })
    expect((await simulation.scenes(job_id)).map(({ id, position }) => [id, position])).toEqual([
      [first.id, 0],
      [third.id, 1],
    ])
    const job = await simulation.get(`/jobs/${job_id}`)
    expect(job.storyboard.scenes.map((scene: any) => scene.asset_ids)).toEqual([[assetOf(0)], [assetOf(2)]])
    expect(job).toMatchObject({
      revision: 2,
      estimated_cost: 0.8,
      costs: { scenes_to_pay: 2 },
      storyboard: { total_duration: 8 },
    })
    expect((await simulation.ask('GET', path(job_id, second.id))).status).toBe(404)
    await simulation.approve(job_id)
    expect((await simulation.ended(job_id)).costs.spent).toBe(0.8)
  })

  test('of a finished job, whose film is made anew for nothing', async () => {
    await using simulation = await openSimulation()
    const { job_id, job, scenes } = await finished(simulation)
    await simulation.pass(minute)
    expect((await remove(simulation, scenes[0])).body).toMatchObject({ job_status: 'processing' })
    const anew = await simulation.ended(job_id)
    expect(anew).toMatchObject({ status: 'completed', revision: 2, costs: { spent: 0.8 } })
    expect(anew.ended_at > job.ended_at).toBe(true)
    expect(anew.storyboard.scenes).toHaveLength(1)
    expect(simulation.posts()).toHaveLength(2)
  })

  test('of a failed job: without the one that failed it goes on', async () => {
    await using simulation = await openSimulation({ fake: { plan: { 1: 'fails_content' } } })
    const { job_id } = await simulation.job([0, 1, 2])
    await simulation.approve(job_id)
    expect((await simulation.ended(job_id)).status).toBe('failed')
    const failed = (await simulation.scenes(job_id)).find(({ status }) => status === 'failed')
    expect((await remove(simulation, failed)).status).toBe(200)
    expect(await simulation.ended(job_id)).toMatchObject({
      status: 'completed',
      error: null,
      costs: { spent: 0.8 },
    })
  })

  test('of a job that was reopened and waits: without the one it waits for the film is made', async () => {
    await using simulation = await openSimulation()
    const { job_id, scenes } = await finished(simulation, { max_cost: 2 })
    await simulation.ask('PUT', '/budgets', { total: 0.8 })
    await put(simulation, scenes[1], { prompt: 'Another look.' })
    await simulation.pass(minute)
    expect(await simulation.get(`/jobs/${job_id}`)).toMatchObject({ status: 'approved' })
    expect((await simulation.scenes(job_id))[1].waiting.code).toBe('budget_total')
    expect((await remove(simulation, scenes[1])).status).toBe(200)
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.8 } })
  })

  test('that waits for approval in a finished job, whose film is made without it', async () => {
    await using simulation = await openSimulation()
    const { job_id, scenes } = await finished(simulation)
    await put(simulation, scenes[1], { duration: 8 })
    expect((await remove(simulation, scenes[1])).status).toBe(200)
    expect(await simulation.ended(job_id)).toMatchObject({
      status: 'completed',
      revision: 3,
      costs: { to_approve: 0, spent: 0.8 },
    })
  })
})
