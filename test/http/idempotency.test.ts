import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createClock } from '../clock.ts'
import { type AppHarness, openAppHarness } from '../harness/app.ts'
import { jsonOf } from '../harness/ask.ts'

const clock = createClock(3)
const day = 24 * 60 * 60 * 1000
let harness: AppHarness
let jobBody: object
beforeAll(async () => {
  harness = await openAppHarness({ clock })
  jobBody = await bodyFor(harness)
})
afterAll(() => harness.close())

const bodyFor = async ({ picture }: AppHarness) => ({
  type: 'property_photos',
  parameters: { photos: [{ asset_id: await picture(1) }] },
})

const post = async (
  path: string,
  key: string,
  body?: unknown,
  {
    app = harness.app,
    headers = {},
  }: { readonly app?: AppHarness['app']; readonly headers?: Record<string, string> } = {},
) => {
  const text = body === undefined ? undefined : JSON.stringify(body)
  return app.request(path, {
    method: 'POST',
    headers: {
      'idempotency-key': key,
      ...(text !== undefined && {
        'content-type': 'application/json',
        'content-length': String(Buffer.byteLength(text)),
      }),
      ...headers,
    },
    ...(text !== undefined && { body: text }),
  })
}

const jobCount = async ({ app }: AppHarness = harness): Promise<number> =>
  (await jsonOf(app.request('/api/v3/jobs?limit=200'))).jobs.length

const whole = async (response: Response) => ({
  status: response.status,
  type: response.headers.get('content-type'),
  location: response.headers.get('location'),
  body: await response.text(),
})

test('a request that is sent again is answered alike, byte for byte, and not done again', async () => {
  const before = await jobCount()
  const first = await post('/api/v3/jobs', 'film-1', jobBody)
  expect(first.headers.get('idempotency-replayed')).toBe(null)
  const answer = await whole(first)
  expect(answer.status).toBe(201)
  const { job_id } = JSON.parse(answer.body)
  await harness.coordinator.updateJob(job_id, { priority: 90 })
  clock.advance(day - 1)
  const second = await post('/api/v3/jobs', 'film-1', jobBody)
  expect(second.headers.get('idempotency-replayed')).toBe('true')
  expect(await whole(second)).toEqual(answer)
  expect(await jobCount()).toBe(before + 1)
})

test('after a day a key is a new one', async () => {
  const first = await jsonOf(post('/api/v3/jobs', 'daily', jobBody))
  clock.advance(day + 1)
  const second = await post('/api/v3/jobs', 'daily', jobBody)
  expect(second.headers.get('idempotency-replayed')).toBe(null)
  expect((await jsonOf(second)).job_id).not.toBe(first.job_id)
})

test('the same key with another request is refused', async () => {
  await post('/api/v3/jobs', 'film-2', jobBody)
  const other = await post('/api/v3/jobs', 'film-2', { ...jobBody, video_name: 'Other' })
  expect([other.status, await jsonOf(other)]).toEqual([
    422,
    {
      error: 'Idempotency-Key was used before',
      reason: 'It was sent with another request: use a new one for each request',
    },
  ])
})

test('a key counts for one address and one sender', async () => {
  const { job_id } = await jsonOf(post('/api/v3/jobs', 'shared', jobBody))
  const approved = await post(`/api/v3/jobs/${job_id}/approve`, 'shared')
  expect(approved.status).toBe(200)
  expect(approved.headers.get('idempotency-replayed')).toBe(null)
  const app = harness.appWith({ access: { keysRequired: true, ratePerMinute: 0 }, host: clock })
  const ids = new Set([job_id])
  for (const name of ['sender one', 'sender two']) {
    const { secret } = await harness.coordinator.createKey({ name, scopes: ['submit'] })
    const headers = { authorization: `Bearer ${secret}` }
    const { job_id: theirs } = await jsonOf(post('/api/v3/jobs', 'shared', jobBody, { app, headers }))
    expect((await jsonOf(post('/api/v3/jobs', 'shared', jobBody, { app, headers }))).job_id).toBe(theirs)
    ids.add(theirs)
  }
  expect(ids.size).toBe(3)
  const without = await post('/api/v3/jobs', 'shared', jobBody, { app })
  expect(without.status).toBe(401)
})

test('a refusal is the answer too: what was impossible then is answered as impossible', async () => {
  const { job_id } = await harness.job()
  await harness.coordinator.cancelJob(job_id)
  const refused = await whole(await post(`/api/v3/jobs/${job_id}/approve`, 'late'))
  expect(refused.status).toBe(422)
  expect(await whole(await post(`/api/v3/jobs/${job_id}/approve`, 'late'))).toEqual(refused)
  const invalid = await whole(await post('/api/v3/jobs', 'invalid', { type: 'opera' }))
  expect(invalid.status).toBe(422)
  expect(await whole(await post('/api/v3/jobs', 'invalid', { type: 'opera' }))).toEqual(invalid)
})

test('an approval that is sent again is answered as it was, though the job has gone on', async () => {
  const { job_id } = await harness.job()
  const path = `/api/v3/jobs/${job_id}/approve`
  const answer = await whole(await post(path, 'yes', {}))
  expect(answer.status).toBe(200)
  expect(await whole(await post(path, 'yes', {}))).toEqual(answer)
  expect((await harness.app.request(path, { method: 'POST' })).status).toBe(422)
})

test('two hundred at once make one job', async () => {
  const before = await jobCount()
  const answers = await Promise.all(
    Array.from({ length: 200 }, () => post('/api/v3/jobs', 'stampede', jobBody)),
  )
  const made = new Set<number>()
  for (const answer of answers) {
    if (answer.status === 201) made.add((await jsonOf(answer)).job_id)
    else {
      expect(answer.status).toBe(409)
      expect(answer.headers.get('retry-after')).toBe('1')
    }
  }
  expect(made.size).toBe(1)
  expect(answers.filter(({ status }) => status === 409).length).toBeGreaterThan(0)
  expect(await jobCount()).toBe(before + 1)
  const later = await post('/api/v3/jobs', 'stampede', jobBody)
  expect([...made]).toEqual([(await jsonOf(later)).job_id])
})

test('while one is worked on, the same key with another request is told that', async () => {
  const [first, other] = await Promise.all([
    post('/api/v3/jobs', 'both', jobBody),
    post('/api/v3/jobs', 'both', { ...jobBody, video_name: 'Other' }),
  ])
  expect(new Set([first.status, other.status])).toEqual(new Set([201, 422]))
})

test.each(['', ' ', 'a b', 'ü', 'x'.repeat(256), 'a, b'])('the key %j is refused', async (key) => {
  const response = await post('/api/v3/jobs', key, jobBody)
  expect(response.status).toBe(400)
  expect((await jsonOf(response)).field).toBe('Idempotency-Key')
})

test.each(['%E0%A4%A', '%', '%zz', '%ff', '%00', '%c0%80', '1%00', '%ed%a0%80', '%F0%9F', '..%2f1'])(
  'a path that is malformed is refused as without a key: %s',
  async (id) => {
    for (const path of [`jobs/${id}/approve`, `jobs/1/scenes/${id}/regenerate`, `keys/${id}/revoke`]) {
      const refused = await post(`/api/v3/${path}`, 'malformed')
      const without = await harness.app.request(`/api/v3/${path}`, { method: 'POST' })
      expect([path, refused.status, await whole(refused)]).toEqual([path, 400, await whole(without)])
      expect((await post(`/api/v3/${path}`, 'malformed')).status).toBe(400)
    }
  },
)

test('the longest key is taken', async () => {
  const key = `"${'x'.repeat(253)}"`
  const { job_id } = await jsonOf(post('/api/v3/jobs', key, jobBody))
  expect((await jsonOf(post('/api/v3/jobs', key, jobBody))).job_id).toBe(job_id)
})

test('a body over the limit is refused as ever, and its key stays free', async () => {
  const small = harness.appWith({ limits: { jsonBytes: 1000 } })
  const large = { ...jobBody, video_name: 'x'.repeat(2000) }
  expect((await post('/api/v3/jobs', 'large', large, { app: small })).status).toBe(413)
  expect((await post('/api/v3/jobs', 'large', jobBody, { app: small })).status).toBe(201)
})

test('reads and uploads have no use for a key, and take no notice of it', async () => {
  const headers = { 'idempotency-key': 'not a key' }
  expect((await harness.app.request('/api/v3/jobs', { headers })).status).toBe(200)
  const upload = await harness.app.request('/api/v3/assets', {
    method: 'POST',
    headers: { ...headers, 'content-type': 'text/plain' },
    body: 'x',
  })
  expect(upload.status).toBe(415)
})

describe('what failed of itself', () => {
  test('may be tried again with the same key', async () => {
    let failures = 0
    const app = harness.appWith({
      coordinator: {
        ...harness.coordinator,
        createJob: (...asked) => {
          if (++failures < 2) throw new Error('a fault of ours')
          return harness.coordinator.createJob(...asked)
        },
      },
    })
    expect((await post('/api/v3/jobs', 'unlucky', jobBody, { app })).status).toBe(500)
    const second = await post('/api/v3/jobs', 'unlucky', jobBody, { app })
    expect(second.status).toBe(201)
    expect(second.headers.get('idempotency-replayed')).toBe(null)
  })

  test('after its job was made, makes no second one', async () => {
    const before = await jobCount()
    let failures = 0
    const app = harness.appWith({
      coordinator: {
        ...harness.coordinator,
        viewWithEta: (jobId) => {
          if (++failures === 1) throw new Error('a fault of ours')
          return harness.coordinator.viewWithEta(jobId)
        },
      },
    })
    expect((await post('/api/v3/jobs', 'half', jobBody, { app })).status).toBe(500)
    const second = await post('/api/v3/jobs', 'half', jobBody, { app })
    expect(second.status).toBe(201)
    expect(second.headers.get('idempotency-replayed')).toBe('true')
    const answer = await whole(second)
    expect(answer.location).toBe(`/api/v3/jobs/${JSON.parse(answer.body).job_id}`)
    expect(await whole(await post('/api/v3/jobs', 'half', jobBody, { app }))).toEqual(answer)
    expect(await jobCount()).toBe(before + 1)
  })
})

test('a secret is not kept: who asks again is told that it was done', async () => {
  const body = { name: 'told once', scopes: ['read'] }
  const first = await post('/api/v3/keys', 'new-key', body)
  expect(first.status).toBe(201)
  const second = await post('/api/v3/keys', 'new-key', body)
  expect(second.status).toBe(409)
  expect(await jsonOf(second)).toEqual({
    error: 'Request was done before',
    reason: 'Its answer contained a secret, which is shown once and not stored',
  })
  const all = await harness.coordinator.keys()
  expect(all.filter(({ name }) => name === 'told once').length).toBe(1)
})

test('the keys of earlier days are forgotten a few with each request', async () => {
  for (let index = 0; index < 45; index++) await post('/api/v3/jobs', `old-${index}`, { type: 'opera' })
  clock.advance(day + 1)
  const rows = async () => Number((await harness.database.get('select count(*) as n from requests'))!['n'])
  const counts: number[] = [await rows()]
  while (counts.at(-1)! > 1) {
    await post('/api/v3/jobs', 'new', { type: 'opera' })
    counts.push(await rows())
    if (counts.length > 50) throw new Error(counts.join(', '))
  }
  expect(counts[0]! - counts[1]!).toBe(19)
})

test('an answer too long to be kept is made anew from the job, and no other job is made', async () => {
  const scene = { asset_ids: [await harness.picture(1)], prompt: 'x'.repeat(700) }
  const body = { ...jobBody, storyboard: { scenes: Array.from({ length: 300 }, () => scene) } }
  const before = await jobCount()
  const first = await post('/api/v3/jobs', 'long', body)
  const text = await first.text()
  expect(text.length).toBeGreaterThan(200_000)
  for (let n = 0; n < 2; n++) {
    const again = await post('/api/v3/jobs', 'long', body)
    expect(again.status).toBe(201)
    expect(again.headers.get('idempotency-replayed')).toBe('true')
    expect((await jsonOf(again)).job_id).toBe(JSON.parse(text).job_id)
  }
  expect(await jobCount()).toBe(before + 1)
  const kept = await harness.database.get(
    `select length(body) as n from requests where idempotency_key = 'long'`,
  )
  expect(kept).toEqual({ n: null })
})

test('no caller has more than 20,000 answers kept within a day', async () => {
  const full = await openAppHarness({ clock })
  try {
    await full.database.transaction((tx) =>
      tx.run(
        `with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < 20000)
         insert into requests (principal, target, idempotency_key, fingerprint, status, inserted_at)
         select 'local', 'POST /x', n, $1, 200, $2 from numbers`,
        [new Uint8Array([1]), clock.now()],
      ),
    )
    const options = { app: full.app }
    const refused = await post('/api/v3/pause', 'one-more', {}, options)
    expect(refused.status).toBe(429)
    expect(refused.headers.get('retry-after')).toBe('60')
    expect((await jsonOf(refused)).reason).toContain('at most 20000')
    expect((await full.coordinator.limits()).manualPause).toBeUndefined()
    clock.advance(day + 1)
    expect((await post('/api/v3/pause', 'one-more', {}, options)).status).toBe(200)
  } finally {
    await full.close()
  }
})
