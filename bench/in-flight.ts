/**
 * 10,000 predictions in flight in one process: what they cost in memory and CPU, and how long the event loop is held up,
 * while they are sent, while they run, and while they all end at once. Real HTTP to the fake Replicate in a process of its
 * own, SQLite on disk; FFmpeg alone is stood in for. First told by webhooks, then polling alone.
 * Run: node --expose-gc bench/in-flight.ts [predictions]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'
import { systemHost } from '../src/host.ts'
import { listen } from '../src/http/edge/server.ts'
import { startFakeReplicate } from '../test/fake-replicate/start.ts'
import { type ProviderHarness, createProviderHarness } from '../test/harness/provider.ts'
import { addAssets, assetOf, openFile } from '../test/harness/data.ts'
import { together } from './harness.ts'

const predictions = Number(process.argv[2] ?? 10_000)
const scenesOfAJob = 500
const watchMs = 20_000

async function run(isReached: boolean): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  const database = await openFile(folder)
  await addAssets(database, 1)
  const fake = await startFakeReplicate({ renderMs: 3_600_000, startMs: 0 }, { FAKE_CLIPS: 'bytes' })
  let harness: ProviderHarness | undefined
  const server = await listen(
    { fetch: (request) => harness!.app.fetch(request) },
    { host: '127.0.0.1', port: 0 },
  )
  harness = createProviderHarness({
    clock: systemHost,
    database,
    fetch,
    api: fake.url,
    outside: server.url,
    isReached,
    maxConcurrency: predictions,
    startDelayMs: 0,
  })
  const { coordinator } = harness
  await harness.start()
  const before = footprint()
  const jobs = await plan(coordinator)
  const sending = measure()
  await together(jobs.length, 4, (index) => coordinator.approveJob(jobs[index]!))
  const sent = async (): Promise<number> =>
    Number(
      (await database.get(`select count(*) as renders from attempts where status = 'submitted'`))!.renders,
    )
  while ((await sent()) < predictions) await setTimeout(250)
  const way = isReached ? 'told by webhooks' : 'polling alone'
  console.log(`${way}: ${predictions} sent: ${sending.end()}`)

  const watching = measure()
  await setTimeout(watchMs)
  console.log(`${way}: ${predictions} in flight for ${watchMs / 1000} s: ${watching.end()}`)
  globalThis.gc?.()
  const after = footprint()
  console.log(
    `${way}: memory ${megabytes(after.rss)} MB, ${megabytes(after.rss - before.rss)} MB more than with none; heap ${megabytes(after.heap - before.heap)} MB more, ${((after.heap - before.heap) / predictions / 1000).toFixed(1)} kB each`,
  )
  await harness.stop()
  await server.close({ graceMs: 0 })
  await database.close()
  await fake.kill()
  rmSync(folder, { recursive: true })
}

/** Jobs of many scenes, no two alike. */
async function plan(coordinator: ProviderHarness['coordinator']): Promise<number[]> {
  const jobs: number[] = []
  for (let planned = 0; planned < predictions; planned += scenesOfAJob) {
    const scenes = Array.from({ length: Math.min(scenesOfAJob, predictions - planned) }, (_, index) => ({
      asset_ids: [assetOf(0)],
      prompt: `Scene ${planned + index}`,
      duration: 4,
      model: 'google/veo-3.1-fast',
    }))
    const job = await coordinator.createJob({
      type: 'property_photos',
      parameters: { transition: 'cut' },
      storyboard: { scenes },
    })
    jobs.push(job.id)
  }
  return jobs
}

const footprint = () => {
  const { rss, heapUsed: heap } = process.memoryUsage()
  return { rss, heap }
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(0)

function measure(): { end(): string } {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const cpu = process.cpuUsage()
  const begun = performance.now()
  return {
    end() {
      delay.disable()
      const { user, system } = process.cpuUsage(cpu)
      const tookMs = performance.now() - begun
      const share = (user + system) / 1000 / tookMs
      const ms = (nanoseconds: number): string => (nanoseconds / 1e6).toFixed(1)
      return `${(tookMs / 1000).toFixed(1)} s, ${(share * 100).toFixed(0)} % of a core, event loop p50 ${ms(delay.percentile(50))} ms, p99 ${ms(delay.percentile(99))} ms, longest ${ms(delay.max)} ms`
    },
  }
}

await run(true)
await run(false)
