import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { callerAt, createRateLimit } from '../../src/http/edge/rate-limit.ts'
import { createClock } from '../clock.ts'
import { type AppHarness, openAppHarness } from '../harness/app.ts'
import { jsonOf } from '../harness/ask.ts'

let harness: AppHarness
beforeAll(async () => {
  harness = await openAppHarness()
})
afterAll(() => harness.close())

const door = (keysRequired: boolean, ratePerMinute: number) => {
  const clock = createClock()
  const app = harness.appWith({ access: { keysRequired, ratePerMinute }, host: clock })
  const ask = (path: string, from: string, authorization = '') =>
    app.request(path, { headers: { authorization } }, { incoming: { socket: { remoteAddress: from } } })
  const statuses = async (count: number, ...asked: Parameters<typeof ask>): Promise<string> => {
    const found: number[] = []
    for (let index = 0; index < count; index++) found.push((await ask(...asked)).status)
    return [...new Set(found)]
      .map((status) => `${found.filter((one) => one === status).length} x ${status}`)
      .join(', ')
  }
  return { app, clock, ask, statuses }
}

const limitsIn = ({ headers }: Response) =>
  ['ratelimit-limit', 'ratelimit-remaining', 'ratelimit-reset', 'retry-after'].map((name) =>
    headers.get(name),
  )

test('each key has its own limit, wherever it is sent from, and is told what is left of it', async () => {
  const one = `Bearer ${(await harness.coordinator.createKey({ name: 'one', scopes: ['read'] })).secret}`
  const two = `Bearer ${(await harness.coordinator.createKey({ name: 'two', scopes: ['read'] })).secret}`
  const { clock, ask, statuses } = door(true, 6)
  expect(limitsIn(await ask('/api/v3/jobs', '192.0.2.1', one))).toEqual(['6', '5', '10', null])
  expect(await statuses(3, '/api/v3/jobs', '192.0.2.2', one)).toBe('3 x 200')
  // What is refused for want of a scope, or isn't there, counts too.
  expect(await statuses(1, '/api/v3/keys', '192.0.2.2', one)).toBe('1 x 403')
  expect(await statuses(1, '/api/v3/nothing', '192.0.2.2', one)).toBe('1 x 404')
  const over = await ask('/api/v3/jobs', '192.0.2.3', one)
  expect(over.status).toBe(429)
  expect(limitsIn(over)).toEqual(['6', '0', '60', '10'])
  expect(await jsonOf(over)).toEqual({
    error: 'Too many requests',
    reason: 'Send the request again in 10 s',
    limit_per_minute: 6,
    retry_in_seconds: 10,
  })
  expect(await statuses(1, '/api/v3/jobs', '192.0.2.3', two)).toBe('1 x 200')
  clock.advance(9999)
  expect(await statuses(1, '/api/v3/jobs', '192.0.2.1', one)).toBe('1 x 429')
  clock.advance(1)
  expect(await statuses(2, '/api/v3/jobs', '192.0.2.1', one)).toBe('1 x 200, 1 x 429')
  clock.advance(600_000)
  expect(await statuses(7, '/api/v3/jobs', '192.0.2.1', one)).toBe('6 x 200, 1 x 429')
})

test('who has no key and needs none is counted by address, but for this machine itself', async () => {
  const { ask, statuses } = door(false, 3)
  expect(await statuses(5, '/api/v3/jobs', '192.0.2.1')).toBe('3 x 200, 2 x 429')
  expect(await statuses(1, '/api/v3/jobs', '192.0.2.2')).toBe('1 x 200')
  // A header is written by anybody.
  const headers = { 'x-forwarded-for': '198.51.100.1' }
  const app = harness.appWith({ access: { keysRequired: false, ratePerMinute: 1 } })
  const bindings = { incoming: { socket: { remoteAddress: '192.0.2.9' } } }
  expect((await app.request('/api/v3/jobs', { headers }, bindings)).status).toBe(200)
  expect((await app.request('/api/v3/jobs', {}, bindings)).status).toBe(429)
  expect(await statuses(9, '/api/v3/jobs', '127.0.0.1')).toBe('9 x 200')
  expect(await statuses(9, '/api/v3/jobs', '::ffff:127.0.0.1')).toBe('9 x 200')
  expect(await statuses(9, '/api/v3/jobs', '::1')).toBe('9 x 200')
  expect(limitsIn(await ask('/api/v3/jobs', '127.0.0.1'))).toEqual([null, null, null, null])
})

test('how the server is may be asked twenty times a second by each address, whatever else is asked', async () => {
  const { clock, statuses } = door(true, 1)
  expect(await statuses(2, '/docs', '192.0.2.1')).toBe('1 x 200, 1 x 429')
  expect(await statuses(600, '/livez', '192.0.2.1')).toBe('600 x 200')
  expect(await statuses(601, '/readyz', '192.0.2.1')).toBe('600 x 200, 1 x 429')
  expect(await statuses(1, '/livez', '192.0.2.1')).toBe('1 x 429')
  expect(await statuses(1, '/livez', '192.0.2.2')).toBe('1 x 200')
  clock.advance(1000)
  expect(await statuses(21, '/livez', '192.0.2.1')).toBe('20 x 200, 1 x 429')
})

test('a thousand requests of a key may be worked on at once, and those of others beside them', async () => {
  const keyOf = async (name: string) =>
    `Bearer ${(await harness.coordinator.createKey({ name, scopes: ['submit', 'read'] })).secret}`
  const [many, few] = [await keyOf('many'), await keyOf('few')]
  const { ask } = door(true, 0)
  const app = harness.appWith({ access: { keysRequired: true, ratePerMinute: 0 } })
  const bodies: ReadableStreamDefaultController[] = []
  const uploads = Array.from({ length: 1000 }, async () =>
    app.request('/api/v3/assets', {
      method: 'POST',
      headers: { authorization: many, 'content-type': 'image/jpeg' },
      body: new ReadableStream({ pull: (body) => void bodies.push(body) }, { highWaterMark: 0 }),
      duplex: 'half',
    }),
  )
  const jobs = (authorization: string) => app.request('/api/v3/jobs', { headers: { authorization } })
  // All are read from by now.
  await expect.poll(() => bodies.length, { timeout: 20_000 }).toBe(1000)
  const refused = await jobs(many)
  expect(refused.headers.get('retry-after')).toBe('1')
  expect(await jsonOf(refused)).toEqual({
    error: 'Too many requests at once',
    reason: '1000 are worked on. Wait for some of them',
  })
  expect((await jobs(few)).status).toBe(200)
  expect((await ask('/livez', '192.0.2.1')).status).toBe(200)
  for (const body of bodies) body.close()
  expect(new Set((await Promise.all(uploads)).map(({ status }) => status))).toEqual(new Set([422]))
  expect((await jobs(many)).status).toBe(200)
})

test('a limit of 0 is none', async () => {
  const key = `Bearer ${(await harness.coordinator.createKey({ name: 'free', scopes: ['read'] })).secret}`
  const { ask, statuses } = door(true, 0)
  expect(await statuses(50, '/api/v3/jobs', '192.0.2.1', key)).toBe('50 x 200')
  expect(limitsIn(await ask('/api/v3/jobs', '192.0.2.1', key))).toEqual([null, null, null, null])
})

describe('wrong keys', () => {
  test('are told so twenty times a minute from one address, and no more looked at then', async () => {
    const { clock, ask, statuses } = door(true, 0)
    const wrong = `Bearer wck_000000000000_${'A'.repeat(43)}`
    expect(await statuses(12, '/api/v3/jobs', '192.0.2.1', wrong)).toBe('12 x 401')
    expect(await statuses(12, '/api/v3/jobs', '192.0.2.1')).toBe('8 x 401, 4 x 429')
    const over = await ask('/api/v3/jobs', '192.0.2.1', wrong)
    expect(over.headers.get('retry-after')).toBe('3')
    expect((await jsonOf(over)).error).toBe('Too many requests without a valid key')
    expect(await statuses(1, '/api/v3/jobs', '192.0.2.2', wrong)).toBe('1 x 401')
    clock.advance(3000)
    expect(await statuses(2, '/api/v3/jobs', '192.0.2.1', wrong)).toBe('1 x 401, 1 x 429')
  })

  test('keep no valid key out that comes from the same address, such as a proxy', async () => {
    const key = `Bearer ${(await harness.coordinator.createKey({ name: 'neighbour', scopes: ['read'] })).secret}`
    const { statuses } = door(true, 0)
    expect(await statuses(30, '/api/v3/jobs', '192.0.2.1', 'Bearer wck_wrong')).toBe('20 x 401, 10 x 429')
    expect(await statuses(5, '/api/v3/jobs', '192.0.2.1', key)).toBe('5 x 200')
  })

  test('count at signing in like in a header, and keep no valid one from signing in', async () => {
    const { secret } = await harness.coordinator.createKey({ name: 'person', scopes: ['read'] })
    const { app, ask, statuses } = door(true, 0)
    const signIn = (key: string) =>
      app.request(
        '/api/v3/session',
        { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ key }) },
        { incoming: { socket: { remoteAddress: '192.0.2.1' } } },
      )
    for (let tried = 0; tried < 20; tried++) expect((await signIn('wck_wrong')).status).toBe(422)
    const over = await signIn('wck_wrong')
    expect(over.status).toBe(429)
    expect(await jsonOf(over)).toMatchObject({ retry_in_seconds: 3 })
    expect((await ask('/api/v3/jobs', '192.0.2.1')).status).toBe(429)
    expect((await signIn(secret)).status).toBe(200)
    expect(await statuses(1, '/api/v3/jobs', '192.0.2.2')).toBe('1 x 401')
  })

  test('fill the log no faster than that', async () => {
    const before = harness.logged.length
    const { statuses } = door(true, 0)
    await statuses(100, '/api/v3/jobs', '192.0.2.77')
    expect(harness.logged.length - before).toBe(20)
  })
})

test('a client in IPv6 is its network, and one in IPv4 itself however it is written', () => {
  expect(callerAt('2001:db8:1:2:3:4:5:6')).toBe('2001:db8:1:2::/64')
  expect(callerAt('2001:db8:1:2::9')).toBe('2001:db8:1:2::/64')
  expect(callerAt('2001:db8:1:3::9')).toBe('2001:db8:1:3::/64')
  expect(callerAt('::ffff:192.0.2.1')).toBe('192.0.2.1')
  expect(callerAt('::1')).toBe('::1')
  expect(callerAt('fe80::1%eth0')).toBe('fe80:0:0:0::/64')
  expect(callerAt(undefined)).toBe('unknown')
})

test('callers without number take no memory without end', () => {
  const clock = createClock()
  const limit = createRateLimit({ perMinute: 2, host: clock, mostBuckets: 3 })
  for (const caller of ['a', 'a', 'b', 'c', 'a', 'd']) limit.take(caller)
  // b was used the longest ago, so it is forgotten; a is not.
  expect(limit.take('a').isAllowed).toBe(false)
  expect(limit.take('b').remaining).toBe(1)
  const many = createRateLimit({ perMinute: 2, host: clock })
  for (let caller = 0; caller < 50_000; caller++) many.take(String(caller))
  expect(many.take('39999').remaining).toBe(1)
  expect(many.take('49999').remaining).toBe(0)
})
