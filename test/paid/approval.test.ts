import { describe, expect, test } from 'vitest'
import { type Catalogue, readCatalogue } from '../../src/job/catalogue.ts'
import { type Simulation, openSimulation, sceneOf, veo } from '../harness/simulation.ts'
import { assetOf } from '../harness/data.ts'
import { minute } from '../harness/harness.ts'

const refusedOf = (job_id: number, current_status: string, members: object) => ({
  status: 422,
  body: { error: 'Job cannot be approved', job_id, current_status, ...members },
})

const approve = (simulation: Simulation, jobId: number | string, body?: unknown) =>
  simulation.ask('POST', `/jobs/${jobId}/approve`, body)

/** A model of an operator's own, whose price is not known unless it is given. */
const withMystery = (usd_per_clip?: number, version = 'own'): Catalogue =>
  readCatalogue({
    version,
    currency: 'USD',
    models: {
      'acme/mystery': {
        renderer: 'replicate',
        input: { image: '{first_image}', prompt: '{prompt}' },
        offers: [
          {
            resolution: '720p',
            short_side: 720,
            seconds: [4],
            last_image: false,
            audio: false,
            ...(usd_per_clip !== undefined && { usd_per_clip }),
          },
        ],
      },
    },
  })
const mystery = (picture: number) => sceneOf(picture, { model: 'acme/mystery' })

describe('an approval', () => {
  test('is answered in the words of the contract, and lets the job spend its estimate', async () => {
    await using simulation = await openSimulation()
    const { job_id } = await simulation.job([0, 1])
    await simulation.pass(minute)
    expect(simulation.posts()).toEqual([])
    const answer = await approve(simulation, job_id)
    expect(answer.status).toBe(200)
    expect(JSON.stringify(answer.body)).toBe(
      `{"message":"Job approved successfully","job_id":${job_id},"status":"approved"}`,
    )
    expect((await simulation.ended(job_id)).costs).toMatchObject({ approved: 0.8, spent: 0.8, reserved: 0 })
  })

  test('is refused of a job that is under way, has ended or was cancelled', async () => {
    await using simulation = await openSimulation()
    const reason = 'Job must be in pending state to be approved'
    const { job_id } = await simulation.job([0])
    await simulation.approve(job_id)
    await simulation.until(() => simulation.posts().length === 1)
    expect(await approve(simulation, job_id)).toEqual(refusedOf(job_id, 'processing', { reason }))
    await simulation.ended(job_id)
    expect(await approve(simulation, job_id)).toEqual(refusedOf(job_id, 'completed', { reason }))
    const other = (await simulation.job([1])).job_id
    await simulation.ask('POST', `/jobs/${other}/cancel`)
    expect(await approve(simulation, other)).toEqual(refusedOf(other, 'cancelled', { reason }))
    await simulation.pass(minute)
    expect(simulation.posts()).toHaveLength(1)
  })

  test('of a job that isn’t there answers its id as it was given', async () => {
    await using simulation = await openSimulation()
    expect(await approve(simulation, '99999', {})).toEqual({
      status: 404,
      body: { error: 'Job not found', job_id: '99999' },
    })
  })

  test.each<[string, unknown, number, string]>([
    ['is not JSON', '{"max_cost":', 400, ''],
    ['is a list', '[]', 422, ''],
    ['has a max_cost in words', { max_cost: '1' }, 422, 'max_cost'],
    ['has a negative max_cost', { max_cost: -1 }, 422, 'max_cost'],
    ['has a boundless max_cost', '{"max_cost":1e999}', 422, 'max_cost'],
    ['accepts an unknown cost with a number', { accept_unknown_cost: 1 }, 422, 'accept_unknown_cost'],
    ['has half a revision', { revision: 1.5 }, 422, 'revision'],
    ['has a member of its own', { maximum: 1 }, 422, ''],
  ])(
    'whose body %s is refused with the field, and nothing is approved',
    async (_name, body, status, field) => {
      await using simulation = await openSimulation()
      const { job_id } = await simulation.job([0])
      const answer = await approve(simulation, job_id, body)
      expect({ status: answer.status, field: answer.body.field }).toEqual({ status, field })
      expect(answer.body.reason).toEqual(expect.stringMatching(/./))
      expect((await simulation.get(`/jobs/${job_id}`)).status).toBe('pending')
    },
  )

  test('of another revision than the storyboard’s is refused, and of this one taken', async () => {
    await using simulation = await openSimulation()
    const { job_id, revision } = await simulation.job([0])
    const [scene] = await simulation.scenes(job_id)
    await simulation.ask('PUT', `/jobs/${job_id}/scenes/${scene.id}`, { duration: 8 })
    expect(await approve(simulation, job_id, { revision })).toEqual(
      refusedOf(job_id, 'pending', {
        reason: `The storyboard has changed: this is revision ${revision + 1}, not ${revision}`,
        revision: revision + 1,
      }),
    )
    expect((await approve(simulation, job_id, { revision: revision + 1 })).status).toBe(200)
    expect((await simulation.ended(job_id)).costs.spent).toBe(0.8)
  })
})

describe('a plain approval', () => {
  test('of a paid job that somebody has changed is refused with the sum and the revision', async () => {
    await using simulation = await openSimulation()
    const { job_id } = await simulation.job([0, 1])
    const [scene] = await simulation.scenes(job_id)
    await simulation.ask('PUT', `/jobs/${job_id}/scenes/${scene.id}`, { duration: 8 })
    for (const body of [undefined, {}, { max_cost: 5 }])
      expect(await approve(simulation, job_id, body)).toEqual(
        refusedOf(job_id, 'pending', {
          reason:
            'The job has changed since it was created and now costs $1.20 in total: send revision 2 to approve it',
          revision: 2,
          estimated_cost: 1.2,
          total_cost: 1.2,
        }),
      )
    expect(
      (await simulation.ask('POST', '/jobs/approve', { job_ids: [job_id], max_cost: 5 })).body.results,
    ).toMatchObject([{ error: 'Job cannot be approved', revision: 2, total_cost: 1.2 }])
    await simulation.pass(minute)
    expect(simulation.posts()).toEqual([])
    expect((await approve(simulation, job_id, { revision: 2, max_cost: 1.2 })).status).toBe(200)
    expect((await simulation.ended(job_id)).costs.spent).toBe(1.2)
  })

  test('of a changed job that costs nothing is taken, and of one whose order in time changed too', async () => {
    await using simulation = await openSimulation()
    const paid = (await simulation.job([0, 1])).job_id
    await simulation.approve(paid)
    await simulation.ended(paid)
    const free = (await simulation.job([0, 2])).job_id
    const [, scene] = await simulation.scenes(free)
    await simulation.ask('PUT', `/jobs/${free}/scenes/${scene.id}`, { asset_ids: [assetOf(1)] })
    expect((await approve(simulation, free)).status).toBe(200)
    const later = (await simulation.job([3])).job_id
    await simulation.ask('PATCH', `/jobs/${later}`, { priority: 80, video_name: 'Another name' })
    expect((await approve(simulation, later)).status).toBe(200)
  })
})

describe('max_cost', () => {
  test.each([0, 0.79, 0.799999])('%d, below the estimate, is refused with the amounts', async (max_cost) => {
    await using simulation = await openSimulation()
    const { job_id } = await simulation.job([0, 1])
    expect(await approve(simulation, job_id, { max_cost })).toEqual(
      refusedOf(job_id, 'pending', {
        reason: 'It costs $0.80, more than max_cost',
        estimated_cost: 0.8,
        max_cost,
      }),
    )
    expect((await simulation.get(`/jobs/${job_id}`)).costs).toMatchObject({ approved: 0, reserved: 0 })
  })

  test.each([0.8, 5])('%d, which is enough, is what the job may spend', async (max_cost) => {
    await using simulation = await openSimulation()
    const { job_id } = await simulation.job([0, 1])
    expect((await approve(simulation, job_id, { max_cost })).status).toBe(200)
    expect((await simulation.ended(job_id)).costs).toMatchObject({ approved: max_cost, spent: 0.8 })
  })

  test('is never exceeded, whatever is regenerated afterwards', async () => {
    await using simulation = await openSimulation()
    const { job_id } = await simulation.job([0])
    await simulation.approve(job_id, { max_cost: 1 })
    await simulation.ended(job_id)
    const [scene] = await simulation.scenes(job_id)
    const again = () => simulation.ask('POST', `/jobs/${job_id}/scenes/${scene.id}/regenerate`)
    expect((await again()).body).toMatchObject({ to_approve: 0, job_status: 'approved' })
    await simulation.ended(job_id)
    expect((await again()).body).toMatchObject({ to_approve: 0.2, job_status: 'completed' })
    await simulation.pass(10 * minute)
    expect(simulation.billedUsd()).toBe(0.8)
    expect((await simulation.get(`/jobs/${job_id}`)).costs).toMatchObject({
      approved: 1,
      spent: 0.8,
      to_pay: 0.4,
      to_approve: 0.2,
    })
    await simulation.approve(job_id)
    expect((await simulation.ended(job_id)).costs).toMatchObject({ approved: 1.2, spent: 1.2, to_approve: 0 })
  })
})

describe('a price that nobody knows', () => {
  test('is told as null, and is never taken for zero', async () => {
    await using simulation = await openSimulation({ catalogue: withMystery() })
    const job = await simulation.job([0, mystery(1)])
    expect(job).toMatchObject({
      estimated_cost: null,
      costs: { estimated: null, to_pay: null, to_approve: null, scenes_to_pay: 2 },
      storyboard: { scenes: [{ price: 0.4 }, { price: null }] },
    })
    const reason = 'The price of a model is unknown; approve with accept_unknown_cost to render anyway'
    for (const body of [undefined, {}, { max_cost: 100 }, { accept_unknown_cost: false }])
      expect(await approve(simulation, job.job_id, body)).toEqual(
        refusedOf(job.job_id, 'pending', { reason, estimated_cost: null }),
      )
    await simulation.pass(minute)
    expect(simulation.posts()).toEqual([])
  })

  test('that is accepted is rendered, and what was spent is unknown then', async () => {
    await using simulation = await openSimulation({ catalogue: withMystery() })
    const { job_id } = await simulation.job([mystery(0)])
    expect((await approve(simulation, job_id, { accept_unknown_cost: true })).status).toBe(200)
    const job = await simulation.ended(job_id)
    expect(job).toMatchObject({ status: 'completed', costs: { spent: null, to_approve: 0 } })
    expect((await simulation.get('/ledger')).entries).toMatchObject([{ status: 'succeeded', charged: null }])
  })

  test('beside known ones lets all of them be rendered once it is accepted', async () => {
    await using simulation = await openSimulation({ catalogue: withMystery() })
    const { job_id } = await simulation.job([0, mystery(1), 2])
    expect((await approve(simulation, job_id, { accept_unknown_cost: true })).status).toBe(200)
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed' })
    expect(simulation.posts()).toHaveLength(3)
  })

  test('is accepted with a max_cost only if the known ones are within it', async () => {
    await using simulation = await openSimulation({ catalogue: withMystery() })
    const { job_id } = await simulation.job([0, mystery(1), 2])
    expect(await approve(simulation, job_id, { accept_unknown_cost: true, max_cost: 0.5 })).toEqual(
      refusedOf(job_id, 'pending', {
        reason: 'It costs $0.80 and an unknown sum, more than max_cost',
        estimated_cost: null,
        max_cost: 0.5,
      }),
    )
    expect((await approve(simulation, job_id, { accept_unknown_cost: true, max_cost: 0.8 })).status).toBe(200)
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed', costs: { approved: 0.8 } })
  })

  test.each(['job', 'day', 'total'])(
    'is refused under the budget %s, even if it is accepted',
    async (name) => {
      await using simulation = await openSimulation({
        catalogue: withMystery(),
        budgets: { [name]: 100_000_000 },
      })
      const { job_id } = await simulation.job([mystery(0)])
      const answer = await approve(simulation, job_id, { accept_unknown_cost: true })
      expect(answer).toMatchObject({ status: 422, body: { current_status: 'pending', estimated_cost: null } })
      expect(answer.body.reason).toMatch(new RegExp(`unknown, .*the budget ${name}; give the model a price`))
      await simulation.pass(minute)
      expect(simulation.posts()).toEqual([])
    },
  )

  test('waits where a budget is set after it was accepted', async () => {
    await using simulation = await openSimulation({ catalogue: withMystery(), maxConcurrency: 1 })
    const { job_id } = await simulation.job([mystery(0), mystery(1)])
    await simulation.approve(job_id, { accept_unknown_cost: true })
    await simulation.until(() => simulation.posts().length === 1)
    await simulation.ask('PUT', '/budgets', { total: 100 })
    await simulation.until(() => simulation.bills().length === 1)
    await simulation.pass(minute)
    expect(simulation.posts()).toHaveLength(1)
    expect((await simulation.scenes(job_id))[1].waiting).toMatchObject({ code: 'unknown_price', until: null })
    await simulation.ask('PUT', '/budgets', { total: null })
    expect((await simulation.ended(job_id)).status).toBe('completed')
  })
})

describe('prices that have changed since the estimate', () => {
  test('need an approval of their own, of what it costs now', async () => {
    await using simulation = await openSimulation({ catalogue: withMystery(1) })
    const { job_id } = await simulation.job([mystery(0), mystery(1)])
    await simulation.reborn(0, { catalogue: withMystery(1.5, 'dearer') })
    const reason = 'Prices have changed since the estimate: it costs $3.00 now. Approve it again'
    expect(await approve(simulation, job_id, { max_cost: 10 })).toEqual(
      refusedOf(job_id, 'pending', { reason, estimated_cost: 3 }),
    )
    const job = await simulation.get(`/jobs/${job_id}`)
    expect(job).toMatchObject({
      estimated_cost: 3,
      costs: { estimated: 3, approved: 0, price_book: '2026-11+dearer' },
      storyboard: { scenes: [{ price: 1.5 }, { price: 1.5 }] },
    })
    expect((await simulation.scenes(job_id)).map(({ price }) => price)).toEqual([1.5, 1.5])
    await simulation.pass(minute)
    expect(simulation.posts()).toEqual([])
    expect((await approve(simulation, job_id)).status).toBe(200)
    expect((await simulation.ended(job_id)).costs).toMatchObject({ approved: 3, spent: 3 })
  })

  test('ask for nothing where another book has the same price', async () => {
    await using simulation = await openSimulation({ catalogue: withMystery(1) })
    const { job_id } = await simulation.job([mystery(0)])
    await simulation.reborn(0, { catalogue: withMystery(1, 'renamed') })
    expect((await approve(simulation, job_id)).status).toBe(200)
  })

  test('that nobody knows any more are not taken for the old ones', async () => {
    await using simulation = await openSimulation({ catalogue: withMystery(1) })
    const { job_id } = await simulation.job([mystery(0)])
    await simulation.reborn(0, { catalogue: withMystery(undefined, 'unpriced') })
    const changed = await approve(simulation, job_id)
    expect(changed).toMatchObject({ status: 422, body: { estimated_cost: null } })
    expect(changed.body.reason).toMatch(/costs an unknown sum now/)
    expect((await approve(simulation, job_id)).body.reason).toMatch(/approve with accept_unknown_cost/)
  })
})

test('a job’s budget refuses what costs more than a job may', async () => {
  await using simulation = await openSimulation({ budgets: { job: 700_000 } })
  const { job_id } = await simulation.job([0, 1])
  expect(await approve(simulation, job_id)).toEqual(
    refusedOf(job_id, 'pending', {
      reason: "It costs $0.80, and a job's budget is $0.70",
      estimated_cost: 0.8,
      budget: 0.7,
    }),
  )
  const small = await simulation.job([0])
  expect((await approve(simulation, small.job_id)).status).toBe(200)
  expect((await simulation.scenes(small.job_id))[0].model).toBe(veo)
})
