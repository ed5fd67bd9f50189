/** Kill -9 of the real server at every stage of a real job; the next start goes on from the rows. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { probeClip } from '../../src/media/probe.ts'
import { createClock } from '../clock.ts'
import { ask, createJob, jobUntil, type ServerProcess, startServer } from './process.ts'

let dataDir: string
const servers: ServerProcess[] = []
const start = async (env?: Record<string, string>): Promise<ServerProcess> => {
  const server = await startServer(dataDir, env)
  servers.push(server)
  return server
}

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'recovery-'))
})
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.kill('SIGKILL')))
  rmSync(dataDir, { recursive: true, force: true })
})

const scenes = 4
const fadeFrames = 8
const fps = 24
const expectedFrames = scenes * fps - (scenes - 1) * fadeFrames

/** The job at its end, with a film of which every frame is there. */
const finished = async (server: ServerProcess, jobId: number) => {
  const { job, scenes: all } = await jobUntil(server, jobId, ({ status }) => status === 'completed')
  const film = await fetch(`${server.url}/api/v3/videos/${jobId}/combined`)
  const bytes = new Uint8Array(await film.arrayBuffer())
  expect(film.status).toBe(200)
  expect(bytes.length).toBe(job.film.size)
  expect(job.film.duration).toBeCloseTo(expectedFrames / fps, 6)
  const path = join(dataDir, `film-${jobId}.mp4`)
  writeFileSync(path, bytes)
  const found = await probeClip(path)
  expect(found.ok && found.clip.video.packets.length).toBe(expectedFrames)
  return { job, scenes: all, bytes }
}

describe('a server killed with kill -9', () => {
  it('goes on at every stage: what was answered is kept, finished clips are kept, no try is spent', async () => {
    // One render at a time, so that each stage can be seen.
    const env = { LOCAL_MAX_CONCURRENCY: '1' }
    let server = await start(env)
    const jobId = await createJob(server, scenes, { resolution: '480p' })

    const restart = async (): Promise<void> => {
      await server.kill('SIGKILL')
      server = await start(env)
      expect(server.lines.join('\n')).toContain('Recovering interrupted jobs')
    }
    await restart()
    expect((await ask(server, 'GET', `/api/v3/jobs/${jobId}`)).body.status).toBe('pending')

    expect((await ask(server, 'POST', `/api/v3/jobs/${jobId}/approve`)).status).toBe(200)
    await restart()
    expect((await ask(server, 'POST', `/api/v3/jobs/${jobId}/approve`)).status).toBe(422)

    await jobUntil(server, jobId, ({ current_stage }) => current_stage === 'rendering')
    await restart()

    const kept = new Map<string, string>()
    for (let done = 1; done < scenes; done++) {
      const { scenes: seen } = await jobUntil(
        server,
        jobId,
        (_, all) => all.filter(({ status }) => status === 'completed').length >= done,
      )
      for (const { id, status, completed_at } of seen) if (status === 'completed') kept.set(id, completed_at)
      await restart()
    }

    await jobUntil(server, jobId, ({ current_stage }) => ['stitching', 'completed'].includes(current_stage))
    await restart()

    const first = await finished(server, jobId)
    expect(first.scenes.map(({ tries }: any) => tries)).toEqual(Array.from({ length: scenes }, () => 1))
    for (const { id, completed_at } of first.scenes) if (kept.has(id)) expect(completed_at).toBe(kept.get(id))
    await restart()
    const again = await finished(server, jobId)
    expect(again.bytes).toEqual(first.bytes)
    expect(readdirSync(join(dataDir, 'work'))).toEqual([])
  })

  it('ends with a whole film, whenever it is killed', async () => {
    const clock = createClock(20_260)
    let server = await start()
    const jobId = await createJob(server, scenes)
    await ask(server, 'POST', `/api/v3/jobs/${jobId}/approve`)
    for (let kill = 0; kill < 8; kill++) {
      await setTimeout(clock.random() * 1200)
      await server.kill('SIGKILL')
      server = await start()
    }
    const { scenes: seen } = await finished(server, jobId)
    expect(seen.map(({ tries }) => tries)).toEqual(Array.from({ length: scenes }, () => 1))
  })
})

describe('a server asked to stop', () => {
  it('ends cleanly in the middle of a render, and spends no try', async () => {
    const server = await start({ SHUTDOWN_GRACE_MS: '0' })
    const jobId = await createJob(server, scenes, { resolution: '1080p', clip_duration: 3 })
    await ask(server, 'POST', `/api/v3/jobs/${jobId}/approve`)
    await jobUntil(server, jobId, ({ current_stage }) => current_stage === 'rendering')
    expect(await server.kill('SIGTERM')).toBe(0)

    const next = await start()
    const { scenes: seen } = await jobUntil(next, jobId, (_, all) =>
      all.some(({ status }) => status === 'completed'),
    )
    for (const { status, tries } of seen) expect(tries).toBe(status === 'completed' ? 1 : 0)
  })

  it('lets work that ends within the grace time end', async () => {
    const server = await start({ SHUTDOWN_GRACE_MS: '60000', LOCAL_MAX_CONCURRENCY: '1' })
    const jobId = await createJob(server, 2)
    await ask(server, 'POST', `/api/v3/jobs/${jobId}/approve`)
    await jobUntil(server, jobId, ({ current_stage }) => current_stage === 'rendering')
    expect(await server.kill('SIGTERM')).toBe(0)

    const next = await start({ LOCAL_MAX_CONCURRENCY: '1' })
    const { body } = await ask(next, 'GET', `/api/v3/jobs/${jobId}/scenes`)
    expect(body.scenes[0].status).toBe('completed')
    await jobUntil(next, jobId, ({ status }) => status === 'completed')
  })

  it('keeps its folder to itself, and lets it go when it dies', async () => {
    const server = await start()
    await expect(startServer(dataDir)).rejects.toThrow(
      /is in use by process \d+ .*listening on http:\/\/127\.0\.0\.1:\d+/,
    )
    await server.kill('SIGKILL')
    await start()
  })

  it('says at start where it listens and what it has', async () => {
    const server = await start()
    const line = server.lines.find((text) => text.includes('Listening on'))!
    expect(JSON.parse(line)).toMatchObject({
      url: server.url,
      database: expect.stringContaining('SQLite'),
      ffmpeg: expect.stringMatching(/^\d+\.\d+.* \(packaged\)$/),
      renderers: expect.stringMatching(/^local \(\d+ at once\)$/),
    })
  })
})
