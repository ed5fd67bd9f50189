/** Lists of jobs: filtered pages with each job's state, and current activity. */
import { type ListedJob, listed, needsApproval } from '../../job/job.ts'
import type { JobStatus } from '../../job/lifecycle.ts'
import { noMoney } from '../../job/price.ts'
import type { Progress } from '../../job/progress.ts'
import type { Task } from '../../job/task.ts'
import type { Reader } from '../../store/database.ts'
import { type JobQuery, idRangeOf, listJobs } from '../../store/job-lists.ts'
import { listActiveJobs } from '../../store/jobs.ts'
import { moneyOfJobs } from '../../store/money.ts'
import { listUnpaid } from '../../store/scenes.ts'
import type { WaitingSince } from '../admission/rules.ts'
import type { Context } from '../context.ts'
import { type Needed, neededOf } from '../job/needed.ts'
import { listedWait } from './job-waits.ts'

/**
 * `statuses`: any of them. `labels`: free members of `parameters`, such as campaign_id, that must be equal as
 * text. `needsApproval`: only jobs that wait for one. `limit`: 1 to 200. `before`: only jobs with a lower id,
 * the last of the previous page.
 */
export type JobFilter = JobQuery

/** What lists show of a job beside its own row. */
export interface Standing extends Pick<Needed, 'quote' | 'money' | 'toApproveMicros'> {
  /** As far as it is known without reading the scenes. */
  readonly waiting: WaitingSince | undefined
}

/** Ids scanned per query where no index serves the filter. */
const stretchSize = 5000

/** Jobs per query: each may have 200 kB of parameters. */
const rowsAtOnce = 51
/** A page ends once its parameters exceed this many characters. */
const mostPageCharacters = 1_000_000

/** One query where an index serves the filter; for combined filters, one range of ids after another. */
async function stretchesOf(
  reader: Reader,
  filter: JobFilter,
): Promise<Iterable<{ readonly before?: number | undefined; readonly from?: number }>> {
  const { statuses = [], type, clientId, labels = {}, insertedFrom, insertedBefore, text, reach } = filter
  const filters = [
    statuses[0],
    type,
    clientId,
    reach?.clientId,
    reach?.madeBy,
    ...Object.keys(labels),
  ].filter((one) => one !== undefined)
  const isIndexed =
    filters.length <= 1 &&
    statuses.length <= 1 &&
    insertedFrom === undefined &&
    insertedBefore === undefined &&
    text === undefined &&
    !filter.needsApproval
  if (isIndexed) return [{ before: filter.before }]
  const { lowest, highest } = await idRangeOf(reader, filter)
  return stretchesDown(lowest, highest)
}

function* stretchesDown(lowest: number, highest: number): Generator<{ before: number; from: number }> {
  for (let before = highest + 1; before > lowest; before -= stretchSize)
    yield { before, from: Math.max(lowest, before - stretchSize) }
}

/** A page of jobs. */
export interface JobsPage {
  readonly jobs: readonly ListedJob[]
  /** By job id. */
  readonly standings: ReadonlyMap<number, Standing>
  /** Pass as `before` for the next page; null at the end. */
  readonly nextBefore: number | null
}

/**
 * Newest first; fewer than `limit` where they are long. Each job and its standing come from the same
 * snapshot.
 */
export async function searchJobs({ database, host }: Context, filter: JobFilter): Promise<JobsPage> {
  const jobs: ListedJob[] = []
  const standings = new Map<number, Standing>()
  let characters = 0
  for (const stretch of await stretchesOf(database, filter)) {
    let { before } = stretch
    for (let isRead = false; !isRead;) {
      const limit = filter.needsApproval ? rowsAtOnce : Math.min(rowsAtOnce, filter.limit + 1 - jobs.length)
      const query = { ...filter, ...stretch, before, limit }
      const rows = await database.snapshot((reader) => readPage(reader, query, host.now()))
      for (const { job, characters: length, standing } of rows) {
        if (filter.needsApproval && !needsApproval(job, standing.toApproveMicros)) continue
        if (jobs.length === filter.limit || characters > mostPageCharacters)
          return { jobs, standings, nextBefore: jobs.at(-1)!.id }
        jobs.push(job)
        standings.set(job.id, standing)
        characters += length
      }
      isRead = rows.length < limit
      before = rows.at(-1)?.job.id
      // Yields to other work while a scan continues.
      if (!isRead || stretch.from !== undefined) await host.sleep(0)
    }
  }
  return { jobs, standings, nextBefore: null }
}

async function readPage(reader: Reader, query: Parameters<typeof listJobs>[1], now: number) {
  const rows = (await listJobs(reader, query)).map(listed)
  const ids = rows.map(({ job }) => job.id)
  const [money, unpaid] = await Promise.all([moneyOfJobs(reader, ids), listUnpaid(reader, ids)])
  const unpaidOf = Map.groupBy(unpaid, ({ jobId }) => jobId)
  return rows.map(({ job, characters }) => {
    const needed = neededOf(job, unpaidOf.get(job.id) ?? [], money.get(job.id) ?? noMoney)
    const standing: Standing = { ...needed, waiting: listedWait(job, needed.toApproveMicros, now) }
    return { job, characters, standing }
  })
}

/** Approved and processing jobs, oldest approval first. Read from the rows, so always current. */
export async function getActiveJobs(
  context: Context,
): Promise<readonly { readonly job_id: number; readonly status: JobStatus; readonly progress: Progress }[]> {
  const { database } = context
  const jobs = await listActiveJobs(database)
  return jobs.map(({ id, status, progress }) => ({ job_id: id, status, progress }))
}

/** The tasks running in this process. */
export const getRunningTasks = (context: Context): readonly Task[] => context.engine.running()
