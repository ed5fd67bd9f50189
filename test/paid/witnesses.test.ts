/** What speaks for a render that was asked for and not answered, and what people are told and may do about it. */
import { describe, expect, test } from 'vitest'
import type { FakeOptions } from '../../src/fake-replicate/provider.ts'
import { answerText, hang } from '../../src/fake-replicate/reply.ts'
import {
  asksForList,
  intercept,
  openSimulation,
  sceneOf,
  type Simulation,
  type SimulationOptions,
} from '../harness/simulation.ts'
import { assetOf } from '../harness/data.ts'
import { hour, minute, second } from '../harness/harness.ts'

const ledger = async (simulation: Simulation, query = ''): Promise<readonly any[]> =>
  (await simulation.get(`/ledger${query}`)).entries
const lines = (simulation: Simulation): string => simulation.life.lines.join('\n')

async function approved(simulation: Simulation, scenes: readonly (number | object)[] = [0]) {
  const { job_id } = await simulation.job(scenes)
  await simulation.approve(job_id)
  return job_id as number
}

const isNow = (simulation: Simulation, status: string) => async (): Promise<boolean> =>
  (await ledger(simulation))[0]?.status === status

/** A render of the same account, made by somebody else. */
async function foreignRender(simulation: Simulation, input: object): Promise<string> {
  const url = 'https://api.replicate.test/v1/models/google/veo-3.1-fast/predictions'
  const headers = new Headers({ authorization: 'Bearer r8_fake', 'content-type': 'application/json' })
  await simulation.fake.handle({ method: 'POST', url, headers, body: Buffer.from(JSON.stringify({ input })) })
  await simulation.settle()
  return simulation.posts().at(-1)!.prediction!
}

const unreached = (fake: FakeOptions, options: SimulationOptions = {}): Promise<Simulation> =>
  openSimulation({ isReached: false, ...options, fake })

describe('a render that may have been accepted', () => {
  test('is found by its seed where the provider shows copies of the pictures instead of our addresses', async () => {
    await using simulation = await unreached({ plan: { 1: 'reset_after' }, shows: 'copies' })
    expect(await simulation.ended(await approved(simulation))).toMatchObject({
      status: 'completed',
      costs: { spent: 0.4 },
    })
    expect(simulation.posts()).toHaveLength(1)
  })

  test('is found by the webhook that came to its own address, though it carries no mark', async () => {
    await using simulation = await openSimulation({ fake: { plan: { 1: 'reset_after' }, shows: 'seedless' } })
    expect(await simulation.ended(await approved(simulation))).toMatchObject({
      status: 'completed',
      costs: { spent: 0.4 },
    })
    expect(simulation.posts()).toHaveLength(1)
  })

  test('is held, and told, where one without a mark was made then of the same model and words', async () => {
    await using simulation = await unreached({ plan: { 1: 'reset_after' }, shows: 'seedless' })
    const job_id = await approved(simulation)
    await simulation.until(isNow(simulation, 'held'), 10 * minute)
    const { prediction } = simulation.posts()[0]!
    const [entry] = await ledger(simulation, '?status=held')
    expect(entry).toMatchObject({
      job_id,
      account: 'fake',
      candidates: [{ prediction_id: prediction, state: 'succeeded', created_at: expect.any(String) }],
    })
    const [scene] = await simulation.scenes(job_id)
    expect(scene.waiting).toMatchObject({
      code: 'held',
      reason: expect.stringMatching(new RegExp(`without the mark.*${prediction} \\(succeeded, of 2026-`)),
    })
    await simulation.ask('POST', `/jobs/${job_id}/scenes/${scene.id}/resolve`, {
      resolution: 'adopt',
      prediction_id: prediction,
    })
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
    expect((await simulation.get('/ledger')).unaccounted).toEqual([])
    expect(simulation.posts()).toHaveLength(1)
  })

  test.each([
    ['another model', {}, 'minimax/hailuo-02'],
    ['other words', { prompt: 'Something else.' }, 'google/veo-3.1-fast'],
  ])('is absent where one without a mark was made then of %s', async (_name, members, model) => {
    await using simulation = await unreached({ plan: { 1: 'reset_before' } })
    const job_id = await approved(simulation, [sceneOf(0, { model })])
    await simulation.until(isNow(simulation, 'unknown'))
    await foreignRender(simulation, { prompt: sceneOf(0).prompt, duration: 4, ...members })
    expect((await simulation.ended(job_id)).status).toBe('completed')
  })

  test('is held where the provider fetched its picture, and its list does not show it', async () => {
    await using simulation = await unreached({ plan: { 1: 'reset_unlisted' } }, { fetchesPictures: true })
    const job_id = await approved(simulation)
    await simulation.until(isNow(simulation, 'held'), hour)
    expect((await ledger(simulation))[0].failure.reason).toMatch(/has fetched a picture of it/)
    await simulation.pass(hour)
    expect(simulation.posts()).toHaveLength(1)
    const [scene] = await simulation.scenes(job_id)
    await simulation.ask('POST', `/jobs/${job_id}/scenes/${scene.id}/resolve`, {
      resolution: 'adopt',
      prediction_id: simulation.posts()[0]!.prediction,
    })
    await simulation.ended(job_id)
    expect((await ledger(simulation))[0].charged).toBe(0.4)
  })

  test.each([
    ['at once', false],
    ['by the next process', true],
  ])('and is held is adopted %s when its webhook tells of its end', async (_name, dies) => {
    await using simulation = await openSimulation({
      fetchesPictures: true,
      fake: { plan: { 1: 'reset_unlisted' }, renderMs: 20 * minute, rates: { webhook_lost: 1 } },
    })
    const job_id = await approved(simulation)
    await simulation.until(isNow(simulation, 'held'), hour)
    simulation.fake.set({ rates: dies ? { read_error: 1 } : {} })
    await simulation.until(() => simulation.bills().length === 1)
    await simulation.pass(minute)
    if (dies) {
      simulation.life.kill()
      // As an earlier version left it, which followed none that is held.
      await simulation.database.transaction((tx) => tx.run('delete from tasks'))
      await simulation.reborn(second)
    }
    simulation.fake.set({ rates: {} })
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
    expect(simulation.posts()).toHaveLength(1)
  })

  test('is found in a list however much was sent along with others', async () => {
    await using simulation = await unreached({ plan: { 91: 'reset_after' }, renderMs: hour })
    for (let n = 1; n <= 90; n++)
      await foreignRender(simulation, { prompt: `the ${n}th`, image: 'https://x.test/1' })
    simulation.fake.set({ listedPictureBytes: 800_000 })
    await approved(simulation)
    await simulation.until(isNow(simulation, 'submitted'), 10 * minute)
    expect(lines(simulation)).not.toMatch(/Cannot compare/)
  })
})

describe('a token of another account', () => {
  const elsewhere = { otherAccounts: { r8_other: 'somebody-else' } }

  test('says nothing about what was sent from the first one, and is told at once', async () => {
    await using simulation = await unreached({
      ...elsewhere,
      plan: { 1: 'reset_before' },
      renderMs: 10 * minute,
    })
    const job_id = await approved(simulation, [0, 1])
    await simulation.until(async () => {
      const statuses = new Set((await ledger(simulation)).map(({ status }) => status))
      return statuses.has('unknown') && statuses.has('submitted')
    })
    await simulation.reborn(0, { token: 'r8_other' })
    await simulation.pass(2 * second)
    expect(lines(simulation)).toMatch(
      /token of replicate belongs to the account somebody-else, and 2 renders were sent from fake/,
    )
    await simulation.pass(hour)
    const entries = await ledger(simulation)
    expect(new Set(entries.map(({ status, account }) => `${status} in ${account}`))).toEqual(
      new Set(['submitted in fake', 'unknown in fake']),
    )
    const waits = (await simulation.scenes(job_id)).map(({ waiting }) => waiting?.reason ?? '').join()
    expect(waits).toMatch(/the token belongs to the account somebody-else, and this was sent from fake/)
    expect(simulation.posts()).toHaveLength(2)
    await simulation.reborn(0, { token: 'r8_fake' })
    expect((await simulation.ended(job_id)).costs.spent).toBe(simulation.billedUsd())
  })
})

describe('a provider that answers no request for a render', () => {
  test('is asked for one at a time, ever more seldom, and no job fails by it', async () => {
    const longMs = 3 * hour
    await using simulation = await unreached({ outages: [[0, longMs]] }, { maxConcurrency: 4 })
    const jobs = [await approved(simulation, [0, 1, 2]), await approved(simulation, [3, 4, 5])]
    await simulation.pass(30 * minute)
    const sent = simulation.posts().map(({ at }) => at)
    // Four at once, before it is known.
    expect(sent.length).toBeLessThanOrEqual(4 + 8)
    const pauses = sent.slice(5).map((at, index) => at - sent[index + 4]!)
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(20 * second)
    const waits = (await Promise.all(jobs.map((id) => simulation.scenes(id))))
      .flat()
      .map(({ waiting }) => waiting)
    expect(waits).toContainEqual(
      expect.objectContaining({
        code: 'provider_pause',
        reason: expect.stringMatching(/replicate does not accept renders \(HTTP 503\)/),
      }),
    )
    expect((await simulation.get('/limits')).renderers.replicate.provider_pause).toMatchObject({
      reason: 'HTTP 503',
    })
    for (const id of jobs)
      expect(await simulation.ended(id)).toMatchObject({
        status: 'completed',
        costs: { spent: 1.2, reserved: 0 },
      })
    expect(lines(simulation)).toMatch(/replicate accepts renders again/)
  })

  test('is asked for others after a restart, though what became of the last request is not known', async () => {
    await using simulation = await unreached({ outages: [[0, 30 * minute]] }, { maxConcurrency: 4 })
    const job_id = await approved(simulation, [0, 1, 2, 3, 4, 5])
    await simulation.pass(29 * minute)
    let hung = 0
    intercept(simulation, (request) => {
      if (request.method === 'POST' && request.url.endsWith('/predictions') && hung++ === 0) return hang
      return hung > 0 && asksForList(request) ? answerText(500, 'text/plain', '') : undefined
    })
    await simulation.until(() => hung === 1)
    simulation.fake.set({ outages: [] })
    await simulation.reborn(second)
    await simulation.pass(10 * second)
    const statuses = (await simulation.scenes(job_id)).map(({ status }) => status)
    expect(statuses.filter((status) => status === 'completed')).toHaveLength(5)
  })

  test('is asked for others where one cannot be made ready', async () => {
    await using simulation = await unreached({ outages: [[0, 3 * minute]] }, { maxConcurrency: 4 })
    const broken = await approved(simulation, [7])
    await simulation.pass(5 * second)
    const job_id = await approved(simulation, [0, 1, 2])
    await simulation.database.transaction((tx) => tx.run('delete from assets where id = $1', [assetOf(7)]))
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed' })
    expect(await simulation.ended(broken)).toMatchObject({ status: 'failed', error: { code: 'not_ready' } })
  })
})

/** A scene whose attempt is held: one that may be it was made, without a mark. */
async function held(fake: FakeOptions = {}, options: SimulationOptions = {}) {
  const simulation = await unreached({ plan: { 1: 'reset_after' }, shows: 'seedless', ...fake }, options)
  const job_id = await approved(simulation)
  await simulation.until(isNow(simulation, 'held'), 10 * minute)
  const [scene] = await simulation.scenes(job_id)
  const candidate = simulation.posts()[0]!.prediction!
  const resolve = (resolution: object) =>
    simulation.ask('POST', `/jobs/${job_id}/scenes/${scene.id}/resolve`, resolution)
  return {
    simulation,
    job_id,
    scene,
    candidate,
    resolve,
    [Symbol.asyncDispose]: simulation[Symbol.asyncDispose],
  }
}

describe('a held attempt', () => {
  test('keeps no equal scene of another job waiting', async () => {
    await using opened = await held()
    const { simulation } = opened
    expect(await simulation.ended(await approved(simulation))).toMatchObject({
      status: 'completed',
      costs: { spent: 0.4 },
    })
  })

  test.each(['cancel', 'fail'])('is told where its job has ended (%s), and retried it waits', async (how) => {
    await using opened = await held()
    const { simulation, job_id, scene, candidate, resolve } = opened
    if (how === 'cancel') await simulation.ask('POST', `/jobs/${job_id}/cancel`)
    else await simulation.life.coordinator.failJob(job_id, 'It took too long')
    expect((await simulation.get(`/jobs/${job_id}`)).waiting?.code).toBe('held')
    expect((await simulation.scenes(job_id))[0].waiting.code).toBe('held')
    expect(await ledger(simulation, '?status=held')).toMatchObject([{ scene_id: scene.id, reserved: 0.4 }])
    expect((await simulation.ask('POST', `/jobs/${job_id}/retry`, { max_cost: 2 })).status).toBe(200)
    await simulation.pass(hour)
    expect(simulation.posts()).toHaveLength(1)
    expect((await simulation.scenes(job_id))[0].waiting.code).toBe('held')
    await resolve({ resolution: 'adopt', prediction_id: candidate })
    await simulation.until(async () => (await ledger(simulation))[0].charged === 0.4)
  })

  test('whose candidate a person refused is rendered, and the candidate told as nobody’s', async () => {
    await using opened = await held()
    const { simulation, job_id, candidate, resolve } = opened
    expect((await resolve({ resolution: 'absent' })).status).toBe(200)
    expect((await simulation.get('/ledger')).unaccounted).toMatchObject([
      { prediction_id: candidate, state: 'succeeded', charged: null },
    ])
    expect(lines(simulation)).toMatch(new RegExp(`${candidate} at replicate is not the render of attempt`))
    expect((await simulation.ended(job_id)).status).toBe('completed')
  })

  test('whose named render is not there keeps its candidates, and none is told as nobody’s', async () => {
    await using opened = await held()
    const { simulation, candidate, resolve } = opened
    await resolve({ resolution: 'adopt', prediction_id: 'nosuchprediction' })
    await simulation.pass(minute)
    const { entries, unaccounted } = await simulation.get('/ledger')
    expect(entries).toMatchObject([{ status: 'held', candidates: [{ prediction_id: candidate }] }])
    expect(unaccounted).toEqual([])
  })

  test('for which a wrong id was named can be decided anew while that cannot be looked at', async () => {
    await using opened = await held({ otherAccounts: { r8_other: 'somebody-else' } })
    const { simulation, job_id, candidate, resolve } = opened
    await simulation.reborn(second, { token: 'r8_other' })
    await resolve({ resolution: 'adopt', prediction_id: 'nosuchprediction' })
    await simulation.pass(2 * minute)
    expect((await resolve({ resolution: 'adopt', prediction_id: candidate })).status).toBe(200)
    await simulation.reborn(second, { token: 'r8_fake' })
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
  })

  test('beside another one of its scene is decided by an id that is among the other one’s', async () => {
    await using opened = await held({ plan: { 1: 'reset_after', 2: 'reset_after' } })
    const { simulation, job_id, scene, candidate, resolve } = opened
    await simulation.ask('POST', `/jobs/${job_id}/cancel`)
    await simulation.ask('PUT', `/jobs/${job_id}/scenes/${scene.id}`, { prompt: 'Another look.' })
    await simulation.ask('POST', `/jobs/${job_id}/retry`, { max_cost: 2, revision: 2 })
    await simulation.until(async () => (await ledger(simulation, '?status=held')).length === 2, hour)
    const other = simulation.posts()[1]!.prediction!
    expect((await resolve({ resolution: 'adopt', prediction_id: other })).status).toBe(200)
    await simulation.ended(job_id)
    expect(await ledger(simulation)).toMatchObject([
      { status: 'succeeded', prediction_id: other },
      { status: 'held', candidates: [{ prediction_id: candidate }] },
    ])
  })

  test.each([0, 1])(
    'of two opposite decisions takes one, and tells the other so (%i first)',
    async (first) => {
      await using opened = await held()
      const { simulation, job_id, candidate, resolve } = opened
      const decisions = [{ resolution: 'adopt', prediction_id: candidate }, { resolution: 'absent' }]
      const answers = await Promise.all([decisions[first]!, decisions[1 - first]!].map(resolve))
      expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 422])
      const isAdopted = answers[first === 0 ? 0 : 1]!.status === 200
      expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
      expect(simulation.posts()).toHaveLength(isAdopted ? 1 : 2)
    },
  )
})

describe('an attempt that is looked for', () => {
  const looked = async () => {
    const simulation = await unreached({ plan: { 1: 'reset_unlisted' } })
    const job_id = await approved(simulation)
    await simulation.until(isNow(simulation, 'unknown'))
    const [scene] = await simulation.scenes(job_id)
    const resolve = (resolution: object) =>
      simulation.ask('POST', `/jobs/${job_id}/scenes/${scene.id}/resolve`, resolution)
    return { simulation, job_id, resolve, [Symbol.asyncDispose]: simulation[Symbol.asyncDispose] }
  }

  test('is adopted by the id that a person names', async () => {
    await using opened = await looked()
    const { simulation, job_id, resolve } = opened
    const { prediction } = simulation.posts()[0]!
    expect((await resolve({ resolution: 'adopt', prediction_id: prediction })).status).toBe(200)
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
    expect(simulation.posts()).toHaveLength(1)
  })

  test('is sent again at once where a person knows that it is absent', async () => {
    await using opened = await looked()
    const { simulation, job_id, resolve } = opened
    expect((await resolve({ resolution: 'absent' })).status).toBe(200)
    await simulation.until(() => simulation.posts().length === 2, minute)
    expect((await resolve({ resolution: 'absent' })).body.reason).toBe(
      'The scene has no held or unknown attempt to resolve',
    )
    expect((await simulation.ended(job_id)).status).toBe('completed')
  })
})
