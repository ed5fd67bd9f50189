import { describe, expect, test } from 'vitest'
import { onSqlite } from '../database-kind.ts'
import { isQuick } from '../quick.ts'
import { moneyIn } from '../../src/store/money.ts'
import { type Simulation, openSimulation, priceUsd, requestOf, sceneOf } from '../harness/simulation.ts'
import { assetOf, assets } from '../harness/data.ts'
import { hour, minute, second } from '../harness/harness.ts'

const micros = (usd: number): number => Math.round(usd * 1_000_000)
const budgetsOf = (simulation: Simulation) => simulation.get('/budgets')
const setBudgets = (simulation: Simulation, limits: unknown) => simulation.ask('PUT', '/budgets', limits)
const waiting = async (simulation: Simulation, jobId: number) =>
  (await simulation.scenes(jobId)).map((scene) => scene.waiting?.code ?? null)

describe('budgets', () => {
  test('are none, unless they are configured or set', async () => {
    await using simulation = await openSimulation()
    expect(await budgetsOf(simulation)).toEqual({ currency: 'USD', budgets: [] })
  })

  test('are told with what of them is used', async () => {
    await using simulation = await openSimulation({
      budgets: { day: micros(5), job: micros(2) },
      maxConcurrency: 1,
    })
    const { job_id } = await simulation.job([0, 1])
    await simulation.approve(job_id)
    await simulation.until(() => simulation.bills().length === 1 && simulation.posts().length === 2)
    const { budgets } = await budgetsOf(simulation)
    expect(budgets).toContainEqual({
      name: 'day',
      limit: 5,
      used: { reserved: 0.4, spent: 0.4 },
      changed: null,
    })
    expect(budgets).toContainEqual({ name: 'job', limit: 2, used: null, changed: null })
  })

  test('are set, and lifted, one by one; the others stay, and a restart forgets none', async () => {
    await using simulation = await openSimulation({ budgets: { day: micros(5) } })
    const set = await setBudgets(simulation, { total: 100, 'client:acme': 3.5 })
    expect(set.status).toBe(200)
    const names = (answer: any): object =>
      Object.fromEntries(answer.budgets.map(({ name, limit }: any) => [name, limit]))
    expect(names(set.body)).toEqual({ day: 5, total: 100, 'client:acme': 3.5 })
    expect(names((await setBudgets(simulation, { day: null, total: 0 })).body)).toEqual({
      total: 0,
      'client:acme': 3.5,
    })
    await simulation.reborn()
    expect(names(await budgetsOf(simulation))).toEqual({ total: 0, 'client:acme': 3.5 })
  })

  test.each<[string, unknown, number, string, RegExp]>([
    ['of another name', { week: 1 }, 422, 'week', /must be job, client, day, total or client:<client_id>/],
    ['of a client without a name', { 'client:': 1 }, 422, 'client:', /client:<client_id>/],
    ['below nothing', { day: -0.01 }, 422, 'day', /must not be negative/],
    ['in words', { day: '5' }, 422, 'day', /must be a number of US dollars/],
    ['without bounds', '{"day":1e999}', 422, 'day', /./],
    ['in a list', [1], 422, '', /./],
    ['that are not JSON', '{', 400, '', /not JSON/],
  ])('%s are refused with the field, and nothing is changed', async (_name, body, status, field, reason) => {
    await using simulation = await openSimulation({ budgets: { total: micros(1) } })
    const answer = await setBudgets(simulation, body)
    expect({ status: answer.status, field: answer.body.field }).toEqual({ status, field })
    expect(answer.body.reason).toMatch(reason)
    expect((await budgetsOf(simulation)).budgets).toMatchObject([{ name: 'total', limit: 1 }])
  })
})

/** Different scenes, as many as are wanted. */
const unlike = (index: number) => sceneOf(index % assets, { prompt: `Look ${index}.` })

describe('a hundred approvals at once', () => {
  test.each<[string, object, object]>([
    ['the day’s', { day: micros(4) }, { day: '2026-01-01' }],
    ['the whole', { total: micros(4) }, {}],
    ['each client’s', { client: micros(4) }, { clientId: 'acme' }],
  ])('never take more than %s budget allows', async (_name, budgets, scope) => {
    await using simulation = await openSimulation({ budgets, maxConcurrency: 30 })
    const parameters = { transition: 'cut', client_id: 'acme' }
    const jobs: number[] = []
    for (let index = 0; index < 100; index++)
      jobs.push((await simulation.job([unlike(index)], { parameters })).job_id)
    const answers = await Promise.all(jobs.map((jobId) => simulation.ask('POST', `/jobs/${jobId}/approve`)))
    expect(answers.every(({ status }) => status === 200)).toBe(true)
    let most = 0
    await simulation.until(async () => {
      const { reservedMicros, spentMicros } = await moneyIn(simulation.database, scope)
      most = Math.max(most, reservedMicros + spentMicros)
      return spentMicros === micros(4)
    }, hour)
    expect(most).toBe(micros(4))
    await simulation.pass(10 * minute)
    expect(simulation.posts()).toHaveLength(10)
    expect(simulation.billedUsd()).toBe(4)
    const { totals } = await simulation.get('/ledger')
    expect(totals).toEqual({ reserved: 0, spent: 4 })
  })
})

describe('a scene that waits says why', () => {
  test('for the day’s budget, until the day ends; then it goes on', async () => {
    await using simulation = await openSimulation({ budgets: { day: micros(priceUsd) } })
    const { job_id } = await simulation.job([0, 1])
    await simulation.approve(job_id)
    await simulation.until(() => simulation.bills().length === 1)
    const [, second_] = await simulation.scenes(job_id)
    expect(second_).toMatchObject({
      status: 'pending',
      waiting: {
        code: 'budget_day',
        reason: "needs $0.40; $0.00 of $0.40 is left in today's budget",
        until: '2026-01-02T00:00:00.000Z',
      },
    })
    await simulation.until(() => simulation.posts().length === 2, 25 * hour)
    expect(new Date(simulation.posts()[1]!.at).toISOString()).toMatch(/^2026-01-02T00:00:0/)
    expect((await simulation.ended(job_id)).costs.spent).toBe(0.8)
  })

  test.each<[string, object, object]>([
    ['budget_total', { total: micros(priceUsd) }, { total: 2 }],
    ['budget_client', { client: micros(priceUsd) }, { client: null }],
    ['budget_client', { client: micros(priceUsd) }, { 'client:acme': 2 }],
    ['budget_day', { day: micros(priceUsd) }, { day: 2 }],
  ])('%s: %o; and goes on as soon as it is raised: %o', async (code, budgets, raised) => {
    await using simulation = await openSimulation({ budgets })
    const { job_id } = await simulation.job([0, 1], { parameters: { transition: 'cut', client_id: 'acme' } })
    await simulation.approve(job_id)
    await simulation.until(() => simulation.bills().length === 1)
    await simulation.pass(hour)
    expect(await waiting(simulation, job_id)).toEqual([null, code])
    expect((await simulation.get(`/jobs/${job_id}`)).status).toBe('processing')
    const before = simulation.clock.now()
    await setBudgets(simulation, raised)
    await simulation.until(() => simulation.posts().length === 2, second)
    expect(simulation.posts()[1]!.at).toBe(before)
    expect((await simulation.ended(job_id)).status).toBe('completed')
  })

  test('for the job’s budget, where that is lowered after the approval', async () => {
    await using simulation = await openSimulation({ maxConcurrency: 1 })
    const { job_id } = await simulation.job([0, 1])
    await simulation.approve(job_id)
    await simulation.until(() => simulation.posts().length === 1)
    await setBudgets(simulation, { job: 0.5 })
    await simulation.until(() => simulation.bills().length === 1)
    await simulation.pass(hour)
    expect(await waiting(simulation, job_id)).toEqual([null, 'budget_job'])
    await setBudgets(simulation, { job: null })
    expect((await simulation.ended(job_id)).status).toBe('completed')
  })

  test('for its client’s own budget, while another client’s job goes on', async () => {
    await using simulation = await openSimulation()
    await setBudgets(simulation, { 'client:acme': 0 })
    const ofClient = (client_id: string, picture: number) =>
      simulation.job([picture], { parameters: { transition: 'cut', client_id } })
    const acme = (await ofClient('acme', 0)).job_id
    const other = (await ofClient('other', 1)).job_id
    await simulation.approve(acme)
    await simulation.approve(other)
    expect((await simulation.ended(other)).status).toBe('completed')
    expect(await waiting(simulation, acme)).toEqual(['budget_client'])
    expect((await simulation.get(`/jobs/${acme}`)).status).toBe('approved')
  })

  test('for approval: of its job, or of what it costs more', async () => {
    await using simulation = await openSimulation()
    const { job_id } = await simulation.job([0, 1])
    expect(await waiting(simulation, job_id)).toEqual(['job_not_approved', 'job_not_approved'])
    await simulation.approve(job_id)
    await simulation.until(() => simulation.bills().length === 1)
    const done = (await simulation.scenes(job_id)).find(({ status }) => status === 'completed')
    await simulation.ask('PUT', `/jobs/${job_id}/scenes/${done.id}`, { prompt: 'Another look.' })
    const scene = await simulation.get(`/jobs/${job_id}/scenes/${done.id}`)
    expect(scene.waiting).toEqual({
      code: 'approval',
      reason: expect.stringMatching(/^needs \$0\.40; \$0\.00 of \$0\.80 is left of what was approved$/),
      since: scene.updated_at,
      until: null,
    })
  })

  test('for a place at the provider, and for the delay between two starts', async () => {
    await using full = await openSimulation({ maxConcurrency: 1 })
    const one = (await full.job([0, 1])).job_id
    await full.approve(one)
    await full.until(() => full.posts().length === 1)
    expect(await waiting(full, one)).toEqual([null, 'slots'])

    await using slow = await openSimulation({ startDelayMs: 10 * second })
    const two = (await slow.job([0, 1, 2, 3])).job_id
    await slow.approve(two)
    await slow.until(() => slow.posts().length === 1)
    expect(await waiting(slow, two)).toContain('start_delay')
    await slow.ended(two)
    const times = slow.posts().map(({ at }) => at)
    for (const [index, at] of times.slice(1).entries())
      expect(at - times[index]!).toBeGreaterThanOrEqual(10 * second)
  })

  test('for the provider, as long as that asked for', async () => {
    await using simulation = await openSimulation({
      fake: { plan: { 1: 'throttle_header' } },
      maxConcurrency: 1,
    })
    const { job_id } = await simulation.job([0, 1])
    await simulation.approve(job_id)
    await simulation.until(() => simulation.posts().length === 1)
    await simulation.settle()
    const later = (await simulation.scenes(job_id))[1]
    expect(later.waiting).toMatchObject({
      code: 'provider_pause',
      reason: expect.stringMatching(/^replicate asked to wait: .*throttled/),
      until: '2026-01-01T00:00:30.000Z',
    })
  })

  test('for the same render of another scene', async () => {
    await using simulation = await openSimulation()
    const { job_id } = await simulation.job([0, 0])
    await simulation.approve(job_id)
    await simulation.until(() => simulation.posts().length === 1)
    expect(await waiting(simulation, job_id)).toEqual([null, 'same_render'])
  })

  test('for its next try', async () => {
    await using simulation = await openSimulation({ fake: { plan: { 1: 'fails_transient' } } })
    const { job_id } = await simulation.job([0])
    await simulation.approve(job_id)
    await simulation.until(async () => (await waiting(simulation, job_id))[0] === 'back_off')
    const [scene] = await simulation.scenes(job_id)
    expect(scene.waiting.until).toBe(scene.not_before)
    expect(Date.parse(scene.not_before)).toBeGreaterThan(simulation.clock.now())
    expect(scene.waiting.reason).toMatch(/E6716/)
    await simulation.ended(job_id)
    expect(simulation.posts()).toHaveLength(2)
  })

  test('or waits no more: one that goes on or has ended has no reason', async () => {
    await using simulation = await openSimulation()
    const { job_id } = await simulation.job([0])
    await simulation.approve(job_id)
    await simulation.until(() => simulation.posts().length === 1)
    expect(await waiting(simulation, job_id)).toEqual([null])
    await simulation.ended(job_id)
    expect(await waiting(simulation, job_id)).toEqual([null])
  })
})

/** What a scene waits for that is on its way, and not for its turn. */
const ofAttempts = new Set(['unknown', 'held', 'fetching'])

// On PostgreSQL, the looks of ten days take minutes.
describe.skipIf(!onSqlite)('at every moment of a busy day', () => {
  test.each(isQuick ? [1] : [1, 2, 3])(
    'a scene that waits has its one reason, and no job or budget is over its limit (%d)',
    async (seed) => {
      await using simulation = await openSimulation({
        seed,
        maxConcurrency: 3,
        startDelayMs: second,
        budgets: { day: micros(4), client: micros(2.8), job: micros(1.5) },
        fake: {
          rates: {
            fails_transient: 0.2,
            throttle_body: 0.1,
            reset_after: 0.1,
            reset_before: 0.1,
            stalls: 0.05,
          },
        },
      })
      const jobs: number[] = []
      for (let index = 0; index < 5; index++) {
        const parameters = { transition: 'cut', client_id: index % 2 === 0 ? 'acme' : 'other' }
        const scenes = [0, 1, 2].map((n) => unlike(index === 4 ? n : 3 * index + n))
        jobs.push((await simulation.job(scenes, { parameters })).job_id)
      }
      for (const jobId of jobs) await simulation.approve(jobId)
      const wrong: string[] = []
      let looks = 0
      const isOver = async (): Promise<boolean> => {
        // Each look reads all of it; every few turns are enough to see all that happens.
        if (looks++ % 7 !== 0) return false
        let open = 0
        for (const jobId of jobs) {
          const { status, costs } = await simulation.get(`/jobs/${jobId}`)
          if (status === 'approved' || status === 'processing') open++
          if (micros(costs.reserved + costs.spent) > micros(costs.approved))
            wrong.push(`job ${jobId} takes ${costs.reserved + costs.spent} of ${costs.approved}`)
          for (const scene of await simulation.scenes(jobId))
            if (
              scene.status === 'pending'
                ? scene.waiting === null || ofAttempts.has(scene.waiting.code)
                : scene.waiting !== null && !ofAttempts.has(scene.waiting.code)
            )
              wrong.push(`a ${scene.status} scene: ${JSON.stringify(scene.waiting)}`)
        }
        for (const { name, limit, used } of (await budgetsOf(simulation)).budgets)
          if (used && micros(used.reserved + used.spent) > micros(limit))
            wrong.push(`${used.reserved + used.spent} of the budget ${name}`)
        return open === 0
      }
      // Where a client has spent what it may, its jobs wait for good.
      await simulation.run(isOver, 10 * 24 * hour)
      expect(wrong).toEqual([])
      const { totals } = await simulation.get('/ledger')
      expect(totals).toEqual({ reserved: 0, spent: simulation.billedUsd() })
      expect(looks).toBeGreaterThan(50)
    },
  )
})

test('an estimate takes nothing from a budget, and a pending job neither', async () => {
  await using simulation = await openSimulation({ budgets: { total: micros(1) } })
  await simulation.ask('POST', '/estimates', requestOf([0, 1]))
  await simulation.job([0, 1])
  expect((await budgetsOf(simulation)).budgets).toEqual([
    { name: 'total', limit: 1, used: { reserved: 0, spent: 0 }, changed: null },
  ])
  expect(assetOf(0)).toHaveLength(64)
})
