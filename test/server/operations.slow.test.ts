/** The real server as those see it who watch it: ready, busy, full, stopping. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { parseExposition, valueOf } from '../telemetry/exposition.ts'
import { type ServerProcess, ask, createJob, jobUntil, startServer } from './process.ts'
import { canMountSmallDisk, mountSmallDisk } from './small-disk.ts'

let server: ServerProcess
const start = async (directory: string, env: Readonly<Record<string, string>> = {}): Promise<ServerProcess> =>
  (server = await startServer(directory, env))
afterEach(() => server.kill('SIGKILL'))

describe('a server', () => {
  const directory = mkdtempSync(join(tmpdir(), 'operations-'))
  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  it('tells what it does and that it stops, before it takes no more', async () => {
    await start(directory, { DRAIN_MS: '3000' })
    expect(await ask(server, 'GET', '/readyz')).toEqual({
      status: 200,
      body: { status: 'ready', checks: { database: 'ok', disk: 'ok', ffmpeg: 'ok', draining: 'ok' } },
    })
    const jobId = await createJob(server, 2)
    await ask(server, 'POST', `/api/v3/jobs/${jobId}/approve`)
    await jobUntil(server, jobId, ({ status }) => status === 'completed')
    await setTimeout(1100)
    const response = await fetch(`${server.url}/metrics`)
    const page = parseExposition(await response.text())
    expect(valueOf(page, 'workflow_jobs{status="completed"}')).toBe(1)
    const renders = 'workflow_renders_total{renderer="local",model="local",outcome="succeeded"}'
    expect(valueOf(page, renders)).toBe(2)
    expect(valueOf(page, 'workflow_disk_free_bytes')).toBeGreaterThan(0)
    const requests = page.get('http_requests_total')!.samples
    expect(requests.get('http_requests_total{method="POST",route="/api/v3/jobs",status="201"}')).toBe(1)
    const { body } = await ask(server, 'GET', '/api/v3/storage')
    expect(body.stored).toMatchObject({ films: { files: 2 }, inputs: { files: 4 } })

    const ended = server.kill('SIGTERM')
    await expect.poll(async () => (await ask(server, 'GET', '/readyz')).status).toBe(503)
    expect((await ask(server, 'GET', '/readyz')).body.checks.draining).toBe('The server is stopping')
    expect((await ask(server, 'GET', `/api/v3/jobs/${jobId}`)).status).toBe(200)
    expect(await ended).toBe(0)
  })
})

describe.skipIf(!canMountSmallDisk())(
  'a server on a disk that runs full (needs the right to mount one)',
  () => {
    it('is not ready until there is room', async () => {
      const disk = mountSmallDisk(24)
      try {
        await start(disk.directory, { MIN_FREE_DISK_MB: '8' })
        expect((await ask(server, 'GET', '/readyz')).status).toBe(200)
        disk.fill()
        await expect
          .poll(async () => (await ask(server, 'GET', '/readyz')).status, { timeout: 10_000 })
          .toBe(503)
        const { body } = await ask(server, 'GET', '/readyz')
        expect(body.checks.disk).toMatch(
          /^The disk has 0 MB free; 8 MB \(MIN_FREE_DISK_MB\) are reserved for paid clips$/,
        )
        disk.empty()
        await expect
          .poll(async () => (await ask(server, 'GET', '/readyz')).status, { timeout: 10_000 })
          .toBe(200)
      } finally {
        await server.kill('SIGKILL')
        disk.remove()
      }
    })
  },
)
