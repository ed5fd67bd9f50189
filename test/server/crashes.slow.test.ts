/** The real server is killed again and again during the same work: nothing fails, and nothing has to be retried. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createFakeFfmpeg, hanging } from './fake-ffmpeg.ts'
import { ask, createJob, jobUntil, type ServerProcess, startServer } from './process.ts'

describe('a server that is killed again and again', () => {
  let dataDir: string
  let server: ServerProcess
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'crashes-'))
  })
  afterEach(async () => {
    await server.kill('SIGKILL')
    rmSync(dataDir, { recursive: true, force: true })
  })

  const approved = async (scenes: number, parameters: object): Promise<number> => {
    const jobId = await createJob(server, scenes, parameters)
    expect((await ask(server, 'POST', `/api/v3/jobs/${jobId}/approve`)).status).toBe(200)
    return jobId
  }

  it('says why a job waits, lets the others go on, and ends both with their films', async () => {
    const ffmpeg = createFakeFfmpeg(dataDir)
    ffmpeg.behave(hanging)
    const env = { LOCAL_MAX_CONCURRENCY: '1' }
    server = await startServer(dataDir, { ...env, FFMPEG_PATH: ffmpeg.path })
    const long = await approved(1, {})
    for (let deaths = 1; deaths <= 5; deaths++) {
      await jobUntil(server, long, () => ffmpeg.runs().length === deaths)
      await server.kill('SIGKILL')
      // The last one has an FFmpeg that comes to an end.
      server = await startServer(dataDir, { ...env, ...(deaths < 5 && { FFMPEG_PATH: ffmpeg.path }) })
    }
    const { job } = await jobUntil(server, long, (_job, [scene]) => scene.waiting !== null)
    expect(job.waiting).toMatchObject({
      code: 'after_crash',
      reason: 'the server died 5 times while this ran; it will resume by itself',
      until: expect.any(String),
    })
    const other = await approved(1, { title: 'Other' })
    await jobUntil(server, other, ({ status }) => status === 'completed')
    const { scenes } = await jobUntil(server, long, ({ status }) => status === 'completed')
    expect(scenes.map(({ tries }) => tries)).toEqual([1])
    expect(server.lines.join('\n')).toContain('The process died while 1 tasks ran: 0 begin again at once')
  })

  it('begins all renders that ran again at once, beside each other', async () => {
    // Each takes two processes, and the time to start them.
    const renders = 12
    const ffmpeg = createFakeFfmpeg(dataDir)
    ffmpeg.behave(hanging)
    const env = { LOCAL_MAX_CONCURRENCY: String(renders), FFMPEG_PATH: ffmpeg.path }
    server = await startServer(dataDir, env)
    const jobId = await approved(renders, {})
    await jobUntil(server, jobId, () => ffmpeg.runs().length === renders)
    await server.kill('SIGKILL')

    server = await startServer(dataDir, env)
    // None of them ends: each has begun without waiting for another.
    await jobUntil(server, jobId, () => ffmpeg.runs().length === 2 * renders)
    expect(server.lines.join('\n')).toContain(
      `The process died while ${renders} tasks ran: ${renders} begin again at once`,
    )
  })
})
