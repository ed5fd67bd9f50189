import { describe, expect, test } from 'vitest'
import type { Fault } from '../../src/fake-replicate/fault.ts'
import { answerPage, answerText, reset } from '../../src/fake-replicate/reply.ts'
import {
  asksForList,
  intercept,
  openSimulation,
  type Simulation,
  type SimulationOptions,
} from '../harness/simulation.ts'
import { hour, minute, second } from '../harness/harness.ts'

const ledger = async (simulation: Simulation): Promise<readonly any[]> =>
  (await simulation.get('/ledger')).entries
const lines = (simulation: Simulation): string => simulation.life.lines.join('\n')
const begin = Date.UTC(2026, 0, 1)

async function approved(simulation: Simulation, pictures: readonly number[] = [0]) {
  const { job_id } = await simulation.job(pictures)
  await simulation.approve(job_id)
  return job_id as number
}

/** Somebody's render at the provider that is none of ours, or looks like one; its id. */
async function foreignRender(simulation: Simulation, prompt: string): Promise<string> {
  const url = 'https://api.replicate.test/v1/models/google/veo-3.1-fast/predictions'
  const headers = new Headers({ authorization: 'Bearer r8_fake', 'content-type': 'application/json' })
  const body = Buffer.from(JSON.stringify({ input: { prompt, duration: 4 } }))
  await simulation.fake.handle({ method: 'POST', url, headers, body })
  await simulation.settle()
  return simulation.posts().at(-1)!.prediction!
}

describe('whether the provider has a render that it was asked for', () => {
  test.each<Fault>(['error_after', 'reset_after', 'hang_after', 'malformed', 'html'])(
    'is told by its webhook, long before its list would (%s)',
    async (fault) => {
      await using simulation = await openSimulation({ fake: { plan: { 1: fault }, listLagMs: hour } })
      const job = await simulation.ended(await approved(simulation))
      expect(job).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
      expect(simulation.posts()).toHaveLength(1)
      expect(Date.parse(job.ended_at) - begin).toBeLessThan(2 * minute)
    },
  )

  test.each<Fault>(['error_after', 'reset_after', 'hang_after', 'malformed', 'html'])(
    'is found in its list, which shows it a minute later (%s)',
    async (fault) => {
      await using simulation = await openSimulation({
        isReached: false,
        fake: { plan: { 1: fault }, listLagMs: minute },
      })
      const job_id = await approved(simulation)
      await simulation.pass(second)
      expect((await ledger(simulation))[0]).toMatchObject({
        prediction_id: null,
        reserved: 0.4,
        charged: null,
      })
      expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
      expect(simulation.posts()).toHaveLength(1)
      expect(simulation.clock.now() - begin).toBeGreaterThanOrEqual(minute)
      expect((await ledger(simulation))[0]).toMatchObject({
        status: 'succeeded',
        prediction_id: simulation.posts()[0]!.prediction,
      })
      expect(lines(simulation)).toMatch(/Whether replicate has attempt \S+ of job 1 is unknown/)
    },
  )

  test.each<Fault>(['error_before', 'reset_before', 'hang_before'])(
    'is believed to be no only after two minutes, and then it is asked again (%s)',
    async (fault) => {
      await using simulation = await openSimulation({ fake: { plan: { 1: fault } } })
      const job_id = await approved(simulation)
      await simulation.until(async () => (await ledger(simulation))[0]?.status === 'unknown')
      const unknownAt = simulation.clock.now()
      expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
      expect(simulation.posts()).toHaveLength(2)
      expect(simulation.posts()[1]!.at - unknownAt).toBeGreaterThanOrEqual(2 * minute)
      expect((await ledger(simulation)).map(({ status, charged }) => [status, charged])).toEqual([
        ['succeeded', 0.4],
        ['refused', 0],
      ])
    },
  )

  test('is no try of its scene, however often it was proven to be no', async () => {
    const plan = { 1: 'reset_before', 2: 'error_before', 3: 'hang_before', 4: 'error_before' } as const
    await using simulation = await openSimulation({ fake: { plan } })
    const job_id = await approved(simulation)
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
    expect(simulation.posts()).toHaveLength(5)
    expect((await simulation.scenes(job_id))[0].tries).toBe(1)
  })

  test('keeps its place and its money until that is known', async () => {
    await using simulation = await openSimulation({
      isReached: false,
      maxConcurrency: 1,
      budgets: { total: 400_000 },
      fake: { plan: { 1: 'reset_after' }, listLagMs: minute },
    })
    const job_id = await approved(simulation, [0, 1])
    await simulation.until(async () => (await ledger(simulation))[0]?.status === 'unknown')
    await simulation.pass(30 * second)
    expect(simulation.posts()).toHaveLength(1)
    expect((await simulation.get('/budgets')).budgets[0].used).toEqual({ reserved: 0.4, spent: 0 })
    await simulation.until(() => simulation.bills().length === 1)
    await simulation.pass(5 * minute)
    expect(simulation.posts()).toHaveLength(1)
    expect((await simulation.scenes(job_id))[1].waiting.code).toBe('budget_total')
  })

  test('stays unknown while the list can’t be read', async () => {
    await using simulation = await openSimulation({ isReached: false, fake: { plan: { 1: 'reset_before' } } })
    const job_id = await approved(simulation)
    await simulation.until(async () => (await ledger(simulation))[0]?.status === 'unknown')
    simulation.fake.set({ token: 'r8_another' })
    await simulation.pass(hour)
    expect((await ledger(simulation))[0].status).toBe('unknown')
    simulation.fake.set({ token: 'r8_fake' })
    expect((await simulation.ended(job_id)).status).toBe('completed')
  })

  test('is left to a person where the list can’t be read for hours', async () => {
    await using simulation = await openSimulation({ isReached: false, fake: { plan: { 1: 'reset_before' } } })
    await approved(simulation)
    await simulation.until(async () => (await ledger(simulation))[0]?.status === 'unknown')
    simulation.fake.set({ token: 'r8_another' })
    await simulation.pass(7 * hour)
    expect((await ledger(simulation))[0]).toMatchObject({
      status: 'held',
      reserved: 0.4,
      failure: { code: 'held', reason: expect.stringMatching(/list can't be read/) },
    })
  })

  const unanswered = async () => {
    const simulation = await openSimulation({ isReached: false, fake: { plan: { 1: 'reset_before' } } })
    const job_id = await approved(simulation)
    await simulation.until(async () => (await ledger(simulation))[0]?.status === 'unknown')
    return { simulation, job_id, [Symbol.asyncDispose]: simulation[Symbol.asyncDispose] }
  }

  test('is looked into after a night, though the network comes a little later than the process', async () => {
    await using opened = await unanswered()
    const { simulation, job_id } = opened
    let isDown = true
    intercept(simulation, () => (isDown ? reset : undefined))
    await simulation.reborn(7 * hour)
    await simulation.pass(3 * second)
    isDown = false
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
  })

  test('is looked into, though a proxy answered once that there is no account', async () => {
    await using opened = await unanswered()
    const { simulation, job_id } = opened
    let isProxy = true
    intercept(simulation, ({ url }) =>
      isProxy && url.endsWith('/v1/account') ? answerPage(404, 'Not found') : undefined,
    )
    await simulation.reborn(second)
    await simulation.pass(5 * second)
    isProxy = false
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
  })

  test('says why it is unknown once the list can be read again, and not what kept it from being read', async () => {
    await using opened = await unanswered()
    const { simulation, job_id } = opened
    let isBroken = true
    intercept(simulation, (request) =>
      isBroken && asksForList(request) ? answerText(500, 'text/plain', '') : undefined,
    )
    const reasonOf = async (): Promise<string> => (await simulation.scenes(job_id))[0].waiting.reason
    await simulation.until(async () => (await reasonOf()).includes('list'))
    isBroken = false
    await simulation.pass(minute)
    expect(await reasonOf()).toMatch(/accepted this render \(.*ECONNRESET\)/)
    // Its next list decides.
    isBroken = true
    await simulation.pass(2 * minute)
    expect(await reasonOf()).toMatch(/list/)
    isBroken = false
    await simulation.ended(job_id)
    expect((await ledger(simulation))[1].failure.reason).toMatch(/^[^']*ECONNRESET[^']*$/)
  })
})

/**
 * A scene whose attempt is held: the process died as it was sent, and came back when the provider had removed what was
 * sent. `fault`: whether the provider had accepted it. With a job that was finished before.
 */
async function held(fault: 'reset_after' | 'reset_before', options: SimulationOptions = {}) {
  const simulation = await openSimulation({
    isReached: false,
    ...options,
    fake: { plan: { 2: fault }, listLagMs: minute },
  })
  const other = await simulation.ended(await approved(simulation, [7]))
  const otherId = simulation.posts()[0]!.prediction!
  const job_id = await approved(simulation)
  await simulation.until(() => simulation.posts().length === 2)
  simulation.life.kill()
  // Somebody else with the same account renders too, so that one render may be it in any case.
  const strangerId = await foreignRender(simulation, 'somebody else’s')
  await simulation.reborn(2 * hour)
  await simulation.until(async () => (await ledger(simulation))[0].status === 'held', 10 * minute)
  const [scene] = await simulation.scenes(job_id)
  const resolve = (resolution: unknown) =>
    simulation.ask('POST', `/jobs/${job_id}/scenes/${scene.id}/resolve`, resolution)
  const postId = simulation.posts()[1]!.prediction
  return {
    simulation,
    job_id,
    scene,
    resolve,
    postId,
    other,
    otherId,
    strangerId,
    [Symbol.asyncDispose]: simulation[Symbol.asyncDispose],
  }
}

describe('a held attempt', () => {
  test('is told, by the scene, the ledger and an alarm; nothing else is bought, and its place is free', async () => {
    await using opened = await held('reset_after', { maxConcurrency: 1 })
    const { simulation, job_id, scene, strangerId } = opened
    expect(scene).toMatchObject({
      status: 'processing',
      waiting: {
        code: 'held',
        reason: expect.stringMatching(/may have accepted this render: resolve the scene/),
        until: null,
      },
    })
    expect((await ledger(simulation))[0]).toMatchObject({
      scene_id: scene.id,
      reserved: 0.4,
      charged: null,
      failure: { reason: expect.stringMatching(/removed what was sent/) },
    })
    expect((await ledger(simulation))[0].failure.reason).toContain(strangerId)
    expect(lines(simulation)).toMatch(/Attempt \S+ of job 2 is held until a person decides/)
    const posts = simulation.posts().length
    await simulation.pass(24 * hour)
    expect(simulation.posts()).toHaveLength(posts)
    expect((await simulation.get(`/jobs/${job_id}`)).status).toBe('processing')
    expect(await simulation.ended(await approved(simulation, [3]))).toMatchObject({ status: 'completed' })
  })

  test('is adopted by the id that a person names, and its cost booked; its clip is gone by then', async () => {
    await using opened = await held('reset_after')
    const { simulation, job_id, scene, resolve, postId } = opened
    const answer = await resolve({ resolution: 'adopt', prediction_id: postId })
    expect(answer).toMatchObject({
      status: 200,
      body: { message: 'Scene resolved successfully', job_id, scene: { id: scene.id } },
    })
    expect(await simulation.ended(job_id)).toMatchObject({
      status: 'failed',
      error: { code: 'clip_lost' },
      costs: { spent: 0.4, reserved: 0 },
    })
    expect((await ledger(simulation))[0]).toMatchObject({
      status: 'succeeded',
      prediction_id: postId,
      charged: 0.4,
    })
    expect(lines(simulation)).toMatch(/was decided by a person: adopt/)
  })

  test('that a person found absent is rendered again', async () => {
    await using opened = await held('reset_before')
    const { simulation, job_id, resolve } = opened
    expect((await resolve({ resolution: 'absent' })).status).toBe(200)
    const job = await simulation.ended(job_id)
    expect(job).toMatchObject({ status: 'completed', costs: { spent: 0.4, reserved: 0 } })
    expect((await simulation.scenes(job_id))[0].tries).toBe(1)
    expect((await ledger(simulation)).map(({ status }) => status)).toEqual([
      'succeeded',
      'refused',
      'succeeded',
    ])
  })

  test('stays held where the named render isn’t there, and can be decided anew', async () => {
    await using opened = await held('reset_after')
    const { simulation, job_id, resolve, postId } = opened
    await resolve({ resolution: 'adopt', prediction_id: 'nosuchprediction' })
    await simulation.pass(10 * minute)
    expect((await ledger(simulation))[0].status).toBe('held')
    await resolve({ resolution: 'adopt', prediction_id: postId })
    expect((await simulation.ended(job_id)).costs.spent).toBe(0.4)
  })

  test('can’t be adopted as the render of another attempt', async () => {
    await using opened = await held('reset_after')
    const { simulation, scene, resolve, otherId } = opened
    expect(await resolve({ resolution: 'adopt', prediction_id: otherId })).toEqual({
      status: 422,
      body: {
        error: 'Scene cannot be resolved',
        scene_id: scene.id,
        reason: expect.stringMatching(new RegExp(`^${otherId} is the render of another attempt`)),
      },
    })
    await simulation.pass(minute)
    expect((await ledger(simulation))[0].status).toBe('held')
  })

  test.each<[string, unknown, number, string]>([
    ['of another name', { resolution: 'forget' }, 422, 'resolution'],
    ['without a prediction', { resolution: 'adopt' }, 422, 'prediction_id'],
    ['with an empty prediction', { resolution: 'adopt', prediction_id: '' }, 422, 'prediction_id'],
    ['with a member of its own', { resolution: 'absent', why: 'so' }, 422, ''],
    ['that is nothing', {}, 422, 'resolution'],
    ['that is no JSON', '{', 400, ''],
  ])('is not decided by a resolution %s', async (_name, resolution, status, field) => {
    await using opened = await held('reset_after')
    const { simulation, resolve } = opened
    const answer = await resolve(resolution)
    expect({ status: answer.status, field: answer.body.field }).toEqual({ status, field })
    expect((await ledger(simulation))[0].status).toBe('held')
  })

  test('is decided once, and what isn’t held not at all', async () => {
    await using opened = await held('reset_before')
    const { simulation, job_id, scene, resolve, other } = opened
    const answers = await Promise.all([1, 2, 3].map(() => resolve({ resolution: 'absent' })))
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(1)
    expect((await simulation.ended(job_id)).costs.spent).toBe(0.4)
    const refused = (id: string) => ({
      status: 422,
      body: {
        error: 'Scene cannot be resolved',
        scene_id: id,
        reason: 'The scene has no held or unknown attempt to resolve',
      },
    })
    expect(await resolve({ resolution: 'absent' })).toEqual(refused(scene.id))
    const [done] = await simulation.scenes(other.job_id)
    expect(
      await simulation.ask('POST', `/jobs/${other.job_id}/scenes/${done.id}/resolve`, {
        resolution: 'absent',
      }),
    ).toEqual(refused(done.id))
  })

  test('of a job that was cancelled is ended by its adoption, and what it cost is booked', async () => {
    await using opened = await held('reset_after')
    const { simulation, job_id, resolve, postId } = opened
    expect((await simulation.ask('POST', `/jobs/${job_id}/cancel`)).body.costs).toMatchObject({
      reserved: 0.4,
      spent: 0,
    })
    await resolve({ resolution: 'adopt', prediction_id: postId })
    await simulation.pass(10 * minute)
    expect((await simulation.get(`/jobs/${job_id}`)).costs).toMatchObject({ reserved: 0, spent: 0.4 })
  })
})

describe('the sweep over what the provider lists', () => {
  test('names a render with our mark that no attempt accounts for', async () => {
    await using simulation = await openSimulation()
    const attempt = '3f2b0c9e-8d1a-4c57-9f3e-2a6b7c8d9e0f'
    const mark = `wc-abcdefabcdef-${attempt}`
    const id = await foreignRender(simulation, `seen from ${mark}`)
    await simulation.pass(2 * minute)
    expect((await simulation.get('/ledger')).unaccounted).toMatchObject([
      { prediction_id: id, mark, attempt_id: null, state: 'succeeded' },
    ])
    const alarm = new RegExp(`replicate has a render ${id} with our mark that no attempt accounts for`, 'g')
    expect(lines(simulation).match(alarm)).toHaveLength(1)
  })

  test('ends one that runs though its attempt was given up, and books what it cost', async () => {
    await using simulation = await openSimulation({
      isReached: false,
      // Later than any provider's list was seen to be.
      fake: { plan: { 1: 'reset_after' }, listLagMs: 5 * minute, renderMs: 20 * minute },
    })
    const job_id = await approved(simulation)
    await simulation.until(() => simulation.posts().length === 2)
    await simulation.until(() => simulation.bills().length === 1, 10 * minute)
    const [orphan] = simulation.posts()
    expect(simulation.bills()[0]).toMatchObject({ prediction: orphan!.prediction, status: 'canceled' })
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
    const { unaccounted, totals } = await simulation.get('/ledger')
    expect(unaccounted).toMatchObject([
      { prediction_id: orphan!.prediction, state: 'cancelled', charged: 0.4, attempt_id: expect.any(String) },
    ])
    expect(totals).toEqual({ reserved: 0, spent: simulation.billedUsd() })
  })

  test('touches no render without our mark, nor one of another installation', async () => {
    await using simulation = await openSimulation({ fake: { renderMs: 5 * minute } })
    await foreignRender(simulation, 'somebody else’s')
    await foreignRender(simulation, 'wc-000000000001-3f2b0c9e-8d1a-4c57-9f3e-2a6b7c8d9e0f')
    await simulation.pass(10 * minute)
    expect(simulation.bills().map(({ status }) => status)).toEqual(['succeeded', 'succeeded'])
    expect((await simulation.get('/ledger')).unaccounted).toEqual([])
    expect(lines(simulation)).not.toMatch(/accounts for/)
  })

  test('says so where the list can’t be read, and goes on', async () => {
    await using simulation = await openSimulation()
    simulation.fake.set({ token: 'r8_another' })
    await simulation.pass(3 * minute)
    expect(lines(simulation)).toMatch(/Cannot compare our attempts with what replicate lists; trying again/)
    simulation.fake.set({ token: 'r8_fake' })
    const id = await foreignRender(simulation, 'wc-abcdefabcdef-3f2b0c9e-8d1a-4c57-9f3e-2a6b7c8d9e0f')
    await simulation.pass(2 * minute)
    expect((await simulation.get('/ledger')).unaccounted).toMatchObject([{ prediction_id: id }])
  })
})
