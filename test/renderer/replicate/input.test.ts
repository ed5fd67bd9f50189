/** An order made ready: whose pictures they are shows in what Replicate keeps of it. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { attemptId, json, never, order, replicateAt, serve, token } from './scripted.ts'

const nowhere = 'http://replicate.invalid'
let directory = ''
let small = ''
let large = ''
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pictures-'))
  small = join(directory, 'small.jpg')
  large = join(directory, 'large.jpg')
  await writeFile(small, randomBytes(190_000))
  await writeFile(large, randomBytes(190_001))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

describe('an order is prepared', () => {
  it('with addresses of ours where Replicate can reach them', async () => {
    const replicate = replicateAt(nowhere, { inputUrl: (id, n) => `https://ours.example/${id}/${n}` })
    expect(await replicate.prepare({ ...order, images: ['/no/1.jpg', '/no/2.jpg'] }, never)).toEqual({
      model: 'acme/film',
      attemptId,
      input: {
        prompt: order.prompt,
        image: `https://ours.example/${attemptId}/0`,
        last_frame: `https://ours.example/${attemptId}/1`,
        duration: 6,
      },
      marks: [order.mark],
    })
  })

  it('with a small picture inside, which carries the mark', async () => {
    const outcome = await replicateAt(nowhere).prepare({ ...order, images: [small] }, never)
    if ('code' in outcome) throw new Error(outcome.reason)
    expect(outcome.marks).toEqual([order.mark])
    expect(Object.keys(outcome.input)).toEqual(['prompt', 'image', 'duration'])
    const image = String(outcome.input['image'])
    expect(image).toContain(`data:image/jpeg;attempt=${order.mark};base64,`)
    expect(image.length).toBeLessThan(256_000)
    const data = await fetch(image)
    expect((await data.arrayBuffer()).byteLength).toBe(190_000)
  })

  it('with a large picture sent ahead, whose address is a mark', async () => {
    const address = 'https://api.replicate.com/v1/files/abc'
    await using server = await serve((response) => json(response, 201, { id: 'abc', urls: { get: address } }))
    const outcome = await replicateAt(server.url).prepare({ ...order, images: [small, large] }, never)
    expect(outcome).toMatchObject({ input: { last_frame: address }, marks: [order.mark, address] })
    expect(server.received).toMatchObject([
      { method: 'POST', path: '/v1/files', headers: { authorization: `Bearer ${token}` } },
    ])
    const [{ body } = { body: '' }] = server.received
    expect(body).toContain(`name="content"; filename="${order.mark}-1.jpg"`)
    expect(body).toContain('Content-Type: image/jpeg')
  })
})

describe('an order is not prepared', () => {
  it.each([
    [500, 'upload_failed', true],
    [409, 'upload_failed', true],
    [429, 'throttled', true],
    [402, 'no_credit', true],
    [401, 'not_allowed', true],
    [413, 'bad_input', false],
  ])('when a picture sent ahead is answered %i', async (status, code, retry) => {
    await using server = await serve((response) => json(response, status, { detail: 'Not this' }))
    const outcome = await replicateAt(server.url).prepare({ ...order, images: [large] }, never)
    expect(outcome).toEqual({ code, reason: 'Not this', retry })
    expect(server.received).toHaveLength(1)
  })

  it('when a picture sent ahead arrives nowhere, or nobody says where', async () => {
    const images = [large]
    expect(await replicateAt(nowhere).prepare({ ...order, images }, never)).toMatchObject({
      code: 'upload_failed',
      retry: true,
    })
    await using server = await serve((response) =>
      json(response, 201, { urls: { get: 'file:///etc/passwd' } }),
    )
    expect(await replicateAt(server.url).prepare({ ...order, images }, never)).toMatchObject({
      code: 'upload_failed',
      retry: true,
    })
  })

  it('when the catalogue has no such model or offer any more', async () => {
    const replicate = replicateAt(nowhere)
    const bad = { code: 'bad_input', retry: false }
    expect(await replicate.prepare({ ...order, model: 'acme/gone' }, never)).toMatchObject(bad)
    const settings = { ...order.settings, seconds: 5 }
    expect(await replicate.prepare({ ...order, images: [small], settings }, never)).toMatchObject(bad)
  })

  it('when it is stopped, or a picture is not there', async () => {
    const replicate = replicateAt(nowhere)
    await expect(replicate.prepare({ ...order, images: [small] }, AbortSignal.abort())).rejects.toThrow(
      'abort',
    )
    await expect(replicate.prepare({ ...order, images: ['/no/1.jpg'] }, never)).rejects.toThrow('ENOENT')
    const stop = new AbortController()
    await using server = await serve(() => stop.abort())
    const stopped = replicateAt(server.url).prepare({ ...order, images: [large] }, stop.signal)
    await expect(stopped).rejects.toThrow('abort')
  })
})
