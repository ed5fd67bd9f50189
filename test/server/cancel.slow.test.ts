/** A job that is cancelled while FFmpeg works for it: the program ends at once, and the server is ready for the next. */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { ask, createJob, jobUntil, startServer } from './process.ts'

/** The processes that this one has started. */
const childrenOf = (parent: number): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        // After the program's name, which may hold anything: state, then the parent.
        const [, ppid] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ')
        return Number(ppid) === parent
      } catch {
        return false
      }
    })

it.skipIf(process.platform !== 'linux')(
  'ends what renders within a second, and frees its place',
  async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'cancel-'))
    const server = await startServer(dataDir, { LOCAL_MAX_CONCURRENCY: '1' })
    try {
      const long = await createJob(server, 1, { resolution: '1080p', clip_duration: 60 })
      await ask(server, 'POST', `/api/v3/jobs/${long}/approve`)
      await jobUntil(server, long, (_job, [scene]) => scene!.progress_percentage > 0)
      const running = childrenOf(server.pid)
      expect(running.length).toBeGreaterThan(0)

      const began = performance.now()
      const answer = await ask(server, 'POST', `/api/v3/jobs/${long}/cancel`)
      expect(answer).toMatchObject({
        status: 200,
        body: { status: 'cancelled', costs: { spent: 0, reserved: 0 } },
      })
      // Those that rest stay a while; the one that rendered does not.
      while (running.every((pid) => childrenOf(server.pid).includes(pid))) await setTimeout(5)
      expect(performance.now() - began).toBeLessThan(1000)

      const next = await createJob(server, 1, { resolution: '360p', clip_duration: 1 })
      await ask(server, 'POST', `/api/v3/jobs/${next}/approve`)
      await jobUntil(server, next, ({ status }) => status === 'completed')
    } finally {
      await server.kill('SIGKILL')
      rmSync(dataDir, { recursive: true, force: true })
    }
  },
)
