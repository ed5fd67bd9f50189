/** What waits for an approval is found and told, and what is not approved goes back to its maker. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isQuick } from '../quick.ts'
import { type Till, openTill, priceUsd, requestOf, sceneOf } from './till.ts'
import { assetOf, hour } from './world.ts'

let names = 0
const keyFor = async (till: Till, scopes: readonly string[], members: object = {}): Promise<string> =>
  (await till.world.life!.coordinator.createKey({ name: `key ${++names}`, scopes, ...members })).secret

const toApprove = async (till: Till, query = ''): Promise<readonly any[]> =>
  (await till.get(`/jobs?needs_approval=true${query}`)).jobs
const idsToApprove = async (till: Till): Promise<number[]> =>
  (await toApprove(till)).map(({ job_id }) => job_id)

const note = 'The kitchen is shown twice'
const reject = (till: Till, jobId: number, key?: string) =>
  till.ask('POST', `/jobs/${jobId}/reject`, { note }, key)
const submit = (till: Till, jobId: number, key?: string) =>
  till.ask('POST', `/jobs/${jobId}/submit`, { reason: 'changed as asked for' }, key)

async function finished(till: Till) {
  const { job_id } = await till.job([0, 1])
  await till.approve(job_id)
  expect((await till.ended(job_id)).status).toBe('completed')
  return { job_id: job_id as number, scenes: await till.scenes(job_id) }
}

const change = (till: Till, { job_id, id }: any, members: object, key?: string) =>
  till.ask('PUT', `/jobs/${job_id}/scenes/${id}`, members, key)

/** What a list tells of a job's own row. */
const factsOf = ({ costs: _costs, waiting: _waiting, left_out: _leftOut, ...facts }: any): object => facts

describe('a job that is rejected', () => {
  test('is not approved before its maker submits it again, and its history tells by whom and why', async () => {
    await using till = await openTill()
    const maker = await keyFor(till, ['submit'])
    const approver = await keyFor(till, ['approve'])
    const { body: job } = await till.ask('POST', '/jobs', requestOf([0, 1]), maker)
    const { job_id } = job
    expect(job).toMatchObject({ needs_approval: true, to_approve: 2 * priceUsd, rejected: null })

    expect(await reject(till, job_id, maker)).toMatchObject({ status: 403 })
    const rejected = { at: expect.any(String), by: expect.stringMatching(/^key /), note }
    expect(await reject(till, job_id, approver)).toEqual({
      status: 200,
      body: { message: 'Job rejected successfully', job_id, status: 'pending', rejected },
    })
    expect(await till.get(`/jobs/${job_id}`)).toMatchObject({
      status: 'pending',
      needs_approval: false,
      rejected,
      waiting: { code: 'rejected', reason: expect.stringContaining(note), since: expect.any(String) },
    })
    expect(await idsToApprove(till)).toEqual([])
    const approval = { revision: 1, max_cost: 5 }
    expect(await till.ask('POST', `/jobs/${job_id}/approve`, approval, approver)).toEqual({
      status: 422,
      body: {
        error: 'Job cannot be approved',
        job_id,
        current_status: 'pending',
        reason: expect.stringMatching(
          /^It was rejected \(The kitchen is shown twice\): submit it again first$/,
        ),
      },
    })
    const batch = await till.ask('POST', '/jobs/approve', { job_ids: [job_id] }, approver)
    expect(batch.body).toMatchObject({ done: 0, refused: 1 })

    // A change alone does not submit it: there may be more to come.
    const [scene] = await till.scenes(job_id)
    expect((await change(till, scene, { prompt: 'Another look.' }, maker)).status).toBe(200)
    expect(await idsToApprove(till)).toEqual([])
    expect(await submit(till, job_id, maker)).toEqual({
      status: 200,
      body: {
        message: 'Job submitted successfully',
        job_id,
        status: 'pending',
        needs_approval: true,
        to_approve: 2 * priceUsd,
      },
    })
    expect(await idsToApprove(till)).toEqual([job_id])
    expect(await till.get(`/jobs/${job_id}`)).toMatchObject({ rejected: null, waiting: { code: 'approval' } })
    await till.approve(job_id)
    expect((await till.ended(job_id)).status).toBe('completed')
    expect(till.posts()).toHaveLength(2)
  })

  test('and one that waits for no approval can’t be rejected, nor one that was not rejected be submitted', async () => {
    await using till = await openTill()
    const { job_id } = await till.job([0])
    const submitted = await submit(till, job_id)
    expect(submitted).toMatchObject({
      status: 422,
      body: { error: 'Job cannot be submitted', reason: 'Job must be rejected to be submitted again' },
    })
    expect((await reject(till, job_id)).status).toBe(200)
    expect(await reject(till, job_id)).toMatchObject({
      status: 422,
      body: {
        error: 'Job cannot be rejected',
        job_id,
        current_status: 'pending',
        reason: `It is rejected already (${note})`,
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
      expect((await till.ask('POST', `/jobs/${job_id}/reject`, body)).status).toBeGreaterThanOrEqual(400)
    expect((await submit(till, job_id)).status).toBe(200)
    await till.approve(job_id)
    expect(await reject(till, job_id)).toMatchObject({ status: 422 })
    await till.ended(job_id)
    expect(await reject(till, job_id)).toMatchObject({ status: 422, body: { current_status: 'completed' } })
    expect(await reject(till, 99_999)).toEqual({
      status: 404,
      body: { error: 'Job not found', job_id: '99999' },
    })
  })

  test('and cancelled then is not brought back by a retry, but after it was submitted', async () => {
    await using till = await openTill()
    const { job_id } = await till.job([0])
    await reject(till, job_id)
    expect((await till.ask('POST', `/jobs/${job_id}/cancel`)).status).toBe(200)
    const retry = { max_cost: 1 }
    expect(await till.ask('POST', `/jobs/${job_id}/retry`, retry)).toMatchObject({
      status: 422,
      body: { error: 'Job cannot be retried' },
    })
    await submit(till, job_id)
    expect((await till.ask('POST', `/jobs/${job_id}/retry`, retry)).status).toBe(200)
  })
})

test('a change of a job that is worked on can be rejected: the rest goes on, and it says what it waits for', async () => {
  await using till = await openTill({ maxConcurrency: 1 })
  const maker = await keyFor(till, ['submit'])
  const { body } = await till.ask('POST', '/jobs', requestOf([0, 1]), maker)
  await till.approve(body.job_id)
  await till.until(() => till.posts().length === 1)
  const scenes = await till.scenes(body.job_id)
  expect((await change(till, scenes[1], { prompt: 'Not that.' }, maker)).body.to_approve).toBe(priceUsd)
  expect((await reject(till, body.job_id)).body).toMatchObject({ status: 'processing' })
  await till.pass(hour)
  expect(await till.get(`/jobs/${body.job_id}`)).toMatchObject({
    status: 'processing',
    costs: { spent: priceUsd },
    waiting: { code: 'rejected', reason: expect.stringContaining(note) },
  })
  await submit(till, body.job_id, maker)
  expect(await till.get(`/jobs/${body.job_id}`)).toMatchObject({ waiting: { code: 'approval' } })
  await till.approve(body.job_id)
  expect((await till.ended(body.job_id)).status).toBe('completed')
  expect(till.posts()).toHaveLength(2)
})

describe('a finished film that was changed', () => {
  test('is found among what waits for an approval, with its sum, and its change can be rejected', async () => {
    await using till = await openTill()
    const { job_id, scenes } = await finished(till)
    const other = await finished(till)
    expect(await idsToApprove(till)).toEqual([])
    await change(till, scenes[1], { prompt: 'Not that.' })
    const [found, ...others] = await toApprove(till)
    expect(others).toEqual([])
    expect(found).toMatchObject({
      job_id,
      status: 'completed',
      needs_approval: true,
      to_approve: priceUsd,
      costs: { to_approve: priceUsd, to_pay: priceUsd, scenes_to_pay: 1 },
      waiting: { code: 'approval', reason: 'needs $0.40 more than was approved: approve it' },
    })
    expect(await toApprove(till, '&status=pending,failed')).toEqual([])
    expect((await reject(till, job_id)).status).toBe(200)
    expect(await idsToApprove(till)).toEqual([])
    expect((await till.ask('POST', `/jobs/${job_id}/approve`, { revision: 2 })).status).toBe(422)
    expect(await till.get(`/jobs/${job_id}`)).toMatchObject({
      status: 'completed',
      waiting: { code: 'rejected' },
    })
    await submit(till, job_id)
    await till.approve(job_id)
    expect((await till.ended(job_id)).status).toBe('completed')
    expect([till.posts().length, other.scenes.length]).toEqual([3, 2])
  })

  test('and rejected goes on by itself once its change is taken back, for nothing is left to approve', async () => {
    await using till = await openTill()
    const { job_id, scenes } = await finished(till)
    await change(till, scenes[1], { prompt: 'Not that.' })
    await reject(till, job_id)
    await change(till, scenes[1], { prompt: scenes[1].prompt })
    expect(await till.get(`/jobs/${job_id}`)).toMatchObject({ rejected: null })
    expect((await till.ended(job_id)).status).toBe('completed')
    expect((await till.scenes(job_id)).map(({ status }) => status)).toEqual(['completed', 'completed'])
    expect(till.posts()).toHaveLength(2)
  })
})

test('a key that is bound to a client finds, rejects and submits that client’s jobs alone', async () => {
  await using till = await openTill()
  const mine = await keyFor(till, ['read', 'submit', 'approve'], { client_id: 'acme' })
  await till.world.life!.coordinator.letClientSee('acme', assetOf(0))
  const { body: own } = await till.ask('POST', '/jobs', requestOf([0]), mine)
  const { job_id: others } = await till.job([1])
  expect(own.client_id).toBe('acme')
  const { body } = await till.ask('GET', '/jobs?needs_approval=true', undefined, mine)
  expect(body.jobs.map(({ job_id, client_id }: any) => [job_id, client_id])).toEqual([[own.job_id, 'acme']])
  const notFound = { status: 404, body: { error: 'Job not found', job_id: String(others) } }
  expect(await reject(till, others, mine)).toEqual(notFound)
  expect((await reject(till, others)).status).toBe(200)
  expect(await submit(till, others, mine)).toEqual(notFound)
  expect((await reject(till, own.job_id, mine)).status).toBe(200)
  expect((await submit(till, own.job_id, mine)).status).toBe(200)
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
        await using till = await openTill({ maxConcurrency: 2 })
        const submitter = await keyFor(till, ['submit'])
        const ids: number[] = []
        for (const { scenes, client, force } of jobs) {
          const wishes = scenes.map(({ picture, ...members }) => sceneOf(picture, members))
          const request = requestOf(wishes, { force, parameters: { transition: 'cut', client_id: client } })
          ids.push((await till.ask('POST', '/jobs', request, submitter)).body.job_id)
        }
        for (const { verb, job: nth, scene: which, asSubmitter } of steps) {
          const id = ids[nth % ids.length]!
          const key = asSubmitter ? submitter : undefined
          const scenes = await till.scenes(id)
          const one = `/jobs/${id}/scenes/${scenes[which % scenes.length].id}`
          const { revision } = await till.get(`/jobs/${id}`)
          if (verb === 'approve') await till.ask('POST', `/jobs/${id}/approve`, { revision })
          if (verb === 'change') await till.ask('PUT', one, { prompt: `Look ${which % 3}.` }, key)
          if (verb === 'regenerate') await till.ask('POST', `${one}/regenerate`)
          if (verb === 'cancel') await till.ask('POST', `/jobs/${id}/cancel`)
          if (verb === 'reject') await reject(till, id)
          if (verb === 'submit') await submit(till, id, key)
          if (verb === 'wait') await till.pass(hour / 2)
        }
        const { jobs: listed } = await till.get('/jobs')
        const canBe: number[] = []
        for (const entry of listed) {
          const { costs, waiting, ...facts } = await till.get(`/jobs/${entry.job_id}`)
          expect(facts).toMatchObject(factsOf(entry))
          const { scenes: _scenes, ...sums } = costs
          expect(entry.costs).toEqual(sums)
          if (entry.status !== 'approved' && entry.status !== 'processing')
            expect(entry.waiting).toEqual(waiting)
          if (facts.needs_approval) canBe.push(entry.job_id)
        }
        expect(await idsToApprove(till)).toEqual(canBe)
        for (const { job_id, revision } of listed) {
          const { status } = await till.ask('POST', `/jobs/${job_id}/approve`, { revision })
          // What was approved may have let the clip be kept that another one waits for.
          if (!canBe.includes(job_id)) expect(status).toBe(422)
          else if (job_id === canBe[0]) expect(status).toBe(200)
        }
      },
    ),
    { numRuns: isQuick ? 5 : 20, seed: 51 },
  )
})
