import { once } from 'node:events'
import { type Socket, connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createFeed } from '../../src/events/feed.ts'
import { type Listening, listen } from '../../src/http/edge/server.ts'
import { listEvents } from '../../src/store/events.ts'
import { createClock } from '../clock.ts'
import { type EventSource, readEvents } from './event-source.ts'
import { type AppHarness, openAppHarness } from '../harness/app.ts'
import { jsonOf } from '../harness/ask.ts'
import { eventsSettle } from '../harness/settled-events.ts'

let harness: AppHarness
beforeAll(async () => {
  harness = await openAppHarness()
})
afterAll(() => harness.close())

const stream = { accept: 'text/event-stream' }
const page = (path: string, headers: Record<string, string> = {}): Promise<any> =>
  jsonOf(harness.app.request(`/api/v3${path}`, { headers }))

async function open(
  path: string,
  headers: Record<string, string> = {},
  app = harness.app,
): Promise<EventSource> {
  const response = await app.request(`/api/v3${path}`, { headers: { ...stream, ...headers } })
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toBe('text/event-stream')
  return readEvents(response.body!)
}

/** A job whose log tells of its creation, approval and cancelling. */
async function cancelled(): Promise<number> {
  const { job_id } = await harness.job()
  await harness.coordinator.approveJob(job_id)
  await harness.coordinator.cancelJob(job_id)
  await eventsSettle(harness.database)
  return job_id
}

const latest = async (): Promise<number> => {
  let after = 0
  for (;;) {
    const { next_after, more } = await page(`/events?limit=500&after=${after}`)
    after = next_after
    if (!more) return after
  }
}

const noReaders = async (feed = harness.feed): Promise<void> => {
  while (feed.readers() > 0) await new Promise((resolve) => setImmediate(resolve))
}

let keys = 0
/** What two new keys send. */
const twoKeys = async (): Promise<readonly [{ authorization: string }, { authorization: string }]> => {
  const header = async () => {
    const { secret } = await harness.coordinator.createKey({ name: `reader ${keys++}`, scopes: ['read'] })
    return { authorization: `Bearer ${secret}` }
  }
  return [await header(), await header()]
}

describe('a stream', () => {
  test('of all jobs tells what happens from now on, with ids that rise', async () => {
    const source = await open('/events')
    const next = source.take(4)
    const jobId = await cancelled()
    const events = await next
    expect(events.map(({ type, job_id }) => [type, job_id])).toEqual([
      ['job_created', jobId],
      ['job_approved', jobId],
      ['job_cancelled', jobId],
      ['scene_cancelled', jobId],
    ])
    for (const [index, { id }] of events.slice(1).entries()) expect(id).toBeGreaterThan(events[index]!.id)
    await source.close()
    await noReaders()
  })

  test('says what each message is: its id, its type, and the event itself', async () => {
    const jobId = await cancelled()
    const source = await open(`/jobs/${jobId}/events?after=0`)
    const message = await source.next()
    expect(source.retry).toBe('2000')
    expect(message).toEqual({
      type: 'job_created',
      id: String(message!.data.id),
      data: {
        id: message!.data.id,
        topic: 'jobs:created',
        type: 'job_created',
        job_id: jobId,
        data: expect.objectContaining({ type: 'property_photos' }),
        by: 'local',
        inserted_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      },
    })
    await source.close()
  })

  test('of one job tells of no other', async () => {
    const one = await cancelled()
    const source = await open(`/jobs/${one}/events?after=0`)
    await cancelled()
    const events = await source.take(4)
    expect(new Set(events.map(({ job_id }) => job_id))).toEqual(new Set([one]))
    const next = source.next()
    await cancelled()
    await source.close()
    expect(await next.catch(() => undefined)).toBeUndefined()
  })

  test('of some types tells of no others', async () => {
    const after = await latest()
    const jobId = await cancelled()
    const source = await open(`/events?after=${after}&type=job_cancelled,job_approved`)
    const events = await source.take(2)
    expect(events.map(({ type, job_id }) => [type, job_id])).toEqual([
      ['job_approved', jobId],
      ['job_cancelled', jobId],
    ])
    await source.close()
  })

  test('tells where it stands before its first event, so that who breaks off before that misses nothing', async () => {
    const first = await open('/events')
    const waiting = first.next()
    while (first.lastId === undefined) await new Promise((resolve) => setImmediate(resolve))
    const { lastId } = first
    await first.close()
    await waiting.catch(() => undefined)
    const jobId = await cancelled()
    const second = await open('/events', { 'last-event-id': lastId })
    expect((await second.take(4)).map(({ job_id }) => job_id)).toEqual([jobId, jobId, jobId, jobId])
    await second.close()
  })

  test('goes on after Last-Event-ID, whatever the address says', async () => {
    const jobId = await cancelled()
    const { events } = await page(`/jobs/${jobId}/events`)
    const source = await open(`/jobs/${jobId}/events?after=0`, { 'last-event-id': String(events[1].id) })
    expect(await source.take(2)).toEqual(events.slice(2))
    await source.close()
  })

  test('cut at any place while things happen, and resumed there, has no gap and nothing twice', async () => {
    const after = await latest()
    const jobs = 12
    const working = (async () => {
      for (let job = 0; job < jobs; job++) await cancelled()
    })()
    const ids: number[] = []
    let resume = { 'last-event-id': String(after) }
    for (let cut = 1; ids.length < jobs * 4; cut = (cut % 7) + 1) {
      const source = await open('/events', resume)
      const events = await source.take(Math.min(cut, jobs * 4 - ids.length))
      ids.push(...events.map(({ id }) => id))
      resume = { 'last-event-id': source.lastId! }
      expect(source.lastId).toBe(String(ids.at(-1)))
      await source.close()
    }
    await working
    expect(ids).toEqual((await listEvents(harness.database, after, 1000)).map(({ id }) => id))
  })

  test('says so where the place asked for is not in the log', async () => {
    const end = await latest()
    const oldest = (await page('/events?limit=1')).events[0].id
    const source = await open('/events', { 'last-event-id': String(end + 1000) })
    expect(await source.next()).toEqual({ type: 'reset', id: String(end), data: { oldest, latest: end } })
    await source.close()
    expect(await page(`/events?after=${end + 1000}`)).toEqual({
      events: [],
      next_after: end,
      more: false,
      reset: { oldest, latest: end },
    })
  })

  test('lets a comment be heard after a silence', async () => {
    const clock = createClock()
    const app = harness.appWith({ host: clock })
    const source = await open('/events', {}, app)
    const heard = source.comment()
    while (source.lastId === undefined) await new Promise((resolve) => setImmediate(resolve))
    clock.advance(14_999)
    await new Promise((resolve) => setImmediate(resolve))
    expect(source.comments).toEqual([])
    clock.advance(1)
    expect(await heard).toBe('ping')
    // What was told lately needs no comment.
    clock.advance(10_000)
    const next = source.take(4)
    await cancelled()
    await next
    clock.advance(10_000)
    const again = source.comment()
    await new Promise((resolve) => setImmediate(resolve))
    expect(source.comments).toHaveLength(1)
    clock.advance(5_000)
    expect(await again).toBe('ping')
    await source.close()
    await noReaders()
  })

  test('is refused where too many are open, until one has ended', async () => {
    const app = harness.appWith({ streams: { streams: 2 } })
    const sources = [await open('/events', {}, app), await open('/events', {}, app)]
    const refused = await app.request('/api/v3/events', { headers: stream })
    expect(refused.status).toBe(503)
    expect(refused.headers.get('retry-after')).toBe('10')
    expect(await jsonOf(refused)).toMatchObject({ error: 'Too many event streams' })
    await sources[0]!.close()
    await (await open('/events', {}, app)).close()
    await sources[1]!.close()
    await noReaders()
  })

  test('is refused to a key that has its share, and no other', async () => {
    const [one, two] = await twoKeys()
    const app = harness.appWith({
      streams: { streams: 10, streamsPerCaller: 2 },
      access: { keysRequired: true, ratePerMinute: 0 },
    })
    const sources = [await open('/events', one, app), await open('/events', one, app)]
    const refused = await app.request('/api/v3/events', { headers: { ...stream, ...one } })
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '10'])
    expect(await jsonOf(refused)).toEqual({
      error: 'Too many event streams',
      reason: '2 of yours are open, and no more can be. Share one, or ask for the events as JSON',
    })
    expect((await app.request('/api/v3/events', { headers: one })).status).toBe(200)
    sources.push(await open('/events', two, app))
    await sources[0]!.close()
    sources.push(await open('/events', one, app))
    for (const source of sources) await source.close()
    await noReaders()
  })

  test('where all places are taken, gets one of the key that has most, until it has as many', async () => {
    const [one, two] = await twoKeys()
    const app = harness.appWith({
      streams: { streams: 50 },
      access: { keysRequired: true, ratePerMinute: 0 },
    })
    const of = { one: [] as EventSource[], two: [] as EventSource[] }
    for (let index = 0; index < 50; index++) of.one.push(await open('/events', one, app))
    expect((await app.request('/api/v3/events', { headers: { ...stream, ...one } })).status).toBe(503)
    for (let index = 0; index < 25; index++) of.two.push(await open('/events', two, app))
    expect((await app.request('/api/v3/events', { headers: { ...stream, ...two } })).status).toBe(503)
    expect(harness.feed.readers()).toBe(50)
    // The newest were ended, as if the server had stopped: their clients know where to go on.
    expect(await of.one[49]!.next()).toBeUndefined()
    expect(await of.one[25]!.next()).toBeUndefined()
    const heard = [of.one[0]!.next(), of.one[24]!.next(), of.two[24]!.next()]
    await harness.job()
    for (const event of heard) expect(await event).toMatchObject({ type: 'job_created' })
    for (const source of [...of.one, ...of.two]) await source.close()
    await noReaders()
  })

  test('is not opened by HEAD', async () => {
    const response = await harness.app.request('/api/v3/events', { method: 'HEAD', headers: stream })
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    expect(harness.feed.readers()).toBe(0)
  })

  test('ends when the feed does', async () => {
    const { database, pubsub } = harness
    const feed = createFeed({
      database,
      onEvent: (wake) => pubsub.subscribe('*', wake),
      host: createClock(),
      log: harness.log,
    })
    const source = await open('/events', {}, harness.appWith({ feed }))
    const next = source.next()
    feed.close()
    expect(await next).toBeUndefined()
  })
})

describe('as JSON', () => {
  test('the log is read page by page, from its beginning', async () => {
    const after = await latest()
    const one = await cancelled()
    const other = await cancelled()
    const first = await page(`/events?after=${after}&limit=5`)
    expect(first.events).toHaveLength(5)
    expect(first.more).toBe(true)
    expect(first.next_after).toBe(first.events[4].id)
    const second = await page(`/events?after=${first.next_after}&limit=5`)
    expect(second.more).toBe(false)
    expect([...first.events, ...second.events].map(({ job_id }: any) => job_id)).toEqual([
      ...Array.from({ length: 4 }, () => one),
      ...Array.from({ length: 4 }, () => other),
    ])
    expect(await page(`/events?after=${second.next_after}`)).toEqual({
      events: [],
      next_after: second.next_after,
      more: false,
    })
    const ofJob = await page(`/jobs/${one}/events?type=job_cancelled`)
    expect(ofJob.events.map(({ type }: any) => type)).toEqual(['job_cancelled'])
  })

  test.each(['application/json', '*/*', 'text/event-stream;q=0, */*'])(
    'it is for whom accepts %s',
    async (accept) => {
      const response = await harness.app.request('/api/v3/events', { headers: { accept } })
      expect(response.headers.get('content-type')).toBe('application/json')
      expect(response.headers.get('vary')).toBe('accept')
    },
  )
})

describe('what is malformed is told by its name', () => {
  test.each([
    ['/events?after=x', {}, 'after'],
    ['/events?after=-1', {}, 'after'],
    ['/events?after=1.5', {}, 'after'],
    ['/events?after=9999999999999999', {}, 'after'],
    ['/events?after=1&after=2', {}, 'after'],
    ['/events?limit=0', {}, 'limit'],
    ['/events?limit=501', {}, 'limit'],
    ['/events?type=job_lost', {}, 'type'],
    ['/events?type=', {}, 'type'],
    ['/events', { 'last-event-id': 'abc' }, 'Last-Event-ID'],
    ['/events', { 'last-event-id': '9999999999999999' }, 'Last-Event-ID'],
    ['/jobs/1/history?progress=yes', {}, 'progress'],
  ])('%s %j', async (path, headers, field) => {
    await cancelled()
    for (const accept of ['application/json', 'text/event-stream']) {
      const response = await harness.app.request(`/api/v3${path}`, { headers: { accept, ...headers } })
      expect(response.status).toBe(400)
      expect(await jsonOf(response)).toMatchObject({ error: 'Invalid request', field })
    }
    expect(harness.feed.readers()).toBe(0)
  })

  test('a job that is not there', async () => {
    for (const path of ['/jobs/99999/events', '/jobs/99999/history']) {
      const response = await harness.app.request(`/api/v3${path}`, { headers: stream })
      expect(response.status).toBe(404)
      expect(await jsonOf(response)).toEqual({ error: 'Job not found', job_id: '99999' })
    }
  })
})

describe('over a socket', () => {
  let server: Listening
  beforeAll(async () => {
    server = await listen(harness.app, { host: '127.0.0.1', port: 0, limits: { stallMs: 500 } })
  })
  afterAll(() => server.close({ graceMs: 0 }))

  const dial = (path: string, port = server.port): Socket => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.write(`GET /api/v3${path} HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n`)
    return socket
  }

  test('a client that leaves, however it does, frees what it had', async () => {
    for (let round = 0; round < 20; round++) {
      const socket = dial('/events')
      if (round % 2 === 0) await once(socket, 'data')
      if (round % 4 < 2) socket.destroy()
      else socket.end()
    }
    await noReaders()
    const left = new AbortController()
    const response = await fetch(`${server.url}/api/v3/events`, { headers: stream, signal: left.signal })
    await response.body!.getReader().read()
    expect(harness.feed.readers()).toBe(1)
    left.abort()
    await noReaders()
  })

  test('closing the server ends the streams at once, also those whose client takes nothing', async () => {
    const other = await listen(harness.app, { host: '127.0.0.1', port: 0 })
    const reading = await fetch(`${other.url}/api/v3/events`, { headers: stream })
    const source = readEvents(reading.body!)
    const next = source.next()
    const stalled = dial('/events', other.port)
    await once(stalled, 'data')
    stalled.pause()
    const began = performance.now()
    await other.close({ graceMs: 60_000 })
    expect(performance.now() - began).toBeLessThan(5_000)
    expect(await next).toBeUndefined()
    await noReaders()
    stalled.destroy()
  })
})
