/** A disk of which only the reserve is left: what can wait does, or is refused, before that is used. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createDiskRoom } from '../../src/disk-full.ts'
import { type Listening, listen } from '../../src/http/edge/server.ts'
import { createClock } from '../clock.ts'
import { type AppHarness, openAppHarness } from '../harness/app.ts'
import { jsonOf } from '../harness/ask.ts'

const clock = createClock()
let free = 0
let looks = 0
/** Free from the look after so many on. */
let scarceAfter = Number.POSITIVE_INFINITY
const room = createDiskRoom({
  reserveBytes: 512e6,
  freeBytes: () => Promise.resolve(++looks > scarceAfter ? 500e6 : free),
})
let harness: AppHarness
let server: Listening
beforeAll(async () => {
  harness = await openAppHarness({ clock, room })
  server = await listen(harness.app, { host: '127.0.0.1', port: 0 })
})
afterAll(async () => {
  await server.close({ graceMs: 0 })
  await harness.close()
})
beforeEach(() => {
  free = 600e6
  looks = 0
  scarceAfter = Number.POSITIVE_INFINITY
})

const reason =
  'The disk has 500 MB free; 512 MB (MIN_FREE_DISK_MB) are reserved for paid clips. ' +
  'Nothing was changed. Send the request again when there is room on the disk'
const refused = { status: 507, body: { error: 'Storage is full', reason } }

const ask = async (method: string, path: string, body?: Uint8Array<ArrayBuffer> | object) => {
  const isBytes = body instanceof Uint8Array
  const response = await fetch(`${server.url}/api/v3${path}`, {
    method,
    ...(body && {
      body: isBytes ? body : JSON.stringify(body),
      headers: { 'content-type': isBytes ? 'image/jpeg' : 'application/json' },
    }),
  })
  return { status: response.status, body: await jsonOf(response) }
}

test('an upload is refused, before anything of it is kept, and taken when there is room', async () => {
  free = 500e6
  expect(await ask('POST', '/assets', new Uint8Array(5 << 20))).toEqual(refused)
  free = 512e6
  expect((await ask('POST', '/assets', new Uint8Array(5 << 20))).status).toBe(422)
})

test('an upload that goes on while the room goes is ended soon', async () => {
  scarceAfter = 3
  expect(await ask('POST', '/assets', new Uint8Array(50 << 20))).toEqual(refused)
  expect(looks).toBe(4)
})

test('a new job is refused, one that is wrong is told so, and estimates and reads go on', async () => {
  const photos = [{ asset_id: await harness.picture(1) }]
  const request = { type: 'property_photos', parameters: { photos } }
  free = 500e6
  expect(await ask('POST', '/jobs', request)).toEqual(refused)
  expect((await ask('POST', '/jobs', { ...request, type: 'no' })).status).toBe(422)
  expect((await ask('POST', '/estimates', request)).status).toBe(200)
  expect((await ask('GET', '/jobs')).body.jobs).toEqual([])
  expect(harness.logged.at(-1)!.msg).toContain(
    'No room left on the disk: POST /api/v3/jobs is refused with 507',
  )
  free = 600e6
  expect((await ask('POST', '/jobs', request)).status).toBe(201)
})

test('an approved job waits, says why, and goes on by itself when there is room', async () => {
  const { job_id } = await harness.job()
  // Rendering begins here with the first job that is finished.
  const { job_id: before } = await harness.job()
  await harness.finish(before, new Uint8Array([1]))
  free = 500e6
  expect((await ask('POST', `/jobs/${job_id}/approve`)).status).toBe(200)
  await expect
    .poll(() => harness.logged.at(-1)!.msg)
    .toBe('[Workflow.Coordinator] No room left on the disk: no scene is started until there is some')
  const waiting = {
    code: 'disk',
    reason: 'The disk has 500 MB free; 512 MB (MIN_FREE_DISK_MB) are reserved for paid clips',
    until: null,
  }
  expect((await ask('GET', `/jobs/${job_id}`)).body).toMatchObject({ status: 'approved', waiting })
  const { scenes } = (await ask('GET', `/jobs/${job_id}/scenes`)).body
  expect(scenes).toMatchObject([{ status: 'pending', waiting }])
  free = 600e6
  clock.advance(3000)
  await expect.poll(async () => (await ask('GET', `/jobs/${job_id}`)).body.status).toBe('completed')
})
