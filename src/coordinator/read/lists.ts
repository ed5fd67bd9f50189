/** Lists of jobs: filtered pages with each job's state, and current activity. */
import { type ListedJob, listed, needsApproval } from '../../job/job.ts'
import type { JobStatus } from '../../job/lifecycle.ts'
import { noMoney } from '../../job/price.ts'
import type { Progress } from '../../job/progress.ts'
import type { Task } from '../../job/task.ts'
import type { Reader } from '../../store/database.ts'
import { type JobQuery, type WaitCondition, idRangeOf, listJobs } from '../../store/job-lists.ts'
import { listActiveJobs } from '../../store/jobs.ts'
import { moneyOfJobs } from '../../store/money.ts'
import { listUnpaid } from '../../store/scenes.ts'
import { namesOfKeys } from '../../access/keys.ts'
import type { FoundWait, Waiting, WaitingSince } from '../admission/rules.ts'
import type { Context } from '../context.ts'
import { type Needed, neededOf } from '../job/needed.ts'
import { listedWait } from './job-waits.ts'
import { conditionsOf, foundWait } from './wait-search.ts'
import { diskWait } from './waiting.ts'

/**
 * `statuses`: any of them. `labels`: free members of `parameters`, such as campaign_id, that must be equal as
 * text. `needsApproval`: only jobs that wait for one. `waits`: only jobs that wait, or have a scene that waits, in one of
 * these ways. `limit`: 1 to 200. `before`, `from`: only jobs with a lower id; with at least this one.
 */
export interface JobFilter extends Omit<JobQuery, 'waits'> {
  readonly waits?: readonly FoundWait[] | undefined
}

/** What lists show of a job beside its own row. */
export interface Standing extends Pick<Needed, 'quote' | 'money' | 'toApproveMicros'> {
  /** As far as it is known without reading the scenes, or the wait that was looked for. */
  readonly waiting: WaitingSince | undefined
  /** The name of the key that created it; null: created without a key. */
  readonly createdBy: string | null
}

/** Ids scanned per query where no index serves the filter. */
const stretchSize = 5000

/** Candidates whose scenes are read for one page, at most: it then ends early. */
const mostCandidates = 200

/** Jobs per query: each may have 200 kB of parameters. */
const rowsAtOnce = 51
/** A page ends once its parameters exceed this many characters. */
const mostPageCharacters = 1_000_000

/** Ids to look through: at least `from`, below `before`. */
type Stretch = Pick<JobQuery, 'before' | 'from'>

/** One query where an index serves the filter; for combined filters, one range of ids after another. */
async function stretchesOf(reader: Reader, filter: JobQuery): Promise<Iterable<Stretch>> {
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
    !filter.needsApproval &&
    filter.waits === undefined
  if (isIndexed) return [{ before: filter.before, from: filter.from }]
  const { lowest, highest } = await idRangeOf(reader, filter)
  return filter.isOldestFirst ? stretchesUp(lowest, highest) : stretchesDown(lowest, highest)
}

function* stretchesUp(lowest: number, highest: number): Generator<Stretch> {
  for (let from = lowest; from <= highest; from += stretchSize)
    yield { from, before: Math.min(highest, from + stretchSize - 1) + 1 }
}

function* stretchesDown(lowest: number, highest: number): Generator<Stretch> {
  for (let before = highest + 1; before > lowest; before -= stretchSize)
    yield { before, from: Math.max(lowest, before - stretchSize) }
}

/** A page of jobs. */
export interface JobsPage {
  readonly jobs: readonly ListedJob[]
  /** By job id. */
  readonly standings: ReadonlyMap<number, Standing>
  /** The id that the next page begins after; null at the end. */
  readonly last: number | null
}

/**
 * Newest first unless the filter says otherwise; fewer than `limit` where they are long. Each job and its standing come from the same
 * snapshot.
 */
export async function searchJobs(context: Context, filter: JobFilter): Promise<JobsPage> {
  const { database, host } = context
  const jobs: ListedJob[] = []
  const standings = new Map<number, Standing>()
  let characters = 0
  let candidates = 0
  const search = await searchOf(context, filter)
  // Such as a budget, where there is none.
  if (search.query.waits?.length === 0) return { jobs, standings, last: null }
  const isSifted = filter.needsApproval === true || filter.waits !== undefined
  for (const stretch of await stretchesOf(database, search.query)) {
    let rest = stretch
    for (let isRead = false; !isRead;) {
      const limit = isSifted ? rowsAtOnce : Math.min(rowsAtOnce, filter.limit + 1 - jobs.length)
      const query = { ...search.query, ...rest, limit }
      const rows = await database.snapshot((reader) => readPage(context, reader, query, search))
      for (const { job, characters: length, standing } of rows) {
        if (filter.needsApproval && !needsApproval(job, standing.toApproveMicros)) continue
        if (filter.waits && !standing.isFound) continue
        if (jobs.length === filter.limit || characters > mostPageCharacters)
          return { jobs, standings, last: jobs.at(-1)!.id }
        jobs.push(job)
        standings.set(job.id, standing)
        characters += length
      }
      isRead = rows.length < limit
      const last = rows.at(-1)?.job.id
      if (last !== undefined)
        rest = filter.isOldestFirst ? { ...stretch, from: last + 1 } : { ...stretch, before: last }
      candidates += rows.length
      if (filter.waits && candidates > mostCandidates && last !== undefined) return { jobs, standings, last }
      // Yields to other work while a scan continues.
      if (!isRead || stretch.from !== undefined) await host.sleep(0)
    }
  }
  return { jobs, standings, last: null }
}

interface Search {
  readonly query: JobQuery
  readonly waits: readonly FoundWait[] | undefined
  readonly ofDisk: Waiting | undefined
}

/** What is the same for all pages of a search. */
async function searchOf(context: Context, { waits, ...filter }: JobFilter): Promise<Search> {
  if (waits === undefined) return { query: filter, waits, ofDisk: undefined }
  const conditions: readonly WaitCondition[] = await context.database.snapshot((reader) =>
    conditionsOf(context, reader, waits),
  )
  return { query: { ...filter, waits: conditions }, waits, ofDisk: await diskWait(context) }
}

async function readPage(
  context: Context,
  reader: Reader,
  query: Parameters<typeof listJobs>[1],
  { waits, ofDisk }: Search,
) {
  const now = context.host.now()
  const rows = (await listJobs(reader, query)).map(listed)
  const ids = rows.map(({ job }) => job.id)
  const [money, unpaid, keyNames] = await Promise.all([
    moneyOfJobs(reader, ids),
    listUnpaid(reader, ids),
    namesOfKeys(
      reader,
      rows.map(({ job }) => job.madeBy),
    ),
  ])
  const unpaidOf = Map.groupBy(unpaid, ({ jobId }) => jobId)
  const found: {
    readonly job: ListedJob
    readonly characters: number
    readonly standing: Standing & { readonly isFound: boolean }
  }[] = []
  for (const { job, characters } of rows) {
    const needed = neededOf(job, unpaidOf.get(job.id) ?? [], money.get(job.id) ?? noMoney)
    const waiting = listedWait(job, needed.toApproveMicros, now)
    const wait = waits && (await foundWait(context, reader, { job, waiting, ...needed }, waits, ofDisk))
    const createdBy = job.madeBy === null ? null : (keyNames.get(job.madeBy) ?? null)
    const standing = { ...needed, waiting: wait ?? waiting, createdBy, isFound: wait !== undefined }
    found.push({ job, characters, standing })
  }
  return found
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
