/** What waits for an approval is found and told, and what is not approved goes back to its maker. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isShort } from '../quick.ts'
import { type Simulation, openSimulation, priceUsd, requestOf, sceneOf } from '../harness/simulation.ts'
import { assetOf } from '../harness/data.ts'
import { hour } from '../harness/harness.ts'

let names = 0
const keyFor = async (
  simulation: Simulation,
  scopes: readonly string[],
  members: object = {},
): Promise<string> =>
  (await simulation.life.coordinator.createKey({ name: `key ${++names}`, scopes, ...members })).secret

const toApprove = async (simulation: Simulation, query = ''): Promise<readonly any[]> =>
  (await simulation.get(`/jobs?needs_approval=true${query}`)).jobs
const idsToApprove = async (simulation: Simulation): Promise<number[]> =>
  (await toApprove(simulation)).map(({ job_id }) => job_id)

const note = 'The kitchen is shown twice'
const reject = (simulation: Simulation, jobId: number, key?: string) =>
  simulation.ask('POST', `/jobs/${jobId}/reject`, { note }, key)
const submit = (simulation: Simulation, jobId: number, key?: string) =>
  simulation.ask('POST', `/jobs/${jobId}/submit`, { reason: 'changed as asked for' }, key)

async function finished(simulation: Simulation) {
  const { job_id } = await simulation.job([0, 1])
  await simulation.approve(job_id)
  expect((await simulation.ended(job_id)).status).toBe('completed')
  return { job_id: job_id as number, scenes: await simulation.scenes(job_id) }
}

const change = (simulation: Simulation, { job_id, id }: any, members: object, key?: string) =>
  simulation.ask('PUT', `/jobs/${job_id}/scenes/${id}`, members, key)

/** What a list tells of a job's own row. */
const factsOf = ({ costs: _costs, waiting: _waiting, left_out: _leftOut, ...facts }: any): object => facts

describe('a job that is rejected', () => {
  test('is not approved before its maker submits it again, and its history tells by whom and why', async () => {
    await using simulation = await openSimulation()
    const maker = await keyFor(simulation, ['submit'])
    const approver = await keyFor(simulation, ['approve'])
    const { body: job } = await simulation.ask('POST', '/jobs', requestOf([0, 1]), maker)
    const { job_id } = job
    expect(job).toMatchObject({ needs_approval: true, to_approve: 2 * priceUsd, rejected: null })

    expect(await reject(simulation, job_id, maker)).toMatchObject({ status: 403 })
    const rejected = { at: expect.any(String), by: expect.stringMatching(/^key /), note }
    expect(await reject(simulation, job_id, approver)).toEqual({
      status: 200,
      body: { message: 'Job rejected successfully', job_id, status: 'pending', rejected },
    })
    expect(await simulation.get(`/jobs/${job_id}`)).toMatchObject({
      status: 'pending',
      needs_approval: false,
      rejected,
      waiting: { code: 'rejected', reason: expect.stringContaining(note), since: expect.any(String) },
    })
    expect(await idsToApprove(simulation)).toEqual([])
    const approval = { revision: 1, max_cost: 5 }
    expect(await simulation.ask('POST', `/jobs/${job_id}/approve`, approval, approver)).toEqual({
      status: 422,
      body: {
        error: 'Job cannot be approved',
        job_id,
        current_status: 'pending',
        reason: expect.stringMatching(
          /^The job was rejected \(The kitchen is shown twice\): submit it again first$/,
        ),
      },
    })
    const batch = await simulation.ask('POST', '/jobs/approve', { job_ids: [job_id] }, approver)
    expect(batch.body).toMatchObject({ done: 0, refused: 1 })

    // A change alone does not submit it: there may be more to come.
    const [scene] = await simulation.scenes(job_id)
    expect((await change(simulation, scene, { prompt: 'Another look.' }, maker)).status).toBe(200)
    expect(await idsToApprove(simulation)).toEqual([])
    expect(await submit(simulation, job_id, maker)).toEqual({
      status: 200,
      body: {
        message: 'Job submitted successfully',
        job_id,
        status: 'pending',
        needs_approval: true,
        to_approve: 2 * priceUsd,
      },
    })
    expect(await idsToApprove(simulation)).toEqual([job_id])
    expect(await simulation.get(`/jobs/${job_id}`)).toMatchObject({
      rejected: null,
      waiting: { code: 'approval' },
    })
    await simulation.approve(job_id)
    expect((await simulation.ended(job_id)).status).toBe('completed')
    expect(simulation.posts()).toHaveLength(2)
  })

  test('and one that waits for no approval can’t be rejected, nor one that was not rejected be submitted', async () => {
    await using simulation = await openSimulation()
    const { job_id } = await simulation.job([0])
    const submitted = await submit(simulation, job_id)
    expect(submitted).toMatchObject({
      status: 422,
      body: { error: 'Job cannot be submitted', reason: 'Job must be rejected to be submitted again' },
    })
    expect((await reject(simulation, job_id)).status).toBe(200)
    expect(await reject(simulation, job_id)).toMatchObject({
      status: 422,
      body: {
        error: 'Job cannot be rejected',
        job_id,
        current_status: 'pending',
        reason: `The job is already rejected (${note})`,
      },
    })
    for (const body of [
      undefined,
      {},
      { note: '' },
      { note: 7 },
      { note: 'a', more: 1 },
      { note: 'a'.repeat(501) },
    ])
      expect((await simulation.ask('POST', `/jobs/${job_id}/reject`, body)).status).toBeGreaterThanOrEqual(
        400,
      )
    expect((await submit(simulation, job_id)).status).toBe(200)
    await simulation.approve(job_id)
    expect(await reject(simulation, job_id)).toMatchObject({ status: 422 })
    await simulation.ended(job_id)
    expect(await reject(simulation, job_id)).toMatchObject({
      status: 422,
      body: { current_status: 'completed' },
    })
    expect(await reject(simulation, 99_999)).toEqual({
      status: 404,
      body: { error: 'Job not found', job_id: '99999' },
    })
  })

  test('and cancelled then is not brought back by a retry, but after it was submitted', async () => {
    await using simulation = await openSimulation()
    const { job_id } = await simulation.job([0])
    await reject(simulation, job_id)
    expect((await simulation.ask('POST', `/jobs/${job_id}/cancel`)).status).toBe(200)
    const retry = { max_cost: 1 }
    expect(await simulation.ask('POST', `/jobs/${job_id}/retry`, retry)).toMatchObject({
      status: 422,
      body: { error: 'Job cannot be retried' },
    })
    await submit(simulation, job_id)
    expect((await simulation.ask('POST', `/jobs/${job_id}/retry`, retry)).status).toBe(200)
  })
})

test('a change of a job that is worked on can be rejected: the rest goes on, and it says what it waits for', async () => {
  await using simulation = await openSimulation({ maxConcurrency: 1 })
  const maker = await keyFor(simulation, ['submit'])
  const { body } = await simulation.ask('POST', '/jobs', requestOf([0, 1]), maker)
  await simulation.approve(body.job_id)
  await simulation.until(() => simulation.posts().length === 1)
  const scenes = await simulation.scenes(body.job_id)
  expect((await change(simulation, scenes[1], { prompt: 'Not that.' }, maker)).body.to_approve).toBe(priceUsd)
  expect((await reject(simulation, body.job_id)).body).toMatchObject({ status: 'processing' })
  await simulation.pass(hour)
  expect(await simulation.get(`/jobs/${body.job_id}`)).toMatchObject({
    status: 'processing',
    costs: { spent: priceUsd },
    waiting: { code: 'rejected', reason: expect.stringContaining(note) },
  })
  await submit(simulation, body.job_id, maker)
  expect(await simulation.get(`/jobs/${body.job_id}`)).toMatchObject({ waiting: { code: 'approval' } })
  await simulation.approve(body.job_id)
  expect((await simulation.ended(body.job_id)).status).toBe('completed')
  expect(simulation.posts()).toHaveLength(2)
})

describe('a finished film that was changed', () => {
  test('is found among what waits for an approval, with its sum, and its change can be rejected', async () => {
    await using simulation = await openSimulation()
    const { job_id, scenes } = await finished(simulation)
    const other = await finished(simulation)
    expect(await idsToApprove(simulation)).toEqual([])
    await change(simulation, scenes[1], { prompt: 'Not that.' })
    const [found, ...others] = await toApprove(simulation)
    expect(others).toEqual([])
    expect(found).toMatchObject({
      job_id,
      status: 'completed',
      needs_approval: true,
      to_approve: priceUsd,
      costs: { to_approve: priceUsd, to_pay: priceUsd, scenes_to_pay: 1 },
      waiting: { code: 'approval', reason: 'needs $0.40 more than was approved: approve it' },
    })
    expect(await toApprove(simulation, '&status=pending,failed')).toEqual([])
    expect((await reject(simulation, job_id)).status).toBe(200)
    expect(await idsToApprove(simulation)).toEqual([])
    expect((await simulation.ask('POST', `/jobs/${job_id}/approve`, { revision: 2 })).status).toBe(422)
    expect(await simulation.get(`/jobs/${job_id}`)).toMatchObject({
      status: 'completed',
      waiting: { code: 'rejected' },
    })
    await submit(simulation, job_id)
    await simulation.approve(job_id)
    expect((await simulation.ended(job_id)).status).toBe('completed')
    expect([simulation.posts().length, other.scenes.length]).toEqual([3, 2])
  })

  test('and rejected goes on by itself once its change is taken back, for nothing is left to approve', async () => {
    await using simulation = await openSimulation()
    const { job_id, scenes } = await finished(simulation)
    await change(simulation, scenes[1], { prompt: 'Not that.' })
    await reject(simulation, job_id)
    await change(simulation, scenes[1], { prompt: scenes[1].prompt })
    expect(await simulation.get(`/jobs/${job_id}`)).toMatchObject({ rejected: null })
    expect((await simulation.ended(job_id)).status).toBe('completed')
    expect((await simulation.scenes(job_id)).map(({ status }) => status)).toEqual(['completed', 'completed'])
    expect(simulation.posts()).toHaveLength(2)
  })
})

test('a key that is bound to a client finds, rejects and submits that client’s jobs alone', async () => {
  await using simulation = await openSimulation()
  const mine = await keyFor(simulation, ['read', 'submit', 'approve'], { client_id: 'acme' })
  await simulation.life.coordinator.letClientSee('acme', assetOf(0))
  const { body: own } = await simulation.ask('POST', '/jobs', requestOf([0]), mine)
  const { job_id: others } = await simulation.job([1])
  expect(own.client_id).toBe('acme')
  const { body } = await simulation.ask('GET', '/jobs?needs_approval=true', undefined, mine)
  expect(body.jobs.map(({ job_id, client_id }: any) => [job_id, client_id])).toEqual([[own.job_id, 'acme']])
  const notFound = { status: 404, body: { error: 'Job not found', job_id: String(others) } }
  expect(await reject(simulation, others, mine)).toEqual(notFound)
  expect((await reject(simulation, others)).status).toBe(200)
  expect(await submit(simulation, others, mine)).toEqual(notFound)
  expect((await reject(simulation, own.job_id, mine)).status).toBe(200)
  expect((await submit(simulation, own.job_id, mine)).status).toBe(200)
})

test('a list tells of each job what the job itself does, and finds exactly those that can be approved', async () => {
  const scene = fc.record({
    picture: fc.integer({ min: 0, max: 2 }),
    duration: fc.constantFrom(4, 8),
    model: fc.constantFrom('google/veo-3.1-fast', 'google/veo-3.1'),
  })
  const job = fc.record({
    scenes: fc.array(scene, { minLength: 1, maxLength: 3 }),
    client: fc.constantFrom('a', 'b'),
    force: fc.boolean(),
  })
  const step = fc.record({
    verb: fc.constantFrom('approve', 'change', 'regenerate', 'cancel', 'reject', 'submit', 'wait'),
    job: fc.nat(),
    scene: fc.nat(),
    asSubmitter: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(
      fc.array(job, { minLength: 1, maxLength: 4 }),
      fc.array(step, { maxLength: 12 }),
      async (jobs, steps) => {
        await using simulation = await openSimulation({ maxConcurrency: 2 })
        const submitter = await keyFor(simulation, ['submit'])
        const ids: number[] = []
        for (const { scenes, client, force } of jobs) {
          const wishes = scenes.map(({ picture, ...members }) => sceneOf(picture, members))
          const request = requestOf(wishes, { force, parameters: { transition: 'cut', client_id: client } })
          ids.push((await simulation.ask('POST', '/jobs', request, submitter)).body.job_id)
        }
        for (const { verb, job: nth, scene: which, asSubmitter } of steps) {
          const id = ids[nth % ids.length]!
          const key = asSubmitter ? submitter : undefined
          const scenes = await simulation.scenes(id)
          const one = `/jobs/${id}/scenes/${scenes[which % scenes.length].id}`
          const { revision } = await simulation.get(`/jobs/${id}`)
          if (verb === 'approve') await simulation.ask('POST', `/jobs/${id}/approve`, { revision })
          if (verb === 'change') await simulation.ask('PUT', one, { prompt: `Look ${which % 3}.` }, key)
          if (verb === 'regenerate') await simulation.ask('POST', `${one}/regenerate`)
          if (verb === 'cancel') await simulation.ask('POST', `/jobs/${id}/cancel`)
          if (verb === 'reject') await reject(simulation, id)
          if (verb === 'submit') await submit(simulation, id, key)
          if (verb === 'wait') await simulation.pass(hour / 2)
        }
        // What the last step has caused goes on between two readings.
        await simulation.settle()
        const { jobs: listed } = await simulation.get('/jobs')
        const canBe: number[] = []
        for (const entry of listed) {
          const { costs, waiting, ...facts } = await simulation.get(`/jobs/${entry.job_id}`)
          expect(facts).toMatchObject(factsOf(entry))
          const { scenes: _scenes, ...sums } = costs
          expect(entry.costs).toEqual(sums)
          if (entry.status !== 'approved' && entry.status !== 'processing')
            expect(entry.waiting).toEqual(waiting)
          if (facts.needs_approval) canBe.push(entry.job_id)
        }
        expect(await idsToApprove(simulation)).toEqual(canBe)
        for (const { job_id, revision } of listed) {
          const { status } = await simulation.ask('POST', `/jobs/${job_id}/approve`, { revision })
          // What was approved may have let the clip be kept that another one waits for.
          if (!canBe.includes(job_id)) expect(status).toBe(422)
          else if (job_id === canBe[0]) expect(status).toBe(200)
        }
      },
    ),
    { numRuns: isShort ? 5 : 20, seed: 51 },
  )
})
