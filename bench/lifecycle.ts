/**
 * What one job costs from request to completed, without media: lifecycles a second, CPU, bytes written, statements and
 * transactions. SQLite on disk, `synchronous=FULL`. `--statements` prints which statements a lifecycle runs instead.
 * Run: node bench/lifecycle.ts [--statements]
 */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { type Counted, counted } from './counted.ts'
import { median, openBenchHarness, quantile, together } from './harness.ts'
import { beginLives } from './lives.ts'

const { values } = parseArgs({
  options: {
    statements: { type: 'boolean', default: false },
    runs: { type: 'string', default: '3' },
    jobs: { type: 'string', default: '6000' },
  },
})
const runs = Number(values.runs)
const jobs = Number(values.jobs)

interface Run {
  readonly perSecond: number
  /** Seconds of user and system time for a thousand lifecycles. */
  readonly cpu: number
  /** kB that one lifecycle sends to the disk; undefined where the system doesn't say. */
  readonly written: number | undefined
  readonly startP99: number
}

async function run(inFlight: number, lifecycles: number): Promise<Run> {
  const harness = await openBenchHarness(inFlight)
  const lives = await beginLives(harness, inFlight)
  // What is compiled and read once is no part of a lifecycle.
  await lives.work(Math.ceil(lifecycles / 10), inFlight)
  lives.startMs.length = 0
  const [start, cpu, written] = [performance.now(), process.cpuUsage(), writtenBytes()]
  await lives.work(lifecycles, inFlight)
  const { user, system } = process.cpuUsage(cpu)
  const result = {
    perSecond: lifecycles / ((performance.now() - start) / 1000),
    cpu: (user + system) / 1000 / lifecycles,
    written: written === undefined ? undefined : (writtenBytes()! - written) / 1000 / lifecycles,
    startP99: quantile(lives.startMs, 0.99),
  }
  await harness.close()
  return result
}

/** By this process, as Linux counts them. */
function writtenBytes(): number | undefined {
  try {
    return Number(/^write_bytes: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1])
  } catch {
    return undefined
  }
}

/** What a hundred lifecycles asked of the database, one after the other. */
async function count(): Promise<Counted> {
  let observed: Counted | undefined
  const harness = await openBenchHarness(1, (database) => (observed = counted(database)).database)
  const lives = await beginLives(harness, 1)
  await lives.work(1, 1)
  observed!.reset()
  await lives.work(countedJobs, 1)
  await harness.close()
  return observed!
}

const countedJobs = 100

/** The same disk and driver without a coordinator: 8 transactions of 2 statements each, as a job's moves are. */
async function floor(): Promise<number> {
  const harness = await openBenchHarness(0)
  const { database } = harness
  await database.transaction(async (tx) => {
    await tx.run('create table things (id integer primary key, state text)')
    await tx.run('create table told (id integer primary key, what text)')
  })
  const start = performance.now()
  await together(jobs, 64, async (index) => {
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

const { transactions, statements } = await count()
const total = [...statements.values()].reduce((sum, times) => sum + times, 0)
console.log(
  `a lifecycle: ${(transactions / countedJobs).toFixed(1)} transactions, ${(total / countedJobs).toFixed(1)} statements`,
)
if (values.statements)
  for (const [sql, times] of [...statements].toSorted(([, one], [, other]) => other - one))
    console.log(`${(times / countedJobs).toFixed(2).padStart(6)}  ${sql.replaceAll(/\s+/g, ' ').trim()}`)
else await measure()

async function measure(): Promise<void> {
  // One after the other at 1 in flight each waits for its own syncs.
  const loads = [
    { inFlight: 64, lifecycles: jobs },
    { inFlight: 16, lifecycles: jobs },
    { inFlight: 1, lifecycles: Math.ceil(jobs / 6) },
  ]
  const measured = new Map<number, Run[]>(loads.map(({ inFlight }) => [inFlight, []]))
  const floors: number[] = []
  for (let index = 0; index < runs; index++) {
    for (const { inFlight, lifecycles } of loads)
      measured.get(inFlight)!.push(await run(inFlight, lifecycles))
    floors.push(await floor())
  }
  for (const [inFlight, all] of measured) {
    const of = (value: (one: Run) => number): number => median(all.map(value))
    const kilobytes =
      all[0]!.written === undefined ? '' : `, ${of((one) => one.written!).toFixed(1)} kB written each`
    console.log(
      `${String(inFlight).padStart(2)} in flight: ${Math.round(of((one) => one.perSecond))} lifecycles/s, ${of((one) => one.cpu).toFixed(3)} CPU s a thousand${kilobytes}, approve to render start p99 ${of((one) => one.startP99).toFixed(2)} ms`,
    )
  }
  console.log(
    `8 bare transactions with 64 in flight: ${Math.round(median(floors))}/s (medians of ${runs} runs)`,
  )
}
