/**
 * How many jobs a second the coordinator takes from request to completed, without media: a handler that
 * answers at once stands where the renders and the film are made. SQLite on disk, `synchronous=FULL`.
 * Run: node bench/lifecycle.ts [jobs] [in flight]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCoordinator } from '../src/coordinator/coordinator.ts'
import { createEmbeddedEngine } from '../src/engine/embedded.ts'
import { createPubSub } from '../src/events/pubsub.ts'
import { systemHost } from '../src/host.ts'
import { localPrices } from '../src/job/price.ts'
import { createLog } from '../src/log.ts'
import { migrate } from '../src/store/migrate.ts'
import { migrations } from '../src/store/migrations/all.ts'
import { openSqlite } from '../src/store/sqlite.ts'

const jobs = Number(process.argv[2] ?? 20_000)
const inFlight = Number(process.argv[3] ?? 64)
const runs = 5

const asset = 'a'.repeat(64)
const request = { type: 'property_photos', parameters: { photos: [{ asset_id: asset, room: 'kitchen' }] } }

interface Run {
  readonly perSecond: number
  readonly startMs: readonly number[]
}

async function run(): Promise<Run> {
  const directory = mkdtempSync(join(tmpdir(), 'lifecycle-'))
  const database = openSqlite({ path: join(directory, 'coordinator.db') })
  await migrate(database, migrations)
  const host = systemHost
  const log = createLog({ level: 'silent' })
  const pubsub = createPubSub((error) => {
    throw error
  })
  const engine = createEmbeddedEngine({ database, host, log })
  const renderers = [{ name: 'local', models: ['local'], maxConcurrency: inFlight }]
  const coordinator = createCoordinator({
    database,
    engine,
    pubsub,
    host,
    log,
    renderers,
    priceBook: localPrices,
  })

  const approvedAt = new Map<number, number>()
  const startMs: number[] = []
  const ended = new Map<number, () => void>()
  const options = {
    concurrency: inFlight,
    onExhausted: (_: unknown, error: unknown) => Promise.reject(error),
  }
  engine.handle('render-scene', options, async (task) => {
    startMs.push(performance.now() - approvedAt.get(task.jobId)!)
    const work = await coordinator.beginAttempt(task.subject)
    for (const percentage of [20, 40, 60, 80])
      await coordinator.updateProgress(work!.job.id, { percentage, stage: 'rendering' })
    await coordinator.sceneRendered(task.subject, asset)
  })
  engine.handle('join-clips', options, () => Promise.resolve())
  engine.handle('stitch-film', options, async (task) => {
    await coordinator.completeJob(task.jobId, new Uint8Array([1]))
    ended.get(task.jobId)?.()
    ended.delete(task.jobId)
  })
  await coordinator.addAsset({
    id: asset,
    contentType: 'image/png',
    width: 1,
    height: 1,
    size: 1,
    master: asset,
  })
  await coordinator.start()

  let next = 0
  const client = async (): Promise<void> => {
    while (next++ < jobs) {
      const job = await coordinator.createJob(request)
      const done = new Promise<void>((resolve) => ended.set(job.id, resolve))
      approvedAt.set(job.id, performance.now())
      await coordinator.approveJob(job.id)
      await done
    }
  }
  const start = performance.now()
  await Promise.all(Array.from({ length: inFlight }, client))
  const perSecond = jobs / ((performance.now() - start) / 1000)

  await coordinator.stop()
  await engine.stop({ graceMs: 1000 })
  await database.close()
  rmSync(directory, { recursive: true })
  return { perSecond, startMs }
}

const quantile = (values: readonly number[], share: number): number =>
  values.toSorted((one, other) => one - other)[
    Math.min(values.length - 1, Math.floor(values.length * share))
  ]!

const measured: Run[] = []
for (let index = 0; index < runs; index++) {
  const result = await run()
  measured.push(result)
  console.log(
    `run ${index + 1}: ${Math.round(result.perSecond)} lifecycles/s, approve to render start p50 ${quantile(result.startMs, 0.5).toFixed(2)} ms, p99 ${quantile(result.startMs, 0.99).toFixed(2)} ms`,
  )
}
console.log(
  `median of ${runs}: ${Math.round(
    quantile(
      measured.map(({ perSecond }) => perSecond),
      0.5,
    ),
  )} lifecycles/s with ${inFlight} in flight, approve to render start p99 ${quantile(
    measured.map(({ startMs }) => quantile(startMs, 0.99)),
    0.5,
  ).toFixed(2)} ms`,
)
