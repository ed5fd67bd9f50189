/** FFmpeg fails, hangs, breaks its file or is killed: that ends a scene, in FFmpeg's words, and never the server. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { readConfig } from '../../src/config.ts'
import { type Host, systemHost } from '../../src/host.ts'
import { openWorkflow } from '../../src/wire.ts'
import { encode } from '../media/source-clip.ts'
import { createFakeFfmpeg, hanging } from './fake-ffmpeg.ts'
import { silentLog } from '../harness/harness.ts'
import { ask, createJob, jobUntil, picture, type ServerProcess, startServer } from './process.ts'

let directory: string
let wholeClip: string
const servers: ServerProcess[] = []
const start = async (dataDir: string, env: Record<string, string> = {}): Promise<ServerProcess> => {
  const server = await startServer(join(directory, dataDir), env)
  servers.push(server)
  return server
}
const fakeIn = (name: string) => {
  mkdirSync(join(directory, name), { recursive: true })
  return createFakeFfmpeg(join(directory, name))
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'ffmpeg-trouble-'))
  wholeClip = join(directory, 'whole.mp4')
  const graph = 'color=c=red:s=640x360:r=24:d=1,format=yuv420p[out]'
  await encode({ graph, kind: 'video', codec: 'libx264', path: wholeClip })
})
afterEach(() => Promise.all(servers.splice(0).map((server) => server.kill('SIGKILL'))))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const ended = ({ status }: { status: string }): boolean => status === 'failed' || status === 'completed'

async function approved(server: ServerProcess, scenes = 1, parameters: object = {}): Promise<number> {
  const jobId = await createJob(server, scenes, parameters)
  expect((await ask(server, 'POST', `/api/v3/jobs/${jobId}/approve`)).status).toBe(200)
  return jobId
}

const isAlive = (pid: number): boolean => {
  try {
    // Nobody may have collected it yet: a zombie is dead.
    return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

interface Trouble {
  readonly behaviour: string
  readonly tries: number
  readonly code: string
  readonly reason: RegExp
}

async function expectFailed(server: ServerProcess, { tries, code, reason }: Trouble): Promise<void> {
  const { job, scenes } = await jobUntil(server, await approved(server), ended)
  expect(job).toMatchObject({ status: 'failed', error: { code, reason: expect.stringMatching(reason) } })
  expect(scenes).toMatchObject([{ status: 'failed', tries, error: job.error }])
  expect(job.error.scene_id).toBe(scenes[0].id)
  // A person who reads why a scene failed has no use for our folders.
  expect(job.error.reason).not.toContain(directory)
  expect(server.lines.join('\n')).toContain(`Task failed for job ${job.job_id}: ${job.error.reason}`)
}

describe('a scene fails with what FFmpeg said last, and the server goes on', () => {
  it('where it would fail again: at once, and where it crashed after three tries', async () => {
    const ffmpeg = fakeIn('failing')
    const server = await start('failing', { FFMPEG_PATH: ffmpeg.path })
    const troubles: readonly Trouble[] = [
      {
        behaviour: 'echo "Opening the shutter" >&2; echo "The camera has no film" >&2; exit 1',
        tries: 1,
        code: 'render_failed',
        reason: /^FFmpeg ended with exit code 1; Opening the shutter; The camera has no film$/,
      },
      { behaviour: 'exit 255', tries: 1, code: 'render_failed', reason: /^FFmpeg ended with exit code 255$/ },
      {
        behaviour: 'kill -SEGV $$',
        tries: 3,
        code: 'render_killed',
        reason: /^FFmpeg was ended by SIGSEGV$/,
      },
      {
        behaviour: 'echo frame=7; exit 0',
        tries: 1,
        code: 'render_failed',
        reason: /gave 7 frames where 24 were asked for/,
      },
    ]
    for (const trouble of troubles) {
      ffmpeg.behave(trouble.behaviour)
      await expectFailed(server, trouble)
    }
    expect((await ask(server, 'GET', '/livez')).status).toBe(200)
    expect(readdirSync(join(directory, 'failing', 'work'))).toEqual([])
  })

  it('where it says that all is well and its file is broken: after three tries', async () => {
    const done = 'echo frame=24; echo progress=end'
    const broken = (behaviour: string, code: string, reason: RegExp): Trouble => ({
      behaviour: `${behaviour}; ${done}`,
      tries: 3,
      code,
      reason,
    })
    const troubles = [
      broken(`head -c 1500 '${wholeClip}' > "$output"`, 'clip_unreadable', /there is no picture in it/),
      broken(': > "$output"', 'clip_incomplete', /the file is empty/),
      broken(':', 'clip_incomplete', /there is no file/),
      // Whole, but it does not decode: this FFmpeg fails at that, too.
      broken(
        `case "$*" in *"-f null"*) echo 'error while decoding MB 3 4' >&2; exit 69 ;; esac; cat '${wholeClip}' > "$output"`,
        'clip_damaged',
        /exit code 69; error while decoding MB 3 4/,
      ),
    ]
    // Side by side: each waits for its tries.
    await Promise.all(
      troubles.map(async (trouble, index) => {
        const ffmpeg = fakeIn(`broken-${index}`)
        ffmpeg.behave(trouble.behaviour)
        await expectFailed(await start(`broken-${index}`, { FFMPEG_PATH: ffmpeg.path }), trouble)
      }),
    )
  })
})

/** The time of the machine, and whatever a test leaps ahead of it. */
function createLeapingHost(): Host & { leap(ms: number): void } {
  let ahead = 0
  const sleepers = new Set<{ readonly until: number; readonly wake: AbortController }>()
  const monotonic = (): number => systemHost.monotonic() + ahead
  return {
    ...systemHost,
    now: () => systemHost.now() + ahead,
    monotonic,
    async sleep(ms, signal) {
      const sleeper = { until: monotonic() + ms, wake: new AbortController() }
      sleepers.add(sleeper)
      const over = signal ? AbortSignal.any([signal, sleeper.wake.signal]) : sleeper.wake.signal
      await systemHost.sleep(ms, over)
      sleepers.delete(sleeper)
    },
    leap(ms) {
      ahead += ms
      for (const { until, wake } of sleepers) if (until <= monotonic()) wake.abort()
    },
  }
}

describe('an FFmpeg that hangs, deaf to every signal that can be ignored', () => {
  it('is killed when it shows no new frame for a minute, three times, and then fails the scene', async () => {
    // The whole server in this process, so that a minute is a leap of its clock.
    const ffmpeg = fakeIn('hanging')
    ffmpeg.behave(`echo frame=3; ${hanging}`)
    const host = createLeapingHost()
    const config = readConfig({ DATA_DIR: join(directory, 'hanging'), FFMPEG_PATH: ffmpeg.path })
    const workflow = await openWorkflow(config, { log: silentLog, host })
    const answer = async (path: string, init?: RequestInit): Promise<any> =>
      JSON.parse(await (await workflow.app.request(`/api/v3${path}`, init)).text())
    const body = new Uint8Array(await picture(1))
    const asset = await answer('/assets', {
      method: 'POST',
      body,
      headers: { 'content-type': 'image/jpeg' },
    })
    const { id } = await workflow.coordinator.createJob({
      type: 'property_photos',
      parameters: { photos: [{ asset_id: asset.id }], clip_duration: 1, resolution: '360p' },
    })
    await workflow.coordinator.approveJob(id)

    const sceneIs = (status: string, tries: number) =>
      expect
        .poll(async () => (await answer(`/jobs/${id}/scenes`)).scenes[0], { timeout: 10_000 })
        .toMatchObject({ status, tries })
    for (let tries = 0; tries < 3; tries++) {
      await expect.poll(() => ffmpeg.runs().length, { timeout: 10_000 }).toBe(tries + 1)
      // The frame it did show has been heard of: it is killed a minute after that.
      await expect
        .poll(async () => (await answer(`/jobs/${id}/scenes`)).scenes[0].progress_percentage)
        .toBeGreaterThan(0)
      host.leap(60_000)
      await sceneIs(tries < 2 ? 'pending' : 'failed', tries + 1)
      // The longest wait before another try.
      host.leap(4000)
    }
    const job = await answer(`/jobs/${id}`)
    expect(job).toMatchObject({
      status: 'failed',
      error: { code: 'render_hung', reason: 'no new frame for 60 s (3 frames done)' },
    })
    expect(ffmpeg.runs().filter(isAlive)).toEqual([])
    await workflow.close()
  })

  it('does not keep the server from stopping, and is taken along', async () => {
    const ffmpeg = fakeIn('stopping')
    ffmpeg.behave(hanging)
    const server = await start('stopping', { FFMPEG_PATH: ffmpeg.path, SHUTDOWN_GRACE_MS: '100' })
    await approved(server)
    await expect.poll(() => ffmpeg.runs().length, { timeout: 10_000 }).toBe(1)
    expect((await ask(server, 'GET', '/livez')).status).toBe(200)
    expect(await server.kill('SIGTERM')).toBe(0)
    await expect.poll(() => ffmpeg.runs().filter(isAlive)).toEqual([])
  })
})

/** The processes that `pid` started and that still run. */
const childrenOf = (pid: number): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && isAlive(Number(name)))
    .map(Number)
    .filter((child) => new RegExp(`\\) \\S ${pid} `).test(statOf(child)))
const statOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return ''
  }
}

describe('the process in which FFmpeg runs', () => {
  it.skipIf(process.platform !== 'linux')(
    'killed by somebody else is begun again; the server goes on',
    async () => {
      const server = await start('killed', { LOCAL_MAX_CONCURRENCY: '1' })
      const { pid } = JSON.parse(readFileSync(join(directory, 'killed', 'holder.json'), 'utf8'))
      const jobId = await approved(server, 1, { resolution: '1080p', clip_duration: 2 })
      // Those that rest are used again, and end no work.
      await jobUntil(server, jobId, (_job, [scene]) => scene!.progress_percentage > 0)
      for (const child of childrenOf(pid)) process.kill(child, 'SIGKILL')

      const { job, scenes } = await jobUntil(server, jobId, ended)
      expect([job.status, scenes[0].tries]).toEqual(['completed', 2])
      const next = await jobUntil(server, await approved(server), ended)
      expect(next.job.status).toBe('completed')
      expect(readdirSync(join(directory, 'killed', 'work'))).toEqual([])
    },
  )
})
