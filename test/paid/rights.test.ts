/** Who may only submit spends nothing: an approval names a sum and a revision, and holds for them alone. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readCatalogue } from '../../src/job/catalogue.ts'
import { isShort } from '../quick.ts'
import { type Simulation, openSimulation, priceUsd, requestOf, sceneOf } from '../harness/simulation.ts'
import { assetOf } from '../harness/data.ts'
import { hour, minute } from '../harness/harness.ts'

interface Keys {
  readonly submit: string
  readonly approve: string
}

let names = 0
const keyFor = async (
  simulation: Simulation,
  scopes: readonly string[],
  members: object = {},
): Promise<string> =>
  (await simulation.life.coordinator.createKey({ name: `key ${++names}`, scopes, ...members })).secret

const keysFor = async (simulation: Simulation): Promise<Keys> => ({
  submit: await keyFor(simulation, ['submit']),
  approve: await keyFor(simulation, ['approve']),
})

const made = async (
  simulation: Simulation,
  key: string,
  scenes: readonly (number | object)[],
  members?: object,
) => {
  const { status, body } = await simulation.ask('POST', '/jobs', requestOf(scenes, members), key)
  expect(status).toBe(201)
  return body
}

const scenePath = (job: number, scene: { readonly id: string }): string => `/jobs/${job}/scenes/${scene.id}`

/** What a person with the key sees, and lets be spent. */
const approveSeen = async (simulation: Simulation, jobId: number, key: string) => {
  const { body: job } = await simulation.ask('GET', `/jobs/${jobId}`, undefined, key)
  const { approved, reserved, spent, to_pay } = job.costs
  const max_cost = Math.max(approved, Math.round((reserved + spent + to_pay) * 1e6) / 1e6)
  return simulation.ask('POST', `/jobs/${jobId}/approve`, { revision: job.revision, max_cost }, key)
}

/** Twice the price of the other scenes. */
const dear = (picture: number) => sceneOf(picture, { duration: 8 })

/** A model whose price nobody knows. */
const mystery = {
  renderer: 'replicate',
  input: { image: '{first_image}', prompt: '{prompt}' },
  offers: [{ resolution: '720p', short_side: 720, seconds: [4], last_image: false, audio: false }],
}

describe('a change by a key that may only submit', () => {
  test('of a finished scene of a cancelled job is rendered by a retry that was told of it', async () => {
    await using simulation = await openSimulation({ maxConcurrency: 1 })
    const { submit, approve } = await keysFor(simulation)
    const { job_id } = await made(simulation, submit, [0, 1])
    await approveSeen(simulation, job_id, approve)
    await simulation.until(async () => (await simulation.scenes(job_id))[0].status === 'completed')
    await simulation.ask('POST', `/jobs/${job_id}/cancel`, undefined, submit)
    await simulation.pass(10 * minute)
    const [first] = await simulation.scenes(job_id)
    const change = { prompt: 'Something else.', duration: 8 }
    const changed = await simulation.ask('PUT', scenePath(job_id, first), change, submit)
    expect(changed).toMatchObject({ status: 200, body: { to_approve: 2 * priceUsd } })
    expect((await simulation.ask('POST', `/jobs/${job_id}/retry`, {}, approve)).status).toBe(422)
    const seen = { revision: changed.body.revision, max_cost: 4 * priceUsd }
    const before = simulation.posts().length
    expect((await simulation.ask('POST', `/jobs/${job_id}/retry`, seen, approve)).status).toBe(200)
    expect((await simulation.ended(job_id)).status).toBe('completed')
    expect(simulation.posts().length - before).toBe(2)
  })

  test('of the time at which an approved job begins is refused, either way', async () => {
    await using simulation = await openSimulation({ maxConcurrency: 1 })
    const { submit, approve } = await keysFor(simulation)
    const { job_id } = await made(simulation, submit, [0, 1])
    const later = { run_at: '2099-01-01T00:00:00Z' }
    expect((await simulation.ask('PATCH', `/jobs/${job_id}`, later, submit)).status).toBe(200)
    await approveSeen(simulation, job_id, approve)
    for (const run_at of ['2099-02-01T00:00:00Z', null])
      expect(await simulation.ask('PATCH', `/jobs/${job_id}`, { run_at }, submit)).toMatchObject({
        status: 403,
        body: { scope: 'approve' },
      })
    await simulation.pass(hour)
    expect(simulation.posts()).toEqual([])
    const both = await keyFor(simulation, ['submit', 'approve'])
    expect((await simulation.ask('PATCH', `/jobs/${job_id}`, { run_at: null }, both)).status).toBe(200)
    expect((await simulation.ended(job_id)).status).toBe('completed')
  })

  test('after the approval waits for another one, though it is cheaper, and the other scenes go on', async () => {
    await using simulation = await openSimulation({ maxConcurrency: 1 })
    const { submit, approve } = await keysFor(simulation)
    const { job_id } = await made(simulation, submit, [dear(0), 1, dear(2)])
    expect((await approveSeen(simulation, job_id, approve)).status).toBe(200)
    await simulation.until(() => simulation.posts().length === 1)
    const [, , last] = await simulation.scenes(job_id)
    const changed = await simulation.ask('PUT', scenePath(job_id, last), { duration: 4 }, submit)
    expect(changed).toMatchObject({
      status: 200,
      body: { to_approve: priceUsd, revision: 2, scene: { waiting: { code: 'approval' } } },
    })
    await simulation.until(() => simulation.bills().length === 2)
    await simulation.pass(hour)
    expect(simulation.posts()).toHaveLength(2)
    const waiting = await simulation.get(`/jobs/${job_id}`)
    expect(waiting).toMatchObject({
      status: 'processing',
      costs: { approved: 2, spent: 1.2, to_pay: priceUsd, to_approve: priceUsd },
      waiting: { code: 'approval', reason: 'changed after the approval: approve its $0.40' },
    })
    expect(await simulation.ask('POST', `/jobs/${job_id}/approve`, undefined, approve)).toMatchObject({
      status: 422,
      body: { revision: 2, total_cost: 1.6, current_status: 'processing' },
    })
    expect((await approveSeen(simulation, job_id, approve)).status).toBe(200)
    expect((await simulation.ended(job_id)).costs).toMatchObject({ approved: 2, spent: 1.6, to_approve: 0 })
  })

  test('spends nothing of what was approved beyond the estimate', async () => {
    await using simulation = await openSimulation()
    const { submit, approve } = await keysFor(simulation)
    const { job_id } = await made(simulation, submit, [0])
    await simulation.ask('POST', `/jobs/${job_id}/approve`, { max_cost: 5 }, approve)
    await simulation.ended(job_id)
    const [scene] = await simulation.scenes(job_id)
    const { body } = await simulation.ask(
      'PUT',
      scenePath(job_id, scene),
      { prompt: 'Another look.' },
      submit,
    )
    expect(body).toMatchObject({ to_approve: priceUsd, job_status: 'completed' })
    // What was paid for is there, and costs nothing again.
    const back = await simulation.ask('PUT', scenePath(job_id, scene), { prompt: scene.prompt }, submit)
    expect(back.body).toMatchObject({ to_approve: 0, job_status: 'processing' })
    expect((await simulation.ended(job_id)).costs.spent).toBe(priceUsd)
    await simulation.pass(hour)
    expect(simulation.posts()).toHaveLength(1)
  })

  test('of a cancelled job is not what a plain retry pays for', async () => {
    await using simulation = await openSimulation({ maxConcurrency: 1 })
    const { submit, approve } = await keysFor(simulation)
    const { job_id } = await made(simulation, submit, [0, 1])
    await simulation.ask('POST', `/jobs/${job_id}/approve`, { max_cost: 5 }, approve)
    await simulation.until(() => simulation.posts().length === 1)
    await simulation.ask('POST', `/jobs/${job_id}/cancel`, undefined, submit)
    await simulation.pass(10 * minute)
    const [, scene] = await simulation.scenes(job_id)
    await simulation.ask('PUT', scenePath(job_id, scene), { prompt: 'Another look.' }, submit)
    for (const body of [undefined, { max_cost: 5 }])
      expect(await simulation.ask('POST', `/jobs/${job_id}/retry`, body, approve)).toMatchObject({
        status: 422,
        body: { error: 'Job cannot be retried', revision: 2 },
      })
    expect(
      (await simulation.ask('POST', `/jobs/${job_id}/retry`, { max_cost: 5, revision: 2 }, approve)).status,
    ).toBe(200)
    expect((await simulation.ended(job_id)).status).toBe('completed')
  })

  test('never begins a job again that would go on with something paid', async () => {
    await using simulation = await openSimulation()
    const { submit, approve } = await keysFor(simulation)
    const { job_id } = await made(simulation, submit, [0, 1])
    for (const [method, path] of [
      ['POST', 'approve'],
      ['POST', 'retry'],
      ['POST', 'pause'],
      ['POST', 'resume'],
    ] as const)
      expect((await simulation.ask(method, `/jobs/${job_id}/${path}`, undefined, submit)).status).toBe(403)
    await approveSeen(simulation, job_id, approve)
    await simulation.ended(job_id)
    const [one, other] = await simulation.scenes(job_id)
    expect(
      (await simulation.ask('POST', `${scenePath(job_id, one)}/regenerate`, undefined, submit)).status,
    ).toBe(403)
    await simulation.ask('PUT', scenePath(job_id, one), { prompt: 'Another look.' }, submit)
    await simulation.ask('DELETE', scenePath(job_id, other), undefined, submit)
    await simulation.pass(hour)
    expect(simulation.posts()).toHaveLength(2)
  })

  test('of a finished film for nothing goes on, and its history names no approval by that key', async () => {
    await using simulation = await openSimulation()
    const { submit, approve } = await keysFor(simulation)
    const { job_id } = await made(simulation, submit, [0, 1])
    await approveSeen(simulation, job_id, approve)
    const { approved_at } = await simulation.ended(job_id)
    const [, second] = await simulation.scenes(job_id)
    await simulation.pass(minute)
    const changed = await simulation.ask('PUT', scenePath(job_id, second), { transition: 'fade' }, submit)
    expect(changed.body).toMatchObject({ to_approve: 0 })
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed', approved_at })
    const verbs = "('job_created', 'job_approved', 'job_retried')"
    const events = await simulation.database.all(
      `select type, actor, data from events where job_id = $1 and type in ${verbs} order by id`,
      [job_id],
    )
    const [created, , last] = events
    expect(events.map(({ type }) => type)).toEqual(['job_created', 'job_approved', 'job_retried'])
    expect(last!.rights).toBe(created!.rights)
    expect(JSON.parse(String(last!.data))).toMatchObject({ was: 'completed', reopened: true })
  })

  test('that takes out what has failed leaves the rest to a retry, which is an approval', async () => {
    await using simulation = await openSimulation({
      maxConcurrency: 1,
      fake: { plan: { 1: 'fails_content' } },
    })
    const { submit, approve } = await keysFor(simulation)
    const { job_id } = await made(simulation, submit, [0, 1])
    await approveSeen(simulation, job_id, approve)
    expect((await simulation.ended(job_id)).status).toBe('failed')
    const [failed] = await simulation.scenes(job_id)
    expect((await simulation.ask('DELETE', scenePath(job_id, failed), undefined, submit)).status).toBe(200)
    await simulation.pass(hour)
    expect([(await simulation.get(`/jobs/${job_id}`)).status, simulation.posts().length]).toEqual([
      'failed',
      1,
    ])
    expect((await simulation.ask('POST', `/jobs/${job_id}/retry`, undefined, approve)).status).toBe(200)
    expect((await simulation.ended(job_id)).costs.spent).toBe(priceUsd)
  })

  test('of an unknown price is not what was accepted before', async () => {
    const catalogue = readCatalogue({ version: 'own', currency: 'USD', models: { 'acme/mystery': mystery } })
    await using simulation = await openSimulation({ catalogue, maxConcurrency: 1 })
    const { submit, approve } = await keysFor(simulation)
    const { job_id } = await made(simulation, submit, [sceneOf(0, { model: 'acme/mystery' }), 1, 2])
    await simulation.ask(
      'POST',
      `/jobs/${job_id}/approve`,
      { accept_unknown_cost: true, max_cost: 5 },
      approve,
    )
    await simulation.until(() => simulation.posts().length === 1)
    const [, , last] = await simulation.scenes(job_id)
    const { body } = await simulation.ask('PUT', scenePath(job_id, last), { model: 'acme/mystery' }, submit)
    expect(body.to_approve).toBe(null)
    await simulation.pass(hour)
    expect(simulation.posts()).toHaveLength(2)
    const again = { revision: body.revision, max_cost: 5 }
    expect((await simulation.ask('POST', `/jobs/${job_id}/approve`, again, approve)).status).toBe(422)
    const accepted = { ...again, accept_unknown_cost: true }
    expect((await simulation.ask('POST', `/jobs/${job_id}/approve`, accepted, approve)).status).toBe(200)
    expect((await simulation.ended(job_id)).status).toBe('completed')
  })

  test('never spends more than was approved, whatever it is', async () => {
    const act = fc.oneof(
      fc.record({
        what: fc.constant('change' as const),
        scene: fc.nat(2),
        change: fc.oneof(
          fc.record({ prompt: fc.constantFrom('One look.', 'Another look.', 'A slow look around.') }),
          fc.record({ duration: fc.constantFrom(4, 6, 8) }),
          fc.record({ audio: fc.boolean() }),
          fc.record({ asset_ids: fc.nat(4).map((index) => [assetOf(index)]) }),
          fc.record({ model: fc.constantFrom('google/veo-3.1', 'google/veo-3.1-fast') }),
        ),
      }),
      fc.record({ what: fc.constant('delete' as const), scene: fc.nat(2) }),
      fc.record({
        what: fc.constantFrom('regenerate' as const, 'retry' as const, 'approve' as const, 'cancel' as const),
        scene: fc.nat(2),
      }),
      fc.record({ what: fc.constant('pass' as const), ms: fc.constantFrom(1, minute, 5 * minute) }),
      // Now and then somebody who may approves what is there.
      fc.record({ what: fc.constant('approved' as const), max: fc.constantFrom(0, 5) }),
      fc.record({ what: fc.constant('retried' as const) }),
    )
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 3 }),
        fc.array(act, { minLength: 4, maxLength: 14 }),
        async (maxConcurrency, acts) => {
          await using simulation = await openSimulation({ maxConcurrency })
          const { submit, approve } = await keysFor(simulation)
          const { job_id } = await made(simulation, submit, [0, 1, 2])
          const path = `/jobs/${job_id}`
          const approved = { usd: 0, renders: new Set<string>() }
          /** What the job's scenes are is what is approved with it. */
          const letSpend = async (verb: 'approve' | 'retry', max: number) => {
            const { body: job } = await simulation.ask('GET', path, undefined, approve)
            const { spent, reserved, to_pay } = job.costs
            const max_cost = Math.max(max, Math.round((spent + reserved + to_pay) * 1e6) / 1e6)
            const scenes = await simulation.life.coordinator.scenes(job_id)
            const body = { revision: job.revision, max_cost }
            if ((await simulation.ask('POST', `${path}/${verb}`, body, approve)).status !== 200) return
            for (const { renderKey } of scenes) approved.renders.add(renderKey)
            approved.usd = Math.max(approved.usd, job.costs.approved, max_cost)
          }
          await letSpend('approve', 0)
          for (const one of acts) {
            const scenes = await simulation.scenes(job_id)
            const scene = 'scene' in one ? scenes[one.scene % scenes.length] : undefined
            if (one.what === 'pass') await simulation.pass(one.ms)
            else if (one.what === 'approved') await letSpend('approve', one.max)
            else if (one.what === 'retried') await letSpend('retry', 0)
            else if (one.what === 'change')
              await simulation.ask('PUT', scenePath(job_id, scene), one.change, submit)
            else if (one.what === 'delete')
              await simulation.ask('DELETE', scenePath(job_id, scene), undefined, submit)
            else if (one.what === 'regenerate')
              await simulation.ask('POST', `${scenePath(job_id, scene)}/regenerate`, undefined, submit)
            else await simulation.ask('POST', `${path}/${one.what}`, { max_cost: 100 }, submit)
          }
          await simulation.pass(hour)
          const attempts = await simulation.attempts(job_id)
          const bought = attempts
            .filter(({ postedAt }) => postedAt !== null)
            .map(({ renderKey }) => renderKey)
          expect(bought.filter((key) => !approved.renders.has(key))).toEqual([])
          expect(simulation.billedUsd()).toBeLessThanOrEqual(approved.usd + 1e-9)
        },
      ),
      { seed: 20261126, numRuns: isShort ? 4 : 15 },
    )
  })
})

test('what other clients spend is told to no key that does not see them', async () => {
  await using simulation = await openSimulation({ budgets: { total: 500_000 } })
  const { coordinator } = simulation.life
  await coordinator.letClientSee('acme', assetOf(0))
  const bound = await keyFor(simulation, ['submit', 'approve'], { client_id: 'acme' })
  const others = (await simulation.job([1])).job_id
  await simulation.approve(others)
  await simulation.ended(others)
  const { job_id } = await made(simulation, bound, [0])
  await approveSeen(simulation, job_id, bound)
  const code = 'budget_total'
  await simulation.until(async () => (await simulation.get(`/jobs/${job_id}`)).waiting?.code === code)
  expect((await simulation.get(`/jobs/${job_id}`)).waiting.reason).toContain(
    '$0.10 of $0.50 is left in the total budget',
  )
  const reason = 'needs more than is left in the budget of all clients'
  const { body: job } = await simulation.ask('GET', `/jobs/${job_id}`, undefined, bound)
  expect(job.waiting).toMatchObject({ code, reason })
  const { body: list } = await simulation.ask('GET', `/jobs/${job_id}/scenes`, undefined, bound)
  expect(list.scenes[0].waiting).toMatchObject({ code, reason })
})

describe('a job with paid work', () => {
  test('is ended by the key that made it and by keys that may approve, not by another of its client', async () => {
    await using simulation = await openSimulation()
    const approve = await keyFor(simulation, ['approve'])
    const [own, other] = [
      await keyFor(simulation, ['submit'], { client_id: 'acme' }),
      await keyFor(simulation, ['submit'], { client_id: 'acme' }),
    ]
    const begun = async (key: string): Promise<number> => {
      // Bound keys use the photographs of their client alone, and none is taken in here.
      await simulation.life.coordinator.letClientSee('acme', assetOf(0))
      const { job_id } = await made(simulation, key, [0], { force: true })
      const posts = simulation.posts().length
      await approveSeen(simulation, job_id, approve)
      await simulation.until(() => simulation.posts().length > posts)
      return job_id
    }
    const cancel = (id: number, key: string) => simulation.ask('POST', `/jobs/${id}/cancel`, undefined, key)
    const one = await begun(own)
    const refused = {
      error: 'Forbidden',
      reason: `Job ${one} has paid renders and was created with another key: ending it needs a key with the scope approve`,
      scope: 'approve',
    }
    expect(await cancel(one, other)).toEqual({ status: 403, body: refused })
    expect((await simulation.ask('POST', '/jobs/cancel', { job_ids: [one] }, other)).body).toMatchObject({
      done: 0,
      results: [{ ...refused, job_id: one }],
    })
    const soon = new Date(simulation.clock.now() + 1000).toISOString()
    expect(await simulation.ask('PATCH', `/jobs/${one}`, { deadline_at: soon }, other)).toEqual({
      status: 403,
      body: refused,
    })
    expect((await cancel(one, own)).status).toBe(200)
    const two = await begun(own)
    expect((await cancel(two, approve)).status).toBe(200)
    // Nothing is paid for: any key of the client.
    const { job_id: three } = await made(simulation, own, [0])
    expect((await cancel(three, other)).status).toBe(200)
  })
})
