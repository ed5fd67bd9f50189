/** A clip that is paid for is fetched, however often it is cut off; what isn't the clip is not taken for it. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { FetchOutcome } from '../../../src/renderer/provider.ts'
import { createGuardedFetch } from '../../../src/outbound/guarded.ts'
import type { ReplicateOptions } from '../../../src/renderer/replicate/replicate.ts'
import { hurriedHost, never, type Received, replicateAt, serve, serveRaw, token } from './scripted.ts'

const clip = randomBytes(300_000)
const maxBytes = 1_000_000
let directory = ''
let path = ''
let files = 0
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'clips-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))
beforeEach(() => {
  path = join(directory, `${++files}.mp4`)
})

const fetchFrom = (
  url: string,
  { baseUrl = url, limit = maxBytes, ...options }: Partial<ReplicateOptions> & { limit?: number } = {},
  signal = never,
): Promise<FetchOutcome> =>
  replicateAt(new URL(baseUrl).origin, options).fetchClip({ url, path, maxBytes: limit }, signal)

/** A server of files as they should be, which cuts an answer off after `cutAfter` bytes. */
function sendClip(
  response: ServerResponse,
  { headers }: Received,
  { bytes = clip, etag = '"one"', cutAfter = Number.POSITIVE_INFINITY } = {},
): void {
  const goesOn = headers.range !== undefined && headers['if-range'] === etag
  const start = goesOn ? Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1]) : 0
  const type = { 'content-type': 'video/mp4', etag }
  if (goesOn && start >= bytes.length) {
    response.writeHead(416, { ...type, 'content-range': `bytes */${bytes.length}` }).end()
    return
  }
  const range = goesOn ? { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` } : {}
  response.writeHead(goesOn ? 206 : 200, { ...type, ...range, 'content-length': bytes.length - start })
  const part = bytes.subarray(start, start + cutAfter)
  if (part.length < bytes.length - start) void cutOff(response, part, start + part.length)
  else response.end(part)
}

/** Sends `part`, and hangs up when so many bytes are in the file: what a cut overtakes is lost. */
async function cutOff(response: ServerResponse, part: Uint8Array, until: number): Promise<void> {
  response.write(part)
  for (let look = 0; look < 1000 && (await kept()) !== until; look++) await setTimeout(2)
  response.destroy()
}

const kept = (): Promise<number | undefined> =>
  stat(path).then(
    ({ size }) => size,
    () => undefined,
  )

describe('a clip', () => {
  it('is fetched whole, without the token of a server that is not the API', async () => {
    await using server = await serve((response, request) => sendClip(response, request))
    const outcome = await fetchFrom(`${server.url}/clip.mp4`, { baseUrl: 'http://127.0.0.1:9' })
    expect(outcome).toEqual({ kind: 'fetched', size: clip.length })
    expect(await readFile(path)).toEqual(clip)
    expect(server.received[0]).toMatchObject({ headers: { 'accept-encoding': 'identity' } })
    expect(server.received[0]?.headers.authorization).toBeUndefined()
  })

  it('is fetched from the API itself with the token', async () => {
    await using server = await serve((response, request) => sendClip(response, request))
    await fetchFrom(`${server.url}/v1/files/clip`)
    expect(server.received[0]?.headers.authorization).toBe(`Bearer ${token}`)
  })

  it('goes on where it was cut off, as often as it takes', async () => {
    await using server = await serve((response, request) =>
      sendClip(response, request, { cutAfter: 120_000 }),
    )
    expect(await fetchFrom(server.url)).toMatchObject({ kind: 'failed' })
    expect(await kept()).toBe(120_000)
    expect(await fetchFrom(server.url)).toMatchObject({ kind: 'failed' })
    expect(await fetchFrom(server.url)).toEqual({ kind: 'fetched', size: clip.length })
    expect(await readFile(path)).toEqual(clip)
    expect(server.received.map(({ headers }) => headers.range)).toEqual([
      undefined,
      'bytes=120000-',
      'bytes=240000-',
    ])
  })

  it('that is whole already is not fetched again', async () => {
    await using server = await serve((response, request) => sendClip(response, request))
    await fetchFrom(server.url)
    expect(await fetchFrom(server.url)).toEqual({ kind: 'fetched', size: clip.length })
    expect(server.received[1]?.headers.range).toBe(`bytes=${clip.length}-`)
  })

  it('that became another meanwhile is fetched from its start', async () => {
    const other = randomBytes(200_000)
    let calls = 0
    await using server = await serve((response, request) =>
      ++calls === 1
        ? sendClip(response, request, { cutAfter: 120_000 })
        : sendClip(response, request, { bytes: other, etag: '"two"' }),
    )
    await fetchFrom(server.url)
    expect(await fetchFrom(server.url)).toEqual({ kind: 'fetched', size: other.length })
    expect(await readFile(path)).toEqual(other)
  })

  it.each([
    ['at another place', 206, { 'content-range': 'bytes 5-299999/300000' }],
    ['nobody knows where', 206, {}],
    ['with another clip', 206, { 'content-range': 'bytes 120000-299999/300000', etag: '"two"' }],
    ['with a shorter clip', 416, { 'content-range': 'bytes */100000' }],
  ])('that a server goes on with %s is begun again', async (_name, status, headers) => {
    let calls = 0
    await using server = await serve((response, request) => {
      if (++calls === 2) response.writeHead(status, headers as Record<string, string>).end()
      else sendClip(response, request, { cutAfter: calls === 1 ? 120_000 : Number.POSITIVE_INFINITY })
    })
    await fetchFrom(server.url)
    expect(await fetchFrom(server.url)).toMatchObject({ kind: 'failed' })
    expect(await fetchFrom(server.url)).toEqual({ kind: 'fetched', size: clip.length })
    expect(server.received[2]?.headers.range).toBeUndefined()
    expect(await readFile(path)).toEqual(clip)
  })

  it.each([null, 'W/"one"'])('with the ETag %j can only be begun again', async (etag) => {
    let calls = 0
    await using server = await serve((response) => {
      response.writeHead(200, { 'content-length': clip.length, ...(etag === null ? {} : { etag }) })
      if (++calls === 1) void cutOff(response, clip.subarray(0, 1000), 1000)
      else response.end(clip)
    })
    await fetchFrom(server.url)
    expect(await fetchFrom(server.url)).toEqual({ kind: 'fetched', size: clip.length })
    expect(server.received[1]?.headers.range).toBeUndefined()
    expect(await readFile(path)).toEqual(clip)
  })

  it('that nobody knows the beginning of is begun again', async () => {
    await writeFile(path, 'bytes of something else')
    await using server = await serve((response, request) => sendClip(response, request))
    expect(await fetchFrom(server.url)).toEqual({ kind: 'fetched', size: clip.length })
    expect(await readFile(path)).toEqual(clip)
  })

  it('of which a part is sent, however politely, is not whole', async () => {
    let calls = 0
    await using server = await serve((response, request) => {
      if (++calls !== 2) return sendClip(response, request, { cutAfter: calls === 1 ? 100_000 : clip.length })
      response.writeHead(206, { 'content-range': 'bytes 100000-199999/300000', etag: '"one"' })
      response.end(clip.subarray(100_000, 200_000))
    })
    await fetchFrom(server.url)
    const partly = { kind: 'failed', reason: 'received 200000 of 300000 bytes' }
    expect(await fetchFrom(server.url)).toEqual(partly)
    expect(await fetchFrom(server.url)).toEqual({ kind: 'fetched', size: clip.length })
    expect(await readFile(path)).toEqual(clip)
  })

  it.each([403, 404, 410])('is gone with %i', async (status) => {
    await using server = await serve((response) => response.writeHead(status).end())
    expect(await fetchFrom(server.url)).toEqual({ kind: 'gone', reason: `HTTP ${status}` })
  })

  it.each([429, 500, 503])('that is answered %i is not gone, and keeps what came', async (status) => {
    let calls = 0
    await using server = await serve((response, request) => {
      if (++calls === 1) sendClip(response, request, { cutAfter: 1000 })
      else response.writeHead(status).end('Later')
    })
    await fetchFrom(server.url)
    expect(await fetchFrom(server.url)).toEqual({ kind: 'failed', reason: `HTTP ${status}` })
    expect(await kept()).toBe(1000)
  })

  const pages = ['text/html; charset=utf-8', 'application/json', 'application/problem+json']
  it.each(pages)('is paid for, and kept as it came, whatever it is: %s', async (type) => {
    await using server = await serve((response) =>
      response.writeHead(200, { 'content-type': type }).end('{}'),
    )
    expect(await fetchFrom(server.url)).toEqual({ kind: 'fetched', size: 2 })
    expect(await readFile(path, 'utf8')).toBe('{}')
  })

  it.each(pages)('of which a part is kept does not give way to %s', async (type) => {
    let calls = 0
    await using server = await serve((response, request) => {
      if (++calls !== 2) sendClip(response, request, { cutAfter: calls === 1 ? 120_000 : clip.length })
      else response.writeHead(200, { 'content-type': type }).end('{}')
    })
    await fetchFrom(server.url)
    expect(await fetchFrom(server.url)).toMatchObject({
      kind: 'failed',
      reason: 'Received a page instead of the rest of the clip',
    })
    expect(await kept()).toBe(120_000)
    expect(await fetchFrom(server.url)).toEqual({ kind: 'fetched', size: clip.length })
    expect(await readFile(path)).toEqual(clip)
  })

  it('that comes compressed is unpacked', async () => {
    await using server = await serve((response) => {
      const body = gzipSync(clip)
      response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': body.length }).end(body)
    })
    expect(await fetchFrom(server.url)).toEqual({ kind: 'fetched', size: clip.length })
    expect(await readFile(path)).toEqual(clip)
  })

  /** What stands at an address without a name: its content type and its first bytes. */
  const things = {
    'a page': ['text/html', '<!doctype html>Just a moment'],
    'a picture': ['image/jpeg', '\xff\xd8\xff\xe0 picture'],
    'a picture that says nothing': ['application/octet-stream', '\x89PNG\r\n\x1a\n picture'],
    'a picture that says it is a clip': ['video/mp4', '\xff\xd8\xff\xe0 picture'],
    'bytes that nobody knows': ['application/octet-stream', '\x01\x02\x03\x04'],
    nothing: ['text/plain', ''],
    'a clip': ['video/mp4', '\x00\x00\x00\x18ftypmp42'],
    'a clip that says nothing': ['application/octet-stream', '\x1a\x45\xdf\xa3 webm'],
    'an animation': ['image/gif', 'GIF89a animation'],
  } as const
  type Thing = keyof typeof things
  const beside: readonly (readonly [readonly Thing[], Thing])[] = [
    [['a picture', 'a clip'], 'a clip'],
    [['a page', 'a picture that says nothing', 'a clip that says nothing'], 'a clip that says nothing'],
    [['a picture that says it is a clip', 'a clip'], 'a clip'],
    [['bytes that nobody knows', 'a clip'], 'a clip'],
    [['a picture', 'bytes that nobody knows'], 'bytes that nobody knows'],
    [['an animation', 'a clip'], 'a clip'],
    [['a picture', 'an animation'], 'an animation'],
    [['a picture', 'nothing'], 'a picture'],
    [['a picture', 'a page'], 'a picture'],
  ]
  it.each(beside)('is found among %j by what is sent', async (names, expected) => {
    await using server = await serve((response, request) => {
      const [type, bytes] = things[decodeURIComponent(request.path.slice(1)) as Thing]
      response.writeHead(200, { 'content-type': type }).end(bytes, 'latin1')
    })
    const [url = '', ...others] = names.map((name) => `${server.url}/${encodeURIComponent(name)}`)
    const outcome = await replicateAt(server.url).fetchClip({ url, others, path, maxBytes }, never)
    expect(outcome).toMatchObject({ kind: 'fetched' })
    expect((await readFile(path)).toString('latin1')).toBe(things[expected][1])
  })

  it.each([404, 503, 0])(
    'that cannot be reached for a moment (%i) is not replaced by a preview, but by another clip',
    async (status) => {
      const [type, bytes] = things['a clip']
      let isReached = false
      await using server = await serve((response, request) => {
        if (request.path === '/preview') response.writeHead(200).end(things['an animation'][1])
        else if (isReached || request.path === '/other')
          response.writeHead(200, { 'content-type': type }).end(bytes, 'latin1')
        else if (status === 0) response.destroy()
        else response.writeHead(status).end()
      })
      const fetchBeside = (...others: string[]): Promise<FetchOutcome> =>
        replicateAt(server.url).fetchClip(
          { url: `${server.url}/clip`, others: others.map((name) => server.url + name), path, maxBytes },
          never,
        )
      expect((await fetchBeside('/preview')).kind).toBe(status === 404 ? 'gone' : 'failed')
      expect(await fetchBeside('/preview', '/other')).toEqual({ kind: 'fetched', size: bytes.length })
      await rm(path)
      isReached = true
      expect(await fetchBeside('/preview')).toEqual({ kind: 'fetched', size: bytes.length })
    },
  )

  it('is found though its first bytes come one by one', async () => {
    const picture = Buffer.from('\x89PNG\r\n\x1a\n picture', 'latin1')
    const film = Buffer.from('\x1a\x45\xdf\xa3 webm', 'latin1')
    await using server = await serve(async (response, request) => {
      for (const byte of request.path === '/picture' ? picture : film) {
        response.write(Buffer.of(byte))
        await setTimeout(1)
      }
      response.end()
    })
    const [url, ...others] = [`${server.url}/picture`, `${server.url}/film`] as const
    expect(await replicateAt(server.url).fetchClip({ url, others, path, maxBytes }, never)).toMatchObject({
      kind: 'fetched',
    })
    expect(await readFile(path)).toEqual(film)
  })

  it('may not be larger than it may, announced or not', async () => {
    await using announced = await serve((response, request) => sendClip(response, request))
    expect(await fetchFrom(announced.url, { limit: 299_999 })).toEqual({
      kind: 'failed',
      reason: 'The clip has 300000 bytes, more than 299999',
    })
    await fetchFrom(announced.url)
    expect(await fetchFrom(announced.url, { limit: 299_999 })).toMatchObject({ kind: 'failed' })
    expect(await kept()).toBeUndefined()
    await using endless = await serve((response) => {
      const more = (): boolean => response.write(clip, () => more())
      more()
    })
    expect(await fetchFrom(endless.url)).toMatchObject({
      kind: 'failed',
      reason: expect.stringMatching(/more than 1000000/),
    })
    expect(await kept()).toBeUndefined()
  })

  it('of which no byte comes for half a minute is cut off, and kept', async () => {
    await using server = await serve((response) => {
      response.writeHead(200, { 'content-length': clip.length, etag: '"one"' }).write(clip.subarray(0, 1000))
    })
    const outcome = await fetchFrom(server.url, { host: hurriedHost(200) })
    expect(outcome).toEqual({ kind: 'failed', reason: 'no byte for 30 s' })
    expect(await kept()).toBe(1000)
    await using mute = await serveRaw(() => undefined)
    const { reason } = (await fetchFrom(`http://127.0.0.1:${mute.port}`, { host: hurriedHost(400) })) as {
      reason: string
    }
    expect(reason).toBe('no byte for 30 s')
  })

  it('that its caller gives up is cut off, and kept', async () => {
    const stop = new AbortController()
    await using server = await serve((response) => {
      response.writeHead(200, { 'content-length': clip.length, etag: '"one"' })
      response.write(clip.subarray(0, 1000))
      const giveUp = async (): Promise<void> => {
        while ((await kept()) !== 1000) await setTimeout(2)
        stop.abort()
      }
      void giveUp()
    })
    expect(await fetchFrom(server.url, {}, stop.signal)).toMatchObject({ kind: 'failed' })
    expect(await kept()).toBe(1000)
  })

  it('rejects where the file cannot be written', async () => {
    path = join(directory, 'no-folder', 'clip.mp4')
    await expect(fetchFrom('http://127.0.0.1:9')).rejects.toThrow('ENOENT')
  })
})

describe("a clip's address", () => {
  it('may redirect three times, and the token goes to the API alone', async () => {
    await using delivery = await serve((response, request) =>
      request.path === '/last'
        ? sendClip(response, request)
        : response.writeHead(302, { location: '/last' }).end('Moved'),
    )
    await using api = await serve((response, { path: at }) =>
      at === '/v1/files/1'
        ? response.writeHead(307, { location: '/v1/files/2' }).end()
        : response.writeHead(301, { location: `${delivery.url}/first` }).end(),
    )
    const outcome = await fetchFrom(`${api.url}/v1/files/1`)
    expect(outcome).toEqual({ kind: 'fetched', size: clip.length })
    expect(api.received.map(({ headers }) => headers.authorization)).toEqual(Array(2).fill(`Bearer ${token}`))
    expect(delivery.received.map(({ headers }) => headers.authorization)).toEqual([undefined, undefined])
  })

  it('may not redirect for ever', async () => {
    await using server = await serve((response) => response.writeHead(302, { location: '/again' }).end())
    expect(await fetchFrom(server.url)).toMatchObject({
      kind: 'failed',
      reason: expect.stringMatching(/more than 3 times/),
    })
    expect(server.received).toHaveLength(4)
  })

  /** Addresses and names that lead to a server on this machine; `PORT` is its port. */
  const hidden = [
    '127.0.0.1:PORT/api/v3/jobs',
    '2130706433:PORT/',
    '0x7f.1:PORT/',
    '0177.0.0.1:PORT/',
    'localhost.:PORT/',
    'db.localhost:PORT/',
    '10.1.2.3:PORT/',
    '172.31.0.1:PORT/',
    '192.168.1.1:PORT/',
    '169.254.169.254/latest/meta-data',
    '100.64.0.1:PORT/',
    '0.0.0.0:PORT/',
    '[::1]:PORT/',
    '[::ffff:127.0.0.1]:PORT/',
    '[fd00::1]:PORT/',
    '[fe80::1]:PORT/',
    '[2002:7f00:1::]:PORT/',
    'loopback.example:PORT/',
    'metadata.example:PORT/',
    'half-public.example:PORT/',
  ]
  const names: Readonly<Record<string, readonly string[]>> = {
    'loopback.example': ['127.0.0.1'],
    'metadata.example': ['169.254.169.254'],
    'half-public.example': ['93.184.216.34', '127.0.0.1'],
    'db.localhost': ['127.0.0.1'],
    localhost: ['127.0.0.1'],
  }
  const guarded = createGuardedFetch({
    allowed: [],
    resolve: (name) => Promise.resolve(names[name] ?? []),
  })
  afterAll(() => guarded.close())

  it.each(hidden)('may not lead into a private network as %s, first or by redirect', async (written) => {
    await using hiding = await serve((response, request) => sendClip(response, request))
    const { port } = new URL(hiding.url)
    for (const scheme of ['http', 'https']) {
      const address = `${scheme}://${written.replace('PORT', port)}`
      await using api = await serve((response) => response.writeHead(302, { location: address }).end())
      // The API has the name of this machine: its own host is reached, and that is none of those.
      const base = `http://localhost:${new URL(api.url).port}`
      for (const url of [address, `${base}/v1/files/clip`])
        expect(await fetchFrom(url, { baseUrl: base, fetchOutside: guarded.fetch })).toMatchObject({
          kind: 'failed',
          reason: expect.stringMatching(/not on the public internet$/),
        })
      expect(api.received).toHaveLength(1)
    }
    expect(hiding.received).toEqual([])
    expect(await kept()).toBe(0)
  })

  it.each([
    'file:///etc/passwd',
    'ftp://replicate.delivery/clip.mp4',
    'data:video/mp4;base64,AAAA',
    'blob:https://replicate.delivery/1',
    'http://replicate.delivery/clip.mp4',
    'http://api.replicate.com/clip.mp4',
    'https://user:password@replicate.delivery/clip.mp4',
    'clip.mp4',
  ])('may not be %s, first or by redirect', async (address) => {
    const asked: string[] = []
    const fetch = ((target: URL) => {
      asked.push(target.href)
      return Promise.resolve(new Response(null, { status: 302, headers: { location: address } }))
    }) as typeof globalThis.fetch
    const options = { baseUrl: 'https://api.replicate.com', fetch, fetchOutside: fetch }
    const refused = { kind: 'failed', reason: expect.stringMatching(/^The clip's address/) }
    expect(await fetchFrom(address, options)).toMatchObject(refused)
    expect(asked).toEqual([])
    const first = 'https://replicate.delivery/clips/1'
    expect(await fetchFrom(first, options)).toMatchObject(refused)
    expect(asked[0]).toBe(first)
    expect(asked.every((one) => one.startsWith('https://replicate.delivery/'))).toBe(true)
  })

  it('is reached by the way for public addresses, but for the host of the API itself', async () => {
    const ways: string[] = []
    const way = (name: string) =>
      ((target: URL) => {
        ways.push(`${name} ${target.host}`)
        return Promise.resolve(
          target.host === 'proxy.corp:9000'
            ? new Response(null, {
                status: 307,
                headers: { location: 'https://replicate.delivery/clip.mp4' },
              })
            : new Response('clip'),
        )
      }) as typeof globalThis.fetch
    const options = {
      baseUrl: 'http://proxy.corp:8080',
      fetch: way('straight'),
      fetchOutside: way('guarded'),
    }
    expect(await fetchFrom('http://proxy.corp:9000/1', options)).toEqual({ kind: 'fetched', size: 4 })
    expect(ways).toEqual(['straight proxy.corp:9000', 'guarded replicate.delivery'])
  })
})
