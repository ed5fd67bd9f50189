/** Admission, lists, ETA and waiting reasons with many jobs that wait, beside 1,000 of them: a part of `nodes.ts`. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { BenchCluster } from './cluster.ts'
import { median } from './harness.ts'

const few = 1000
const reads = 20
const admittingMs = 6000

interface Measured {
  readonly list: number
  readonly eta: number
  readonly waiting: number
  /** Between the starts of two renders with one slot: a whole lifecycle with its look of admission. */
  readonly admission: number
}

export async function measureWaiting(cluster: BenchCluster, many: number): Promise<string> {
  const one = await measure(cluster, few)
  const other = await measure(cluster, many)
  const ratio = (name: keyof Measured): string =>
    `${other[name].toFixed(1)} ms (${(other[name] / one[name]).toFixed(2)} times)`
  return `${many} waiting jobs beside ${few}: a render's turn at the only slot ${ratio('admission')}, list ${ratio('list')}, ETA ${ratio('eta')}, waiting reasons ${ratio('waiting')}`
}

async function measure(cluster: BenchCluster, jobs: number): Promise<Measured> {
  const databaseUrl = await cluster.newDatabase()
  const [reader] = await cluster.startNodes(1, { databaseUrl, cap: 0, renderMs: 0 })
  reader!.approve()
  await sleep(1000)
  await copyJobs(cluster, databaseUrl, jobs)
  await cluster.query(databaseUrl, 'vacuum analyze')
  const read = await reader!.read(jobs - 1, reads)
  await reader!.kill()
  const [worker] = await cluster.startNodes(1, { databaseUrl, cap: 1, renderMs: 0 })
  await sleep(admittingMs)
  const starts = (await worker!.rendered()).map(({ startedAt }) => startedAt)
  await worker!.kill()
  const gaps = starts.slice(1).map((at, index) => at - starts[index]!)
  return {
    list: median(read.list),
    eta: median(read.eta),
    waiting: median(read.waiting),
    admission: median(gaps),
  }
}

/** Copies of the first job, of five clients: a hundred thousand requests would take minutes. */
async function copyJobs(cluster: BenchCluster, databaseUrl: string, jobs: number): Promise<void> {
  await cluster.query(
    databaseUrl,
    `insert into jobs (id, type, status, video_name, priority, parameters, storyboard, progress, estimated_micros, price_book,
       client_id, queue_at, approved_at, inserted_at, updated_at)
     select n, type, status, video_name, priority, parameters, storyboard, progress, estimated_micros, price_book,
       'c' || (n % 5), queue_at + n, approved_at + n, inserted_at + n, updated_at
     from generate_series(2, ${jobs}) n, jobs where jobs.id = 1;
     insert into job_names (job_id, folded) select n, folded from generate_series(2, ${jobs}) n, job_names where job_id = 1;
     insert into scenes (id, job_id, position, status, title, prompt, duration, asset_ids, transition, model, renderer, render,
       price_micros, notes, render_key, forced, progress, tries, inserted_at, updated_at)
     select 'scene-' || n, n, position, status, title, prompt, duration, asset_ids, transition, model, renderer, render,
       price_micros, notes, render_key || n, forced, progress, tries, inserted_at, updated_at
     from generate_series(2, ${jobs}) n, scenes where scenes.job_id = 1`,
  )
}
