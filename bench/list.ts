/**
 * How long reading a job and the list's first page take over HTTP's app with many jobs stored, against the
 * same with 1,000. Run: node bench/list.ts [jobs]
 */
import { openDiskArtifacts } from '../src/artifact/disk.ts'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { jobRequest, median, openBenchHarness, quantile } from './harness.ts'
import { appOver } from '../test/harness/ask.ts'

const many = Number(process.argv[2] ?? 1_000_000)
const few = 1000
const reads = 2000
const runs = 5

async function store(jobs: number) {
  const harness = await openBenchHarness(0)
  const { coordinator, database } = harness
  const statuses = ['pending', 'approved', 'completed', 'failed']
  const base = await coordinator.createJob({
    ...jobRequest,
    parameters: { ...jobRequest.parameters, client_id: 'c1', campaign_id: 'spring' },
  })
  // The others are copies of one job, made where they are stored: a million requests would take an hour.
  for (let from = 1; from < jobs; from += 10_000)
    await database.transaction(async (tx) => {
      const numbers = `with recursive numbers (n) as (select $1 + 0 union all select n + 1 from numbers where n < $2 - 1)`
      const end = Math.min(jobs, from + 10_000)
      await tx.run(
        `${numbers} insert into jobs (id, type, status, video_name, priority, parameters, storyboard, progress,
             estimated_micros, price_book, client_id, inserted_at, updated_at)
           select ${base.id} + n, type, case n % 4 ${statuses.map((status, index) => `when ${index} then '${status}'`).join(' ')} end,
             video_name, priority, parameters, storyboard, progress, estimated_micros, price_book, 'c' || (n % 10), inserted_at + n, updated_at
           from numbers, jobs where jobs.id = ${base.id}`,
        [from, end],
      )
      await tx.run(
        `${numbers} insert into job_names (job_id, folded) select ${base.id} + n, folded from numbers, job_names
           where job_id = ${base.id}`,
        [from, end],
      )
      await tx.run(
        `${numbers} insert into job_labels (name, value, job_id) select 'client_id', 'c' || (n % 10), ${base.id} + n from numbers`,
        [from, end],
      )
    })
  return { ...harness, app: appOver(harness, { artifacts: await openDiskArtifacts(harness.folder) }) }
}

type Store = Awaited<ReturnType<typeof store>>

async function timeOf({ app }: Store, path: string): Promise<number> {
  const start = performance.now()
  const response = await app.request(path, { headers: { host: 'localhost' } })
  if (response.status !== 200) throw new Error(await response.text())
  await response.arrayBuffer()
  return performance.now() - start
}

const stores = { few: await store(few), many: await store(many) }
const paths: Readonly<Record<string, (jobs: number) => (index: number) => string>> = {
  'GET /jobs/:id': (jobs) => (index) => `/api/v3/jobs/${1 + ((index * 7919) % jobs)}`,
  'GET /jobs': () => () => '/api/v3/jobs',
  'GET /jobs?status=completed': () => () => '/api/v3/jobs?status=completed',
  'GET /jobs?client_id=c7': () => () => '/api/v3/jobs?client_id=c7',
}
for (const [name, path] of Object.entries(paths)) {
  const p99s = { few: [] as number[], many: [] as number[] }
  // The first run warms up. The two are read in turn, so that what else the machine does befalls both.
  for (let run = 0; run <= runs; run++) {
    const times = { few: [] as number[], many: [] as number[] }
    for (let read = 0; read < reads; read++) {
      times.few.push(await timeOf(stores.few, path(few)(read)))
      times.many.push(await timeOf(stores.many, path(many)(read)))
    }
    if (run > 0) for (const size of ['few', 'many'] as const) p99s[size].push(quantile(times[size], 0.99))
  }
  const ratios = p99s.many.map((p99, run) => p99 / p99s.few[run]!)
  console.log(
    `${name}: p99 ${median(p99s.few).toFixed(2)} ms with ${few} jobs, ${median(p99s.many).toFixed(2)} ms with ${many}: ratio ${median(ratios).toFixed(2)}`,
  )
}

/** The longest that nobody else was answered. */
async function longestHold(work: () => Promise<unknown>): Promise<number> {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  await work()
  delay.disable()
  return delay.max / 1e6
}

for (const [name, query] of Object.entries({
  'a name that nobody has': 'q=nobody',
  'two states': 'status=completed,failed',
  'a state of a client': 'status=pending&client_id=c7',
  'all before a time long ago': 'created_before=2001-01-01T00:00:00Z',
})) {
  const times: number[] = []
  let held = 0
  for (let run = 0; run < runs; run++)
    held = Math.max(
      held,
      await longestHold(async () => times.push(await timeOf(stores.many, `/api/v3/jobs?${query}`))),
    )
  console.log(
    `${name}: ${median(times).toFixed(1)} ms with ${many} jobs, nobody else answered for ${held.toFixed(0)} ms at most`,
  )
}
for (const { close } of Object.values(stores)) await close()
