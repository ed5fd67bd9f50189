/**
 * A key bound to a client sees and touches that client alone: every operation of the OpenAPI document is tried on what is
 * another client's, and answers as if there were no such thing.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { createApp } from '../../src/http/app.ts'
import type { ApiDocument } from '../../src/http/openapi/types.ts'
import { operationsOf, wholeApp } from './contract.ts'
import { hold } from './held.ts'
import { type AppHarness, openAppHarness } from '../harness/app.ts'
import { jsonOf } from '../harness/ask.ts'
import { jobEvents } from '../harness/job-events.ts'

const film = "the other client's film"
/** Stand in everything of the other client's. */
const secret = 'other-secret'

let harness: AppHarness
let app: ReturnType<typeof createApp>
let close: () => Promise<void>
let document: ApiDocument
let bound: string
let admin: string
let others: { readonly job: number; readonly scene: string; readonly asset: string; readonly clip: string }
let own: { readonly job: number; readonly scene: string; readonly asset: string }

const ask = (method: string, path: string, key: string, body?: unknown, headers: object = {}) => {
  const text = body === undefined ? undefined : JSON.stringify(body)
  return app.request(path, {
    method,
    headers: {
      authorization: `Bearer ${key}`,
      ...(text !== undefined && {
        'content-type': 'application/json',
        'content-length': String(Buffer.byteLength(text)),
      }),
      ...headers,
    },
    ...(text !== undefined && { body: text }),
  })
}

const requestOf = (asset: string, parameters: object = {}) => ({
  type: 'property_photos',
  video_name: 'A film',
  parameters: { photos: [{ asset_id: asset }], ...parameters },
  force: true,
})

const upload = async (key: string, shade: number): Promise<string> => {
  const chunks = await harness.artifacts.read(await harness.picture(shade))
  const bytes = Buffer.concat(await Array.fromAsync(chunks))
  const response = await app.request('/api/v3/assets', {
    method: 'POST',
    headers: {
      authorization: `Bearer ${key}`,
      'content-type': 'image/png',
      'content-length': String(bytes.length),
    },
    body: new Uint8Array(bytes),
  })
  expect(response.status).toBe(201)
  return (await jsonOf(response)).id
}

const sceneIn = async (job: number): Promise<{ readonly id: string; readonly clip: string }> => {
  const [scene] = await harness.coordinator.scenes(job)
  return { id: scene!.id, clip: scene!.clip! }
}

beforeAll(async () => {
  harness = await openAppHarness()
  const whole = await wholeApp(harness)
  close = whole.close
  app = whole.app
  document = await jsonOf(app.request('/api/openapi.json'))
  const scopes = ['read', 'submit', 'approve'] as const
  const make = async (request: object) => (await harness.coordinator.createKey(request)).secret
  admin = await make({ name: 'ops', scopes: ['admin'] })
  bound = await make({ name: 'acme', scopes, client_id: 'acme' })
  const other = await make({ name: secret, scopes, client_id: secret })

  const asset = await upload(other, 1)
  const made = await jsonOf(
    ask('POST', '/api/v3/jobs', other, { ...requestOf(asset), video_name: `${secret} film` }),
  )
  await harness.finish(made.job_id, new TextEncoder().encode(film))
  await ask('POST', '/api/v3/webhooks/endpoints', admin, { url: `https://${secret}.example/hooks` })
  const { id: scene, clip } = await sceneIn(made.job_id)
  await hold(harness, made.job_id, scene)
  others = { job: made.job_id, scene, asset, clip }

  const ownAsset = await upload(bound, 2)
  const { job_id } = await jsonOf(ask('POST', '/api/v3/jobs', bound, requestOf(ownAsset)))
  await harness.finish(job_id, new TextEncoder().encode('our film'))
  own = { job: job_id, scene: (await sceneIn(job_id)).id, asset: ownAsset }
}, 60_000)
afterAll(async () => {
  await close()
  await harness.close()
})

/** What of the other client may stand in no answer. */
const marks = (): readonly string[] => [secret, others.scene, others.asset, others.clip, film]

const isOfJob = (path: string): boolean => /^\/api\/v3\/(?:jobs|videos)\/\{id\}/.test(path)
const isOfAsset = (path: string): boolean => path.startsWith('/api/v3/assets/{id}')

/** Bodies that the operations take, so that none is refused for what it says. */
const bodies: Readonly<Record<string, () => unknown>> = {
  createJob: () => requestOf(own.asset, { client_id: 'acme' }),
  estimateJob: () => requestOf(own.asset),
  approveJobs: () => ({ job_ids: [others.job] }),
  cancelJobs: () => ({ job_ids: [others.job] }),
  retryJobs: () => ({ job_ids: [others.job] }),
  updateJobs: () => ({ job_ids: [others.job], priority: 1 }),
  updateJob: () => ({ priority: 1 }),
  rejectJob: () => ({ note: 'not ours' }),
  addScene: () => ({ asset_ids: [own.asset] }),
  updateScene: () => ({ title: 'ours' }),
  resolveScene: () => ({ resolution: 'absent' }),
  retryJob: () => ({ max_cost: 5 }),
  setBudgets: () => ({ day: 1 }),
  setLimits: () => ({ jobs: 1 }),
  addWebhookEndpoint: () => ({ url: 'https://acme.example/hooks' }),
  changeWebhookEndpoint: () => ({ status: 'disabled' }),
  createKey: () => ({ name: 'more', scopes: ['admin'] }),
}

/** About all clients: closed to a key that is bound to one. */
const closed = new Set([
  'readBudgets',
  'setBudgets',
  'readLimits',
  'setLimits',
  'listNodes',
  'listChanges',
  'readStatistics',
  'readQueue',
  'pause',
  'resume',
  'readStorage',
  'pruneStorage',
  'readMetrics',
  'listKeys',
  'createKey',
  'rotateKey',
  'revokeKey',
  'listWebhookEndpoints',
  'addWebhookEndpoint',
  'readWebhookEndpoint',
  'changeWebhookEndpoint',
  'removeWebhookEndpoint',
  'readWebhookSecret',
  'rotateWebhookSecret',
  'testWebhookEndpoint',
  'listWebhookDeliveries',
  'readWebhookDelivery',
  'redeliverWebhook',
  'readSharedWebhookSecret',
  'rotateSharedWebhookSecret',
  'rotateSecret',
])
/** Tell nothing of any client. */
const ofNobody = new Set(['isAlive', 'isReady', 'listModels', 'readSession', 'signIn', 'signOut'])
/** Tell of the key's own client what they would tell of all. */
const narrowed = new Set([
  'createEventsToken',
  'createJob',
  'listJobs',
  'approveJobs',
  'retryJobs',
  'updateJobs',
  'cancelJobs',
  'readAttention',
  'uploadAsset',
  'estimateJob',
  'readLedger',
  'readSpend',
  'events',
])

const filled = (path: string, job: number | string, scene: string, asset: string): string =>
  path
    .replace(
      '{id}',
      isOfAsset(path)
        ? asset
        : isOfJob(path)
          ? String(job)
          : path.includes('/keys/')
            ? '0'.repeat(12)
            : scene,
    )
    .replace('{scene_id}', scene)
    .replace('{version}', '1')

const stateOf = async (): Promise<string> =>
  JSON.stringify({
    job: await harness.coordinator.job(others.job),
    scenes: await harness.coordinator.scenes(others.job),
    events: await jobEvents(harness.database, others.job),
    attempts: await harness.database.all('select * from attempts where job_id = $1', [others.job]),
    budgets: await harness.coordinator.budgets(),
    limits: await harness.coordinator.limits(),
    keys: (await harness.coordinator.keys()).map((key) => ({ ...key, lastUsedAt: null })),
    endpoints: await harness.database.all('select * from webhook_endpoints'),
  })

describe('a key bound to a client', () => {
  test('finds nothing of another client at any operation, and changes nothing of it', async () => {
    const before = await stateOf()
    const absent = { job: 99_999, scene: '00000000-0000-4000-8000-00000000abcd', asset: 'f'.repeat(64) }
    for (const { id, method, path } of operationsOf(document)) {
      const body = bodies[id]?.()
      const to = (job: number, scene: string, asset: string) =>
        ask(method.toUpperCase(), filled(path, job, scene, asset), bound, body)
      const response = await to(others.job, others.scene, others.asset)
      const text = await response.text()
      // What was asked for may be said again.
      for (const mark of marks().filter((one) => one !== others.asset || !isOfAsset(path)))
        expect(text, `${id} tells ${mark}`).not.toContain(mark)
      if (closed.has(id)) expect([id, response.status]).toEqual([id, 403])
      else if (isOfJob(path) || isOfAsset(path)) {
        // As if there were none: the same answer, but for the id that was asked for.
        const none = await to(absent.job, absent.scene, absent.asset)
        expect([id, response.status]).toEqual([id, 404])
        expect([id, none.status]).toEqual([id, 404])
        expect(JSON.parse(text)).toEqual(
          JSON.parse(
            (await none.text())
              .replaceAll(String(absent.job), String(others.job))
              .replaceAll(absent.asset, others.asset),
          ),
        )
      } else expect([id, narrowed.has(id) || ofNobody.has(id)]).toEqual([id, true])
    }
    expect(await stateOf()).toBe(before)
  })

  test('finds its own at all of them', async () => {
    const readable = operationsOf(document).filter(
      ({ id, method, path }) => method === 'get' && !closed.has(id) && (isOfJob(path) || isOfAsset(path)),
    )
    expect(readable.length).toBeGreaterThan(8)
    for (const { id, path } of readable) {
      const response = await ask('GET', filled(path, own.job, own.scene, own.asset), bound)
      expect([id, response.status]).toEqual([id, 200])
      await response.body?.cancel()
    }
    const { job_id, parameters } = await jsonOf(ask('POST', '/api/v3/jobs', bound, requestOf(own.asset)))
    expect(parameters.client_id).toBe('acme')
    const approved = await ask('POST', `/api/v3/jobs/${job_id}/approve`, bound)
    expect(approved.status).toBe(200)
    expect((await jsonOf(ask('GET', '/api/v3/jobs?client_id=acme', bound))).jobs.length).toBeGreaterThan(1)
  })

  test('sees the jobs that others make for its client, with their photographs', async () => {
    const asset = await upload(admin, 3)
    expect((await ask('GET', `/api/v3/assets/${asset}`, bound)).status).toBe(404)
    const { job_id } = await jsonOf(
      ask('POST', '/api/v3/jobs', admin, requestOf(asset, { client_id: 'acme' })),
    )
    expect((await ask('GET', `/api/v3/jobs/${job_id}`, bound)).status).toBe(200)
    expect((await ask('GET', `/api/v3/assets/${asset}/data`, bound)).status).toBe(200)
  })

  test('gets no list of what is not its own, whatever is asked for', async () => {
    for (const query of ['', `?client_id=${secret}`, '?q=film', '?status=completed', '?limit=1']) {
      const { jobs, next_cursor } = await jsonOf(ask('GET', `/api/v3/jobs${query}`, bound))
      for (const job of jobs) expect(job.parameters.client_id).toBe('acme')
      if (query.includes(secret)) expect([jobs, next_cursor]).toEqual([[], null])
    }
    for (const query of [`?job_id=${others.job}`, `?client_id=${secret}`]) {
      const ledger = await jsonOf(ask('GET', `/api/v3/ledger${query}`, bound))
      expect(ledger).toMatchObject({ entries: [], unaccounted: [], totals: { reserved: 0, spent: 0 } })
    }
  })

  test('hears the events of its client alone, as a page and as a stream', async () => {
    const { events, more } = await jsonOf(ask('GET', '/api/v3/events?after=0&limit=500', bound))
    expect(more).toBe(false)
    expect(events.length).toBeGreaterThan(3)
    expect(events.every(({ job_id }: { job_id: number }) => job_id !== others.job)).toBe(true)
    const typed = await jsonOf(ask('GET', '/api/v3/events?after=0&type=job_completed', bound))
    expect(typed.events.map(({ job_id }: { job_id: number }) => job_id)).toContain(own.job)

    const response = await ask('GET', '/api/v3/events?after=0', bound, undefined, {
      accept: 'text/event-stream',
    })
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
    await ask('PATCH', `/api/v3/jobs/${others.job}`, admin, { priority: 2 })
    const { job_id } = await jsonOf(ask('POST', '/api/v3/jobs', bound, requestOf(own.asset)))
    let told = ''
    while (!told.includes(`"job_id":${job_id},`)) {
      const { value, done } = await reader.read()
      if (done) break
      told += value
    }
    await reader.cancel()
    expect(told).toContain(`"job_id":${own.job},`)
    expect(told).not.toContain(`"job_id":${others.job},`)
    expect(told).not.toContain(secret)
  })

  test.each<[string, () => object, string, RegExp]>([
    [
      'for another client',
      () => requestOf(own.asset, { client_id: secret }),
      'parameters.client_id',
      /bound/,
    ],
    [
      'for a client that is no text',
      () => requestOf(own.asset, { client_id: 7 }),
      'parameters.client_id',
      /bound/,
    ],
    [
      'of a photograph of another client',
      () => requestOf(others.asset),
      'parameters.photos[0].asset_id',
      /there is no asset/,
    ],
    [
      'that waits for a job of another client',
      () => ({ ...requestOf(own.asset), depends_on: [{ job_id: others.job, on_failure: 'wait' }] }),
      'depends_on[0]',
      /there is no job \d+:/,
    ],
  ])('makes no job %s', async (_name, request, field, reason) => {
    for (const path of ['/api/v3/jobs', '/api/v3/estimates']) {
      if (path.endsWith('estimates') && field.startsWith('depends_on')) continue
      const response = await ask('POST', path, bound, request())
      expect(response.status).toBe(422)
      const body = await jsonOf(response)
      expect(body).toMatchObject({
        field: expect.stringContaining(field.split('[')[0]!),
        reason: expect.stringMatching(reason),
      })
      expect(JSON.stringify(body)).not.toContain(secret)
    }
  })

  test('is told of no scene of another client under a job of its own', async () => {
    const paths = [`jobs/${own.job}/scenes/${others.scene}`, `videos/${own.job}/clips/${others.scene}`]
    for (const path of paths) {
      const response = await ask('GET', `/api/v3/${path}`, bound)
      expect([response.status, await jsonOf(response)]).toEqual([
        404,
        { error: 'Scene not found', scene_id: others.scene },
      ])
    }
    const change = { asset_ids: [others.asset] }
    const put = await ask('PUT', `/api/v3/jobs/${own.job}/scenes/${own.scene}`, bound, change)
    expect([put.status, (await jsonOf(put)).reason]).toEqual([
      422,
      `there is no asset ${others.asset}: upload it first with POST /api/v3/assets`,
    ])
  })

  test('gets at nothing by an address that is written otherwise', async () => {
    for (const id of [
      `%3${others.job}`,
      `${others.job}%20`,
      `0${others.job}`,
      `+${others.job}`,
      `${others.job}.0`,
    ])
      expect((await ask('GET', `/api/v3/jobs/${id}`, bound)).status).toBeGreaterThanOrEqual(400)
    for (const path of [
      `/api/v3/jobs/${others.job}/`,
      `/api/v3//jobs/${others.job}`,
      `/api/v3/jobs/./${others.job}`,
    ])
      expect((await ask('GET', path, bound)).status).toBe(404)
    expect((await ask('HEAD', `/api/v3/videos/${others.job}/combined`, bound)).status).toBe(404)
  })

  test('is no reason for an answer to be told to another: an Idempotency-Key is one key’s own', async () => {
    const headers = { 'idempotency-key': 'the-same' }
    const mine = await jsonOf(ask('POST', '/api/v3/jobs', bound, requestOf(own.asset), headers))
    const theirs = await ask('POST', '/api/v3/jobs', admin, requestOf(own.asset), headers)
    expect((await jsonOf(theirs)).job_id).not.toBe(mine.job_id)
  })
})

test('a job of a client waits for none but that client’s, whoever makes it', async () => {
  const request = { ...requestOf(own.asset, { client_id: 'acme' }), depends_on: [others.job] }
  const response = await ask('POST', '/api/v3/jobs', admin, request)
  expect([response.status, (await jsonOf(response)).reason]).toEqual([
    422,
    `job ${others.job} is not of client acme: a client's job can wait only for that client's jobs`,
  ])
})
