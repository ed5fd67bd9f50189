import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ApiDocument } from '../../src/http/openapi/types.ts'
import { operationsOf, wholeApp } from './contract.ts'
import { type AppHarness, openAppHarness } from '../harness/app.ts'
import { jsonOf } from '../harness/ask.ts'

let harness: AppHarness
let whole: Awaited<ReturnType<typeof wholeApp>>
beforeAll(async () => {
  harness = await openAppHarness()
  whole = await wholeApp(harness)
})
afterAll(async () => {
  await whole.close()
  await harness.close()
})

const ask = (path: string, method = 'GET') => whole.app.request(`/api/v3${path}`, { method })

test('every route refuses names in the query that it does not have, and tells those that it has', async () => {
  const { job_id } = await harness.job()
  const document: ApiDocument = await jsonOf(whole.app.request('/api/openapi.json'))
  const operations = operationsOf(document).filter(({ path }) => path.startsWith('/api/v3/'))
  expect(operations.length).toBeGreaterThan(50)
  const scene = '3f2b0c9e-8d1a-4c57-9f3e-2a6b7c8d9e0f'
  for (const { id, method, path, operation } of operations) {
    if (id === 'listJobs') continue
    const names = (operation.parameters ?? []).filter((one) => one.in === 'query').map(({ name }) => name)
    const address = path
      .replace('{id}', String(job_id))
      .replace('{scene_id}', scene)
      .replace('{version}', '1')
    const response = await whole.app.request(`${address}?unheard=1`, { method: method.toUpperCase() })
    const answer = await jsonOf(response)
    expect([id, response.status, answer.field]).toEqual([id, 400, 'unheard'])
    for (const name of names) expect(answer.reason).toContain(name)
    if (names.length === 0) expect(answer.reason).toContain('This takes no query')
  }
})

test('a name that is almost right is told the right one', async () => {
  for (const [path, field, meant] of [
    ['/jobs?stauts=pending', 'stauts', 'status'],
    ['/jobs?clientId=acme', 'clientId', 'client_id'],
    ['/jobs?createdAfter=2027-01-01T00:00:00Z', 'createdAfter', 'created_after'],
    ['/ledger?jobid=1', 'jobid', 'job_id'],
    ['/events?affter=0', 'affter', 'after'],
  ] as const) {
    const response = await ask(path)
    expect(response.status).toBe(400)
    expect(await jsonOf(response)).toMatchObject({
      error: 'Invalid request',
      field,
      reason: expect.stringContaining(`is not known here. Did you mean ${meant}?`),
    })
  }
})

test('every one that is wrong is told at once, whatever the method', async () => {
  const response = await ask('/jobs/approve?dry_run=1&force=1', 'POST')
  expect(response.status).toBe(400)
  expect((await jsonOf(response)).problems.map(({ field }: { field: string }) => field)).toEqual([
    'dry_run',
    'force',
  ])
  expect((await ask('/jobs/1/scenes?limit=5', 'HEAD')).status).toBe(400)
})

test("lists are filtered by members of one's own, and by no parameters that are ours", async () => {
  const { job_id } = await harness.job(1, {
    parameters: {
      campaign_id: 'spring',
      metadata: { agent: 'kim', campaign_id: 'autumn', client_id: 'eve', title: 'x' },
    },
  })
  const found = async (query: string) =>
    (await jsonOf(ask(`/jobs?${query}`))).jobs.map((job: { job_id: number }) => job.job_id)
  expect(await found('campaign_id=spring')).toEqual([job_id])
  expect(await found('agent=kim')).toEqual([job_id])
  expect(await found('campaign_id=autumn')).toEqual([])
  expect(await found('client_id=eve')).toEqual([])
  const response = await ask('/jobs?resolution=720p')
  expect([response.status, (await jsonOf(response)).field]).toEqual([400, 'resolution'])
})

test('every plain member of metadata is found, whatever it is called: by metadata. before its name', async () => {
  const metadata = {
    client: 'zed',
    client_no: 7,
    tape: 'v',
    stats: 'a',
    types: 'b',
    limits: 'c',
    stauts: 'd',
    status: 'paid',
    q: 'e',
    title: 'Mine',
    client_id: 'adam',
    constructor: 'f',
    'metadata.x': 'g',
    ['__proto__']: 'h',
  }
  const { job_id } = await harness.job(1, { parameters: { metadata } })
  await harness.job(1, { parameters: { metadata: { client: 'other' } } })
  const found = async (query: string) =>
    (await jsonOf(ask(`/jobs?${query}`))).jobs.map((job: { job_id: number }) => job.job_id)
  for (const [name, value] of Object.entries(metadata)) {
    expect([name, await found(`metadata.${name}=${value}`)]).toEqual([name, [job_id]])
    expect([name, await found(`metadata.${name}=nothing`)]).toEqual([name, []])
  }
  for (const name of ['client', 'client_no', 'tape', 'stats', 'types', 'limits', 'constructor'] as const)
    expect([name, await found(`${name}=${String(metadata[name])}`)]).toEqual([name, [job_id]])
  for (const name of ['stauts', '__proto__', 'title']) {
    const response = await ask(`/jobs?${name}=x`)
    const { field, reason } = await jsonOf(response)
    expect([response.status, field, reason]).toEqual([400, name, expect.stringContaining(`metadata.${name}`)])
  }
  expect((await ask('/jobs?client=zed&metadata.client=zed')).status).toBe(400)
})
