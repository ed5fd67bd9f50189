import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AppHarness, openAppHarness } from '../harness/app.ts'
import { jsonOf, sha256 } from '../harness/ask.ts'

let harness: AppHarness
let picture: Uint8Array<ArrayBuffer>
beforeAll(async () => {
  harness = await openAppHarness()
  const noise = { type: 'gaussian', mean: 128, sigma: 30 } as const
  picture = new Uint8Array(
    await sharp({ create: { width: 300, height: 200, channels: 3, background: 'white', noise } })
      .jpeg()
      .toBuffer(),
  )
})
afterAll(() => harness.close())

const upload = async (init: RequestInit, app = harness.app) => {
  const response = await app.request('/api/v3/assets', { method: 'POST', ...init })
  return { response, answer: await jsonOf(response) }
}
const raw = (body: NonNullable<RequestInit['body']>, type = 'image/jpeg') =>
  ({ body, headers: { 'content-type': type }, duplex: 'half' }) as RequestInit
const form = (...files: (Uint8Array<ArrayBuffer> | string)[]): RequestInit => {
  const body = new FormData()
  for (const [index, file] of files.entries())
    if (typeof file === 'string') body.append(`note${index}`, file)
    else body.append(`file${index}`, new Blob([file], { type: 'image/jpeg' }), 'a "b"\r\n/../c.jpg')
  return { body }
}

test('an image is taken as the body or as a form’s file, and is the same asset both ways', async () => {
  const expected = {
    id: sha256(picture),
    width: 300,
    height: 200,
    content_type: 'image/jpeg',
    size: picture.length,
  }
  for (const init of [
    raw(picture),
    raw(picture, 'application/octet-stream'),
    form('a note', picture, 'another'),
  ]) {
    const { response, answer } = await upload(init)
    expect(response.status).toBe(201)
    expect(response.headers.get('location')).toBe(`/api/v3/assets/${expected.id}`)
    expect(answer).toEqual(expected)
  }
  expect(await jsonOf(harness.app.request(`/api/v3/assets/${expected.id}`))).toEqual(expected)
})

test('its bytes come back as they were sent, to be kept for ever', async () => {
  const { answer } = await upload(raw(picture))
  const response = await harness.app.request(`/api/v3/assets/${answer['id']}/data`)
  expect(Object.fromEntries(response.headers)).toMatchObject({
    'content-type': 'image/jpeg',
    'cache-control': 'private, max-age=31536000, immutable',
    'content-disposition': `inline; filename="${answer['id']}.jpg"`,
  })
  expect(sha256(new Uint8Array(await response.arrayBuffer()))).toBe(answer['id'])
})

test('a HEIC is taken whatever it is called, and a title that it is shown with is held against the fonts', async () => {
  const heic = new Uint8Array(
    await readFile(join(import.meta.dirname, '../media/pictures/tiles-p3-turned.heic')),
  )
  const { answer } = await upload(form(heic))
  expect(answer).toMatchObject({ id: sha256(heic), width: 64, height: 128, content_type: 'image/heic' })
  const data = await harness.app.request(`/api/v3/assets/${answer['id']}/data`)
  expect(data.headers.get('content-disposition')).toContain('.heic"')
  const planned = async (title: string): Promise<unknown> => {
    const job = { type: 'property_photos', parameters: { photos: [{ asset_id: answer['id'] }], title } }
    const headers = { 'content-type': 'application/json' }
    const response = harness.app.request('/api/v3/jobs', {
      method: 'POST',
      headers,
      body: JSON.stringify(job),
    })
    return (await jsonOf(response))['storyboard']
  }
  expect(await planned('東京タワー ✨')).toMatchObject({ scenes: [{ notes: [] }] })
  expect(await planned('Villa 𓀀')).toMatchObject({
    scenes: [{ notes: ['the title "Villa 𓀀" will appear without 𓀀 (U+13000): no installed font has it'] }],
  })
  const { response, answer: refused } = await upload(form(heic.slice(0, 900)))
  expect([response.status, refused['kind']]).toEqual([422, 'damaged'])
  expect(refused['reason']).toMatch(/save it as a JPEG/)
})

const cutForm = (): Buffer<ArrayBuffer> =>
  Buffer.concat([
    Buffer.from('--b\r\ncontent-disposition: form-data; name="f"; filename="f.jpg"\r\n\r\n'),
    picture.subarray(0, 1000),
  ])

describe('refused is', () => {
  test.each<[string, () => RequestInit, number, RegExp]>([
    ['an empty body', () => raw(''), 422, /empty/],
    [
      'a playlist dressed as an image',
      () => raw('#EXTM3U\nhttp://localhost/'),
      415,
      /playlist is not accepted/,
    ],
    [
      'a script dressed as an image',
      () => form(new TextEncoder().encode('#!/bin/sh\nid')),
      422,
      /not a picture/,
    ],
    ['text', () => raw('hello', 'text/plain'), 415, /image\/jpeg.*multipart/],
    ['JSON', () => raw('{}', 'application/json'), 415, /image\/jpeg.*multipart/],
    ['a form without a file', () => form('only a note'), 400, /no file/],
    ['a form with two files', () => form(picture, picture), 400, /several files/],
    ['a form without a boundary', () => raw('x', 'multipart/form-data'), 400, /boundary/],
    ['a form that is cut off', () => raw(cutForm(), 'multipart/form-data; boundary=b'), 400, /broken/],
    ['a form that is none', () => raw('nothing', 'multipart/form-data; boundary=b'), 400, /./],
    ['an SVG', () => raw('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'), 415, /SVG/],
  ])('%s', async (_name, init, status, reason) => {
    const { response, answer } = await upload(init())
    expect(response.status).toBe(status)
    expect(answer['reason']).toMatch(reason)
  })

  test('what is over the limit, however it comes, and nothing of it is kept', async () => {
    const app = harness.appWith({ limits: { assetBytes: 5000 } })
    expect(picture.length).toBeGreaterThan(5000)
    const streamed = new Blob([picture]).stream()
    for (const init of [raw(picture), raw(streamed), form(picture)]) {
      const { response, answer } = await upload(init, app)
      expect(response.status).toBe(413)
      expect(answer).toMatchObject({ error: 'Body too large', limit_bytes: 5000 })
    }
    const big = new Uint8Array(200_000)
    await upload(raw(new Blob([big]).stream()), app)
    expect(await harness.artifacts.stat(createHash('sha256').update(big).digest('hex'))).toBeUndefined()
  })

  test('a body whose sender breaks off, and nothing of it is kept', async () => {
    const half = picture.slice(0, picture.length / 2)
    const body = () =>
      new ReadableStream({
        pull(controller) {
          controller.enqueue(half)
          controller.error(new Error('gone'))
        },
      })
    const logged = harness.logged.length
    for (const type of ['image/jpeg', 'multipart/form-data; boundary=b'])
      expect((await upload(raw(body(), type))).response.status).toBe(400)
    expect(await harness.artifacts.stat(sha256(half))).toBeUndefined()
    expect(harness.logged.length).toBe(logged)
  })
})
