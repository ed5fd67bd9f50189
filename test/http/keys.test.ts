import { existsSync } from 'node:fs'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { createApp } from '../../src/http/app.ts'
import { documentPages } from '../../src/http/openapi/pages.ts'
import { createPage } from '../../src/http/routes/page.ts'
import { allEndpoints } from '../../src/http/routes/all.ts'
import { patternOf } from '../../src/http/routes/endpoint.ts'
import type { NewKeyAnswer } from '../../src/http/routes/keys.ts'
import { redacted } from '../../src/log.ts'
import { createClock } from '../clock.ts'
import { readEvents } from './event-source.ts'
import { type AppHarness, openAppHarness } from '../harness/app.ts'
import { jsonOf } from '../harness/ask.ts'
import { jobEvents } from '../harness/job-events.ts'

const clock = createClock(7)
const day = 24 * 60 * 60 * 1000
let harness: AppHarness
let app: ReturnType<typeof createApp>
let admin: string
beforeAll(async () => {
  harness = await openAppHarness({ clock })
  app = harness.appWith({ access: { keysRequired: true, ratePerMinute: 0 }, host: clock })
  admin = (await harness.coordinator.createKey({ name: 'ops', scopes: ['admin'] })).secret
})
afterAll(() => harness.close())

const bearer = (key: string) => ({ authorization: `Bearer ${key}` })

/** Each from an address of its own, so that no test uses up the failures of another. */
let addresses = 0
const ask = (
  method: string,
  path: string,
  {
    key,
    body,
    headers = {},
    on = app,
    from = `192.0.2.${++addresses % 250}`,
  }: {
    readonly key?: string | undefined
    readonly body?: unknown
    readonly headers?: Record<string, string>
    readonly on?: typeof app
    readonly from?: string
  } = {},
) => {
  const text = body === undefined ? undefined : JSON.stringify(body)
  return on.request(
    path,
    {
      method,
      headers: {
        ...(key !== undefined && bearer(key)),
        // As a connection has it: whether there is a body is told by its length.
        ...(text !== undefined && {
          'content-type': 'application/json',
          'content-length': String(Buffer.byteLength(text)),
        }),
        ...headers,
      },
      ...(text !== undefined && { body: text }),
    },
    { incoming: { socket: { remoteAddress: from } } },
  )
}

const make = async (request: object): Promise<NewKeyAnswer> => {
  const response = await ask('POST', '/api/v3/keys', { key: admin, body: request })
  expect(response.status).toBe(201)
  return jsonOf(response)
}

const keyOf = async (id: string) =>
  (await jsonOf(ask('GET', '/api/v3/keys', { key: admin }))).keys.find((key: { id: string }) => key.id === id)

const isPageBuilt = existsSync('page/dist/index.html')

describe('a key', () => {
  test('is shown whole once, and told apart by its beginning afterwards', async () => {
    const made = await make({ name: 'render farm', scopes: ['submit', 'read'] })
    expect(made.key).toMatch(/^wck_[0-9a-f]{12}_[\w-]{43}$/)
    expect(made).toEqual({
      id: made.key.slice(4, 16),
      name: 'render farm',
      prefix: made.key.slice(0, 16),
      scopes: ['read', 'submit'],
      client_id: null,
      key: made.key,
      inserted_at: new Date(clock.now()).toISOString(),
      created_by: 'ops',
      rotated_at: null,
      last_used_at: null,
      expires_at: null,
      revoked_at: null,
      previous_valid_until: null,
    })
    const { key, ...known } = made
    expect(await keyOf(made.id)).toEqual(known)
    expect(await (await ask('GET', '/api/v3/keys', { key: admin })).text()).not.toContain(key.slice(17))
  })

  test('lets in, and says with each change who asked', async () => {
    const { key } = await make({ name: 'editor', scopes: ['submit', 'read'] })
    expect((await ask('GET', '/api/v3/jobs', { key })).status).toBe(200)
    // A scheme's name is the same in any case.
    const headers = { authorization: `bearer  ${key}` }
    expect((await ask('GET', '/api/v3/jobs', { headers })).status).toBe(200)
    const parameters = { photos: [{ asset_id: await harness.picture(9) }] }
    const body = { type: 'property_photos', parameters }
    const { job_id } = await jsonOf(ask('POST', '/api/v3/jobs', { key, body }))
    const events = await jobEvents(harness.database, job_id)
    expect(events.map(({ type, by }) => [type, by])).toEqual([['job_created', 'editor']])
  })

  test('notes when it was used, once a minute', async () => {
    const { key, id } = await make({ name: 'watcher', scopes: ['read'] })
    const first = new Date(clock.now()).toISOString()
    await ask('GET', '/api/v3/jobs', { key })
    expect((await keyOf(id)).last_used_at).toBe(first)
    clock.advance(59_000)
    await ask('GET', '/api/v3/jobs', { key })
    expect((await keyOf(id)).last_used_at).toBe(first)
    clock.advance(1000)
    await ask('GET', '/api/v3/jobs', { key })
    expect((await keyOf(id)).last_used_at).toBe(new Date(clock.now()).toISOString())
  })

  test('ends by itself when it was told to', async () => {
    const ends = clock.now() + day
    const { key, id } = await make({
      name: 'guest',
      scopes: ['read'],
      expires_at: new Date(ends).toISOString(),
    })
    clock.advance(day - 1)
    expect((await ask('GET', '/api/v3/jobs', { key })).status).toBe(200)
    clock.advance(1)
    expect((await ask('GET', '/api/v3/jobs', { key })).status).toBe(401)
    const refused = await ask('POST', `/api/v3/keys/${id}/rotate`, { key: admin })
    expect(refused.status).toBe(422)
    expect(await jsonOf(refused)).toEqual({
      error: 'Key cannot be rotated',
      key_id: id,
      reason: 'The key is expired: create another key',
    })
  })

  test('lets nobody in once it is revoked, and its name is not given again', async () => {
    const { key, id } = await make({ name: 'leaver', scopes: ['read'] })
    const revoked = await ask('POST', `/api/v3/keys/${id}/revoke`, { key: admin })
    expect(revoked.status).toBe(200)
    const { revoked_at } = await jsonOf(revoked)
    expect(revoked_at).toBe(new Date(clock.now()).toISOString())
    expect((await ask('GET', '/api/v3/jobs', { key })).status).toBe(401)
    clock.advance(1000)
    const again = await jsonOf(ask('POST', `/api/v3/keys/${id}/revoke`, { key: admin }))
    expect(again.revoked_at).toBe(revoked_at)
    expect((await ask('POST', `/api/v3/keys/${id}/rotate`, { key: admin })).status).toBe(422)
    const taken = await ask('POST', '/api/v3/keys', {
      key: admin,
      body: { name: 'leaver', scopes: ['read'] },
    })
    expect(taken.status).toBe(422)
    expect(await jsonOf(taken)).toMatchObject({ field: 'name', reason: expect.stringMatching(/another key/) })
  })

  test('is rotated while its clients change over: both secrets are taken until the grace time is over', async () => {
    const { key, id } = await make({ name: 'fleet', scopes: ['read'] })
    const rotated = await jsonOf(ask('POST', `/api/v3/keys/${id}/rotate`, { key: admin }))
    expect(rotated).toMatchObject({ id, name: 'fleet', scopes: ['read'] })
    expect(rotated.previous_valid_until).toBe(new Date(clock.now() + day).toISOString())
    expect(rotated.key).not.toBe(key)
    clock.advance(day - 1)
    expect((await ask('GET', '/api/v3/jobs', { key })).status).toBe(200)
    expect((await ask('GET', '/api/v3/jobs', { key: rotated.key })).status).toBe(200)
    clock.advance(1)
    expect((await ask('GET', '/api/v3/jobs', { key })).status).toBe(401)
    expect((await ask('GET', '/api/v3/jobs', { key: rotated.key })).status).toBe(200)
  })

  test('that leaked is rotated without a grace time, which ends also the one before', async () => {
    const { key, id } = await make({ name: 'leaked', scopes: ['read'] })
    const second = await jsonOf(ask('POST', `/api/v3/keys/${id}/rotate`, { key: admin }))
    const body = { grace_seconds: 0 }
    const third = await jsonOf(ask('POST', `/api/v3/keys/${id}/rotate`, { key: admin, body }))
    expect(third.previous_valid_until).toBe(null)
    expect((await ask('GET', '/api/v3/jobs', { key })).status).toBe(401)
    expect((await ask('GET', '/api/v3/jobs', { key: second.key })).status).toBe(401)
    expect((await ask('GET', '/api/v3/jobs', { key: third.key })).status).toBe(200)
  })

  test.each([
    [{ scopes: ['read'] }, 'name', /text of 1 to 100/],
    [{ name: '', scopes: ['read'] }, 'name', /text of 1 to 100/],
    [{ name: 'a\nb', scopes: ['read'] }, 'name', /control/],
    [{ name: ' a', scopes: ['read'] }, 'name', /space/],
    [{ name: 'x'.repeat(101), scopes: ['read'] }, 'name', /100/],
    [{ name: 'local', scopes: ['read'] }, 'name', /without a key/],
    [{ name: 'none' }, 'scopes', /read, submit, approve, admin/],
    [{ name: 'none', scopes: [] }, 'scopes', /at least one/],
    [{ name: 'none', scopes: ['write'] }, 'scopes[0]', /read, submit, approve, admin/],
    [{ name: 'none', scopes: ['read'], client_id: '' }, 'client_id', /1 to 200/],
    [{ name: 'none', scopes: ['read'], client_id: 'a\u0000' }, 'client_id', /control/],
    [{ name: 'none', scopes: ['read', 'admin'], client_id: 'acme' }, 'scopes', /covers all clients/],
    [{ name: 'none', scopes: ['read'], expires_at: 'soon' }, 'expires_at', /with its zone/],
    [{ name: 'none', scopes: ['read'], expires_at: '2001-01-01T00:00:00Z' }, 'expires_at', /future/],
    [{ name: 'none', scopes: ['read'], secret: 'mine' }, '', /secret/],
  ])('%j is refused, and why is said', async (body, field, reason) => {
    const response = await ask('POST', '/api/v3/keys', { key: admin, body })
    expect(response.status).toBe(422)
    expect(await jsonOf(response)).toMatchObject({
      error: 'Invalid request',
      field,
      reason: expect.stringMatching(reason),
    })
  })

  test('that is not there can be neither rotated nor revoked', async () => {
    for (const verb of ['rotate', 'revoke']) {
      const unknown = await ask('POST', `/api/v3/keys/000000000000/${verb}`, { key: admin })
      expect([unknown.status, await jsonOf(unknown)]).toEqual([
        404,
        { error: 'Key not found', key_id: '000000000000' },
      ])
      expect((await ask('POST', `/api/v3/keys/ops/${verb}`, { key: admin })).status).toBe(400)
    }
    const body = { grace_seconds: 1.5 }
    const id = admin.slice(4, 16)
    expect((await ask('POST', `/api/v3/keys/${id}/rotate`, { key: admin, body })).status).toBe(422)
  })
})

describe('who has no valid key', () => {
  test('gets the same answer, whatever is wrong', async () => {
    const { key: ended, id } = await make({ name: 'ended', scopes: ['admin'] })
    await ask('POST', `/api/v3/keys/${id}/revoke`, { key: admin })
    const lastChanged = `${admin.slice(0, -1)}${admin.endsWith('A') ? 'B' : 'A'}`
    const answers = await Promise.all(
      [
        {},
        { authorization: '' },
        { authorization: 'Bearer' },
        { authorization: admin },
        { authorization: `Basic ${Buffer.from(`ops:${admin}`).toString('base64')}` },
        { authorization: `Bearer ${admin}x` },
        { authorization: `Bearer ${lastChanged}` },
        { authorization: `Bearer ${admin.slice(0, 17)}${'A'.repeat(43)}` },
        { authorization: `Bearer wck_000000000000_${'A'.repeat(43)}` },
        { authorization: `Bearer ${ended}` },
        { authorization: `Bearer ${admin} ${admin}` },
        { 'x-api-key': admin },
        { cookie: `key=${admin}` },
      ].map(async (headers: Record<string, string>) => {
        const response = await ask('GET', '/api/v3/jobs', { headers })
        const { status } = response
        return [status, response.headers.get('www-authenticate'), await response.text()]
      }),
    )
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1)
    expect(answers[0]!.slice(0, 2)).toEqual([401, 'Bearer'])
  })

  test('learns nothing from how long the answer takes', () => {
    const verbs = readFileSync(new URL('../../src/access/keys.ts', import.meta.url), 'utf8')
    expect(verbs).toContain('timingSafeEqual(given, hash)')
    expect(verbs).not.toMatch(/hash\w*\s*[!=]==|[!=]==\s*\w*hash/i)
  })

  test('learns nothing of what is there', async () => {
    const root = await ask('GET', '/')
    // The page, the same for all; the API's reference where it is not built.
    expect([root.status, root.headers.get('location')]).toEqual(isPageBuilt ? [200, null] : [302, '/docs'])
    for (const path of ['/api/v3/jobs/1', '/api/v3/nothing', '/metrics', '/api/v3/keys'])
      expect((await ask('GET', path)).status).toBe(401)
    expect((await ask('DELETE', '/api/v3/jobs')).status).toBe(401)
    expect((await ask('OPTIONS', '/api/v3/jobs')).status).toBe(401)
    expect((await ask('HEAD', '/api/v3/jobs')).status).toBe(401)
  })

  test('may ask whether the server lives and is ready', async () => {
    expect((await ask('GET', '/livez')).status).toBe(200)
    expect((await ask('GET', '/readyz', { headers: bearer('wck_wrong') })).status).toBe(200)
  })

  test('leaves no trace of a key that was sent wrongly, in the log and in answers', async () => {
    const { key, id } = await make({ name: 'careless', scopes: ['read'] })
    await ask('POST', `/api/v3/keys/${id}/revoke`, { key: admin })
    const answers = await Promise.all([
      ask('GET', '/api/v3/jobs', { key }),
      ask('GET', `/api/v3/jobs?key=${key}`),
      ask('GET', `/api/v3/${key}`, { key: admin }),
      ask('GET', `/api/v3/jobs/${key}`, { key: admin }),
      ask('POST', `/api/v3/keys/${key}/revoke`, { key: admin }),
      ask('POST', '/api/v3/keys', { key: admin, body: { name: 'x', scopes: [key] } }),
      ask('POST', '/api/v3/keys', { key: admin, body: { [key]: 1 } }),
      ask('POST', '/api/v3/jobs', { key: admin, body: { type: key } }),
      ask('GET', '/api/v3/jobs', { key: admin, headers: { host: key } }),
      ask('POST', '/api/v3/jobs', { key: admin, headers: { 'idempotency-key': `${key} ${key}` } }),
    ])
    for (const answer of answers) {
      expect(answer.status).toBeGreaterThanOrEqual(400)
      expect(await answer.text()).not.toContain(key.slice(17))
    }
    expect(JSON.stringify(harness.logged)).not.toContain(key.slice(17))
    expect(harness.logged.map(({ msg }) => msg)).toContainEqual(
      expect.stringMatching(/A request from 192\.0\.2\.\d+ without a valid key is refused/),
    )
  })
})

test('secrets are taken out of whatever is logged', () => {
  const line = JSON.stringify({
    err: { message: 'sent\nBearer abc.def\nwck_0a1b_c-d_e', stack: 'r8_abc123 whsec_ab+/=\tr8_x' },
    url: 'https://x/api/inputs/m/0.jpg?signature=ab-c_d&x=1',
  })
  expect(redacted(line)).toBe(
    JSON.stringify({
      err: {
        message: 'sent\nBearer [redacted]\nwck_[redacted]',
        stack: 'r8_[redacted] whsec_[redacted]\tr8_[redacted]',
      },
      url: 'https://x/api/inputs/m/0.jpg?signature=[redacted]&x=1',
    }),
  )
  expect(redacted('number8_of_4, the bearer')).toBe('number8_of_4, the bearer')
})

const newJob = async () => ({
  type: 'property_photos',
  parameters: { photos: [{ asset_id: await harness.picture(11) }] },
  force: true,
})

describe('scopes', () => {
  test('say what a key may do; what is missing is named', async () => {
    const { job_id } = await harness.job()
    const { key } = await make({ name: 'reader', scopes: ['read'] })
    const answers = await Promise.all(
      (
        [
          ['GET', `/api/v3/jobs/${job_id}`],
          ['HEAD', `/api/v3/jobs/${job_id}`],
          ['POST', '/api/v3/jobs'],
          ['POST', `/api/v3/jobs/${job_id}/cancel`],
          ['POST', `/api/v3/jobs/${job_id}/approve`],
          ['GET', '/api/v3/keys'],
          ['PUT', '/api/v3/budgets'],
          ['GET', '/api/v3/nothing'],
          ['DELETE', '/api/v3/keys'],
        ] as const
      ).map(async ([method, path]) => {
        const response = await ask(method, path, { key })
        const text = await response.text()
        return [response.status, text === '' ? undefined : JSON.parse(text).scope]
      }),
    )
    expect(answers).toEqual([
      [200, undefined],
      [200, undefined],
      [403, 'submit'],
      [403, 'submit'],
      [403, 'approve'],
      [403, 'admin'],
      [403, 'admin'],
      [404, undefined],
      [405, undefined],
    ])
    const refused = await ask('POST', `/api/v3/jobs/${job_id}/approve`, { key })
    expect(await jsonOf(refused)).toEqual({
      error: 'Forbidden',
      reason: 'This needs a key with the scope approve',
      scope: 'approve',
    })
    expect((await harness.coordinator.job(job_id)).status).toBe('pending')
  })

  test('are no ladder: who may submit may not approve, who may approve may not submit, and admin may all', async () => {
    const { key: submit } = await make({ name: 'submitter', scopes: ['submit'] })
    const { key: approve } = await make({ name: 'approver', scopes: ['approve'] })
    const body = await newJob()
    const { job_id } = await jsonOf(ask('POST', '/api/v3/jobs', { key: submit, body }))
    const path = `/api/v3/jobs/${job_id}`
    expect((await ask('GET', path, { key: submit })).status).toBe(200)
    expect((await ask('POST', `${path}/approve`, { key: submit })).status).toBe(403)
    expect((await ask('POST', '/api/v3/jobs', { key: approve, body })).status).toBe(403)
    expect((await ask('PATCH', path, { key: approve, body: { priority: 60 } })).status).toBe(403)
    expect((await ask('GET', path, { key: approve })).status).toBe(200)
    expect((await ask('POST', `${path}/approve`, { key: approve })).status).toBe(200)
    expect((await ask('POST', `${path}/cancel`, { key: submit })).status).toBe(200)
    expect((await ask('GET', path, { key: admin })).status).toBe(200)
  })

  test('submit alone sees and changes what its own key made; read adds seeing, and nothing else', async () => {
    const { key: mine, id } = await make({ name: 'mine', scopes: ['submit'] })
    const { key: seeing } = await make({ name: 'seeing', scopes: ['submit', 'read'] })
    const { key: both } = await make({ name: 'both', scopes: ['submit', 'approve'] })
    const others = (await harness.job()).job_id
    const own = (await jsonOf(ask('POST', '/api/v3/jobs', { key: mine, body: await newJob() }))).job_id
    const listed = async (key: string) =>
      (await jsonOf(ask('GET', '/api/v3/jobs', { key }))).jobs.map(({ job_id }: { job_id: number }) => job_id)
    const told = async (key: string) => {
      const { events } = await jsonOf(ask('GET', '/api/v3/events?limit=500', { key }))
      return [...new Set(events.map(({ job_id }: { job_id: number }) => job_id))]
    }
    expect(await listed(mine)).toEqual([own])
    expect(await told(mine)).toEqual([own])
    expect(await listed(seeing)).toEqual(expect.arrayContaining([own, others]))
    expect(await told(seeing)).toEqual(expect.arrayContaining([own, others]))

    const change = (key: string, job: number) =>
      ask('PATCH', `/api/v3/jobs/${job}`, { key, body: { priority: 60 } })
    const unseen = await change(mine, others)
    expect([unseen.status, await jsonOf(unseen)]).toEqual([
      404,
      { error: 'Job not found', job_id: String(others) },
    ])
    const seen = await change(seeing, others)
    expect([seen.status, await jsonOf(seen)]).toEqual([
      403,
      {
        error: 'Forbidden',
        reason: `Job ${others} was made with another key: to change it takes a key with the scope approve`,
        scope: 'approve',
      },
    ])
    expect((await change(both, others)).status).toBe(200)
    // A new secret is the same key.
    const { key: rotated } = await jsonOf(ask('POST', `/api/v3/keys/${id}/rotate`, { key: admin }))
    expect((await change(rotated, own)).status).toBe(200)
  })

  test('are said for every route that there is', () => {
    const gate = { isOurs: () => false, isProviders: () => Promise.resolve({ ok: false }) }
    const routes = harness.appWith({ gate }).routes.filter(({ method }) => method !== 'ALL')
    const names = new Set(routes.map(({ method, path }) => `${method} ${path}`))
    expect(names.size).toBeGreaterThan(20)
    const declared = new Set(
      [...allEndpoints, ...documentPages([]), ...createPage().endpoints].map(({ route }) =>
        patternOf(route).join(' '),
      ),
    )
    expect([...names].filter((name) => !declared.has(name))).toEqual([])
  })

  test('of a route that nobody thought of are those of admin', async () => {
    const other = harness.appWith({ access: { keysRequired: true, ratePerMinute: 0 } })
    other.get('/api/v3/forgotten', (c) => c.text('secret'))
    const { key } = await make({ name: 'curious', scopes: ['read', 'submit', 'approve'] })
    expect((await ask('GET', '/api/v3/forgotten', { key, on: other })).status).toBe(403)
    expect((await ask('GET', '/api/v3/%66orgotten', { key, on: other })).status).toBe(403)
    expect((await ask('GET', '/api/v3/forgotten', { key: admin, on: other })).status).toBe(200)
  })
})

describe('where no key is needed', () => {
  const open = (): typeof app => harness.appWith({ access: { keysRequired: false, ratePerMinute: 0 } })

  test('everybody may do everything', async () => {
    const response = await ask('GET', '/api/v3/keys', { on: open() })
    expect(response.status).toBe(200)
  })

  test('a key that is sent is looked at all the same', async () => {
    const on = open()
    const { key } = await make({ name: 'bound', scopes: ['read'] })
    expect((await ask('GET', '/api/v3/jobs', { on, key })).status).toBe(200)
    expect((await ask('POST', '/api/v3/estimates', { on, key, body: {} })).status).toBe(403)
    expect((await ask('GET', '/api/v3/jobs', { on, key: 'wck_wrong' })).status).toBe(401)
    // What a proxy in front of us asks for is its own.
    const headers = { authorization: 'Basic eDp5' }
    expect((await ask('GET', '/api/v3/jobs', { on, headers })).status).toBe(200)
  })
})

describe('an event stream', () => {
  test.each(['revoked', 'rotated'] as const)('ends soon after its key is %s', async (how) => {
    const name = `stream ${how}`
    const { key, secret } = await harness.coordinator.createKey({ name, scopes: ['read'] })
    const opened = harness.appWith({
      access: { keysRequired: true, ratePerMinute: 0 },
      feed: harness.feed,
      streams: { heartbeatMs: 20 },
    })
    const headers = { authorization: `Bearer ${secret}`, accept: 'text/event-stream' }
    const response = await opened.request('/api/v3/events', { headers })
    const reader = response.body!.getReader()
    expect((await reader.read()).done).toBe(false)
    if (how === 'revoked') await harness.coordinator.revokeKey(key.id)
    else await harness.coordinator.rotateKey(key.id, { grace_seconds: 0 })
    // Heartbeats and what was already on its way; then it ends.
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read());
  })
})

describe('event streams', () => {
  test.each([
    ['revoke', undefined],
    ['rotate', { grace_seconds: 0 }],
  ] as const)('end with the answer to %s', async (verb, body) => {
    const { id, key } = await make({ name: `follower ${verb}`, scopes: ['read'] })
    // No heartbeat comes before the test has ended.
    const on = harness.appWith({
      access: { keysRequired: true, ratePerMinute: 0 },
      feed: harness.feed,
      streams: { heartbeatMs: 3_600_000 },
    })
    const headers = { accept: 'text/event-stream' }
    const response = await ask('GET', '/api/v3/events', { on, key, headers })
    const other = await ask('GET', '/api/v3/events', { on, key: admin, headers })
    const reader = response.body!.getReader()
    expect((await reader.read()).done).toBe(false)
    await ask('POST', `/api/v3/keys/${id}/${verb}`, { on, key: admin, ...(body && { body }) })
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read());
    const others = other.body!.getReader()
    expect((await others.read()).done).toBe(false)
    await others.cancel()
  })
})

describe('a token for EventSource', () => {
  const accept = { accept: 'text/event-stream' }
  const opened = () =>
    harness.appWith({
      access: { keysRequired: true, ratePerMinute: 0 },
      feed: harness.feed,
      streams: { heartbeatMs: 20 },
    })
  const tokenOf = async (key: string, on?: typeof app): Promise<{ token: string; expires_at: string }> => {
    const response = await ask('POST', '/api/v3/events/token', { key, ...(on && { on }) })
    expect(response.status).toBe(201)
    return jsonOf(response)
  }
  const statusOf = async (path: string, headers: Record<string, string> = accept, method = 'GET') => {
    const response = await ask(method, path, { headers, on: opened() })
    await response.body?.cancel()
    return response.status
  }

  test('lets a browser follow what its key sees, and nothing else', async () => {
    const { key } = await make({ name: 'page of acme', scopes: ['read'], client_id: 'acme' })
    const own = (await harness.job(1, { parameters: { client_id: 'acme' } })).job_id
    const others = (await harness.job()).job_id
    const { token, expires_at } = await tokenOf(key)
    expect(token).toMatch(/^wce_[0-9a-f]{12}_\d{10}_[\w-]{43}$/)
    const leftMs = Date.parse(expires_at) - clock.now()
    expect(leftMs).toBeGreaterThan(14 * 60_000)
    expect(leftMs).toBeLessThanOrEqual(15 * 60_000)
    const response = await ask('GET', `/api/v3/events?after=0&token=${token}`, {
      headers: accept,
      on: opened(),
    })
    expect(response.status).toBe(200)
    const stream = readEvents(response.body!)
    expect((await stream.next())!.data.job_id).toBe(own)
    await stream.close()
    expect(await statusOf(`/api/v3/jobs/${own}/events?token=${token}`)).toBe(200)
    expect(await statusOf(`/api/v3/jobs/${others}/events?token=${token}`)).toBe(404)
    for (const path of [
      '/api/v3/jobs',
      `/api/v3/jobs/${own}`,
      `/api/v3/jobs/${own}/history`,
      '/api/v3/assets/x',
    ])
      expect(await statusOf(`${path}?token=${token}`)).toBe(401)
    expect(await statusOf(`/api/v3/events?token=${token}`, { accept: 'application/json' })).toBe(401)
    expect(await statusOf(`/api/v3/events/token?token=${token}`, accept, 'POST')).toBe(401)
    expect(await statusOf('/api/v3/events', { ...accept, authorization: `Bearer ${token}` })).toBe(401)
  })

  test('is no token any more where a letter of it is another', async () => {
    const { token } = await tokenOf(admin)
    const [, id, seconds, proof] = token.split(/_(?=[0-9a-f]{12}_)|_(?=\d{10}_)|(?<=_\d{10})_/)
    expect(await statusOf(`/api/v3/events?token=wce_${id}_${seconds}_${proof}`)).toBe(200)
    for (const other of [
      `wce_${id}_${Number(seconds) + 60}_${proof}`,
      `wce_${id}_${seconds}_${proof!.startsWith('A') ? 'B' : 'A'}${proof!.slice(1)}`,
      `wce_${id}_${seconds}_`,
      `wce_000000000000_${seconds}_${proof}`,
      admin,
      'null',
    ])
      expect(await statusOf(`/api/v3/events?token=${other}`)).toBe(401)
    const reasonOf = async (path: string) => (await jsonOf(ask('GET', path, { headers: accept }))).reason
    expect(await reasonOf('/api/v3/events?token=null')).toContain(
      'make another one with POST /api/v3/events/token',
    )
    expect(await reasonOf('/api/v3/jobs')).toBe(
      'Send a valid key in the Authorization header: the word Bearer, a space, the key',
    )
  })

  test.each(['over', 'of a key that is revoked', 'of a key that is rotated'] as const)(
    'ends its stream when it is %s',
    async (how) => {
      const { key, id } = await make({ name: `page ${how}`, scopes: ['read'] })
      const { token } = await tokenOf(key)
      const path = `/api/v3/events?token=${token}`
      const response = await ask('GET', path, { headers: accept, on: opened() })
      const reader = response.body!.getReader()
      expect((await reader.read()).done).toBe(false)
      if (how === 'over') clock.advance(15 * 60_000)
      else if (how === 'of a key that is revoked') await harness.coordinator.revokeKey(id)
      else await harness.coordinator.rotateKey(id, { grace_seconds: 0 })
      for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read());
      expect(await statusOf(path)).toBe(401)
    },
  )

  test('lives no longer than its key, and as long as the grace time of a rotated one', async () => {
    const expires_at = new Date(clock.now() + 60_000).toISOString()
    const { key } = await make({ name: 'short page', scopes: ['read'], expires_at })
    expect(Date.parse((await tokenOf(key)).expires_at)).toBeLessThanOrEqual(Date.parse(expires_at))
    const { key: graced, id } = await make({ name: 'graced page', scopes: ['read'] })
    const { token } = await tokenOf(graced)
    await harness.coordinator.rotateKey(id, { grace_seconds: 300 })
    expect(await statusOf(`/api/v3/events?token=${token}`)).toBe(200)
    const late = await tokenOf(graced)
    expect(Date.parse(late.expires_at)).toBeLessThanOrEqual(clock.now() + 300_000)
    expect(await statusOf(`/api/v3/events?token=${late.token}`)).toBe(200)
    clock.advance(300_000)
    expect(await statusOf(`/api/v3/events?token=${token}`)).toBe(401)
    expect(await statusOf(`/api/v3/events?token=${late.token}`)).toBe(401)
  })

  test('is not needed where no key is, and is found in no log', async () => {
    const open = harness.appWith({ access: { keysRequired: false, ratePerMinute: 0 }, feed: harness.feed })
    const answer = await jsonOf(ask('POST', '/api/v3/events/token', { on: open }))
    expect(answer).toEqual({ token: null, expires_at: null })
    const { token } = await tokenOf(admin)
    const repeated = await ask('POST', '/api/v3/events/token', {
      key: admin,
      headers: { 'idempotency-key': 'page-1' },
    })
    expect((await jsonOf(repeated)).token).toMatch(/^wce_/)
    await statusOf(`/api/v3/events?token=${token}x`)
    await statusOf(`/api/v3/jobs?token=${token}`)
    expect(JSON.stringify(harness.logged)).not.toMatch(/wce_[0-9a-f]/)
    expect(redacted(`/api/v3/events?token=${token}`)).toBe('/api/v3/events?token=wce_[redacted]')
    const kept = await harness.database.all('select * from requests', [])
    expect(kept.length).toBeGreaterThan(0)
    const answers = kept
      .flatMap((row) => Object.values(row))
      .map((value) => Buffer.from(String(value)).toString())
    expect(answers.join('\n')).not.toContain('wce_')
  })
})

describe('every answer', () => {
  test.each([
    ['GET', '/api/v3/jobs', 200],
    ['GET', '/livez', 200],
    ['GET', '/api/v3/nothing', 404],
    ['OPTIONS', '/api/v3/jobs', 405],
    ['POST', '/api/v3/jobs', 415],
    ['GET', '/api/v3/jobs/0x1', 400],
  ])('to %s %s tells browsers to keep out, and no other site to come in', async (method, path, status) => {
    const headers = { origin: 'http://localhost', 'access-control-request-method': 'POST' }
    for (const key of [admin, undefined]) {
      const response = await ask(method, path, { key, headers })
      expect(response.status).toBe(key === undefined && path !== '/livez' ? 401 : status)
      expect(Object.fromEntries(response.headers)).toMatchObject({
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'cross-origin-resource-policy': 'same-origin',
        'x-frame-options': 'DENY',
        'cache-control': 'no-store',
        'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      })
      expect([...response.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([])
    }
  })

  test('of bytes lets a browser show them by themselves', async () => {
    const id = await harness.picture(200)
    const response = await ask('GET', `/api/v3/assets/${id}/data`, { key: admin })
    expect(response.headers.get('content-security-policy')).toBe("frame-ancestors 'none'")
    expect(response.headers.get('x-content-type-options')).toBe('nosniff')
    await response.body?.cancel()
  })
})
