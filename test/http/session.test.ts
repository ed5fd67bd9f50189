/** Sessions of browsers: what the cookie lets in, what ends it, and what other pages can do with it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { createApp } from '../../src/http/app.ts'
import { createClock } from '../clock.ts'
import { type AppHarness, openAppHarness } from '../harness/app.ts'
import { jsonOf } from '../harness/ask.ts'
import { jobEvents } from '../harness/job-events.ts'
import { readEvents } from './event-source.ts'

type App = ReturnType<typeof createApp>
type Headers = Readonly<Record<string, string>>

const clock = createClock(11)
const hour = 3_600_000
let harness: AppHarness
let app: App
beforeAll(async () => {
  harness = await openAppHarness({ clock })
  app = harness.appWith({
    hosts: ['films.example'],
    access: { keysRequired: true, ratePerMinute: 0 },
    host: clock,
  })
})
afterAll(() => harness.close())

/** Each from an address of its own, so that no test uses up the failures of another. */
let addresses = 0
const ask = (method: string, path: string, headers: Headers = {}, body?: unknown, on: App = app) => {
  const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body)
  return on.request(
    `http://localhost${path}`,
    {
      method,
      headers: {
        host: 'localhost:4000',
        ...(text !== undefined && {
          'content-type': 'application/json',
          'content-length': String(text.length),
        }),
        ...headers,
      },
      ...(text !== undefined && { body: text }),
    },
    { incoming: { socket: { remoteAddress: `192.0.2.${++addresses % 250}` } } },
  )
}

const cookiesOf = (response: Response): readonly string[] => response.headers.getSetCookie()
const cookieOf = (response: Response): string => cookiesOf(response)[0]!.split(';')[0]!

let names = 0
const makeKey = (request: object = {}) =>
  harness.coordinator.createKey({
    name: `person ${++names}`,
    scopes: ['read', 'submit', 'approve'],
    ...request,
  })

const signIn = async (secret: string, headers: Headers = {}): Promise<string> => {
  const response = await ask(
    'POST',
    '/api/v3/session',
    { 'sec-fetch-site': 'same-origin', ...headers },
    { key: secret },
  )
  expect(response.status).toBe(200)
  return cookieOf(response)
}

const own: Headers = { 'sec-fetch-site': 'same-origin' }
const statusOf = async (cookie: string, headers: Headers = own) =>
  (await ask('GET', '/api/v3/jobs', { cookie, ...headers })).status

describe('a session', () => {
  test('stands for its key, and no script and no other site can use its cookie', async () => {
    const { secret, key } = await makeKey()
    const response = await ask('POST', '/api/v3/session', own, { key: secret })
    expect(cookiesOf(response)).toHaveLength(1)
    expect(cookiesOf(response)[0]).toMatch(
      /^coordinator-4000=wcs_[\w-]+; Path=\/; Expires=[^;]+; HttpOnly; SameSite=Strict$/,
    )
    expect(await response.text()).not.toContain('wcs_')
    const cookie = cookieOf(response)
    expect(await statusOf(cookie)).toBe(200)
    const { session } = await jsonOf(ask('GET', '/api/v3/session', { cookie }))
    expect(session).toMatchObject({ name: key.name, client_id: null })
  })

  test('is bound to the host over HTTPS, where the cookie that plain HTTP can set means nothing', async () => {
    const { secret } = await makeKey()
    const https: Headers = {
      host: 'films.example',
      origin: 'https://films.example',
      'x-forwarded-proto': 'https',
    }
    const response = await ask('POST', '/api/v3/session', https, { key: secret })
    expect(cookiesOf(response)[0]).toMatch(/^__Host-coordinator=wcs_.*; HttpOnly; Secure; SameSite=Strict$/)
    const cookie = cookieOf(response)
    expect(await statusOf(cookie, https)).toBe(200)
    // Without the prefix, a sibling subdomain or a network in between may have set it.
    expect(await statusOf(cookie.replace('__Host-', ''), https)).toBe(401)
    const unsaid: Headers = { host: 'films.example', origin: 'https://films.example' }
    expect(cookieOf(await ask('POST', '/api/v3/session', unsaid, { key: secret }))).toMatch(
      /^__Host-coordinator=/,
    )
  })

  test('is of one server: another one on the same host, by another port, neither sees nor replaces it', async () => {
    const cookie = await signIn((await makeKey()).secret)
    expect(await statusOf(cookie, { ...own, host: 'localhost:4001' })).toBe(401)
    const other = await ask(
      'POST',
      '/api/v3/session',
      { ...own, host: 'localhost:4001' },
      { key: (await makeKey()).secret },
    )
    expect(cookieOf(other)).toMatch(/^coordinator-4001=/)
    expect(await statusOf(`${cookieOf(other)}; ${cookie}`)).toBe(200)
  })

  test('is refused where one character of it is another, or its time, its key or its kind is', async () => {
    const one = await makeKey()
    const other = await makeKey()
    const cookie = await signIn(one.secret)
    const [, token = ''] = cookie.split('=')
    const [, id = '', seconds = '', proof = ''] = /^wcs_(\w{12})_(\d+)_(.*)$/.exec(token)!
    const { token: events } = await jsonOf(
      ask('POST', '/api/v3/events/token', { authorization: `Bearer ${one.secret}` }),
    )
    const forged = [
      `wcs_${id}_${seconds}_${proof.startsWith('A') ? 'B' : 'A'}${proof.slice(1)}`,
      `wcs_${id}_${Number(seconds) + 1}_${proof}`,
      `wcs_${other.key.id}_${seconds}_${proof}`,
      `wcs_${id}_${seconds}_`,
      `wcs_${id}_${seconds}_${'A'.repeat(43)}`,
      events,
      events.replace('wce', 'wcs'),
      token.replace('wcs', 'wce'),
      one.secret,
      '',
    ]
    for (const text of forged) expect([text, await statusOf(`coordinator-4000=${text}`)]).toEqual([text, 401])
    expect(await statusOf(cookie)).toBe(200)
    // Nor does a session follow events as their token.
    const stream = { accept: 'text/event-stream' }
    expect((await ask('GET', `/api/v3/events?token=${token}`, stream)).status).toBe(401)
  })

  test('ends after 12 hours, unless it is used in the second half of them', async () => {
    const { secret } = await makeKey()
    const unused = await signIn(secret)
    const used = await signIn(secret)
    clock.advance(7 * hour)
    const response = await ask('GET', '/api/v3/jobs', { ...own, cookie: used })
    const renewed = cookieOf(response)
    expect(renewed).not.toBe(used)
    clock.advance(6 * hour)
    expect([await statusOf(unused), await statusOf(used), await statusOf(renewed)]).toEqual([401, 401, 200])
  })

  test('ends with its key: revoked, expired, or with another secret; a grace time counts for it, too', async () => {
    const ended = async (change: (id: string) => Promise<unknown>, request: object = {}) => {
      const { secret, key } = await makeKey(request)
      const cookie = await signIn(secret)
      expect(await statusOf(cookie)).toBe(200)
      await change(key.id)
      return statusOf(cookie)
    }
    const { coordinator } = harness
    expect(await ended((id) => coordinator.revokeKey(id))).toBe(401)
    expect(await ended((id) => coordinator.rotateKey(id, { grace_seconds: 0 }))).toBe(401)
    expect(await ended((id) => coordinator.rotateKey(id, { grace_seconds: 3600 }))).toBe(200)
    expect(
      await ended(async (id) => {
        await coordinator.rotateKey(id, { grace_seconds: 3600 })
        clock.advance(hour)
      }),
    ).toBe(401)
    const soon = new Date(clock.now() + hour).toISOString()
    expect(await ended(async () => clock.advance(hour), { expires_at: soon })).toBe(401)
  })

  test('never outlives the grace time of the secret it was made with, however often it is used', async () => {
    const { secret, key } = await makeKey()
    await harness.coordinator.rotateKey(key.id, { grace_seconds: 10 * 3600 })
    let cookie = await signIn(secret)
    clock.advance(9 * hour)
    const [renewed] = cookiesOf(await ask('GET', '/api/v3/jobs', { ...own, cookie }))
    cookie = renewed?.split(';')[0] ?? cookie
    clock.advance(hour)
    expect(await statusOf(cookie)).toBe(401)
  })

  test('leaves the browser at signing out, and where it has ended', async () => {
    const { secret, key } = await makeKey()
    const cookie = await signIn(secret)
    const gone = [
      /^coordinator-4000=; Max-Age=0; Path=\//,
      /^__Host-coordinator-4000=; Max-Age=0; Path=\/; .*Secure/,
    ]
    const isGone = (response: Response): void => {
      const cookies = cookiesOf(response)
      expect(cookies).toHaveLength(2)
      for (const [index, pattern] of gone.entries()) expect(cookies[index]).toMatch(pattern)
    }
    isGone(await ask('DELETE', '/api/v3/session', { ...own, cookie }))
    await harness.coordinator.revokeKey(key.id)
    isGone(await ask('GET', '/api/v3/session', { ...own, cookie }))
  })

  test('changes nothing for anybody where no key is needed and it has ended', async () => {
    const free = harness.appWith({ access: { keysRequired: false, ratePerMinute: 0 }, host: clock })
    const { secret, key } = await makeKey({ scopes: ['read'] })
    const cookie = await signIn(secret)
    // While it counts, the page does what the key may.
    expect((await ask('GET', '/api/v3/keys', { ...own, cookie }, undefined, free)).status).toBe(403)
    await harness.coordinator.revokeKey(key.id)
    expect((await ask('GET', '/api/v3/jobs', { ...own, cookie }, undefined, free)).status).toBe(200)
    const wrong = { authorization: `Bearer ${secret}` }
    expect((await ask('GET', '/api/v3/jobs', wrong, undefined, free)).status).toBe(401)
  })

  test('counts with its key: the header of another key decides, and both have one rate', async () => {
    const limited = harness.appWith({ access: { keysRequired: true, ratePerMinute: 60 }, host: clock })
    const { secret } = await makeKey()
    const cookie = await signIn(secret)
    const left = async (headers: Headers) =>
      Number(
        (await ask('GET', '/api/v3/jobs', headers, undefined, limited)).headers.get('ratelimit-remaining'),
      )
    const before = await left({ cookie, ...own })
    expect(await left({ authorization: `Bearer ${secret}` })).toBe(before - 1)
    const weak = await makeKey({ scopes: ['read'] })
    const both = { cookie, ...own, authorization: `Bearer ${weak.secret}` }
    expect((await ask('POST', '/api/v3/jobs/cancel', both, { job_ids: [1] })).status).toBe(403)
    expect((await ask('GET', '/api/v3/jobs', { cookie, authorization: 'Bearer wck_wrong' })).status).toBe(401)
    // Such as the password of a proxy, which a browser sends by itself.
    expect(await statusOf(cookie, { ...own, authorization: 'Basic b3BzOng=' })).toBe(200)
  })

  test('makes changes in the name of its key, once for each Idempotency-Key', async () => {
    const { secret, key } = await makeKey()
    const cookie = await signIn(secret)
    const job = await harness.job(1)
    const cancel = (headers: Headers = {}) =>
      ask(
        'POST',
        `/api/v3/jobs/${job.job_id}/cancel`,
        { cookie, ...own, 'idempotency-key': 'once', ...headers },
        {},
      )
    expect((await cancel()).status).toBe(200)
    const again = await cancel()
    expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([200, 'true'])
    const bearer = await cancel({ cookie: '', authorization: `Bearer ${secret}` })
    expect(bearer.headers.get('idempotency-replayed')).toBe('true')
    const events = await jobEvents(harness.database, job.job_id)
    expect(events.filter(({ type }) => type === 'job_cancelled').map(({ by }) => by)).toEqual([key.name])
  })

  test('follows events until its key ends, also beyond the time when it would be renewed', async () => {
    const { secret, key } = await makeKey()
    const cookie = await signIn(secret)
    clock.advance(5 * hour)
    const response = await ask('GET', '/api/v3/events', { cookie, ...own, accept: 'text/event-stream' })
    expect(response.status).toBe(200)
    const stream = readEvents(response.body!)
    clock.advance(2 * hour)
    await stream.comment()
    await ask('POST', `/api/v3/keys/${key.id}/revoke`, {
      authorization: `Bearer ${(await makeKey({ scopes: ['admin'] })).secret}`,
    })
    expect(await stream.next()).toBeUndefined()
  })
})

describe('a page of another site', () => {
  const pages: readonly (readonly [whose: string, headers: Headers])[] = [
    ['another site', { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }],
    ['a sibling subdomain', { 'sec-fetch-site': 'same-site', origin: 'http://other.localhost:4000' }],
    ['another port of this machine', { 'sec-fetch-site': 'same-site', origin: 'http://localhost:3000' }],
    ['another site in an old browser', { origin: 'https://evil.example' }],
    ['another port in an old browser', { origin: 'http://localhost:3000' }],
    ['a sandbox', { origin: 'null' }],
    ['a sandbox in a new browser', { 'sec-fetch-site': 'cross-site', origin: 'null' }],
    ['nobody says', {}],
    ['an address typed in', { 'sec-fetch-site': 'none' }],
  ]

  test.each(pages)('changes nothing by a session: %s', async (_, headers) => {
    const cookie = await signIn((await makeKey()).secret)
    const job = await harness.job(1)
    for (const type of ['application/json', 'text/plain', 'application/x-www-form-urlencoded']) {
      const path = `/api/v3/jobs/${job.job_id}/cancel`
      expect((await ask('POST', path, { cookie, 'content-type': type, ...headers }, '{}')).status).toBe(403)
    }
    expect((await ask('DELETE', `/api/v3/jobs/${job.job_id}`, { cookie, ...headers })).status).toBe(403)
    expect(
      (await ask('PATCH', '/api/v3/jobs', { cookie, ...headers }, { job_ids: [job.job_id], priority: 1 }))
        .status,
    ).toBe(403)
    expect((await harness.coordinator.job(job.job_id)).status).toBe('pending')
  })

  test.each(pages.slice(0, 7))('signs nobody in or out, and loads nothing: %s', async (_, headers) => {
    const { secret } = await makeKey()
    const cookie = await signIn(secret)
    const signedIn = await ask('POST', '/api/v3/session', headers, { key: secret })
    const signedOut = await ask('DELETE', '/api/v3/session', { cookie, ...headers })
    for (const response of [signedIn, signedOut]) {
      expect(response.status).toBe(403)
      expect(cookiesOf(response)).toEqual([])
    }
    // As an <img> or a <video> would ask.
    const image: Headers = { cookie, ...headers, 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' }
    for (const path of ['/api/v3/videos/1/combined', '/api/v3/videos/1/thumbnail', '/api/v3/jobs'])
      expect((await ask('GET', path, image)).status).toBe(403)
  })

  test('does so neither where a key is in the header of the same request: only programs send one', async () => {
    const { secret } = await makeKey()
    const cookie = await signIn(secret)
    const headers = { cookie, authorization: `Bearer ${secret}` }
    const cross = { ...headers, 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }
    expect((await ask('POST', '/api/v3/jobs/cancel', cross, { job_ids: [1] })).status).toBe(403)
    expect((await ask('POST', '/api/v3/jobs/cancel', headers, { job_ids: [1] })).status).toBe(200)
  })
})

test('a form of plain text signs nobody in', async () => {
  const { secret } = await makeKey()
  const body = JSON.stringify({ key: secret })
  const response = await ask('POST', '/api/v3/session', { ...own, 'content-type': 'text/plain' }, body)
  expect(response.status).toBe(415)
  expect(cookiesOf(response)).toEqual([])
})
