/** A job during which the real server is killed three times is set aside; the one beside it gets its film. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { ask, createJob, jobUntil, startServer } from './process.ts'

it('a job that kills its process three times is set aside and says so, and the others go on', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'crashes-'))
  const env = { LOCAL_MAX_CONCURRENCY: '1' }
  let server = await startServer(dataDir, env)
  try {
    const poison = await createJob(server, 1, { resolution: '1080p', clip_duration: 20 })
    const other = await createJob(server, 1, { resolution: '360p', clip_duration: 1, title: 'Other' })
    await ask(server, 'POST', `/api/v3/jobs/${poison}/approve`)
    await ask(server, 'POST', `/api/v3/jobs/${other}/approve`)
    for (let deaths = 0; deaths < 3; deaths++) {
      await jobUntil(server, poison, ({ current_stage }) => current_stage === 'rendering')
      // The work has begun, and that is on disk.
      await jobUntil(server, poison, (_job, [scene]) => scene!.progress_percentage > 0)
      await server.kill('SIGKILL')
      server = await startServer(dataDir, env)
    }
    const { job } = await jobUntil(server, poison, ({ status }) => status === 'failed')
    expect(job.error).toMatchObject({
      code: 'process_killed',
      reason: expect.stringMatching(
        /^The process died 3 times while it worked on this job, so the job is set aside/,
      ),
    })
    expect(server.lines.join('\n')).toContain(
      `The process has died 3 times while it worked on job ${poison}: its render-scene task is set aside`,
    )
    await jobUntil(server, other, ({ status }) => status === 'completed')
    expect((await ask(server, 'POST', `/api/v3/jobs/${poison}/retry`)).status).toBe(200)
    await jobUntil(server, poison, ({ status }) => status === 'processing')
  } finally {
    await server.kill('SIGKILL')
    rmSync(dataDir, { recursive: true, force: true })
  }
}, 120_000)
