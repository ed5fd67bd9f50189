/** Scenes that are added and moved: the film follows, and what costs more than was approved waits. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isQuick } from '../quick.ts'
import { type Till, openTill, priceUsd, requestOf, sceneOf, veo } from './till.ts'
import { assetOf } from './world.ts'

const add = (till: Till, jobId: number, scene: object, key?: string) =>
  till.ask('POST', `/jobs/${jobId}/scenes`, scene, key)
const move = (till: Till, { job_id, id }: any, position: number, members: object = {}) =>
  till.ask('PUT', `/jobs/${job_id}/scenes/${id}`, { position, ...members })
const history = async (till: Till, jobId: number): Promise<readonly any[]> =>
  (await till.world.database.all('select type, data from events where job_id = $1 order by id', [jobId])).map(
    ({ type, data }) => ({ type, data: JSON.parse(String(data)) }),
  )
const pictures = async (till: Till, jobId: number) =>
  (await till.scenes(jobId)).map(({ asset_ids }) => asset_ids[0])

async function finished(till: Till, members: object = {}) {
  const { job_id } = await till.job([0, 1])
  await till.approve(job_id, members)
  expect((await till.ended(job_id)).status).toBe('completed')
  return { job_id: job_id as number, scenes: await till.scenes(job_id) }
}

describe('a scene is added', () => {
  test('at a place or the end, as the job’s parameters say where it is silent', async () => {
    await using till = await openTill()
    const parameters = { transition: 'slide', clip_duration: 8, model: veo, prompt: 'Slowly.' }
    const { job_id } = await till.job([0], { parameters })
    const added = await add(till, job_id, { asset_ids: [assetOf(1)] })
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
    await add(till, job_id, sceneOf(2, { position: 0 }))
    expect(await pictures(till, job_id)).toEqual([2, 0, 1].map(assetOf))
    const job = await till.get(`/jobs/${job_id}`)
    expect(job.storyboard.scenes.map(({ asset_ids }: any) => asset_ids[0])).toEqual([2, 0, 1].map(assetOf))
    expect(job).toMatchObject({ estimated_cost: 1.6, to_approve: 1.6, revision: 3 })
    await till.approve(job_id)
    expect((await till.ended(job_id)).costs.spent).toBe(1.6)
  })

  test('to a finished film: it waits for its cost, and then there is another film', async () => {
    await using till = await openTill()
    const { job_id } = await finished(till)
    expect((await add(till, job_id, sceneOf(2))).body).toMatchObject({
      to_approve: priceUsd,
      job_status: 'completed',
      scene: { waiting: { code: 'approval' } },
    })
    expect((await till.get('/jobs?needs_approval=true')).jobs).toMatchObject([
      { job_id, to_approve: priceUsd },
    ])
    await till.approve(job_id)
    expect(await till.ended(job_id)).toMatchObject({
      status: 'completed',
      revision: 2,
      costs: { spent: 1.2 },
    })
    expect(till.posts()).toHaveLength(3)
  })

  test('of which an equal clip is kept, to a finished film, goes on at once', async () => {
    await using till = await openTill()
    const { job_id } = await finished(till)
    expect((await add(till, job_id, sceneOf(0))).body.to_approve).toBe(0)
    expect(await till.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 2 * priceUsd } })
    expect(till.posts()).toHaveLength(2)
  })

  test('by a key that may not approve spends nothing, whatever is left of the approved sum', async () => {
    await using till = await openTill()
    const { coordinator } = till.world.life!
    const { secret } = await coordinator.createKey({ name: 'maker', scopes: ['submit'] })
    const { body } = await till.ask('POST', '/jobs', requestOf([0, 1]), secret)
    await till.approve(body.job_id, { max_cost: 5 })
    await till.ended(body.job_id)
    expect((await add(till, body.job_id, sceneOf(2), secret)).body.to_approve).toBe(priceUsd)
    expect((await add(till, body.job_id, sceneOf(2, { prompt: 7 }), secret)).status).toBe(422)
    expect(till.posts()).toHaveLength(2)
    const other = await coordinator.createKey({ name: 'other', scopes: ['submit', 'read'] })
    expect((await add(till, body.job_id, sceneOf(3), other.secret)).status).toBe(403)
  })

  test.each<[string, object, string]>([
    ['no picture', {}, 'asset_ids'],
    ['a picture that is not there', { asset_ids: ['f'.repeat(64)] }, 'asset_ids'],
    ['a model that is not there', sceneOf(0, { model: 'no/such' }), 'model'],
    ['a place beyond the end', sceneOf(0, { position: 2 }), 'position'],
    ['a place before the beginning', sceneOf(0, { position: -1 }), 'position'],
  ])('but not with %s', async (_name, scene, field) => {
    await using till = await openTill()
    const { job_id } = await till.job([0])
    expect(await add(till, job_id, scene)).toMatchObject({ status: 422, body: { field } })
    expect(await till.scenes(job_id)).toHaveLength(1)
  })
})

test('while a job is processing nothing is added or moved, and the refusal says what to do', async () => {
  await using till = await openTill({ maxConcurrency: 1 })
  const { job_id } = await till.job([0, 1])
  await till.approve(job_id)
  await till.until(() => till.posts().length === 1)
  const scenes = await till.scenes(job_id)
  expect(await add(till, job_id, sceneOf(2))).toEqual({
    status: 422,
    body: {
      error: 'Scene cannot be added',
      job_id,
      current_status: 'processing',
      reason: 'Cannot add a scene while job is processing: wait until it has ended, or cancel it',
    },
  })
  expect(await move(till, scenes[0], 1)).toMatchObject({
    status: 422,
    body: { reason: /while job is processing/ },
  })
  expect((await till.ended(job_id)).status).toBe('completed')
})

describe('a scene is moved', () => {
  test('in a finished film, which is joined anew for nothing; its history tells from where', async () => {
    await using till = await openTill()
    const { job_id, scenes } = await finished(till)
    expect((await move(till, scenes[0], 1)).body).toMatchObject({
      to_approve: 0,
      revision: 2,
      scene: { position: 1 },
    })
    expect(await till.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 2 * priceUsd } })
    expect((await till.scenes(job_id)).map(({ id, position }) => [id, position])).toEqual([
      [scenes[1].id, 0],
      [scenes[0].id, 1],
    ])
    expect(till.posts()).toHaveLength(2)
    expect((await history(till, job_id)).find(({ type }) => type === 'scene_updated').data).toEqual({
      position: 1,
      changed: ['position'],
      old: { position: 0 },
      new: { position: 1 },
    })
    expect(await move(till, scenes[0], 2)).toMatchObject({ status: 422, body: { field: 'position' } })
  })

  test('and changed at once: its picture is rendered again, and its history tells both values', async () => {
    await using till = await openTill()
    const { job_id, scenes } = await finished(till)
    const moved = await move(till, scenes[0], 1, { duration: 8, title: 'Hall' })
    expect(moved.body).toMatchObject({ to_approve: 2 * priceUsd, scene: { position: 1, duration: 8 } })
    expect((await history(till, job_id)).find(({ type }) => type === 'scene_updated').data).toEqual({
      position: 1,
      title: 'Hall',
      changed: ['title', 'duration', 'position'],
      old: { title: null, duration: 4, position: 0 },
      new: { title: 'Hall', duration: 8, position: 1 },
    })
    await till.approve(job_id)
    expect((await till.ended(job_id)).status).toBe('completed')
  })

  test('anywhere, the storyboard is a list in which one was added, moved or taken out', async () => {
    const step = fc.record({
      verb: fc.constantFrom('add', 'move', 'delete'),
      from: fc.nat({ max: 9 }),
      to: fc.nat({ max: 9 }),
    })
    await using till = await openTill()
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 8 }), async (steps) => {
        const { job_id } = await till.job([0, 1, 2])
        const wanted: string[] = (await till.scenes(job_id)).map(({ id }) => id)
        for (const { verb, from, to } of steps) {
          const id = wanted[from % wanted.length]!
          const at = to % wanted.length
          if (verb === 'add')
            wanted.splice(at, 0, (await add(till, job_id, sceneOf(3, { position: at }))).body.scene.id)
          else if (verb === 'move') {
            expect((await move(till, { job_id, id }, at)).status).toBe(200)
            wanted.splice(from % wanted.length, 1)
            wanted.splice(at, 0, id)
          } else if (wanted.length > 1) {
            await till.ask('DELETE', `/jobs/${job_id}/scenes/${id}`)
            wanted.splice(from % wanted.length, 1)
          }
        }
        const scenes = await till.scenes(job_id)
        expect(scenes.map(({ id }) => id)).toEqual(wanted)
        expect(scenes.map(({ position }) => position)).toEqual(wanted.map((_, position) => position))
        const { storyboard } = await till.get(`/jobs/${job_id}`)
        expect(storyboard.scenes.map(({ asset_ids }: any) => asset_ids)).toEqual(
          scenes.map(({ asset_ids }) => asset_ids),
        )
      }),
      { numRuns: isQuick ? 10 : 30, seed: 7 },
    )
  })
})
