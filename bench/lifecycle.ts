/**
 * How many jobs a second the coordinator takes from request to completed, without media: a handler that
 * answers at once stands where the renders and the film are made. SQLite on disk, `synchronous=FULL`.
 * Run: node bench/lifecycle.ts [jobs] [in flight]
 */
import { asset, jobRequest, median, openBenchHarness, quantile, together } from './harness.ts'

const jobs = Number(process.argv[2] ?? 20_000)
const inFlight = Number(process.argv[3] ?? 64)
const runs = 5

interface Run {
  readonly perSecond: number
  readonly startMs: readonly number[]
}

async function run(): Promise<Run> {
  const harness = await openBenchHarness(inFlight)
  const { coordinator, engine } = harness
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
    await coordinator.sceneRendered(task.subject, { clip: asset, source: asset, place: '' })
  })
  engine.handle('join-clips', options, () => Promise.resolve())
  engine.handle('stitch-film', options, async (task) => {
    await coordinator.completeJob(task.jobId, new Uint8Array([1]))
    ended.get(task.jobId)?.()
    ended.delete(task.jobId)
  })
  await coordinator.start()

  const start = performance.now()
  await together(jobs, inFlight, async () => {
    const job = await coordinator.createJob(jobRequest)
    const done = new Promise<void>((resolve) => ended.set(job.id, resolve))
    approvedAt.set(job.id, performance.now())
    await coordinator.approveJob(job.id)
    await done
  })
  const perSecond = jobs / ((performance.now() - start) / 1000)
  await harness.close()
  return { perSecond, startMs }
}

/** The same disk and driver without a coordinator: 8 transactions of 2 statements each, as a job's moves are. */
async function floor(): Promise<number> {
  const harness = await openBenchHarness(0)
  const { database } = harness
  await database.transaction(async (tx) => {
    await tx.run('create table things (id integer primary key, state text)')
    await tx.run('create table told (id integer primary key, what text)')
  })
  const start = performance.now()
  await together(jobs, inFlight, async (index) => {
    await database.transaction(async (tx) => {
      await tx.run('insert into things (id, state) values ($1, $2)', [index, 'pending'])
      await tx.insert('insert into told (what) values ($1)', ['created'])
    })
    for (let move = 1; move < 8; move++)
      await database.transaction(async (tx) => {
        await tx.run('update things set state = $2 where id = $1', [index, `state ${move}`])
        await tx.insert('insert into told (what) values ($1)', [`moved ${move}`])
      })
  })
  const perSecond = jobs / ((performance.now() - start) / 1000)
  await harness.close()
  return perSecond
}

const measured: Run[] = []
const floors: number[] = []
for (let index = 0; index < runs; index++) {
  const result = await run()
  measured.push(result)
  floors.push(await floor())
  console.log(
    `run ${index + 1}: ${Math.round(result.perSecond)} lifecycles/s, bare transactions ${Math.round(floors.at(-1)!)}/s, approve to render start p50 ${median(result.startMs).toFixed(2)} ms, p99 ${quantile(result.startMs, 0.99).toFixed(2)} ms`,
  )
}
const lifecycles = median(measured.map(({ perSecond }) => perSecond))
const p99 = median(measured.map(({ startMs }) => quantile(startMs, 0.99)))
console.log(
  `median of ${runs}: ${Math.round(lifecycles)} lifecycles/s with ${inFlight} in flight, ${(lifecycles / median(floors)).toFixed(2)} of 8 bare transactions; approve to render start p99 ${p99.toFixed(2)} ms`,
)
