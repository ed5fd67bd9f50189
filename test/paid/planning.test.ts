import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readCatalogue } from '../../src/job/catalogue.ts'
import { type Simulation, openSimulation, requestOf, sceneOf, veo } from '../harness/simulation.ts'
import { assetOf } from '../harness/data.ts'

let simulation: Simulation
beforeAll(async () => {
  simulation = await openSimulation()
})
afterAll(() => simulation[Symbol.asyncDispose]())

const hailuo = 'minimax/hailuo-02'

interface Impossible {
  readonly scene?: object
  readonly parameters?: object
  readonly field: string
  readonly reason: RegExp
}

describe('what a model can’t do is refused, with the field and what it can do', () => {
  test.each<[string, Impossible]>([
    [
      'a duration above the ladder',
      {
        scene: { duration: 9 },
        field: 'storyboard.scenes[0].duration',
        reason: /at most 8 for google\/veo-3\.1-fast/,
      },
    ],
    [
      'a clip_duration above the ladder',
      {
        scene: { duration: undefined },
        parameters: { clip_duration: 9 },
        field: 'parameters.clip_duration',
        reason: /at most 8/,
      },
    ],
    [
      '10 s at 1080p, which minimax/hailuo-02 renders for 6 s only',
      {
        scene: { model: hailuo, duration: 10 },
        parameters: { resolution: '1080p' },
        field: 'storyboard.scenes[0].duration',
        reason: /at most 6 .*1080p film: it offers .*6 or 10 s at 768p/,
      },
    ],
    [
      'a last image for minimax/hailuo-2.3',
      {
        scene: { model: 'minimax/hailuo-2.3', duration: 6, asset_ids: [assetOf(0), assetOf(1)] },
        field: 'storyboard.scenes[0].asset_ids',
        reason: /one image for minimax\/hailuo-2\.3: it accepts no last image/,
      },
    ],
    [
      'a resolution above all offers',
      {
        parameters: { resolution: '2160p' },
        field: 'parameters.resolution',
        reason: /at most 1080p for google\/veo-3\.1-fast|must be one of/,
      },
    ],
    [
      'a shape that veo doesn’t render',
      {
        parameters: { aspect_ratio: '1:1' },
        field: 'parameters.aspect_ratio',
        reason: /16:9 or 9:16 for google\/veo-3\.1-fast/,
      },
    ],
    [
      'a model that nobody knows',
      {
        scene: { model: 'google/veo-99' },
        field: 'storyboard.scenes[0].model',
        reason: /must be one of local, google\/veo-3\.1/,
      },
    ],
    [
      'sound of a model without any',
      {
        scene: { model: hailuo, duration: 6, audio: true },
        field: 'storyboard.scenes[0].model',
        reason: /for sound: minimax\/hailuo-02 renders no sound/,
      },
    ],
  ])('%s', async (_name, { scene, parameters, field, reason }) => {
    const request = requestOf([sceneOf(0, scene)], { parameters: { transition: 'cut', ...parameters } })
    for (const path of ['/jobs', '/estimates']) {
      const { status, body } = await simulation.ask('POST', path, request)
      expect({ status, field: body.field }).toEqual({ status: 422, field })
      expect(body.reason).toMatch(reason)
    }
    expect((await simulation.get('/jobs')).jobs).toEqual([])
  })

  test('every scene that is wrong is told, each where it was given', async () => {
    const request = requestOf([sceneOf(0, { duration: 9 }), 1, sceneOf(2, { model: 'no/such' })])
    const { body } = await simulation.ask('POST', '/jobs', request)
    expect(body.problems.map(({ field }: { field: string }) => field)).toEqual([
      'storyboard.scenes[0].duration',
      'storyboard.scenes[2].model',
    ])
  })
})

describe('what is harmless is settled, and told', () => {
  test('a duration between two rungs is rounded up, and priced as it is rendered', async () => {
    const { body } = await simulation.ask('POST', '/estimates', requestOf([sceneOf(0, { duration: 4.5 })]))
    const [scene] = body.storyboard.scenes
    expect(scene).toMatchObject({
      duration: 6,
      render: { seconds: 6, resolution: '720p', aspect_ratio: '16:9', audio: false },
      price: 0.6,
    })
    expect(scene.notes).toEqual([expect.stringMatching(/^4\.5 s rounded up to 6 s \(.*4, 6 or 8 s\)$/)])
    expect(body).toMatchObject({ estimated_cost: 0.6, scenes: [{ position: 0, estimated: 0.6 }] })
  })

  test('a larger picture than the film’s, and a title that the model doesn’t write', async () => {
    const scene = sceneOf(0, { model: hailuo, duration: 6, title: 'Kitchen' })
    const { body } = await simulation.ask('POST', '/estimates', requestOf([scene]))
    expect(body.storyboard.scenes[0]).toMatchObject({
      render: { seconds: 6, resolution: '768p' },
      price: 0.27,
      notes: [
        expect.stringMatching(/the film is 720p; .*renders it at 768p/),
        expect.stringMatching(/the title "Kitchen" will not appear/),
      ],
    })
  })

  test('the job’s storyboard and its scenes say the same, before anything is approved', async () => {
    await using own = await openSimulation()
    const job = await own.job([sceneOf(0, { duration: 4.5 }), sceneOf(1, { audio: true })])
    const scenes = await own.scenes(job.job_id)
    expect(job.estimated_cost).toBe(1.2)
    for (const [index, planned] of job.storyboard.scenes.entries())
      expect(scenes[index]).toMatchObject({ ...planned, status: 'pending' })
    expect(own.posts()).toEqual([])
  })
})

test('without a provider only this machine’s model is offered', async () => {
  const none = { ...readCatalogue(), models: new Map() }
  await using own = await openSimulation({ catalogue: none })
  const { status, body } = await own.ask('POST', '/jobs', requestOf([0]))
  expect(status).toBe(422)
  expect(body).toMatchObject({
    field: 'storyboard.scenes[0].model',
    reason: expect.stringMatching(/must be.* local/),
  })
})

test('a model of a renderer that is not there is refused like one that nobody knows', async () => {
  const book = {
    version: 'own',
    currency: 'USD',
    models: {
      'studio/elsewhere': {
        renderer: 'elsewhere',
        input: { image: '{first_image}' },
        offers: [
          {
            resolution: '720p',
            short_side: 720,
            seconds: [4],
            last_image: false,
            audio: false,
            usd_per_clip: 1,
          },
        ],
      },
    },
  }
  await using own = await openSimulation({ catalogue: readCatalogue(book) })
  for (const path of ['/jobs', '/estimates']) {
    const { status, body } = await own.ask(
      'POST',
      path,
      requestOf([sceneOf(0, { model: 'studio/elsewhere' })]),
    )
    expect({ status, field: body.field }).toEqual({ status: 422, field: 'storyboard.scenes[0].model' })
  }
  const job = await own.job([0])
  const [scene] = await own.scenes(job.job_id)
  const put = await own.ask('PUT', `/jobs/${job.job_id}/scenes/${scene.id}`, { model: 'studio/elsewhere' })
  expect({ status: put.status, field: put.body.field }).toEqual({ status: 422, field: 'model' })
  expect(veo).toBe(scene.model)
})
