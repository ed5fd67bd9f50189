/** Every time that comes in is read by one schema: a moment of ISO 8601, its zone said. */
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AppHarness, openAppHarness } from '../harness/app.ts'
import { jsonOf } from '../harness/ask.ts'

let harness: AppHarness
let jobId: number
beforeAll(async () => {
  harness = await openAppHarness()
  jobId = (await harness.job()).job_id
})
afterAll(() => harness.close())

const send = (method: string, path: string, body: object) => {
  const text = JSON.stringify(body)
  return harness.app.request(`/api/v3${path}`, {
    method,
    headers: { 'content-type': 'application/json', 'content-length': String(text.length) },
    body: text,
  })
}
const query = (path: string, name: string) => (time: string) =>
  harness.app.request(`/api/v3${path}?${name}=${encodeURIComponent(time)}`)

let keys = 0
/** Each way in, by the field that its refusal names. */
const ways: Readonly<Record<string, (time: string) => Response | Promise<Response>>> = {
  created_after: query('/jobs', 'created_after'),
  created_before: query('/jobs', 'created_before'),
  from: query('/ledger', 'from'),
  to: query('/ledger', 'to'),
  expires_at: (time) => send('POST', '/keys', { name: `key ${++keys}`, scopes: ['read'], expires_at: time }),
  run_at: (time) => send('PATCH', `/jobs/${jobId}`, { run_at: time, deadline_at: null }),
  deadline_at: (time) => send('PATCH', `/jobs/${jobId}`, { deadline_at: time, run_at: null }),
}

const wrong = [
  '',
  ' ',
  'now',
  'job 12',
  '11/12/2026',
  '2027-01-31',
  '2027-01-31 junk',
  '2027-01-31T00:00:00',
  '2027-01-31 00:00:00Z',
  ' 2027-01-31T00:00:00Z',
  '2027-01-31T00:00:00Z ',
  '2027-01-31T00:00:00z',
  '2027-01-31t00:00:00Z',
  '2027-01-31T00:00:00+0200',
  '2027-01-31T00:00:00+02',
  '2027-01-31T00:00:00 02:00',
  '2027-01-31T00:00:00+25:00',
  '2027-02-29T00:00:00Z',
  '2027-02-30T00:00:00Z',
  '2027-00-01T00:00:00Z',
  '2027-13-01T00:00:00Z',
  '2027-01-31T24:00:00Z',
  '2027-01-31T00:60:00Z',
  '2027-01-31T00:00:60Z',
  '27-01-31T00:00:00Z',
  '+002027-01-31T00:00:00Z',
  '1798675200000',
  '2027-W05-1T00:00:00Z',
  '2027-01-31T00:00Z',
  `2027-01-31T00:00:00.${'0'.repeat(60)}Z`,
]

const queried = new Set(['created_after', 'created_before', 'from', 'to'])

describe.each(Object.entries(ways))('%s', (field, ask) => {
  test('refuses what is no such moment, and says what is wanted', async () => {
    for (const time of wrong) {
      const response = await ask(time)
      const body = await jsonOf(response)
      expect([time, response.status, body.field]).toEqual([time, queried.has(field) ? 400 : 422, field])
      expect(body.reason, time).toMatch(
        /^must be a time in ISO 8601 with its zone, such as |^must have at most 64 characters$/,
      )
    }
  })

  test('takes one of any zone and of any fraction of a second', async () => {
    for (const time of [
      '2098-01-31T00:00:00Z',
      '2096-02-29T23:59:59.123456789+14:00',
      '2098-01-31T00:00:00-03:30',
    ])
      expect((await ask(time)).status, time).toBeLessThan(300)
  })
})

test('a moment is the same in every zone', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: Date.UTC(2090, 0), max: Date.UTC(2099, 0) }),
      fc.integer({ min: -14 * 60, max: 14 * 60 }),
      async (ms, offset) => {
        const two = (number: number): string => String(number).padStart(2, '0')
        const zone = `${offset < 0 ? '-' : '+'}${two(Math.floor(Math.abs(offset) / 60))}:${two(Math.abs(offset) % 60)}`
        const local = new Date(ms + offset * 60_000).toISOString().replace('Z', zone)
        const { run_at } = await jsonOf(ways['run_at']!(local))
        expect(Date.parse(run_at)).toBe(ms)
      },
    ),
    { seed: 8, numRuns: 50 },
  )
})
