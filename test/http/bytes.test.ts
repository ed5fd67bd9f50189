import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ArtifactStore } from '../../src/artifact/artifact.ts'
import { parseRange } from '../../src/http/edge/bytes.ts'
import { type AppHarness, openAppHarness } from '../harness/app.ts'
import { jsonOf, sha256 } from '../harness/ask.ts'

const film = Uint8Array.from({ length: 700_001 }, (_, index) => (index * 31 + (index >> 8)) & 0xff)
const tag = `"${sha256(film)}"`

let harness: AppHarness
let address: string
let modified: string
beforeAll(async () => {
  harness = await openAppHarness()
  const { job_id } = await harness.job(1, { video_name: 'Casa "Ñandú" 🏡\u{202e}' })
  await harness.finish(job_id, film)
  address = `/api/v3/videos/${job_id}/combined`
  modified = (await harness.app.request(address)).headers.get('last-modified')!
})
afterAll(() => harness.close())

const get = (headers: Record<string, string> = {}, method = 'GET') =>
  harness.app.request(address, { method, headers })
const bytesOf = async (response: Response) => Buffer.from(await response.arrayBuffer())
const shifted = (seconds: number): string => new Date(Date.parse(modified) + seconds * 1000).toUTCString()

test('the film comes whole, with all a player asks for', async () => {
  const response = await get()
  expect(response.status).toBe(200)
  expect(Object.fromEntries(response.headers)).toMatchObject({
    'content-type': 'video/mp4',
    'content-length': String(film.length),
    'accept-ranges': 'bytes',
    'cache-control': 'private, no-cache',
    etag: tag,
    'x-content-type-options': 'nosniff',
    'content-disposition': `inline; filename="Casa Nandu _.mp4"; filename*=UTF-8''Casa%20%C3%91and%C3%BA%20%F0%9F%8F%A1.mp4`,
  })
  expect((await bytesOf(response)).equals(film)).toBe(true)
})

test('HEAD answers as GET would, without the bytes and without opening them', async () => {
  const headers = { 'x-request-id': 'the-same' }
  const whole = await harness.app.request(address, { headers })
  await whole.body?.cancel()
  let opened = 0
  const artifacts: ArtifactStore = {
    ...harness.artifacts,
    read: (...asked) => {
      opened++
      return harness.artifacts.read(...asked)
    },
  }
  const head = await harness.appWith({ artifacts }).request(address, { method: 'HEAD', headers })
  expect(head.status).toBe(200)
  expect(Object.fromEntries(head.headers)).toEqual(Object.fromEntries(whole.headers))
  expect(await head.text()).toBe('')
  expect(opened).toBe(0)
})

describe('a range', () => {
  test('of any kind gives just the slice it asks for', async () => {
    const size = film.length
    const edge = fc.oneof(fc.nat(size + 10), fc.constantFrom(0, 1, size - 1, size, 262_143, 262_144))
    await fc.assert(
      fc.asyncProperty(edge, edge, fc.constantFrom('closed', 'open', 'suffix'), async (a, b, kind) => {
        const [start, end] = a <= b ? [a, b] : [b, a]
        const range = { closed: `${start}-${end}`, open: `${start}-`, suffix: `-${start}` }[kind]
        const expected = {
          closed: film.slice(start, end + 1),
          open: film.slice(start),
          suffix: film.slice(-start),
        }
        const slice = kind === 'suffix' && start === 0 ? new Uint8Array() : expected[kind]
        const response = await get({ range: `bytes=${range}` })
        if (slice.length === 0) {
          expect(response.status).toBe(416)
          expect(response.headers.get('content-range')).toBe(`bytes */${size}`)
          expect(await response.json()).toMatchObject({ error: 'Range not satisfiable', size })
          return
        }
        expect(response.status).toBe(206)
        expect(response.headers.get('content-length')).toBe(String(slice.length))
        const first = kind === 'suffix' ? size - slice.length : start
        expect(response.headers.get('content-range')).toBe(
          `bytes ${first}-${first + slice.length - 1}/${size}`,
        )
        expect((await bytesOf(response)).equals(slice)).toBe(true)
      }),
      { numRuns: 60, seed: 20_261_123 },
    )
  })

  test.each([
    'bytes=0-1,5-6',
    'bytes=',
    'bytes=-',
    'bytes=a-b',
    'bytes=5-2',
    'items=0-1',
    'bytes=0x1-2',
    'bytes 0-1',
  ])('that is no single range (%s) gives the whole', async (range) => {
    const response = await get({ range })
    expect(response.status).toBe(200)
    await response.body?.cancel()
  })

  test('is not taken from HEAD, and none fits into nothing', async () => {
    expect((await get({ range: 'bytes=0-1' }, 'HEAD')).status).toBe(200)
    for (const range of ['bytes=0-', 'bytes=-1', 'bytes=0-0'])
      expect(parseRange(range, 0)).toBe('unsatisfiable')
  })

  test('with numbers past what is exact stays in bounds', () => {
    expect(parseRange('bytes=0-99999999999999999999999', 10)).toEqual({ start: 0, end: 9 })
    expect(parseRange('bytes=-99999999999999999999999', 10)).toEqual({ start: 0, end: 9 })
    expect(parseRange('bytes=99999999999999999999999-', 10)).toBe('unsatisfiable')
  })

  test('counts under If-Range only for the very same bytes', async () => {
    const range = 'bytes=0-9'
    const statusFor = async (ifRange: string) => {
      const response = await get({ range, 'if-range': ifRange })
      await response.body?.cancel()
      return response.status
    }
    expect(await statusFor(tag)).toBe(206)
    expect(await statusFor(modified)).toBe(206)
    expect(await statusFor(`W/${tag}`)).toBe(200)
    expect(await statusFor('"other"')).toBe(200)
    expect(await statusFor(shifted(1))).toBe(200)
    expect(await statusFor(shifted(-1))).toBe(200)
    expect(await statusFor('nonsense')).toBe(200)
  })
})

describe('a condition', () => {
  test.each<[string, () => Record<string, string>, number]>([
    ['the same tag', () => ({ 'if-none-match': tag }), 304],
    ['the same tag, weak', () => ({ 'if-none-match': `W/${tag}` }), 304],
    ['one of several tags', () => ({ 'if-none-match': `"a", ${tag}` }), 304],
    ['any tag', () => ({ 'if-none-match': '*' }), 304],
    ['another tag', () => ({ 'if-none-match': '"a"' }), 200],
    [
      'another tag, whatever the date',
      () => ({ 'if-none-match': '"a"', 'if-modified-since': shifted(9) }),
      200,
    ],
    ['a date since', () => ({ 'if-modified-since': shifted(0) }), 304],
    ['an earlier date', () => ({ 'if-modified-since': shifted(-1) }), 200],
    ['no date at all', () => ({ 'if-modified-since': 'yesterday' }), 200],
    ['to match the tag', () => ({ 'if-match': tag }), 200],
    ['to match another', () => ({ 'if-match': '"a"' }), 412],
    ['to match weakly', () => ({ 'if-match': `W/${tag}` }), 412],
    ['unmodified since', () => ({ 'if-unmodified-since': shifted(0) }), 200],
    ['unmodified since before', () => ({ 'if-unmodified-since': shifted(-1) }), 412],
  ])('%s', async (_name, headers, status) => {
    for (const method of ['GET', 'HEAD']) {
      const response = await get(headers(), method)
      expect(response.status).toBe(status)
      if (status === 304) {
        expect(response.headers.get('etag')).toBe(tag)
        expect(response.headers.get('content-length')).toBeNull()
        expect(await response.text()).toBe('')
      } else await response.body?.cancel()
    }
  })

  test('that fails comes before a range', async () => {
    expect((await get({ 'if-none-match': tag, range: 'bytes=0-1' })).status).toBe(304)
  })
})

test('clips and thumbnails are served the same way, under names of their own', async () => {
  const { scenes } = await jsonOf(
    harness.app.request(address.replace('videos', 'jobs').replace('combined', 'scenes')),
  )
  const clip = await harness.app.request(scenes[0].clip_url, { headers: { range: 'bytes=5-9' } })
  expect(clip.status).toBe(206)
  expect(clip.headers.get('content-disposition')).toContain('scene 1.mp4')
  expect((await bytesOf(clip)).equals(film.slice(5, 10))).toBe(true)
  const thumbnail = await harness.app.request(address.replace('combined', 'thumbnail'), { method: 'HEAD' })
  expect(thumbnail.headers.get('content-type')).toBe('image/jpeg')
  expect(thumbnail.headers.get('content-disposition')).toContain('.jpg')
})

/** Counts what is read of it, and whether it is closed. */
const watched = () => {
  const seen = { chunks: 0, closed: false }
  const artifacts: ArtifactStore = {
    ...harness.artifacts,
    read: async () =>
      (async function* () {
        try {
          for (;;) {
            seen.chunks++
            yield new Uint8Array(1000)
          }
        } finally {
          seen.closed = true
        }
      })(),
  }
  return { seen, app: harness.appWith({ artifacts }) }
}

describe('a big film', () => {
  test('is read only as fast as it is taken, and closed when the client goes away', async () => {
    const { seen, app } = watched()
    const response = await app.request(address)
    const reader = response.body!.getReader()
    await reader.read()
    await reader.read()
    await new Promise((resolve) => setImmediate(resolve))
    expect(seen.chunks).toBe(2)
    expect(seen.closed).toBe(false)
    await reader.cancel()
    expect(seen.closed).toBe(true)
  })

  test('is closed too when the client goes before the first byte', async () => {
    const { seen, app } = watched()
    const response = await app.request(address)
    await response.body!.cancel()
    expect(seen.closed).toBe(true)
  })

  test('that is gone from the store is an error of the server and not an empty download', async () => {
    const artifacts: ArtifactStore = { ...harness.artifacts, stat: () => Promise.resolve(undefined) }
    expect((await harness.appWith({ artifacts }).request(address)).status).toBe(500)
  })
})
