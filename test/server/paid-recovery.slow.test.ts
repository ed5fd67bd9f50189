/** Kill -9 of the real server while it buys renders of a fake Replicate in a process of its own, over real sockets. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type EndedEntry, type PostEntry } from '../../src/fake-replicate/ledger.ts'
import type { FakeOptions } from '../../src/fake-replicate/provider.ts'
import { probeClip } from '../../src/media/probe.ts'
import { createClock } from '../clock.ts'
import { type FakeReplicate, startFakeReplicate } from '../fake-replicate/start.ts'
import { listen } from '../media/source-clip.ts'
import { createFakeFfmpeg } from './fake-ffmpeg.ts'
import { ask, createJob, jobUntil, type ServerProcess, startServer } from './process.ts'

let dataDir: string
let fake: FakeReplicate
const servers: ServerProcess[] = []

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'paid-recovery-'))
})
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.kill('SIGKILL')))
  await fake.kill()
  rmSync(dataDir, { recursive: true, force: true })
})

const startFake = async (options: FakeOptions): Promise<void> => {
  fake = await startFakeReplicate(options)
}

const start = async (env: Readonly<Record<string, string>> = {}): Promise<ServerProcess> => {
  const server = await startServer(dataDir, {
    REPLICATE_API_TOKEN: fake.token,
    REPLICATE_BASE_URL: fake.url,
    REPLICATE_START_DELAY_MS: '200',
    ...env,
  })
  servers.push(server)
  return server
}

/** A port that nobody has, for an address that has to be known before the server listens. */
const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number }
      probe.close(() => resolve(port))
    })
  })

const paid = { model: 'google/veo-3.1-fast', resolution: '360p', clip_duration: 4, transition: 'cut' }
const priceUsd = 0.4

/** What the provider says of it all: one POST an attempt, and what was billed. */
async function billed(): Promise<{ posts: PostEntry[]; usd: number; renders: number }> {
  const ledger = await fake.ledger()
  const posts = ledger.filter((entry): entry is PostEntry => entry.what === 'post')
  const ends = ledger.filter((entry): entry is EndedEntry => entry.what === 'ended')
  const bills = ends.filter(({ billed_micros }) => billed_micros > 0)
  return {
    posts,
    usd: bills.reduce((sum, { billed_micros }) => sum + billed_micros, 0) / 1_000_000,
    renders: bills.length,
  }
}

/** The film is whole, and everything was paid for once. */
async function expectPaidOnce(server: ServerProcess, jobId: number, scenes: number): Promise<void> {
  const { job } = await jobUntil(server, jobId, ({ status }) => status === 'completed')
  const film = await fetch(`${server.url}/api/v3/videos/${jobId}/combined`)
  const path = join(dataDir, 'film.mp4')
  writeFileSync(path, new Uint8Array(await film.arrayBuffer()))
  const found = await probeClip(path)
  expect(found.ok && found.clip.video.packets.length).toBe(scenes * 4 * 24)
  const { posts, usd, renders } = await billed()
  expect(new Set(posts.map(({ mark }) => mark)).size).toBe(posts.length)
  expect(renders).toBe(scenes)
  expect(job.costs).toMatchObject({ spent: usd, reserved: 0 })
  expect(usd).toBeCloseTo(scenes * priceUsd, 9)
  const { body: ledger } = await ask(server, 'GET', '/api/v3/ledger')
  expect(ledger.totals).toEqual({ spent: usd, reserved: 0 })
  expect(ledger.unaccounted).toEqual([])
}

describe('a server that buys renders', () => {
  it.each([11, 12])(
    'and is killed again and again at moments drawn from seed %i pays for each scene once',
    async (seed) => {
      const { random } = createClock(seed)
      await startFake({ seed, renderMs: [400, 1500], startMs: 50 })
      let server = await start()
      const scenes = 4
      const jobId = await createJob(server, scenes, paid)
      expect((await ask(server, 'POST', `/api/v3/jobs/${jobId}/approve`)).status).toBe(200)
      for (let deaths = 0; deaths < 4; deaths++) {
        await setTimeout(random() * 900)
        await server.kill('SIGKILL')
        server = await start()
      }
      await expectPaidOnce(server, jobId, scenes)
    },
    // A server that dies just before it sends a request has to prove that it never did, which takes minutes.
    15 * 60_000,
  )

  it('and has an FFmpeg that crashes on what it bought keeps it, says so, and goes on with a better one', async () => {
    await startFake({ renderMs: 300, startMs: 50 })
    const ffmpeg = createFakeFfmpeg(dataDir)
    ffmpeg.behave('kill -SEGV $$')
    let server = await start({ FFMPEG_PATH: ffmpeg.path })
    const jobId = await createJob(server, 1, paid)
    await ask(server, 'POST', `/api/v3/jobs/${jobId}/approve`)
    const { job, scenes } = await jobUntil(
      server,
      jobId,
      ({ waiting }) => waiting?.code === 'ffmpeg_failed' && waiting.reason.includes('attempt 2 of 5'),
    )
    expect(job.waiting.reason).toMatch(/SIGSEGV.*attempt 2 of 5 on the paid clip; the clip is kept$/s)
    expect(job.progress_percentage).toBeGreaterThan(80)
    const kept = await fetch(`${server.url}/api/v3/videos/${jobId}/clips/${scenes[0].id}`)
    expect(kept.status).toBe(200)
    const path = join(dataDir, 'kept.mp4')
    writeFileSync(path, new Uint8Array(await kept.arrayBuffer()))
    expect((await probeClip(path)).ok).toBe(true)
    await server.kill('SIGKILL')
    // Nothing is asked of the provider any more.
    await fake.set({ rates: { output_gone: 1 } })
    server = await start()
    await expectPaidOnce(server, jobId, 1)
  })

  it('makes a film of long clips with sound', async () => {
    await startFake({ renderMs: 300, startMs: 50 })
    const server = await start()
    const long = { ...paid, clip_duration: 8, audio: true }
    const jobId = await createJob(server, 2, long)
    await ask(server, 'POST', `/api/v3/jobs/${jobId}/approve`)
    await jobUntil(server, jobId, ({ status }) => status === 'completed')
    const path = join(dataDir, 'film.mp4')
    const film = await fetch(`${server.url}/api/v3/videos/${jobId}/combined`)
    writeFileSync(path, new Uint8Array(await film.arrayBuffer()))
    const { samples, sampleRate } = await listen(path)
    // Of both clips, in their midst.
    for (const second of [4, 12]) {
      const heard = samples.subarray(second * sampleRate, (second + 1) * sampleRate)
      expect(Math.max(...heard)).toBeGreaterThan(0.05)
    }
  })

  it('is told by webhooks, lets pictures be fetched by their signed addresses, and heeds no forged message', async () => {
    await startFake({
      renderMs: 500,
      startMs: 50,
      seed: 3,
      rates: { webhook_doubled: 0.3, webhook_forged: 0.7 },
    })
    const port = await freePort()
    const server = await start({ PORT: String(port), PUBLIC_BASE_URL: `http://127.0.0.1:${port}` })
    const jobId = await createJob(server, 3, paid)
    await ask(server, 'POST', `/api/v3/jobs/${jobId}/approve`)
    await expectPaidOnce(server, jobId, 3)
    const told = (await fake.ledger()).filter((entry) => entry.what === 'webhook')
    expect(told.some(({ status }) => status === 200)).toBe(true)
    expect(told.filter(({ fault }) => fault === 'webhook_forged').some(({ status }) => status === 403)).toBe(
      true,
    )
  })

  it('ends what runs at the provider when a job is cancelled, and says what stays charged', async () => {
    await startFake({ renderMs: 60_000, startMs: 0 })
    const server = await start()
    const jobId = await createJob(server, 2, paid)
    await ask(server, 'POST', `/api/v3/jobs/${jobId}/approve`)
    while ((await billed()).posts.length < 2) await setTimeout(20)
    const { status, body } = await ask(server, 'POST', `/api/v3/jobs/${jobId}/cancel`)
    expect(status).toBe(200)
    expect(body).toMatchObject({ message: 'Job cancelled successfully', job_id: jobId, status: 'cancelled' })
    expect(body.costs.reserved + body.costs.spent).toBeCloseTo(2 * priceUsd, 9)
    while ((await fake.ledger()).filter((entry) => entry.what === 'ended').length < 2) await setTimeout(20)
    const { usd } = await billed()
    for (;;) {
      const { body: job } = await ask(server, 'GET', `/api/v3/jobs/${jobId}`)
      if (job.costs.reserved > 0) {
        await setTimeout(20)
        continue
      }
      expect(job.costs.spent).toBeCloseTo(usd, 9)
      break
    }
  })

  it('stops at once on SIGTERM while renders run, and adopts them at its next start', async () => {
    await startFake({ renderMs: 3000, startMs: 0 })
    let server = await start({ SHUTDOWN_GRACE_MS: '30000' })
    const jobId = await createJob(server, 2, paid)
    await ask(server, 'POST', `/api/v3/jobs/${jobId}/approve`)
    while ((await billed()).posts.length < 2) await setTimeout(20)
    await jobUntil(server, jobId, (job) => job.current_stage === 'rendering')
    expect(await server.kill('SIGTERM')).toBe(0)
    server = await start()
    await expectPaidOnce(server, jobId, 2)
    expect((await billed()).posts).toHaveLength(2)
  })

  it('begins with what is wrong with its models, and never with its token in a log or an answer', async () => {
    await startFake({})
    const models = join(dataDir, 'models.json')
    writeFileSync(
      models,
      JSON.stringify({ version: 'x', currency: 'USD', models: { 'a/b': { offers: [] } } }),
    )
    await expect(start({ MODELS_FILE: models })).rejects.toThrow(/MODELS_FILE .*a\/b/)
    const server = await start({ REPLICATE_API_TOKEN: 'r8_wrong_and_secret' })
    const jobId = await createJob(server, 1, paid)
    await ask(server, 'POST', `/api/v3/jobs/${jobId}/approve`)
    const { scenes } = await jobUntil(server, jobId, (_job, all) =>
      ['provider_pause', 'back_off'].includes(all[0].waiting?.code),
    )
    expect((await billed()).posts).toEqual([])
    expect(server.lines.join('\n') + JSON.stringify(scenes)).not.toContain('r8_wrong_and_secret')
  })
})
