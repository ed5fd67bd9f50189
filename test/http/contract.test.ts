/**
 * Each operation is asked for through the client's method of its name, over the real app, and each answer held against
 * the document: what is documented is answered, and nothing else is.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ApiError, type Client, approvalOf, createClient } from '../../src/client/client.ts'
import { type Contract, createContract, operationsOf, wholeApp } from './contract.ts'
import { hold } from './held.ts'
import { type AppHarness, openAppHarness } from '../harness/app.ts'
import { jsonOf } from '../harness/ask.ts'

let harness: AppHarness
let whole: Awaited<ReturnType<typeof wholeApp>>
let contract: Contract
let client: Client
const problems: string[] = []

beforeAll(async () => {
  harness = await openAppHarness()
  whole = await wholeApp(harness)
  contract = createContract(await jsonOf(whole.app.request('/api/openapi.json')))
  client = createClient({
    url: 'http://localhost:4000',
    async fetch(address, init) {
      const url = new URL(address).href
      const { body } = init!
      const headers = new Headers(init!.headers)
      // As a connection would have it.
      if (typeof body === 'string') headers.set('content-length', String(Buffer.byteLength(body)))
      const response = await whole.app.request(url, { ...init!, headers })
      problems.push(...(await contract.check(init!.method!, url, response)))
      return response
    },
  })
})
afterAll(async () => {
  await whole.close()
  await harness.close()
})

const statusesOf = (id: string): readonly number[] => [...(contract.seen.get(id) ?? [])]
const refused = (asked: Promise<unknown>): Promise<number> =>
  asked.then(
    () => 200,
    (error: unknown) => {
      if (error instanceof ApiError) return error.status
      throw error
    },
  )

const photos = async () => [{ asset_id: await harness.picture(1) }, { asset_id: await harness.picture(2) }]
const newJob = async () =>
  client.createJob({
    type: 'property_photos',
    parameters: { photos: await photos(), transition: 'cut', campaign_id: 'spring' },
    force: true,
  })

test('photographs, prices and plans', async () => {
  await client.isAlive()
  await client.isReady()
  expect(await client.readMetrics()).toContain('# HELP')
  const photograph = await client.assetData(await harness.picture(3))
  const asset = await client.uploadAsset(await photograph.arrayBuffer())
  expect(await client.readAsset(asset.id)).toEqual(asset)
  const estimate = await client.estimateJob({
    type: 'property_photos',
    parameters: { photos: await photos() },
  })
  expect(estimate.total_scenes).toBe(2)
  await client.setBudgets({ day: 20 })
  expect((await client.readBudgets()).budgets).toHaveLength(1)
  await client.setBudgets({ day: null })
})

test('a job from its request to its film, and what can be done with it', async () => {
  const { job_id } = await newJob()
  expect((await client.updateJob(job_id, { priority: 60 })).priority).toBe(60)
  await client.pauseJob(job_id, { reason: 'lunch' })
  await client.resumeJob(job_id)
  expect((await client.listJobs({ campaign_id: 'spring', limit: 10 })).jobs).toHaveLength(1)
  const { scenes } = await client.listScenes(job_id)
  await client.readScene(job_id, scenes[0]!.id)
  await client.updateScene(job_id, scenes[0]!.id, { duration: 2 })

  await harness.finish(job_id, new TextEncoder().encode('a film'))
  expect((await client.readJob(job_id)).status).toBe('completed')
  expect(await (await client.film(job_id)).text()).toBe('a film')
  await client.thumbnail(job_id)
  await client.clip(job_id, scenes[0]!.id)
  const { versions } = await client.listFilmVersions(job_id)
  await client.filmVersion(job_id, versions[0]!.version)
  const link = await client.createFilmLink(job_id, { expires_in_seconds: 60, version: versions[0]!.version })
  expect(link).toMatchObject({ version: 1, url: expect.stringContaining('/api/films/') })
  expect((await client.showFilm(job_id, versions[0]!.version)).version).toBe(1)
  expect(await client.readSpend()).toMatchObject({ rows: [], unaccounted: 0 })
  expect(await client.readSpendCsv({ group: 'client' })).toBe('client_id,currency,spent,reserved\r\n')

  const types: string[] = []
  for await (const { type } of client.watchJob(job_id)) types.push(type)
  expect(types.at(0)).toBe('job_created')
  expect(types.at(-1)).toBe('job_completed')
  expect(await client.createEventsToken()).toEqual({ token: null, expires_at: null })
  for await (const { job_id: first } of client.events({ after: 0 })) {
    expect(first).toBe(job_id)
    break
  }
  expect((await client.readHistory(job_id)).entries.length).toBeGreaterThan(3)
  await client.readLedger({ job_id })

  const { revision } = await client.readJob(job_id)
  await client.regenerateScene(job_id, scenes[0]!.id, { revision })
})

test('approvals, cancellations and retries, of one and of many', async () => {
  const [one, other] = [await newJob(), await newJob()]
  const { scenes } = await client.listScenes(one.job_id)
  const deleted = await client.deleteScene(one.job_id, scenes[1]!.id, { revision: one.revision })
  expect(deleted).toMatchObject({ revision: one.revision + 1, to_approve: 0 })
  await client.rejectJob(one.job_id, { note: 'too long' })
  expect((await client.listJobs({ needs_approval: 'true' })).jobs.map(({ job_id }) => job_id)).not.toContain(
    one.job_id,
  )
  expect((await client.submitJob(one.job_id, { reason: 'shorter now' })).needs_approval).toBe(true)
  await client.pauseJob(one.job_id)
  expect((await client.approveJob(one.job_id)).status).toBe('approved')
  await client.cancelJob(one.job_id, { reason: 'changed my mind' })
  // Or it might be rendered before it is cancelled.
  await client.pause()
  await client.retryJob(one.job_id)
  expect(await client.cancelJobs({ job_ids: [one.job_id, 99_999] })).toMatchObject({ done: 1, refused: 1 })
  await client.addScene(one.job_id, { asset_ids: [await harness.picture(4)], position: 0 })
  await client.resume()
  await client.deleteJob(one.job_id)
  const third = await newJob()
  expect(await client.updateJobs({ job_ids: [other.job_id, 99_999], priority: 70 })).toMatchObject({
    done: 1,
    refused: 1,
  })
  await client.approveJobs({ jobs: [{ job_id: other.job_id, ...approvalOf(other) }] })
  await client.approveJobs({ job_ids: [third.job_id] })
  await client.cancelJob(third.job_id)
  expect(await client.retryJobs({ jobs: [{ job_id: third.job_id }], reason: 'after all' })).toMatchObject({
    done: 1,
  })
})

test('a held attempt that a person decides', async () => {
  const { job_id } = await newJob()
  const { scenes } = await client.listScenes(job_id)
  await hold(harness, job_id, scenes[0]!.id)
  expect((await client.listJobs({ waiting: 'held' })).jobs.map((job) => job.job_id)).toEqual([job_id])
  expect((await client.readAttention({ limit: 10 })).held).toMatchObject({
    count: 1,
    more: false,
    renders: [{ job_id, scene_id: scenes[0]!.id }],
  })
  await client.resolveScene(job_id, scenes[0]!.id, { resolution: 'absent' })
})

test('limits, pauses, nodes and the storage', async () => {
  await client.setLimits({ jobs: 5, renderers: { local: { max_concurrency: 2 } } })
  await client.pause({ reason: 'maintenance' })
  expect((await client.readLimits()).paused?.reason).toBe('maintenance')
  await client.resume()
  expect((await client.listNodes()).nodes).toMatchObject([{ role: 'all', alive: true, draining: false }])
  const { changes, next_cursor } = await client.listChanges({ limit: 2 })
  expect(changes).toMatchObject([
    { kind: 'pause', name: 'all', old: true, new: false },
    { kind: 'pause', name: 'all', old: false, new: true, reason: 'maintenance' },
  ])
  expect((await client.listChanges({ cursor: next_cursor! })).changes).toContainEqual(
    expect.objectContaining({ kind: 'limit', name: 'jobs', old: null, new: 5 }),
  )
  expect((await client.readStatistics({ window: '7d' })).buckets).toHaveLength(28)
  expect((await client.readQueue()).reasons).toEqual(expect.any(Array))
  expect((await client.readStorage()).free_bytes).toBe(1e9)
  expect(await client.pruneStorage({ dry_run: true })).toMatchObject({ bytes: 0, examples: [] })
})

test('models', async () => {
  const { models, unavailable } = await client.listModels()
  expect(models).toMatchObject([{ name: 'local', renderer: 'local', aspect_ratios: null, offers: [] }])
  expect(unavailable).toEqual([])
})

test('keys', async () => {
  const { id, key } = await client.createKey({ name: 'shop', scopes: ['read'] })
  expect((await client.signIn({ key })).session).toMatchObject({ name: 'shop', scopes: ['read'] })
  expect((await client.readSession()).keys_required).toBe(false)
  await client.signOut()
  await client.rotateKey(id)
  await client.rotateSecret({ grace_seconds: 60 })
  await client.revokeKey(id)
  expect((await client.listKeys()).keys).toHaveLength(1)
})

test('webhooks', async () => {
  const { endpoint_id } = await client.addWebhookEndpoint({ url: 'https://films.example/hooks' })
  await client.changeWebhookEndpoint(endpoint_id, { description: 'the shop' })
  await client.readWebhookEndpoint(endpoint_id)
  expect((await client.listWebhookEndpoints()).endpoints).toHaveLength(1)
  await client.readWebhookSecret(endpoint_id)
  await client.rotateWebhookSecret(endpoint_id)
  await client.readSharedWebhookSecret()
  await client.rotateSharedWebhookSecret()
  const { delivery_id } = await client.testWebhookEndpoint(endpoint_id)
  expect((await client.listWebhookDeliveries(endpoint_id)).deliveries).toHaveLength(1)
  await client.readWebhookDelivery(delivery_id)
  await client.redeliverWebhook(delivery_id)
  await client.removeWebhookEndpoint(endpoint_id)
})

test('refusals', async () => {
  const { job_id } = await newJob()
  expect(await refused(client.readJob(99_999))).toBe(404)
  expect(await refused(client.retryJob(job_id))).toBe(422)
  expect(await refused(client.film(job_id))).toBe(404)
  // @ts-expect-error -- the types would not let it pass
  expect(await refused(client.createJob({ type: 'opera' }))).toBe(422)
  await client.readJob(99_999).catch((error: unknown) => {
    expect(error).toMatchObject({
      message: 'Job not found',
      body: { error: 'Job not found', job_id: '99999' },
    })
  })
  const response = await whole.app.request('/api/v3/jobs/99999', {
    headers: { accept: 'application/problem+json' },
  })
  expect(await contract.check('GET', '/api/v3/jobs/99999', response)).toEqual([])
})

test('each answer was as documented, and no operation was left out', () => {
  expect([...new Set(problems)]).toEqual([])
  const wanting = operationsOf(contract.document)
    .map(({ id }) => id)
    .filter((id) => !statusesOf(id).some((status) => status < 300))
  expect(wanting).toEqual([])
})

test('each operation has a method of its name in the client', () => {
  const names = operationsOf(contract.document).map(({ id }) => id)
  expect(names.filter((name) => !(name in client))).toEqual([])
})
