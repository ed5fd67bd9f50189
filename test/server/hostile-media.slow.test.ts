/** Pictures that cost much, sent to the real server: they cost who sends them, and nobody else. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { interlacedPng, scannedJpeg } from '../media/hostile-picture.ts'
import { ask, createJob, jobUntil, type ServerProcess, startServer } from './process.ts'
import { sendFrom } from './send-from.ts'

const directory = mkdtempSync(join(tmpdir(), 'hostile-media-'))
let server: ServerProcess

beforeAll(async () => {
  server = await startServer(join(directory, 'data'))
})
afterAll(async () => {
  await server.kill('SIGKILL')
  rmSync(directory, { recursive: true, force: true })
})

const upload = (body: Uint8Array, localAddress = '127.0.0.1') =>
  sendFrom(server, { localAddress, path: '/api/v3/assets', body })

const photograph = (background: string) =>
  sharp({ create: { width: 1600, height: 1200, channels: 3, background } })
    .jpeg()
    .toBuffer()

it('refuses what costs too much, with the reason and what to do', async () => {
  expect(await upload(scannedJpeg(10_000, 3000))).toMatchObject({
    status: 422,
    body: { kind: 'too_costly', reason: expect.stringContaining('store it anew with fewer') },
  })
  expect(await upload(await interlacedPng(10_000))).toMatchObject({
    status: 422,
    body: { kind: 'too_costly', reason: expect.stringContaining('make it smaller, or send a JPEG') },
  })
})

// Other systems have one address of their own.
it.runIf(process.platform === 'linux')(
  'takes the pictures of others while slow ones are decoded',
  async () => {
    let slow = 0
    const pictures = Array.from({ length: 4 }, async (_, index) => {
      slow++
      const answer = await upload(scannedJpeg(10_000 - index, 60), '127.0.0.2')
      slow--
      return answer
    })
    const quick = await Promise.all(
      ['#123', '#456', '#789'].map(async (colour) => upload(await photograph(colour), '127.0.0.3')),
    )
    expect(quick.map(({ status }) => status)).toEqual([201, 201, 201])
    expect(slow).toBeGreaterThan(0)
    const others = await Promise.all(pictures)
    expect(others.map(({ status }) => status).filter((status) => status !== 201 && status !== 422)).toEqual(
      [],
    )
  },
)

it.runIf(existsSync('/proc/self/maps'))('has loaded no decoder when a film is done', async () => {
  const jobId = await createJob(server, 2, { clip_duration: 0.5 })
  expect((await ask(server, 'POST', `/api/v3/jobs/${jobId}/approve`)).status).toBe(200)
  await jobUntil(server, jobId, ({ status }) => status === 'completed')
  const loaded = readFileSync(`/proc/${server.pid}/maps`, 'utf8')
  expect(loaded).toContain('node')
  expect(loaded).not.toMatch(/sharp|vips|node-av|libav/)
})
