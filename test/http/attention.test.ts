/** What needs a person: told in one answer, found in lists by what is waited for, and decided for many at once. */
import { afterEach, expect, test } from 'vitest'
import type { AttentionAnswer } from '../../src/http/routes/attention.ts'
import type { JobsAnswer } from '../../src/http/routes/jobs.ts'
import { localRenderer, openHarness, type OpenHarness } from '../harness/harness.ts'
import { addAssets, assetOf } from '../harness/data.ts'
import { type App, appOver, jsonOf } from '../harness/ask.ts'

const veo = 'google/veo-3.1-fast'
let harness: OpenHarness
let app: App
afterEach(() => harness.close())

async function open(): Promise<void> {
  harness = await openHarness({
    renderers: [
      localRenderer(4),
      { name: 'replicate', models: [veo], maxConcurrency: 4, startDelayMs: 0, task: 'follow-render' },
    ],
  })
  await addAssets(harness.database, 1)
  // Nothing begins: what waits is looked at.
  app = appOver(harness, { access: { keysRequired: false, ratePerMinute: 0 } })
}

const ask = (method: string, path: string, body?: unknown, key?: string) => {
  const text = body === undefined ? '' : JSON.stringify(body)
  return app.request(`/api/v3${path}`, {
    method,
    ...(text !== '' && { body: text }),
    headers: {
      ...(text !== '' && { 'content-type': 'application/json', 'content-length': String(text.length) }),
      ...(key !== undefined && { authorization: `Bearer ${key}` }),
    },
  })
}
const attention = (query = '', key?: string): Promise<AttentionAnswer> =>
  jsonOf(ask('GET', `/attention${query}`, undefined, key))
const found = async (waiting: string): Promise<readonly number[]> =>
  ((await jsonOf(ask('GET', `/jobs?waiting=${waiting}`))) as JobsAnswer).jobs.map(({ job_id }) => job_id)

/** A job of one scene at $0.40. */
const make = async (members: object = {}, parameters: object = {}, key?: string): Promise<number> => {
  const body = {
    type: 'property_photos',
    parameters: { photos: [{ asset_id: assetOf(0) }], ...parameters },
    storyboard: { scenes: [{ asset_ids: [assetOf(0)], model: veo, duration: 4 }] },
    force: true,
    ...members,
  }
  return (await jsonOf(ask('POST', '/jobs', body, key))).job_id
}

test('tells which jobs wait for an approval, who made each, its sum and a picture of its first scene', async () => {
  await open()
  const { secret } = await harness.coordinator.createKey({ name: 'shop', scopes: ['submit'] })
  const first = await make({ deadline_at: '2099-01-01T00:00:00Z' }, { client_id: 'acme' }, secret)
  const second = await make()
  await ask('POST', `/jobs/${second}/reject`, { note: 'too long' })
  const { approvals } = await attention()
  const [scene] = await harness.coordinator.scenes(first)
  expect(approvals).toMatchObject({
    count: 1,
    more: false,
    jobs: [
      {
        job_id: first,
        client_id: 'acme',
        created_by: 'shop',
        to_approve: 0.4,
        deadline_at: '2099-01-01T00:00:00.000Z',
        frame_url: `/api/v3/jobs/${first}/scenes/${scene!.id}/frame`,
      },
    ],
  })
  expect((await attention('?client_id=other')).approvals.count).toBe(0)
  expect((await jsonOf(ask('GET', `/jobs/${first}`))).created_by).toBe('shop')
})

test('counts what it does not list', async () => {
  await open()
  for (let made = 0; made < 5; made++) await make()
  expect((await attention('?limit=2')).approvals).toMatchObject({ count: 5, more: true, jobs: [{}, {}] })
})

test('tells which budget holds a job back, and how much is missing', async () => {
  await open()
  await ask('PUT', '/budgets', { 'client:acme': 0.3 })
  const short = await make({}, { client_id: 'acme' })
  const other = await make({}, { client_id: 'nord' })
  for (const id of [short, other]) await harness.coordinator.approveJob(id)
  const { budgets } = await attention()
  expect(budgets).toMatchObject({
    count: 1,
    jobs: [{ job_id: short, budget: { name: 'client:acme', missing: 0.1 } }],
  })
  expect(await found('budget_client')).toEqual([short])
  expect(await found('budget_day,budget_total')).toEqual([])
  await ask('PUT', '/budgets', { day: 0.1, 'client:acme': null })
  expect(await found('budget_day')).toEqual([other, short])
})

test('tells which renderers are paused, to those who may read that', async () => {
  await open()
  await ask('POST', '/pause', { renderer: 'replicate', reason: 'no credit' })
  const job = await make()
  await harness.coordinator.approveJob(job)
  expect((await attention()).pauses).toMatchObject([
    { renderer: 'replicate', set_by: 'person', reason: 'no credit', until: null },
  ])
  expect(await found('renderer_paused')).toEqual([job])
  expect(await found('paused')).toEqual([])
  const { secret } = await harness.coordinator.createKey({ name: 'maker', scopes: ['submit'] })
  expect(await attention('', secret)).toMatchObject({ pauses: [], approvals: { count: 0 } })
})

test('tells which webhook endpoints fail, to the key that may change them', async () => {
  await open()
  const { id } = await harness.coordinator.addEndpoint({ url: 'https://films.example/hooks' })
  await harness.database.transaction((tx) => tx.run('update webhook_endpoints set failing_since = 5'))
  expect((await attention()).webhooks).toMatchObject({ count: 1, endpoints: [{ endpoint_id: id }] })
  const { secret } = await harness.coordinator.createKey({ name: 'eye', scopes: ['read', 'approve'] })
  expect((await attention('', secret)).webhooks.count).toBe(0)
})

test('finds jobs by what they wait for, whatever else they wait for', async () => {
  await open()
  const paused = await make()
  await ask('POST', `/jobs/${paused}/pause`, {})
  const later = await make({ run_at: '2099-01-01T00:00:00Z' })
  const after = await make({ depends_on: [later] })
  const rejected = await make()
  await ask('POST', `/jobs/${rejected}/reject`, { note: 'no' })
  expect(await found('approval')).toEqual([after, later, paused])
  expect(await found('job_paused')).toEqual([paused])
  expect(await found('scheduled')).toEqual([later])
  expect(await found('dependency')).toEqual([after])
  expect(await found('rejected,dependency')).toEqual([rejected, after])
  expect(await found('held')).toEqual([])
  const refused = await ask('GET', '/jobs?waiting=tea')
  expect([refused.status, (await jsonOf(refused)).field]).toEqual([400, 'waiting'])
})

test('approves many by what was seen of each, and tells which has changed since', async () => {
  await open()
  const [one, changed, dearer] = [await make(), await make(), await make()]
  const [scene] = await harness.coordinator.scenes(changed)
  await harness.coordinator.updateScene(changed, scene!.id, { duration: 6 })
  const answer = await jsonOf(
    ask('POST', '/jobs/approve', {
      jobs: [
        { job_id: one, revision: 1, max_cost: 0.4 },
        { job_id: changed, revision: 1, max_cost: 0.4 },
        { job_id: dearer, revision: 1, max_cost: 0.3 },
      ],
    }),
  )
  expect(answer).toMatchObject({
    done: 1,
    refused: 2,
    results: [
      { job_id: one, status: 'approved' },
      { job_id: changed, reason: 'The storyboard has changed: this is revision 2, not 1' },
      { job_id: dearer, reason: 'It costs $0.40, more than max_cost' },
    ],
  })
  expect((await ask('POST', '/jobs/approve', {})).status).toBe(422)
  expect((await ask('POST', '/jobs/approve', { job_ids: [one], jobs: [{ job_id: one }] })).status).toBe(422)
})

test('approves nothing where a sum for each would say nothing, a job is named twice, or there are too many', async () => {
  await open()
  const id = await make()
  const bodies = [
    // It would look like a bound, and each would get its own estimate.
    [{ jobs: [{ job_id: id, revision: 1 }], max_cost: 0.1 }, 'max_cost'],
    [{ jobs: [{ job_id: id, max_cost: 9 }, { job_id: id }] }, 'jobs'],
    [{ jobs: Array.from({ length: 201 }, (_, index) => ({ job_id: index + 1 })) }, 'jobs'],
    [{ jobs: [] }, 'jobs'],
    [{ jobs: [{ job_id: id, accept_unknown_cost: true }] }, 'jobs[0]'],
  ] as const
  for (const [body, field] of bodies) {
    const refused = await ask('POST', '/jobs/approve', body)
    expect([refused.status, (await jsonOf(refused)).field]).toEqual([422, field])
  }
  const twice = { job_ids: [id, id], priority: 3 }
  expect((await ask('PATCH', '/jobs', twice)).status).toBe(422)
  expect((await ask('POST', '/jobs/retry', { jobs: [{ job_id: id }, { job_id: id }] })).status).toBe(422)
  expect(await harness.coordinator.job(id)).toMatchObject({ status: 'pending', authorisedMicros: 0 })
})

test('retries many, and changes the priority of many', async () => {
  await open()
  const [one, other] = [await make(), await make()]
  await harness.coordinator.cancelJob(one)
  expect(await jsonOf(ask('PATCH', '/jobs', { job_ids: [other, one], priority: 90 }))).toMatchObject({
    done: 1,
    results: [
      { job_id: other, status: 'pending' },
      { job_id: one, current_status: 'cancelled' },
    ],
  })
  expect((await harness.coordinator.job(other)).priority).toBe(90)
  expect(
    await jsonOf(ask('POST', '/jobs/retry', { jobs: [{ job_id: one, max_cost: 0.4 }, { job_id: other }] })),
  ).toMatchObject({ done: 1, results: [{ job_id: one, status: 'approved' }, { job_id: other }] })
})

test('answers requests that come together with one reading that begins after them', async () => {
  await open()
  const [before, together] = [attention(), attention()]
  const id = await make()
  const after = attention()
  await Promise.all([before, together])
  expect((await after).approvals.jobs.map(({ job_id }) => job_id)).toEqual([id])
})

test('lists the oldest first, too, page by page', async () => {
  await open()
  const ids = [await make(), await make(), await make(), await make()]
  for (const query of ['order=oldest', 'order=oldest&waiting=approval', 'order=oldest&q=film']) {
    const listed: number[] = []
    for (let cursor: string | null = ''; cursor !== null;) {
      const next = cursor === '' ? '' : `&cursor=${cursor}`
      const { jobs, next_cursor }: JobsAnswer = await jsonOf(ask('GET', `/jobs?limit=2&${query}${next}`))
      listed.push(...jobs.map(({ job_id }) => job_id))
      cursor = next_cursor
    }
    expect([query, listed]).toEqual([query, ids])
  }
})
