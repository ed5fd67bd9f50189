/** One real server, everything bad that can be sent to it, and a good film at the end. Slow: FFmpeg, 100 megapixels. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  avifThatClaims,
  cutPicture,
  dressedAsJpeg,
  jpegThatClaims,
  oddPictures,
  paperPng,
  webpThatClaims,
} from './odd-picture.ts'
import { ask, jobUntil, picture, type ServerProcess, startServer, upload } from './process.ts'

let dataDir: string
let server: ServerProcess
let first: string
let second: string
let firstBytes: Buffer

beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'bad-input-'))
  server = await startServer(dataDir)
  firstBytes = await picture(20)
  first = await upload(server, firstBytes)
  second = await upload(server, await picture(90))
})
afterAll(async () => {
  await server.kill('SIGTERM')
  rmSync(dataDir, { recursive: true, force: true })
})

const kept = (): string[] =>
  readdirSync(join(dataDir, 'artifacts'), { recursive: true }).map(String).toSorted()
const unfinished = (): string[] => readdirSync(join(dataDir, 'work'))

interface Sent {
  readonly method?: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array | readonly Uint8Array[]
  readonly agent?: Agent
}

/** As it is, without the care a client takes: a list is sent in pieces, without a length. */
function send({ method = 'POST', path = '/api/v3/jobs', headers = {}, body, agent }: Sent) {
  return new Promise<{ status: number; answer: any }>((resolve, reject) => {
    const sent = request(`${server.url}${path}`, {
      method,
      headers: { 'content-type': 'application/json', ...headers },
      ...(agent && { agent }),
    })
    sent.on('error', reject)
    sent.on('response', (response) => {
      text(response).then(
        (said) => resolve({ status: response.statusCode!, answer: JSON.parse(said) }),
        reject,
      )
    })
    if (Array.isArray(body)) for (const piece of body) sent.write(piece)
    sent.end(Array.isArray(body) ? undefined : body)
  })
}

/** Refused clearly: what, where and why. */
async function expectRefused(
  sent: Sent,
  status: number,
  field: string | undefined,
  reason: RegExp,
): Promise<void> {
  const before = kept()
  const said = await send(sent)
  expect(said).toMatchObject({
    status,
    answer: { error: expect.stringMatching(/./), reason: expect.stringMatching(reason) },
  })
  if (field !== undefined) expect(said.answer.field).toBe(field)
  // FFmpeg's and sharp's own words may name files: nobody outside has a use for our folders.
  expect(JSON.stringify(said.answer)).not.toContain(dataDir)
  expect(unfinished()).toEqual([])
  expect(kept()).toEqual(before)
}

const pair = () => ({ images: [first, second], clip_duration: 1, resolution: '360p' })
const job = (parameters: object, members: object = {}) =>
  JSON.stringify({ type: 'image_pairs', parameters, ...members })
const scene = (members: object = {}) => ({ asset_ids: [first], duration: 1, ...members })
const missing = 'f'.repeat(64)
const levels = (count: number, open: string, close: string) => open.repeat(count) + close.repeat(count)

describe('a job is refused with the field and the reason', () => {
  it.each<[string, () => string | Uint8Array, number, string, RegExp]>([
    [
      'of an unknown type',
      () => JSON.stringify({ type: 'poem', parameters: {} }),
      422,
      'type',
      /must be one of image_pairs, property_photos/,
    ],
    ['of no type', () => JSON.stringify({ parameters: {} }), 422, 'type', /must be one of/],
    [
      'whose type is a list',
      () => JSON.stringify({ type: ['image_pairs'], parameters: {} }),
      422,
      'type',
      /must be one of/,
    ],
    ['without parameters', () => JSON.stringify({ type: 'image_pairs' }), 422, 'parameters', /required/],
    [
      'whose parameters are a list',
      () => JSON.stringify({ type: 'image_pairs', parameters: [] }),
      422,
      'parameters',
      /object/,
    ],
    ['without images', () => job({}), 422, 'parameters.images', /required: at least 2/],
    ['with no images', () => job({ images: [] }), 422, 'parameters.images', /at least 2/],
    ['with one image', () => job({ images: [first] }), 422, 'parameters.images', /at least 2/],
    [
      'with no photos',
      () => JSON.stringify({ type: 'property_photos', parameters: { photos: [] } }),
      422,
      'parameters.photos',
      /at least 1/,
    ],
    [
      'with images and pairs',
      () => job({ ...pair(), pairs: [[first, second]] }),
      422,
      'parameters',
      /not both/,
    ],
    [
      'with an image that is no id',
      () => job({ images: [first, '../../etc/passwd'] }),
      422,
      'parameters.images[1]',
      /64 characters/,
    ],
    [
      'with an image that is a number',
      () => job({ images: [first, 7] }),
      422,
      'parameters.images[1]',
      /string/,
    ],
    [
      'with an asset that is not there',
      () => job({ ...pair(), images: [first, missing] }),
      422,
      'parameters.images',
      new RegExp(`no asset ${missing}`),
    ],
    ['with pairs of three', () => job({ pairs: [[first, second, first]] }), 422, 'parameters.pairs[0]', /./],
    [
      'with a negative duration',
      () => job({ ...pair(), clip_duration: -1 }),
      422,
      'parameters.clip_duration',
      /at least 0.5/,
    ],
    [
      'with a duration of zero',
      () => job({ ...pair(), clip_duration: 0 }),
      422,
      'parameters.clip_duration',
      /at least 0.5/,
    ],
    [
      'with an absurd duration',
      () => job({ ...pair(), clip_duration: 1e308 }),
      422,
      'parameters.clip_duration',
      /at most 60/,
    ],
    [
      'with an infinite duration',
      () => job({ ...pair() }).replace('"clip_duration":1', '"clip_duration":1e999'),
      422,
      'parameters.clip_duration',
      /./,
    ],
    [
      'with a duration that is NaN',
      () => job({ ...pair() }).replace('"clip_duration":1', '"clip_duration":NaN'),
      400,
      '',
      /not JSON/,
    ],
    [
      'with a duration that is text',
      () => job({ ...pair(), clip_duration: '5' }),
      422,
      'parameters.clip_duration',
      /number/,
    ],
    [
      'with a duration that is null',
      () => job({ ...pair(), clip_duration: null }),
      422,
      'parameters.clip_duration',
      /number/,
    ],
    [
      'with a film of hours',
      () =>
        job({ images: Array.from({ length: 101 }, (_, at) => (at % 2 ? first : second)), clip_duration: 60 }),
      422,
      'parameters',
      /at most 3600/,
    ],
    [
      'with an unknown resolution',
      () => job({ ...pair(), resolution: '8k' }),
      422,
      'parameters.resolution',
      /must be one of/,
    ],
    [
      'with a rate of 1000 frames',
      () => job({ ...pair(), fps: 1000 }),
      422,
      'parameters.fps',
      /must be one of 24/,
    ],
    [
      'with an unknown model',
      () => job({ ...pair(), model: 'gpt' }),
      422,
      'parameters.model',
      /must be one of local/,
    ],
    [
      'with 10,000 scenes',
      () =>
        JSON.stringify({
          type: 'property_photos',
          parameters: {},
          storyboard: { scenes: Array.from({ length: 10_000 }, () => ({ asset_ids: [first] })) },
        }),
      422,
      'storyboard.scenes',
      /at most 500/,
    ],
    [
      'with 10,000 images',
      () => job({ images: Array.from({ length: 10_000 }, () => first) }),
      422,
      'parameters.images',
      /at most 501/,
    ],
    [
      'with an empty storyboard',
      () => job(pair(), { storyboard: { scenes: [] } }),
      422,
      'storyboard.scenes',
      /at least 1/,
    ],
    [
      'with a storyboard of unknown members',
      () => job(pair(), { storyboard: { scenes: [scene({ colour: 1 })] } }),
      422,
      'storyboard.scenes[0]',
      /"colour"/,
    ],
    [
      'with a scene of a negative duration',
      () => job(pair(), { storyboard: { scenes: [scene(), scene({ duration: -3 })] } }),
      422,
      'storyboard.scenes[1].duration',
      /at least/,
    ],
    [
      'with a scene of an asset that is not there',
      () => job(pair(), { storyboard: { scenes: [scene(), scene({ asset_ids: [missing] })] } }),
      422,
      'storyboard.scenes[1].asset_ids',
      new RegExp(missing),
    ],
    [
      'with unknown members beside parameters',
      () => job(pair(), { budget: 5, x: 1 }),
      422,
      '',
      /"budget", "x"/,
    ],
    ['with a priority of 101', () => job(pair(), { priority: 101 }), 422, 'priority', /100/],
    ['with a priority of 1.5', () => job(pair(), { priority: 1.5 }), 422, 'priority', /whole number/],
    ['with a name that is empty', () => job(pair(), { video_name: ' ' }), 422, 'video_name', /empty/],
    [
      'with a name of a million letters',
      () => job(pair(), { video_name: 'x'.repeat(1_000_000) }),
      422,
      'video_name',
      /at most 200/,
    ],
    [
      'with a name of control characters',
      () => job(pair(), { video_name: 'a\u001b[31mb' }),
      422,
      'video_name',
      /control characters/,
    ],
    [
      'with a name of two lines',
      () => job(pair(), { video_name: 'a\r\nset-cookie: b' }),
      422,
      'video_name',
      /control characters/,
    ],
    [
      'with U+0000 in its name',
      () => job(pair(), { video_name: 'a\0b' }),
      422,
      'video_name',
      /control characters/,
    ],
    [
      'with half a surrogate pair in its name',
      () => job(pair(), { video_name: 'a\ud83c' }),
      422,
      'video_name',
      /Unicode/,
    ],
    [
      'with U+0000 in its title',
      () => job({ ...pair(), title: 'a\0b' }),
      422,
      'parameters.title',
      /control characters/,
    ],
    [
      'with U+0000 in its prompt',
      () => job({ ...pair(), prompt: 'a\0b' }),
      422,
      'parameters.prompt',
      /control characters/,
    ],
    [
      'with half a surrogate pair in a scene’s title',
      () => job(pair(), { storyboard: { scenes: [scene({ title: '\udfe1' })] } }),
      422,
      'storyboard.scenes[0].title',
      /Unicode/,
    ],
    [
      'with parameters nested 40 deep',
      () => job(pair()).replace('{"images"', `{"free":${levels(40, '[', ']')},"images"`),
      422,
      'parameters',
      /deeper than 32/,
    ],
    [
      'with parameters nested 100,000 deep',
      () => job(pair()).replace('{"images"', `{"free":${levels(100_000, '[', ']')},"images"`),
      400,
      '',
      /deeper than 64/,
    ],
    ['nested 100,000 deep', () => levels(100_000, '[', ']'), 400, '', /deeper than 64/],
    [
      'nested 100,000 deep in objects, and left open',
      () => '{"a":'.repeat(100_000),
      400,
      '',
      /deeper than 64/,
    ],
    ['that is malformed JSON', () => '{"type":"image_pairs",', 400, '', /not JSON/],
    ['that is two JSON values', () => '{}{}', 400, '', /not JSON/],
    ['that is a list', () => '[]', 422, '', /./],
    ['that is a text', () => '"film"', 422, '', /./],
    ['that is null', () => 'null', 422, '', /./],
    ['that is empty', () => '', 400, '', /empty/],
    [
      'that is no UTF-8',
      () => Buffer.concat([Buffer.from('{"type":"'), Buffer.from([0xc3, 0x28]), Buffer.from('"}')]),
      400,
      '',
      /UTF-8/,
    ],
    ['that is UTF-16', () => Buffer.from('{"type":"image_pairs"}', 'utf16le'), 400, '', /JSON/],
  ])('%s', async (_name, body, status, field, reason) => {
    await expectRefused({ body: body() }, status, field, reason)
  })

  it.each<[string, Omit<Sent, 'body'>, number, RegExp]>([
    [
      'sent as a form',
      { headers: { 'content-type': 'application/x-www-form-urlencoded' } },
      415,
      /application\/json/,
    ],
    ['sent as text', { headers: { 'content-type': 'text/plain' } }, 415, /application\/json/],
    ['sent as nothing', { headers: { 'content-type': '' } }, 415, /application\/json/],
    ['sent compressed', { headers: { 'content-encoding': 'br' } }, 415, /uncompressed/],
  ])('%s', async (_name, sent, status, reason) => {
    await expectRefused({ ...sent, body: job(pair()) }, status, undefined, reason)
  })

  it('larger than the limit, with its length and without', async () => {
    const large = Buffer.alloc(1 << 16, 0x20)
    await expectRefused(
      { body: Buffer.concat(Array.from({ length: 17 }, () => large)) },
      413,
      undefined,
      /1 MiB/,
    )
    await expectRefused({ body: Array.from({ length: 17 }, () => large) }, 413, undefined, /1 MiB/)
  })
})

describe('an address is refused with what is wrong with it', () => {
  it.each<[string, string, number]>([
    ['GET', '/api/v3/jobs/abc', 400],
    ['GET', '/api/v3/jobs/1.5', 400],
    ['GET', '/api/v3/jobs/0x10', 400],
    ['GET', '/api/v3/jobs/%00', 400],
    ['GET', '/api/v3/jobs/%ff', 400],
    ['GET', '/api/v3/jobs/1%20or%201=1', 400],
    ['GET', `/api/v3/jobs/${'9'.repeat(5000)}`, 404],
    ['POST', '/api/v3/jobs/abc/approve', 400],
    ['POST', '/api/v3/jobs/-1/approve', 404],
    ['POST', '/api/v3/jobs/99999/approve', 404],
    ['GET', '/api/v3/jobs/abc/scenes', 400],
    ['GET', '/api/v3/videos/abc/combined', 400],
    ['GET', '/api/v3/videos/99999/clips/nothing', 400],
    ['GET', `/api/v3/assets/${missing}`, 404],
    ['GET', '/api/v3/assets/..%2f..%2fcoordinator.db', 400],
    ['GET', '/api/v3/jobs?type=%00', 400],
    ['GET', '/api/v3/jobs?campaign_id=a%00b', 400],
    ['GET', '/api/v3/jobs?a%00b=1', 400],
    ['GET', '/api/v3/jobs?status=done', 400],
    ['GET', '/api/v3/jobs?limit=1e3', 400],
    ['GET', '/api/v3/jobs?cursor=%00', 400],
    ['GET', '/api/v3/jobs?__proto__=1', 400],
    ['GET', `/api/v3/jobs?${Array.from({ length: 2000 }, (_, at) => `a${at}`).join('&')}`, 400],
    ['GET', `/api/v3/jobs?a=${'x'.repeat(100_000)}`, 431],
    ['PUT', '/api/v3/jobs', 405],
    ['GET', '/api/v3/nothing', 404],
  ])('%s %s', async (method, path, status) => {
    const said = await send({ method, path })
    expect(said).toMatchObject({ status, answer: { error: expect.stringMatching(/./) } })
    if (status === 400)
      expect(said.answer).toMatchObject({
        field: expect.stringMatching(/./),
        reason: expect.stringMatching(/./),
      })
  })

  it.each([
    'campaign_id=%ff%fe',
    'a=%ed%a0%bc',
    'metadata.__proto__=1',
    'constructor=1',
    '%F0%9F%8F%A1=%22',
    `a=${'x'.repeat(8000)}`,
    'campaign_id=%25%5f',
    '=',
    '&&&',
  ])('but not ?%s, which just finds nothing', async (query) => {
    const { status } = await send({ method: 'GET', path: `/api/v3/jobs?${query}` })
    expect(status).toBe(200)
  })

  it.each<[string, string, RegExp]>([
    ['of another name', 'host: evil.example', /^HTTP\/1.1 421 /],
    ['with a name and a password', 'host: a:b@localhost', /^HTTP\/1.1 4\d\d /],
    ['of no name', 'host:', /^HTTP\/1.1 400 /],
    ['of a broken address', 'host: [::1', /^HTTP\/1.1 4\d\d /],
    ['of an impossible port', 'host: localhost:99999', /^HTTP\/1.1 (400|421) /],
    ['with a path', 'host: localhost/../x', /^HTTP\/1.1 4\d\d /],
    ['that is not there', 'x: y', /^HTTP\/1.1 400 /],
    ['given twice', 'host: localhost\r\nhost: evil.example', /^HTTP\/1.1 4\d\d /],
    ['of bytes', 'host: \xff\xfe', /^HTTP\/1.1 4\d\d /],
  ])('of a host %s', async (_name, header, answer) => {
    const { hostname, port } = new URL(server.url)
    const socket = connect({ host: hostname, port: Number(port) })
    socket.write(Buffer.from(`GET /api/v3/jobs HTTP/1.1\r\n${header}\r\nconnection: close\r\n\r\n`, 'latin1'))
    const said = await text(socket)
    expect(said).toMatch(answer)
    expect(said).toContain('"error":')
  })
})

describe('a refusal leaves the connection to the next request, or says that it ends', () => {
  it.each([
    ['a body over the limit', 102, 413],
    ['a body that nobody reads', 1, 404],
  ])('%s', async (_name, megabytes, status) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const pieces = Array.from({ length: megabytes }, () => Buffer.alloc(1 << 20))
    const path = status === 404 ? '/api/v3/nothing' : '/api/v3/assets'
    for (let round = 0; round < 3; round++) {
      const said = await send({ path, headers: { 'content-type': 'image/jpeg' }, body: pieces, agent })
      expect(said.status).toBe(status)
      expect((await send({ method: 'GET', agent })).status).toBe(200)
    }
    agent.destroy()
  })
})

const asImage = (body: Sent['body'], type = 'image/jpeg'): Sent => ({
  path: '/api/v3/assets',
  headers: { 'content-type': type },
  ...(body !== undefined && { body }),
})

const part = (name: string, content: string | Uint8Array, file?: string): Buffer =>
  Buffer.concat([
    Buffer.from(
      `--b\r\ncontent-disposition: form-data; name="${name}"${file === undefined ? '' : `; filename="${file}"`}\r\n\r\n`,
    ),
    Buffer.from(content),
    Buffer.from('\r\n'),
  ])
const form = (...parts: Buffer[]): Buffer => Buffer.concat([...parts, Buffer.from('--b--\r\n')])
const formType = 'multipart/form-data; boundary=b'

describe('an upload is refused, and nothing of it is kept', () => {
  it.each(dressedAsJpeg)('%s dressed as a JPEG', async (_name, status, reason, make) => {
    await expectRefused(asImage(await make()), status, undefined, reason)
  })

  it.each(['jpeg', 'png', 'webp', 'avif'] as const)('a %s that is cut off', async (format) => {
    await expectRefused(
      asImage(await cutPicture(format), `image/${format}`),
      422,
      undefined,
      /damaged or cut short/,
    )
  })

  it.each<[string, () => Promise<Buffer>, RegExp]>([
    [
      'a PNG of 60,000 x 60,000',
      () => Promise.resolve(paperPng(60_000, 60_000, 1000)),
      /60000 x 60000 pixels.*at most 100 megapixels/,
    ],
    [
      'a PNG of 100 megapixels and a row',
      () => Promise.resolve(paperPng(10_000, 10_001, 10_001)),
      /at most 100 megapixels/,
    ],
    ['a PNG of 2^31 x 2^31', () => Promise.resolve(paperPng(2 ** 31 - 1, 2 ** 31 - 1, 0)), /./],
    ['a PNG of 0 x 0', () => Promise.resolve(paperPng(0, 0, 1)), /./],
    ['a JPEG of 60,000 x 60,000', () => jpegThatClaims(60_000, 60_000), /at most 100 megapixels/],
    ['a WebP of 60,000 x 60,000', () => webpThatClaims(60_000, 60_000), /./],
    ['an AVIF of 60,000 x 60,000', () => avifThatClaims(60_000, 60_000), /./],
  ])('%s', async (_name, make, reason) => {
    const startedAt = performance.now()
    await expectRefused(asImage(await make()), 422, undefined, reason)
    // From its header alone: decoding one would take minutes.
    expect(performance.now() - startedAt).toBeLessThan(10_000)
  })

  it.each<[string, () => Sent, number, RegExp]>([
    ['an empty body', () => asImage(''), 422, /empty/],
    ['no body', () => asImage(undefined), 422, /empty/],
    ['JSON', () => asImage('{}', 'application/json'), 415, /image\/jpeg/],
    ['no content type', () => asImage(firstBytes, ''), 415, /image\/jpeg/],
    ['a form without a file', () => asImage(form(part('note', 'x')), formType), 400, /no file/],
    ['a form of nothing', () => asImage('--b--\r\n', formType), 400, /no file/],
    [
      'a form with two files',
      () => asImage(form(part('a', firstBytes, 'a.jpg'), part('b', firstBytes, 'b.jpg')), formType),
      400,
      /several files/,
    ],
    [
      'a form with many files',
      () => asImage(form(...Array.from({ length: 40 }, () => part('a', firstBytes, 'a.jpg'))), formType),
      400,
      /./,
    ],
    ['a form with a file that is empty', () => asImage(form(part('a', '', 'a.jpg')), formType), 422, /empty/],
    [
      'a form that is cut off in its file',
      () => asImage(part('a', firstBytes, 'a.jpg').subarray(0, 600), formType),
      400,
      /broken/,
    ],
    [
      'a form that is cut off in a header',
      () => asImage(part('a', firstBytes, 'a.jpg').subarray(0, 30), formType),
      400,
      /./,
    ],
    [
      'a form that is cut off behind its file',
      () => asImage(part('a', firstBytes, 'a.jpg'), formType),
      400,
      /broken/,
    ],
    [
      'a form with another boundary',
      () => asImage(form(part('a', firstBytes, 'a.jpg')), 'multipart/form-data; boundary=c'),
      400,
      /./,
    ],
    [
      'a form with no boundary',
      () => asImage(form(part('a', firstBytes, 'a.jpg')), 'multipart/form-data'),
      400,
      /boundary/,
    ],
    [
      'a form with a boundary of 10,000 letters',
      () => asImage(form(), `multipart/form-data; boundary=${'b'.repeat(10_000)}`),
      400,
      /./,
    ],
    [
      'a form with a script in it',
      () => asImage(form(part('a', '#!/bin/sh', '../../x.jpg')), formType),
      422,
      /not a picture/,
    ],
    [
      'a form with a thousand headers',
      () => asImage(`--b\r\n${'x: y\r\n'.repeat(1000)}\r\n\r\n--b--\r\n`, formType),
      400,
      /./,
    ],
    [
      'an image larger than the limit by its length',
      () => ({
        ...asImage(undefined),
        headers: { 'content-type': 'image/jpeg', 'content-length': String(101 << 20) },
      }),
      413,
      /100 MiB/,
    ],
  ])('%s', async (_name, sent, status, reason) => {
    await expectRefused(sent(), status, undefined, reason)
  })

  it('an image larger than the limit, without a length and in a form', async () => {
    const pieces = Array.from({ length: 102 }, () => Buffer.alloc(1 << 20))
    await expectRefused(asImage(pieces), 413, undefined, /100 MiB/)
    await expectRefused(
      asImage([part('a', '', 'a.jpg').subarray(0, -2), ...pieces], formType),
      413,
      undefined,
      /100 MiB/,
    )
  })

  it('an image whose sender breaks off', async () => {
    const before = kept()
    const sent = request(`${server.url}/api/v3/assets`, {
      method: 'POST',
      headers: { 'content-type': 'image/jpeg', 'content-length': String(firstBytes.length) },
    })
    sent.on('error', () => {})
    sent.write(firstBytes.subarray(0, 100))
    await expect.poll(unfinished).toHaveLength(1)
    sent.destroy()
    await expect.poll(unfinished).toEqual([])
    expect(kept()).toEqual(before)
  })

  it('but a form with a huge field beside the file is taken', async () => {
    const { status, answer } = await send(
      asImage(form(part('note', 'x'.repeat(60_000)), part('a', firstBytes, 'a"\u{1f3e1}\\.jpg')), formType),
    )
    expect(status).toBe(201)
    expect(answer.id).toBe(first)
    await expectRefused(
      asImage(form(part('note', Buffer.alloc(101 << 20)), part('a', firstBytes, 'a.jpg')), formType),
      413,
      undefined,
      /100 MiB/,
    )
  })
})

describe('an upload is taken, with its size as a viewer sees it', () => {
  it.each(oddPictures)('%s', async (_name, make) => {
    const { bytes, type, width, height } = await make()
    const { status, answer } = await send(asImage(bytes, 'application/octet-stream'))
    expect(answer).toMatchObject({ width, height, content_type: type, size: bytes.length })
    expect(status).toBe(201)
  })
})

describe('free members of parameters are kept as they are', () => {
  it.each<[string, string]>([
    ['emoji, quotes and markup', String.raw`{"campaign_id":"🏡 \"x\" '; drop table jobs; -- <b>&amp;</b>"}`],
    [
      'control characters and U+0000, in names too',
      String.raw`{"a\u0000b":"c\u0000d\u001b[31m","deep":[{"\u0000":"\u0000"}]}`,
    ],
    ['halves of surrogate pairs, in names too', String.raw`{"\ud800":"1","\ud801":"2","x":"\udfff"}`],
    [
      'names of the language',
      '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"toString":"x","hasOwnProperty":1}',
    ],
    ['labels of every kind', '{"a":"","b":0,"c":-0.5,"d":1e300,"e":true,"f":null,"g":[],"h":{}}'],
    [
      'many and long ones',
      JSON.stringify(
        Object.fromEntries(Array.from({ length: 250 }, (_, at) => [`label ${at}`, 'x'.repeat(230)])),
      ),
    ],
    ['a long list', `{"list":[${'0,'.repeat(32_000)}0]}`],
    ['an object of many members', `{"map":{${Array.from({ length: 6000 }, (_, at) => `"${at}":0`).join()}}}`],
  ])('%s', async (_name, free) => {
    const body = job(pair()).replace('{"images"', `${free.slice(0, -1)},"images"`)
    const { status, answer } = await send({ body })
    expect(status).toBe(201)
    const read = await ask(server, 'GET', `/api/v3/jobs/${answer.job_id}`)
    expect(read.body.parameters).toEqual(JSON.parse(body).parameters)
    expect((await ask(server, 'GET', '/api/v3/jobs?limit=3')).status).toBe(200)
  })
})

describe('after all that', () => {
  it('a good job with an odd name is taken and finished, from a photograph of one pixel, too', async () => {
    const [, make] = oddPictures[0]!
    const { bytes } = await make()
    const pixel = await upload(server, bytes)
    const video_name = '🏡 “Haus” \'x\' "y" <b>&amp;; ../..\\ %00 – 日本'
    const { body } = await ask(server, 'POST', '/api/v3/jobs', {
      type: 'property_photos',
      video_name,
      parameters: {
        photos: [{ asset_id: first, room: "Küche 🍳 '%{pts}' \\:" }, { asset_id: pixel }],
        clip_duration: 1,
        resolution: '360p',
        title: '"100 %" [out]; \\ \' 🏡 : = ,',
      },
    })
    expect(body.video_name).toBe(video_name)
    expect((await ask(server, 'POST', `/api/v3/jobs/${body.job_id}/approve`)).status).toBe(200)
    const { job: done } = await jobUntil(server, body.job_id, ({ status }) => status === 'completed')
    const film = await fetch(`${server.url}${done.film.url}`)
    expect(film.status).toBe(200)
    expect((await film.arrayBuffer()).byteLength).toBe(done.film.size)
    expect(film.headers.get('content-disposition')).toContain('filename')
  })

  it('nothing unfinished is left, and nothing went wrong that was not foreseen', async () => {
    expect(unfinished()).toEqual([])
    const errors = server.lines.filter((line) => JSON.parse(line).level >= 50)
    expect(errors).toEqual([])
    expect((await ask(server, 'GET', '/livez')).status).toBe(200)
  })
})
