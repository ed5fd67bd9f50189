import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ApiDocument } from '../../src/http/openapi/types.ts'
import { type AppHarness, openAppHarness } from '../harness/app.ts'
import { jsonOf } from '../harness/ask.ts'

let harness: AppHarness
beforeAll(async () => {
  harness = await openAppHarness()
})
afterAll(() => harness.close())

interface Sent {
  readonly path: string
  readonly init?: RequestInit
}

async function ask({ path, init }: Sent, app = harness.app) {
  const response = await app.request(path, init)
  return { response, answer: await jsonOf(response) }
}

const post = (
  body: NonNullable<RequestInit['body']>,
  headers: Record<string, string> = {},
  path = '/api/v3/jobs',
): Sent => ({
  path,
  init: { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body },
})

const missingScene = '3f2b0c9e-8d1a-4c57-9f3e-2a6b7c8d9e0f'

describe('what is not there is told as it was given', () => {
  test.each([
    ['/api/v3/jobs/99999', { error: 'Job not found', job_id: '99999' }],
    ['/api/v3/jobs/99999/scenes', { error: 'Job not found', job_id: '99999' }],
    ['/api/v3/videos/99999/combined', { error: 'Job not found', job_id: '99999' }],
    ['/api/v3/videos/99999/thumbnail', { error: 'Job not found', job_id: '99999' }],
    [`/api/v3/videos/99999/clips/${missingScene}`, { error: 'Job not found', job_id: '99999' }],
    ['/api/v3/jobs/0', { error: 'Job not found', job_id: '0' }],
    ['/api/v3/jobs/-5', { error: 'Job not found', job_id: '-5' }],
    ['/api/v3/jobs/99999999999999999999', { error: 'Job not found', job_id: '99999999999999999999' }],
    [`/api/v3/assets/${'0'.repeat(64)}`, { error: 'Asset not found', asset_id: '0'.repeat(64) }],
    [`/api/v3/assets/${'0'.repeat(64)}/data`, { error: 'Asset not found', asset_id: '0'.repeat(64) }],
    ['/api/v3/nothing', { error: 'Not found', path: '/api/v3/nothing' }],
    ['/nothing', { error: 'Not found', path: '/nothing' }],
  ])('%s', async (path, expected) => {
    const { response, answer } = await ask({ path })
    expect(response.status).toBe(404)
    expect(answer).toEqual(expected)
    const approval = await ask({ path: '/api/v3/jobs/99999/approve', init: { method: 'POST' } })
    expect(approval.answer).toEqual({ error: 'Job not found', job_id: '99999' })
  })

  test('a scene that is not there, or is another job’s', async () => {
    const one = await harness.job()
    const other = await harness.job()
    const { scenes } = (await ask({ path: `/api/v3/jobs/${other.job_id}/scenes` })).answer
    const absent = await ask({ path: `/api/v3/jobs/${one.job_id}/scenes/${missingScene}` })
    expect(absent.response.status).toBe(404)
    expect(absent.answer).toEqual({ error: 'Scene not found', scene_id: missingScene })
    const foreign = await ask({ path: `/api/v3/jobs/${one.job_id}/scenes/${scenes[0].id}` })
    expect(foreign.response.status).toBe(422)
    expect(foreign.answer).toMatchObject({ job_id: one.job_id, scene_id: scenes[0].id })
  })

  test('a film, thumbnail or clip that is not made yet says which state it waits in', async () => {
    const { job_id } = await harness.job()
    const { scenes } = (await ask({ path: `/api/v3/jobs/${job_id}/scenes` })).answer
    for (const address of ['combined', 'thumbnail', `clips/${scenes[0].id}`]) {
      const { response, answer } = await ask({ path: `/api/v3/videos/${job_id}/${address}` })
      expect(response.status).toBe(404)
      expect(answer).toMatchObject({ job_id, current_status: 'pending', reason: expect.any(String) })
    }
  })
})

describe('a malformed address is 400 with the field and the reason', () => {
  test.each([
    ['/api/v3/jobs/abc', 'id'],
    ['/api/v3/jobs/1.5', 'id'],
    ['/api/v3/jobs/007', 'id'],
    ['/api/v3/jobs/1e3', 'id'],
    ['/api/v3/jobs/%00', 'id'],
    ['/api/v3/jobs/%E0%A4%A', 'id'],
    ['/api/v3/jobs/%F0%9F%8F%A1', 'id'],
    ['/api/v3/jobs/1%2F2', 'id'],
    ['/api/v3/jobs/__proto__', 'id'],
    ['/api/v3/jobs/1/scenes/7', 'scene_id'],
    ['/api/v3/videos/x/combined', 'id'],
    ['/api/v3/videos/1/clips/x', 'scene_id'],
    ['/api/v3/assets/../../etc/passwd%00', undefined],
    ['/api/v3/assets/ABC', 'id'],
    [`/api/v3/assets/${'G'.repeat(64)}/data`, 'id'],
  ])('%s', async (path, field) => {
    const { response, answer } = await ask({ path })
    expect(response.status).toBe(field === undefined ? 404 : 400)
    if (field !== undefined) expect(answer).toMatchObject({ error: 'Invalid request', field })
  })
})

const job = (parameters: object): Sent => post(JSON.stringify({ type: 'property_photos', parameters }))

const put = (path: string, body: object): Sent => ({
  path,
  init: {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  },
})

const clients = (count: number): object =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`client:${count}-${n}`, 1]))

const deep = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels)

describe('a body that can’t be taken', () => {
  test.each<[string, Sent, number, RegExp]>([
    ['is not JSON', post('{"type":'), 400, /not JSON/],
    ['is empty', post(''), 400, /empty/],
    ['is nested 100,000 deep', post(deep(100_000)), 400, /deeper than 64/],
    ['is nested 100,000 deep in objects', post('{"a":'.repeat(100_000)), 400, /deeper than 64/],
    ['holds 60,000 values', post(`[${'0,'.repeat(60_000)}0]`), 400, /at most 50000 values/],
    [
      'has 257 members of its own in parameters',
      job(Object.fromEntries(Array.from({ length: 257 }, (_, n) => [`m${n}`, n]))),
      422,
      /at most 256 fields of your own; it has 257/,
    ],
    [
      'has more than 64 kB of its own in parameters',
      job({ own: 'é'.repeat(32_768) }),
      422,
      /at most 65536 bytes in fields of your own, as JSON; it has 65546/,
    ],
    [
      'has prompts that are long all together',
      job({
        prompt: 'x'.repeat(4000),
        photos: Array.from({ length: 101 }, () => ({ asset_id: '0'.repeat(64) })),
      }),
      422,
      /prompts of 404000 characters in all scenes together; at most 400000/,
    ],
    ['names 201 budgets', put('/api/v3/budgets', clients(201)), 422, /at most 200 budgets at once/],
    ['is not UTF-8', post(new Uint8Array([0x22, 0xff, 0x22])), 400, /UTF-8/],
    ['is text', post('{}', { 'content-type': 'text/plain' }), 415, /application\/json/],
    [
      'is a form',
      post('a=b', { 'content-type': 'application/x-www-form-urlencoded' }),
      415,
      /application\/json/,
    ],
    ['is compressed', post('{}', { 'content-encoding': 'gzip' }), 415, /uncompressed/],
    ['is over the limit', post(JSON.stringify('x'.repeat(1 << 20))), 413, /1 MiB \(1048576 bytes\)/],
    ['says it is over the limit', post('{}', { 'content-length': '1048577' }), 413, /1 MiB/],
    ['is a number', post('7'), 422, /./],
    ['is null', post('null'), 422, /./],
    ['has no known type', post('{"type":"poem","parameters":{}}'), 422, /image_pairs, property_photos/],
    ['has no images', post('{"type":"image_pairs","parameters":{}}'), 422, /at least 2/],
    [
      'has a member of its own',
      post('{"type":"image_pairs","parameters":{},"x":1}'),
      422,
      /unknown member "x"/,
    ],
    [
      'names an asset that does not exist',
      post(`{"type":"property_photos","parameters":{"photos":[{"asset_id":"${'0'.repeat(64)}"}]}}`),
      422,
      /no asset 0{64}/,
    ],
  ])('%s', async (_name, asked, status, reason) => {
    const { response, answer } = await ask(asked)
    expect(response.status).toBe(status)
    expect(answer['reason']).toMatch(reason)
    if (status === 422) {
      expect(answer['error']).toBe('Invalid request')
      expect(answer['problems'][0]).toEqual({ field: answer['field'], reason: answer['reason'] })
    }
    if (status === 415 && !asked.init?.headers)
      expect(response.headers.get('accept')).toBe('application/json')
  })

  test('tells of 20 problems, and how many more there are', async () => {
    const scenes = Array.from({ length: 30 }, () => ({ ['x'.repeat(3000)]: 1 }))
    const { answer } = await ask(
      post(JSON.stringify({ type: 'property_photos', parameters: {}, storyboard: { scenes } })),
    )
    expect(answer['problems']).toHaveLength(21)
    expect(answer['problems'][20]).toEqual({
      field: '',
      reason: '40 more problems are not listed: fix these first',
    })
    expect(JSON.stringify(answer).length).toBeLessThan(10_000)
  })

  test('sets no more than 1000 budgets in all, and takes others when some are lifted', async () => {
    for (let n = 0; n < 5; n++)
      expect((await ask(put('/api/v3/budgets', clients(200 - n)))).response.status).toBe(200)
    const over = await ask(put('/api/v3/budgets', clients(150)))
    expect(over.response.status).toBe(422)
    expect(over.answer['reason']).toMatch(/at most 1000 budgets: remove some with null/)
    const lifted = Object.fromEntries(Object.keys(clients(200)).map((name) => [name, null]))
    expect((await ask(put('/api/v3/budgets', lifted))).response.status).toBe(200)
    expect((await ask(put('/api/v3/budgets', clients(150)))).response.status).toBe(200)
  })

  test('without a length is refused as soon as it is over the limit', async () => {
    let sent = 0
    const body = new ReadableStream({
      pull(controller) {
        sent += 65_536
        controller.enqueue(new Uint8Array(65_536).fill(0x20))
      },
    })
    const { response, answer } = await ask({
      path: '/api/v3/jobs',
      init: {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
        duplex: 'half',
      },
    })
    expect(response.status).toBe(413)
    expect(answer['limit_bytes']).toBe(1 << 20)
    expect(sent).toBeLessThan(2 << 20)
  })
})

describe('a method that an address does not take', () => {
  test.each([
    ['DELETE', '/api/v3/jobs', 'GET, HEAD, POST, PATCH'],
    ['POST', '/api/v3/jobs/1', 'GET, HEAD, PATCH, DELETE'],
    ['GET', '/api/v3/jobs/1/approve', 'POST'],
    ['PUT', '/api/v3/videos/1/combined', 'GET, HEAD'],
    ['OPTIONS', '/api/v3/jobs', 'GET, HEAD, POST, PATCH'],
  ])('%s %s is 405 with what it takes', async (method, path, allow) => {
    const { response } = await ask({ path, init: { method } })
    expect(response.status).toBe(405)
    expect(response.headers.get('allow')).toBe(allow)
  })
})

// oxlint-disable-next-line promise/no-promise-in-callback
const failing = (fault: Error) =>
  harness.appWith({
    coordinator: { ...harness.coordinator, viewWithEta: () => Promise.reject(fault) },
  })

describe('what breaks in the server', () => {
  test('is 507 where the disk is full', async () => {
    const full = Object.assign(new Error('database or disk is full'), { code: 'disk_full' })
    const { response, answer } = await ask({ path: '/api/v3/jobs/1' }, failing(full))
    expect(response.status).toBe(507)
    expect(answer).toMatchObject({ error: 'Storage is full', reason: expect.any(String) })
  })

  test('is 503 with a time to come back where it is closing', async () => {
    const closed = Object.assign(new Error('the database is closed'), { code: 'closed' })
    const { response } = await ask({ path: '/api/v3/jobs/1' }, failing(closed))
    expect(response.status).toBe(503)
    expect(response.headers.get('retry-after')).toBe('1')
  })

  test('is 500 without a leak, and is logged once under the id that is told', async () => {
    const before = harness.logged.length
    const { response, answer } = await ask({ path: '/api/v3/jobs/1' }, failing(new Error('secret-r8_token')))
    expect(response.status).toBe(500)
    expect(answer).toEqual({ error: 'Internal error', request_id: expect.stringMatching(/^[0-9a-f-]{36}$/) })
    const lines = harness.logged.slice(before)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatchObject({
      level: 50,
      request_id: answer['request_id'],
      method: 'GET',
      path: '/api/v3/jobs/1',
      err: { message: 'secret-r8_[redacted]' },
    })
  })

  test('tells who asks whether it is ready', async () => {
    expect((await ask({ path: '/livez' })).answer).toEqual({ status: 'alive' })
    expect((await ask({ path: '/readyz' })).answer).toMatchObject({ status: 'ready' })
    const broken = harness.appWith({
      coordinator: { ...harness.coordinator, jobs: () => Promise.reject(new Error('no')) },
    })
    const { response, answer } = await ask({ path: '/readyz' }, broken)
    expect(response.status).toBe(503)
    expect(answer['error']).toBe('Not ready')
  })
})

const accept = (value: string) => ask({ path: '/api/v3/jobs/99999', init: { headers: { accept: value } } })

describe('a client that asks for RFC 9457', () => {
  test('gets it, with the same members', async () => {
    const { response, answer } = await accept('application/problem+json, application/json;q=0.5')
    expect(response.headers.get('content-type')).toContain('application/problem+json')
    expect(answer).toEqual({
      type: 'about:blank',
      title: 'Not Found',
      status: 404,
      detail: 'Job not found',
      error: 'Job not found',
      job_id: '99999',
    })
  })

  test.each(['*/*', 'application/json', 'application/problem+json;q=0'])(
    '%s gets plain JSON',
    async (value) => {
      const { response, answer } = await accept(value)
      expect(response.headers.get('content-type')).toContain('application/json')
      expect(answer).toEqual({ error: 'Job not found', job_id: '99999' })
    },
  )
})

describe('a page in a browser', () => {
  const statusOf = async (
    path: string,
    { method = 'GET', ...headers }: Record<string, string>,
    app = harness.app,
  ): Promise<number> => (await app.request(path, { method, headers })).status

  test.each([
    ['a foreign name that points here', { host: 'evil.example' }, 421],
    ['a name that begins like ours', { host: 'localhost.evil.example:4000' }, 421],
    ['another address of this machine', { host: '10.0.0.1' }, 421],
  ])('is not answered under %s', async (_name, headers: Record<string, string>, status) => {
    for (const path of ['/api/v3/jobs', '/metrics', '/docs', '/nothing'])
      expect(await statusOf(path, headers)).toBe(status)
  })

  test('learns under a foreign name how the server is, as probes do, and is told how to add the name', async () => {
    for (const path of ['/livez', '/readyz'])
      expect(await statusOf(path, { host: 'coordinator:4000' })).toBe(200)
    const { answer } = await ask({ path: '/api/v3/jobs', init: { headers: { host: 'coordinator:4000' } } })
    expect(answer).toEqual({
      error: 'Misdirected request',
      reason:
        'This server does not answer to the host name "coordinator". Its operator can add the name to ALLOWED_HOSTS',
    })
  })

  test.each(['localhost', 'LOCALHOST:4000', 'localhost.:4000', '127.0.0.1:4000', '[::1]:4000'])(
    'is answered under %s',
    async (host) => {
      expect(await statusOf('/api/v3/jobs', { host })).toBe(200)
    },
  )

  test('is answered under the names the server is given, and any address where it listens on all', async () => {
    const named = harness.appWith({ hosts: ['films.example', '0.0.0.0'] })
    const path = '/api/v3/jobs'
    for (const host of ['films.example:4000', '192.168.1.7:4000', '[fe80::1]:4000'])
      expect(await statusOf(path, { host }, named)).toBe(200)
    expect(await statusOf(path, { host: 'evil.example' }, named)).toBe(421)
  })

  test.each<[readonly string[], readonly string[], readonly string[]]>([
    [['.films.example'], ['films.example', 'a.films.example', 'A.b.Films.example:1'], ['xfilms.example']],
    [['*.films.example'], ['a.films.example', 'a.b.films.example'], ['films.example', '.films.example']],
    [
      ['my_service', 'fe80::1'],
      ['my_service:4000', '[fe80::1]:4000'],
      ['service', 'fe80::1', '[fe80::2]'],
    ],
    [['*'], ['any.example', '10.1.2.3'], []],
  ])('under ALLOWED_HOSTS %j is answered at those names alone', async (hosts, ours, foreign) => {
    const named = harness.appWith({ hosts })
    const statusAt = (host: string) => statusOf('/api/v3/jobs', { host }, named)
    for (const host of ours) expect([host, await statusAt(host)]).toEqual([host, 200])
    for (const host of foreign) expect([host, await statusAt(host)]).toEqual([host, 421])
  })

  test.each<[string, Record<string, string>]>([
    ['of another site', { 'sec-fetch-site': 'cross-site' }],
    ['on another port', { 'sec-fetch-site': 'same-site', origin: 'http://localhost:3000' }],
    ['of another origin', { origin: 'https://evil.example' }],
    ['without an origin', { origin: 'null' }],
  ])('%s can’t approve', async (_name, headers) => {
    const { job_id } = await harness.job()
    const path = `/api/v3/jobs/${job_id}/approve`
    const { response } = await ask({
      path,
      init: { method: 'POST', headers: { host: 'localhost:4000', ...headers } },
    })
    expect(response.status).toBe(403)
    expect((await ask({ path: `/api/v3/jobs/${job_id}` })).answer['status']).toBe('pending')
    const own = { host: 'localhost:4000', origin: 'http://localhost:4000', 'sec-fetch-site': 'same-origin' }
    expect((await ask({ path, init: { method: 'POST', headers: own } })).response.status).toBe(200)
  })

  const link = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }
  test.each<[string, Record<string, string>]>([
    ['a fetch of another site', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors' }],
    ['a fetch on another port', { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'no-cors' }],
    ['a picture', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' }],
    ['a frame', { ...link, 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'iframe' }],
    ['a plug-in', { ...link, 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'object' }],
    ['a fetch of an older browser', { origin: 'https://evil.example' }],
    ['a fetch of a page without an origin', { origin: 'null' }],
  ])('%s reads nothing', async (_name, headers) => {
    for (const path of ['/api/v3/jobs', '/livez', '/docs', '/metrics', '/nothing'])
      for (const method of ['GET', 'HEAD', 'OPTIONS']) {
        expect(await statusOf(path, { method, host: 'localhost:4000', ...headers })).toBe(403)
      }
  })

  test.each<[string, Record<string, string>]>([
    ['follows a link of another site', { ...link, 'sec-fetch-site': 'cross-site' }],
    ['is opened by its user', { ...link, 'sec-fetch-site': 'none' }],
    ['is ours', { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' }],
    [
      'is ours behind a proxy that changes Host',
      { 'sec-fetch-site': 'same-origin', origin: 'https://films.example' },
    ],
    ['comes from a program', { 'sec-fetch-mode': 'cors' }],
  ])('reads where it %s', async (_name, headers) => {
    for (const path of ['/api/v3/jobs', '/docs', '/livez'])
      expect(await statusOf(path, { host: 'localhost:4000', ...headers })).toBe(200)
  })

  test('follows no link of another site to anything but a read', async () => {
    const headers = { ...link, host: 'localhost:4000', 'sec-fetch-site': 'cross-site' }
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'])
      expect(await statusOf('/api/v3/jobs', { method, ...headers })).toBe(403)
  })

  test('is told not to guess types and not to keep answers, and is given no CORS', async () => {
    const { response } = await ask({ path: '/api/v3/jobs', init: { headers: { host: 'localhost:4000' } } })
    expect(response.status).toBe(200)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'x-content-type-options': 'nosniff',
      'cross-origin-resource-policy': 'same-origin',
      'cache-control': 'no-store',
    })
    expect(response.headers.has('access-control-allow-origin')).toBe(false)
  })
})

test('the same schemas describe the contract', async () => {
  const document: ApiDocument = await jsonOf(harness.app.request('/api/openapi.json'))
  expect(Object.keys(document.paths)).toEqual(
    expect.arrayContaining([
      '/api/v3/jobs',
      '/api/v3/jobs/{id}/approve',
      '/api/v3/videos/{id}/clips/{scene_id}',
    ]),
  )
  expect(document.components.schemas).toHaveProperty('Job')
  expect(document.components.schemas).toHaveProperty('JobRequest')
})
