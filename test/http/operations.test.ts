import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createLog } from '../../src/log.ts'
import { createDiskRoom } from '../../src/disk-full.ts'
import { type Check, createReadiness, roomFor, saying } from '../../src/telemetry/readiness.ts'
import { createClock } from '../clock.ts'
import { type AppHarness, openAppHarness } from '../harness/app.ts'
import { jsonOf } from '../harness/ask.ts'

let harness: AppHarness
beforeAll(async () => {
  harness = await openAppHarness()
})
afterAll(() => harness.close())

const well: Check = { name: 'database', keptMs: 0, look: () => Promise.resolve() }

function ready(checks: readonly Check[], clock = createClock()) {
  const lines: string[] = []
  const log = createLog({
    level: 'info',
    destination: { write: (line) => void lines.push((JSON.parse(line) as { msg: string }).msg) },
  })
  const readiness = createReadiness({ checks, host: clock, log })
  const app = harness.appWith({ readiness })
  const ask = async () => {
    const response = await app.request('/readyz')
    return { status: response.status, body: await jsonOf(response) }
  }
  return { ask, readiness, clock, lines }
}

describe('whether it is ready', () => {
  test('is told check by check', async () => {
    const { ask } = ready([well, { ...well, name: 'disk' }])
    expect(await ask()).toEqual({
      status: 200,
      body: { status: 'ready', checks: { database: 'ok', disk: 'ok', draining: 'ok' } },
    })
  })

  test('it is not without its database', async () => {
    const other = await openAppHarness()
    const look = saying('The database does not answer', () => other.database.get('select 1 as one'))
    const { ask, lines } = ready([{ ...well, look }])
    expect((await ask()).status).toBe(200)
    await other.close()
    for (let times = 0; times < 3; times++)
      expect(await ask()).toEqual({
        status: 503,
        body: {
          error: 'Not ready',
          reason: 'The database does not answer',
          checks: { database: 'The database does not answer', draining: 'ok' },
        },
      })
    // Told once, though it is asked every second.
    expect(lines).toEqual(['[Workflow.Coordinator] Not ready: The database does not answer'])
  })

  test('it is not on a disk without room, or that cannot be written to, and is again when there is', async () => {
    let free = 100e6
    let isWritable = true
    const room = createDiskRoom({ reserveBytes: 512e6, freeBytes: () => Promise.resolve(free) })
    const look = roomFor(room, () =>
      isWritable ? Promise.resolve() : Promise.reject(new Error('/data: EROFS')),
    )
    const { ask, lines } = ready([{ name: 'disk', keptMs: 0, look }])
    const tooFull = 'The disk has 100 MB free; 512 MB (MIN_FREE_DISK_MB) are reserved for paid clips'
    expect(await ask()).toMatchObject({ status: 503, body: { reason: tooFull } })
    free = 600e6
    expect(await ask()).toMatchObject({ status: 200 })
    isWritable = false
    expect(await ask()).toMatchObject({
      status: 503,
      body: { reason: 'The data folder is not writable' },
    })
    expect(lines).toHaveLength(3)
  })

  test('it is not when it stops, though it answers', async () => {
    const { ask, readiness } = ready([well])
    readiness.drain()
    expect(await ask()).toEqual({
      status: 503,
      body: {
        error: 'Not ready',
        reason: 'The server is stopping',
        checks: { database: 'ok', draining: 'The server is stopping' },
      },
    })
    expect((await harness.app.request('/livez')).status).toBe(200)
  })

  test('does not wait for what does not answer, and does not ask it again meanwhile', async () => {
    let asked = 0
    const look = (): Promise<never> => {
      asked++
      return new Promise(() => {})
    }
    const { ask, clock } = ready([{ name: 'disk', keptMs: 0, look }])
    for (let times = 0; times < 2; times++) {
      const answer = ask()
      await expect.poll(() => clock.nextWakeAt()).toBe(clock.now() + 2000)
      clock.advance(2000)
      expect(await answer).toMatchObject({
        status: 503,
        body: { reason: 'disk did not answer within 2 s' },
      })
    }
    expect(asked).toBe(1)
  })

  test('goes by what a slow check found last until it has looked again', async () => {
    let isWell = true
    const looks: (() => void)[] = []
    const look = () =>
      new Promise<void>((resolve, reject) =>
        looks.push(() => (isWell ? resolve() : reject(new Error('FFmpeg cannot be used')))),
      )
    const { ask, clock } = ready([{ name: 'ffmpeg', keptMs: 60_000, isSlow: true, look }])
    expect((await ask()).status).toBe(200)
    expect(looks).toHaveLength(0)
    isWell = false
    clock.advance(60_001)
    expect((await ask()).status).toBe(200)
    expect((await ask()).status).toBe(200)
    expect(looks).toHaveLength(1)
    looks[0]!()
    await expect.poll(async () => (await ask()).status).toBe(503)
  })
})

describe('a request', () => {
  const seen: { readonly msg: string; readonly [member: string]: unknown }[] = []
  const log = createLog({ level: 'debug', destination: { write: (line) => seen.push(JSON.parse(line)) } })
  const ask = async (id?: string) =>
    harness.appWith({ log }).request('/api/v3/jobs/99?secret=r8_hidden', {
      headers: id === undefined ? {} : { 'x-request-id': id },
    })

  test('is answered with its id: its own where that is well-formed', async () => {
    expect((await ask('trace-7.a:b_C')).headers.get('x-request-id')).toBe('trace-7.a:b_C')
    for (const bad of ['has spaces', 'x'.repeat(129), 'ü', ''])
      expect((await ask(bad)).headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
    expect((await ask()).headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
  })

  test('is a line of the log for who looks closely', async () => {
    seen.length = 0
    await ask('abc')
    expect(seen).toEqual([
      {
        level: 20,
        time: expect.any(String),
        request_id: 'abc',
        method: 'GET',
        route: '/api/v3/jobs/:id',
        path: '/api/v3/jobs/99',
        status: 400,
        ms: expect.any(Number),
        by: 'local',
        msg: '[Workflow.Coordinator] GET /api/v3/jobs/:id 400',
      },
    ])
  })

  test('that breaks is logged under the id that it came with', async () => {
    const coordinator = { ...harness.coordinator, viewWithEta: () => Promise.reject(new Error('it broke')) }
    const response = await harness
      .appWith({ coordinator, log })
      .request('/api/v3/jobs/7', { headers: { 'x-request-id': 'from-the-shop' } })
    expect(await jsonOf(response)).toEqual({ error: 'Internal error', request_id: 'from-the-shop' })
    expect(seen.find(({ level }) => level === 50)).toMatchObject({ request_id: 'from-the-shop' })
  })
})
