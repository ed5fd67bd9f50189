/** Scenes that are added and moved: the film follows, and what costs more than was approved waits. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isShort } from '../quick.ts'
import { type Simulation, openSimulation, priceUsd, requestOf, sceneOf, veo } from '../harness/simulation.ts'
import { assetOf } from '../harness/data.ts'

const add = (simulation: Simulation, jobId: number, scene: object, key?: string) =>
  simulation.ask('POST', `/jobs/${jobId}/scenes`, scene, key)
const move = (simulation: Simulation, { job_id, id }: any, position: number, members: object = {}) =>
  simulation.ask('PUT', `/jobs/${job_id}/scenes/${id}`, { position, ...members })
const history = async (simulation: Simulation, jobId: number): Promise<readonly any[]> =>
  (await simulation.database.all('select type, data from events where job_id = $1 order by id', [jobId])).map(
    ({ type, data }) => ({ type, data: JSON.parse(String(data)) }),
  )
const pictures = async (simulation: Simulation, jobId: number) =>
  (await simulation.scenes(jobId)).map(({ asset_ids }) => asset_ids[0])

async function finished(simulation: Simulation, members: object = {}) {
  const { job_id } = await simulation.job([0, 1])
  await simulation.approve(job_id, members)
  expect((await simulation.ended(job_id)).status).toBe('completed')
  return { job_id: job_id as number, scenes: await simulation.scenes(job_id) }
}

describe('a scene is added', () => {
  test('at a place or the end, as the job’s parameters say where it is silent', async () => {
    await using simulation = await openSimulation()
    const parameters = { transition: 'slide', clip_duration: 8, model: veo, prompt: 'Slowly.' }
    const { job_id } = await simulation.job([0], { parameters })
    const added = await add(simulation, job_id, { asset_ids: [assetOf(1)] })
    expect(added).toMatchObject({
      status: 201,
      body: {
        message: 'Scene added successfully',
        job_id,
        job_status: 'pending',
        revision: 2,
        scene: {
          position: 1,
          status: 'pending',
          duration: 8,
          transition: 'slide',
          model: veo,
          prompt: 'Slowly.',
        },
      },
    })
    await add(simulation, job_id, sceneOf(2, { position: 0 }))
    expect(await pictures(simulation, job_id)).toEqual([2, 0, 1].map(assetOf))
    const job = await simulation.get(`/jobs/${job_id}`)
    expect(job.storyboard.scenes.map(({ asset_ids }: any) => asset_ids[0])).toEqual([2, 0, 1].map(assetOf))
    expect(job).toMatchObject({ estimated_cost: 1.6, to_approve: 1.6, revision: 3 })
    await simulation.approve(job_id)
    expect((await simulation.ended(job_id)).costs.spent).toBe(1.6)
  })

  test('to a finished film: it waits for its cost, and then there is another film', async () => {
    await using simulation = await openSimulation()
    const { job_id } = await finished(simulation)
    expect((await add(simulation, job_id, sceneOf(2))).body).toMatchObject({
      to_approve: priceUsd,
      job_status: 'completed',
      scene: { waiting: { code: 'approval' } },
    })
    expect((await simulation.get('/jobs?needs_approval=true')).jobs).toMatchObject([
      { job_id, to_approve: priceUsd },
    ])
    await simulation.approve(job_id)
    expect(await simulation.ended(job_id)).toMatchObject({
      status: 'completed',
      revision: 2,
      costs: { spent: 1.2 },
    })
    expect(simulation.posts()).toHaveLength(3)
  })

  test('of which an equal clip is kept, to a finished film, goes on at once', async () => {
    await using simulation = await openSimulation()
    const { job_id } = await finished(simulation)
    expect((await add(simulation, job_id, sceneOf(0))).body.to_approve).toBe(0)
    expect(await simulation.ended(job_id)).toMatchObject({
      status: 'completed',
      costs: { spent: 2 * priceUsd },
    })
    expect(simulation.posts()).toHaveLength(2)
  })

  test('by a key that may not approve spends nothing, whatever is left of the approved sum', async () => {
    await using simulation = await openSimulation()
    const { coordinator } = simulation.life
    const { secret } = await coordinator.createKey({ name: 'maker', scopes: ['submit'] })
    const { body } = await simulation.ask('POST', '/jobs', requestOf([0, 1]), secret)
    await simulation.approve(body.job_id, { max_cost: 5 })
    await simulation.ended(body.job_id)
    expect((await add(simulation, body.job_id, sceneOf(2), secret)).body.to_approve).toBe(priceUsd)
    expect((await add(simulation, body.job_id, sceneOf(2, { prompt: 7 }), secret)).status).toBe(422)
    expect(simulation.posts()).toHaveLength(2)
    const other = await coordinator.createKey({ name: 'other', scopes: ['submit', 'read'] })
    expect((await add(simulation, body.job_id, sceneOf(3), other.secret)).status).toBe(403)
  })

  test.each<[string, object, string]>([
    ['no picture', {}, 'asset_ids'],
    ['a picture that is not there', { asset_ids: ['f'.repeat(64)] }, 'asset_ids'],
    ['a model that is not there', sceneOf(0, { model: 'no/such' }), 'model'],
    ['a place beyond the end', sceneOf(0, { position: 2 }), 'position'],
    ['a place before the beginning', sceneOf(0, { position: -1 }), 'position'],
  ])('but not with %s', async (_name, scene, field) => {
    await using simulation = await openSimulation()
    const { job_id } = await simulation.job([0])
    expect(await add(simulation, job_id, scene)).toMatchObject({ status: 422, body: { field } })
    expect(await simulation.scenes(job_id)).toHaveLength(1)
  })
})

test('while a job is processing nothing is added or moved, and the refusal says what to do', async () => {
  await using simulation = await openSimulation({ maxConcurrency: 1 })
  const { job_id } = await simulation.job([0, 1])
  await simulation.approve(job_id)
  await simulation.until(() => simulation.posts().length === 1)
  const scenes = await simulation.scenes(job_id)
  expect(await add(simulation, job_id, sceneOf(2))).toEqual({
    status: 422,
    body: {
      error: 'Scene cannot be added',
      job_id,
      current_status: 'processing',
      reason: 'Cannot add a scene while job is processing: wait until it ends, or cancel it',
    },
  })
  expect(await move(simulation, scenes[0], 1)).toMatchObject({
    status: 422,
    body: { reason: /while job is processing/ },
  })
  expect((await simulation.ended(job_id)).status).toBe('completed')
})

describe('a scene is moved', () => {
  test('in a finished film, which is joined anew for nothing; its history tells from where', async () => {
    await using simulation = await openSimulation()
    const { job_id, scenes } = await finished(simulation)
    expect((await move(simulation, scenes[0], 1)).body).toMatchObject({
      to_approve: 0,
      revision: 2,
      scene: { position: 1 },
    })
    expect(await simulation.ended(job_id)).toMatchObject({
      status: 'completed',
      costs: { spent: 2 * priceUsd },
    })
    expect((await simulation.scenes(job_id)).map(({ id, position }) => [id, position])).toEqual([
      [scenes[1].id, 0],
      [scenes[0].id, 1],
    ])
    expect(simulation.posts()).toHaveLength(2)
    expect((await history(simulation, job_id)).find(({ type }) => type === 'scene_updated').data).toEqual({
      position: 1,
      changed: ['position'],
      old: { position: 0 },
      new: { position: 1 },
    })
    expect(await move(simulation, scenes[0], 2)).toMatchObject({ status: 422, body: { field: 'position' } })
  })

  test('and changed at once: its picture is rendered again, and its history tells both values', async () => {
    await using simulation = await openSimulation()
    const { job_id, scenes } = await finished(simulation)
    const moved = await move(simulation, scenes[0], 1, { duration: 8, title: 'Hall' })
    expect(moved.body).toMatchObject({ to_approve: 2 * priceUsd, scene: { position: 1, duration: 8 } })
    expect((await history(simulation, job_id)).find(({ type }) => type === 'scene_updated').data).toEqual({
      position: 1,
      title: 'Hall',
      changed: ['title', 'duration', 'position'],
      old: { title: null, duration: 4, position: 0 },
      new: { title: 'Hall', duration: 8, position: 1 },
    })
    await simulation.approve(job_id)
    expect((await simulation.ended(job_id)).status).toBe('completed')
  })

  test('anywhere, the storyboard is a list in which one was added, moved or taken out', async () => {
    const step = fc.record({
      verb: fc.constantFrom('add', 'move', 'delete'),
      from: fc.nat({ max: 9 }),
      to: fc.nat({ max: 9 }),
    })
    await using simulation = await openSimulation()
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 8 }), async (steps) => {
        const { job_id } = await simulation.job([0, 1, 2])
        const wanted: string[] = (await simulation.scenes(job_id)).map(({ id }) => id)
        for (const { verb, from, to } of steps) {
          const id = wanted[from % wanted.length]!
          const at = to % wanted.length
          if (verb === 'add')
            wanted.splice(at, 0, (await add(simulation, job_id, sceneOf(3, { position: at }))).body.scene.id)
          else if (verb === 'move') {
            expect((await move(simulation, { job_id, id }, at)).status).toBe(200)
            wanted.splice(from % wanted.length, 1)
            wanted.splice(at, 0, id)
          } else if (wanted.length > 1) {
            await simulation.ask('DELETE', `/jobs/${job_id}/scenes/${id}`)
            wanted.splice(from % wanted.length, 1)
          }
        }
        const scenes = await simulation.scenes(job_id)
        expect(scenes.map(({ id }) => id)).toEqual(wanted)
        expect(scenes.map(({ position }) => position)).toEqual(wanted.map((_, position) => position))
        const { storyboard } = await simulation.get(`/jobs/${job_id}`)
        expect(storyboard.scenes.map(({ asset_ids }: any) => asset_ids)).toEqual(
          scenes.map(({ asset_ids }) => asset_ids),
        )
      }),
      { numRuns: isShort ? 10 : 30, seed: 7 },
    )
  })
})
