import type { FilmManifest, Job, Rejection, Storyboard } from '../job/job.ts'
import { type JobStatus, activeJobStatuses, finalJobStatuses, jobVerbs } from '../job/lifecycle.ts'
import type { Progress } from '../job/progress.ts'
import { pointMs } from '../job/queue.ts'
import type { Owner } from '../job/reach.ts'
import type { RetryPolicy } from '../job/retry-policy.ts'
import type { Failure } from '../job/scene.ts'
import type { Reader, Row, SqlValue, Transaction } from './database.ts'
import { insertName, setName } from './job-names.ts'
import {
  json,
  jsonOrNull,
  number,
  numberOrNull,
  ownStatus,
  quoted,
  text,
  textOrNull,
  withLazy,
} from './sql.ts'

/** A film's manifest is shorter than this; a longer result comes from an embedding program and is rarely read. */
const manifestBytes = 2048

/** Columns of a job without its storyboard. */
export const factColumns = `id, type, status, video_name, priority, parameters, progress, error,
  estimated_micros, price_book, client_id, made_by, revision, edited, authorised_micros, unknown_cost_accepted,
  run_at, deadline_at, paused_at, paused_reason, retry_policy, rejected, unmet, queue_at, approved_at, reopened_at, started_at, ended_at, inserted_at, updated_at,
  case when length(result) <= ${manifestBytes} then result end as manifest`

const jobColumns = `${factColumns}, storyboard`

export const factsOf = (row: Row): Omit<Job, 'storyboard'> => ({
  id: number(row, 'id'),
  type: text(row, 'type'),
  status: text(row, 'status') as JobStatus,
  videoName: text(row, 'video_name'),
  priority: number(row, 'priority'),
  parameters: json<Record<string, unknown>>(row, 'parameters'),
  progress: json<Progress>(row, 'progress'),
  estimatedMicros: numberOrNull(row, 'estimated_micros'),
  priceBook: text(row, 'price_book'),
  clientId: text(row, 'client_id'),
  madeBy: textOrNull(row, 'made_by'),
  revision: number(row, 'revision'),
  edited: number(row, 'edited') !== 0,
  authorisedMicros: number(row, 'authorised_micros'),
  unknownCostAccepted: number(row, 'unknown_cost_accepted') !== 0,
  error: jsonOrNull<Failure>(row, 'error'),
  film: manifestOf(row.manifest),
  runAt: numberOrNull(row, 'run_at'),
  deadlineAt: numberOrNull(row, 'deadline_at'),
  pausedAt: numberOrNull(row, 'paused_at'),
  pausedReason: textOrNull(row, 'paused_reason'),
  retryPolicy: jsonOrNull<RetryPolicy>(row, 'retry_policy'),
  rejected: jsonOrNull<Rejection>(row, 'rejected'),
  unmet: number(row, 'unmet'),
  queueAt: numberOrNull(row, 'queue_at'),
  approvedAt: numberOrNull(row, 'approved_at'),
  reopenedAt: numberOrNull(row, 'reopened_at'),
  startedAt: numberOrNull(row, 'started_at'),
  endedAt: numberOrNull(row, 'ended_at'),
  insertedAt: number(row, 'inserted_at'),
  updatedAt: number(row, 'updated_at'),
})

const jobOf = (row: Row): Job =>
  withLazy<Omit<Job, 'storyboard'>, 'storyboard', Storyboard>(
    factsOf(row),
    'storyboard',
    text(row, 'storyboard'),
  )

const jobOrUndefined = (row: Row | undefined): Job | undefined => row && jobOf(row)

export type NewJob = Pick<
  Job,
  | 'type'
  | 'videoName'
  | 'priority'
  | 'parameters'
  | 'storyboard'
  | 'progress'
  | 'estimatedMicros'
  | 'priceBook'
  | 'clientId'
  | 'madeBy'
  | 'runAt'
  | 'deadlineAt'
  | 'retryPolicy'
  | 'unmet'
>

const insert = `insert into jobs
  (type, status, video_name, priority, parameters, storyboard, progress, estimated_micros, price_book, client_id,
   made_by, run_at, deadline_at, retry_policy, unmet, inserted_at, updated_at)
  values ($1, 'pending', $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15)`

export async function insertJob(tx: Transaction, job: NewJob, now: number): Promise<Job> {
  const id = await tx.insert(insert, [
    job.type,
    job.videoName,
    job.priority,
    JSON.stringify(job.parameters),
    JSON.stringify(job.storyboard),
    JSON.stringify(job.progress),
    job.estimatedMicros,
    job.priceBook,
    job.clientId,
    job.madeBy,
    job.runAt,
    job.deadlineAt,
    job.retryPolicy && JSON.stringify(job.retryPolicy),
    job.unmet,
    now,
  ])
  await insertName(tx, id, job.videoName)
  return {
    ...job,
    id,
    status: 'pending',
    revision: 1,
    edited: false,
    authorisedMicros: 0,
    unknownCostAccepted: false,
    error: null,
    film: null,
    pausedAt: null,
    pausedReason: null,
    rejected: null,
    queueAt: null,
    approvedAt: null,
    reopenedAt: null,
    startedAt: null,
    endedAt: null,
    insertedAt: now,
    updatedAt: now,
  }
}

/** Number of unended jobs of a client, or of all clients if it is undefined. */
export async function countOpenJobs(reader: Reader, clientId?: string): Promise<number> {
  const row = await (clientId === undefined
    ? reader.get('select count(*) as n from jobs where ended_at is null')
    : reader.get('select count(*) as n from jobs where ended_at is null and client_id = $1', [clientId]))
  return number(row!, 'n')
}

export const findJob = async (reader: Reader, id: number): Promise<Job | undefined> =>
  jobOrUndefined(await reader.get(`select ${jobColumns} from jobs where id = $1`, [id]))

/**
 * SQL: the queue position of an active job that has not failed. It is the time of its approval or scheduled start, minus a
 * minute for each point of priority. Null if something else keeps it from starting. `approvedAt`, `now`: SQL.
 */
const placeInQueue = (approvedAt: string, now: string): string =>
  `case when paused_at is null and unmet = 0 and (run_at is null or run_at <= ${now})
    then case when run_at > ${approvedAt} then run_at else ${approvedAt} end - priority * ${pointMs} end`

const approve = `update jobs set status = 'approved', progress = $2, approved_at = $3, reopened_at = null, updated_at = $3,
    queue_at = ${placeInQueue('$3', '$3')}
  where id = $1 and ${ownStatus} in (${quoted(jobVerbs.approve.from)})`

/** SQL: since when a job may run. */
export const begunAt = 'coalesce(jobs.reopened_at, jobs.approved_at)'

/** The job's queue position, in an object; undefined if the job's state doesn't allow an approval. */
export async function setApproved(
  tx: Transaction,
  id: number,
  progress: Progress,
  now: number,
): Promise<Pick<Job, 'queueAt'> | undefined> {
  const row = await tx.get(`${approve} returning queue_at`, [id, JSON.stringify(progress), now])
  return row && { queueAt: numberOrNull(row, 'queue_at') }
}

const start = `update jobs set status = 'processing', progress = $2, started_at = $3, updated_at = $3
  where id = $1 and ${ownStatus} in (${quoted(jobVerbs.start.from)})`

/** Returns the number of rows, here and below: 0 if the job's state doesn't allow it. */
export const setProcessing = (tx: Transaction, id: number, progress: Progress, now: number): Promise<void> =>
  tx.write(start, [id, JSON.stringify(progress), now])

/** Computes the queue position again after a change. */
export const requeue = (tx: Transaction, id: number, now: number): Promise<void> =>
  tx.write(
    `update jobs set queue_at = case when error is null and status in (${quoted(activeJobStatuses)})
       then ${placeInQueue(begunAt, '$2')} end
     where id = $1`,
    [id, now],
  )

/** The facts that decide a job's next step, without parameters and storyboard. */
export type JobState = Pick<
  Job,
  | 'id'
  | 'status'
  | 'progress'
  | 'error'
  | 'clientId'
  | 'madeBy'
  | 'revision'
  | 'retryPolicy'
  | 'pausedAt'
  | 'deadlineAt'
>

export async function findJobState(reader: Reader, id: number): Promise<JobState | undefined> {
  const row = await reader.get(
    `select status, progress, error, client_id, made_by, revision, retry_policy, paused_at, deadline_at
     from jobs where id = $1`,
    [id],
  )
  return (
    row && {
      id,
      status: text(row, 'status') as JobStatus,
      progress: json<Progress>(row, 'progress'),
      error: jsonOrNull<Failure>(row, 'error'),
      clientId: text(row, 'client_id'),
      madeBy: textOrNull(row, 'made_by'),
      revision: number(row, 'revision'),
      retryPolicy: jsonOrNull<RetryPolicy>(row, 'retry_policy'),
      pausedAt: numberOrNull(row, 'paused_at'),
      deadlineAt: numberOrNull(row, 'deadline_at'),
    }
  )
}

const advance = `update jobs set progress = $2, updated_at = $3 where id = $1 and ${ownStatus} = 'processing'`

const compareAndSet = `${advance} and progress = $4`

/** Only if it is still `from`. */
export const moveProgress = (
  tx: Transaction,
  id: number,
  { from, to }: { readonly from: Progress; readonly to: Progress },
  now: number,
): Promise<number> => tx.run(compareAndSet, [id, JSON.stringify(to), now, JSON.stringify(from)])

export const setProgress = (tx: Transaction, id: number, progress: Progress, now: number): Promise<void> =>
  tx.write(advance, [id, JSON.stringify(progress), now])

const complete = `update jobs set status = 'completed', progress = $2, result = $3, ended_at = $4, updated_at = $4,
    queue_at = null, paused_at = null
  where id = $1 and ${ownStatus} in (${quoted(jobVerbs.complete.from)}) and revision = coalesce($5, revision)`

/** `revision`: of the storyboard that the result was made from; null for other results. */
export const setCompleted = (
  tx: Transaction,
  id: number,
  progress: Progress,
  result: Uint8Array,
  revision: number | null,
  now: number,
): Promise<number> => tx.run(complete, [id, JSON.stringify(progress), result, now, revision])

/** Also deletes its scenes, labels, films, dependencies and webhook; attempts, events and their owner stay. */
export async function deleteJobRows(tx: Transaction, id: number): Promise<number> {
  await tx.run(
    `insert into deleted_jobs (id, client_id, made_by) select id, client_id, made_by from jobs where id = $1`,
    [id],
  )
  return tx.run('delete from jobs where id = $1', [id])
}

/** Replaces the job's film. Returns the number of rows: 0 if the job has not ended. */
export const setFilm = (tx: Transaction, id: number, film: FilmManifest, now: number): Promise<number> =>
  tx.run(
    `update jobs set result = $2, updated_at = $3 where id = $1 and ${ownStatus} in (${quoted(finalJobStatuses)})`,
    [id, new TextEncoder().encode(JSON.stringify(film)), now],
  )

const fail = `update jobs set status = 'failed', progress = $2, error = $3, ended_at = $4, updated_at = $4,
    queue_at = null, paused_at = null
  where id = $1 and ${ownStatus} in (${quoted(jobVerbs.fail.from)})`

export const setFailed = (
  tx: Transaction,
  id: number,
  progress: Progress,
  error: Failure,
  now: number,
): Promise<number> => tx.run(fail, [id, JSON.stringify(progress), JSON.stringify(error), now])

const cancel = `update jobs set status = 'cancelled', progress = $2, error = $4, ended_at = $3, updated_at = $3,
    queue_at = null, paused_at = null
  where id = $1 and ${ownStatus} in (${quoted(jobVerbs.cancel.from)})`

/** `error`: the reason, unless a person requested it. */
export const setCancelled = (
  tx: Transaction,
  id: number,
  progress: Progress,
  error: Failure | null,
  now: number,
): Promise<number> => tx.run(cancel, [id, JSON.stringify(progress), now, error && JSON.stringify(error)])

const reopen = (verb: 'regenerate' | 'retry', times: string): string =>
  `update jobs set status = 'approved', progress = $2, error = null, started_at = null, ended_at = null,
    ${times}, updated_at = $3, queue_at = ${placeInQueue('$3', '$3')}
  where id = $1 and ${ownStatus} in (${quoted(jobVerbs[verb].from)})`

const approvedNow = 'approved_at = $3, reopened_at = null'

const reopenings = {
  regenerate: reopen('regenerate', approvedNow),
  retry: reopen('retry', approvedNow),
  change: reopen('regenerate', 'reopened_at = $3'),
} as const

/**
 * Reopens an ended job: its changed storyboard was approved, it is retried, or a change needs no approval. Its film stays
 * until a new one replaces it.
 */
export const setReopened = (
  tx: Transaction,
  id: number,
  verb: keyof typeof reopenings,
  progress: Progress,
  now: number,
): Promise<number> => tx.run(reopenings[verb], [id, JSON.stringify(progress), now])

const notEnded = `status in (${quoted(jobVerbs.cancel.from)})`

/** Changes a job that has not ended or, with `isAnyState`, any job. */
export async function setJobPlan(
  tx: Transaction,
  id: number,
  job: Pick<Job, 'priority' | 'videoName' | 'runAt' | 'deadlineAt'>,
  { isAnyState, now }: { readonly isAnyState: boolean; readonly now: number },
): Promise<number> {
  const changed = await tx.run(
    `update jobs set priority = $2, video_name = $3, run_at = $4, deadline_at = $5, updated_at = $6
     where id = $1${isAnyState ? '' : ` and ${notEnded}`}`,
    [id, job.priority, job.videoName, job.runAt, job.deadlineAt, now],
  )
  if (changed > 0) await setName(tx, id, job.videoName)
  return changed
}

export const setDeadline = (tx: Transaction, id: number, deadlineAt: number | null): Promise<number> =>
  tx.run('update jobs set deadline_at = $2 where id = $1', [id, deadlineAt])

export const setPaused = (tx: Transaction, id: number, reason: string | null, now: number): Promise<number> =>
  tx.run(
    `update jobs set paused_at = $3, paused_reason = $2, queue_at = null, updated_at = $3
     where id = $1 and paused_at is null and ${notEnded}`,
    [id, reason, now],
  )

export const setResumed = (tx: Transaction, id: number, now: number): Promise<number> =>
  tx.run(
    `update jobs set paused_at = null, paused_reason = null, updated_at = $2
     where id = $1 and paused_at is not null`,
    [id, now],
  )

const listIds = async (reader: Reader, sql: string, now: number, limit: number): Promise<readonly number[]> =>
  (await reader.all(sql, [now, limit])).map((row) => number(row, 'id'))

// Not `status =`: its index would scan all approved jobs.
const isScheduled = `run_at is not null and queue_at is null and ended_at is null
    and coalesce(status, '') = 'approved' and paused_at is null and unmet = 0 and error is null`

/** Approved jobs whose scheduled start has come. */
export const listScheduled = (reader: Reader, now: number, limit: number): Promise<readonly number[]> =>
  listIds(
    reader,
    `select id from jobs where ${isScheduled} and run_at <= $1 order by run_at, id limit $2`,
    now,
    limit,
  )

/** Jobs whose deadline has passed. */
export const listOverdue = (reader: Reader, now: number, limit: number): Promise<readonly number[]> =>
  listIds(
    reader,
    `select id from jobs where deadline_at <= $1 and ended_at is null order by deadline_at, id limit $2`,
    now,
    limit,
  )

/** The next scheduled start or deadline, ms since the epoch; undefined if there is none. */
export async function nextJobTimeAt(reader: Reader, now: number): Promise<number | undefined> {
  const row = await reader.get(
    `select (select min(run_at) from jobs where ${isScheduled} and run_at > $1) as run_at,
       (select min(deadline_at) from jobs where deadline_at > $1 and ended_at is null) as deadline_at`,
    [now],
  )
  const times = row ? [numberOrNull(row, 'run_at'), numberOrNull(row, 'deadline_at')] : []
  const known = times.filter((time) => time !== null)
  return known.length === 0 ? undefined : Math.min(...known)
}

/** Number of jobs that run now. A job whose tasks all wait after a crash does not count, so that others continue. */
export async function countProcessing(reader: Reader, now: number): Promise<number> {
  const row = await reader.get(
    `select count(*) as jobs from jobs where status = 'processing' and (
       not exists (select 1 from tasks where job_id = jobs.id and crashed_at is not null and run_at > $1)
       or exists (select 1 from tasks where job_id = jobs.id and (crashed_at is null or run_at <= $1)))`,
    [now],
  )
  return number(row!, 'jobs')
}

/** Sets the total that approvals allow the job to spend. */
export const setAuthorised = (
  tx: Transaction,
  id: number,
  { authorisedMicros, unknownCostAccepted }: Pick<Job, 'authorisedMicros' | 'unknownCostAccepted'>,
  now: number,
): Promise<void> =>
  tx.write(
    'update jobs set authorised_micros = $2, unknown_cost_accepted = $3, updated_at = $4 where id = $1',
    [id, authorisedMicros, unknownCostAccepted ? 1 : 0, now],
  )

/** Replaces the storyboard and its estimate; results of an older revision are no longer published. */
export const setStoryboard = (
  tx: Transaction,
  id: number,
  { storyboard, estimatedMicros, priceBook }: Pick<Job, 'storyboard' | 'estimatedMicros' | 'priceBook'>,
  now: number,
): Promise<number> =>
  tx.run(
    `update jobs set storyboard = $2, estimated_micros = $3, price_book = $4, revision = revision + 1, updated_at = $5
     where id = $1`,
    [id, JSON.stringify(storyboard), estimatedMicros, priceBook, now],
  )

/** Rejects the job; null: it was submitted again. */
export const setRejected = (
  tx: Transaction,
  id: number,
  rejected: Rejection | null,
  now: number,
): Promise<number> =>
  tx.run('update jobs set rejected = $2, updated_at = $3 where id = $1', [
    id,
    rejected && JSON.stringify(rejected),
    now,
  ])

/** Records that the storyboard was changed since the job was created. */
export const setEdited = (tx: Transaction, id: number): Promise<number> =>
  tx.run('update jobs set edited = 1 where id = $1', [id])

/** The owners of jobs, by id, without deleted jobs. */
export async function listOwners(
  reader: Reader,
  ids: readonly number[],
): Promise<ReadonlyMap<number, Owner>> {
  if (ids.length === 0) return new Map()
  const places = ids.map((_, index) => `$${index + 1}`).join(', ')
  return ownersOf(await reader.all(`select id, client_id, made_by from jobs where id in (${places})`, ids))
}

/** The same, including deleted jobs whose events are kept. */
export async function listOwnersEver(
  reader: Reader,
  ids: readonly number[],
): Promise<ReadonlyMap<number, Owner>> {
  if (ids.length === 0) return new Map()
  const places = ids.map((_, index) => `$${index + 1}`).join(', ')
  return ownersOf(
    await reader.all(
      `select id, client_id, made_by from jobs where id in (${places})
       union all select id, client_id, made_by from deleted_jobs where id in (${places})`,
      ids,
    ),
  )
}

const ownersOf = (rows: readonly Row[]): ReadonlyMap<number, Owner> =>
  new Map(
    rows.map((row) => [
      number(row, 'id'),
      { clientId: text(row, 'client_id'), madeBy: textOrNull(row, 'made_by') },
    ]),
  )

/** Records the first failure of a job whose other scenes still run; it starts nothing new. */
export const noteFailure = (tx: Transaction, id: number, error: Failure, now: number): Promise<number> =>
  tx.run(`update jobs set error = $2, queue_at = null, updated_at = $3 where id = $1 and error is null`, [
    id,
    JSON.stringify(error),
    now,
  ])

/** Clears the failure, because its scene is rendered again. */
export const forgetFailure = (tx: Transaction, id: number, now: number): Promise<number> =>
  tx.run(
    `update jobs set error = null, updated_at = $2, queue_at = ${placeInQueue(begunAt, '$2')}
     where id = $1 and ${ownStatus} = 'processing'`,
    [id, now],
  )

export async function readResult(reader: Reader, id: number): Promise<Uint8Array | undefined> {
  const result = (await reader.get('select result from jobs where id = $1', [id]))?.result
  return result instanceof Uint8Array ? result : undefined
}

/** The film's manifest, unless `result` holds an embedding program's own bytes. */
function manifestOf(result: SqlValue | undefined): FilmManifest | null {
  if (!(result instanceof Uint8Array) || result[0] !== '{'.charCodeAt(0)) return null
  try {
    const manifest: unknown = JSON.parse(new TextDecoder().decode(result))
    return typeof manifest === 'object' && manifest !== null && 'film' in manifest && 'thumbnail' in manifest
      ? (manifest as FilmManifest)
      : null
  } catch {
    return null
  }
}

export async function listActiveJobs(
  reader: Reader,
): Promise<readonly { id: number; status: JobStatus; progress: Progress }[]> {
  const rows = await reader.all(
    `select id, status, progress from jobs where status in (${quoted(activeJobStatuses)})
     order by ${begunAt}, id`,
  )
  return rows.map((row) => ({
    id: number(row, 'id'),
    status: text(row, 'status') as JobStatus,
    progress: json<Progress>(row, 'progress'),
  }))
}

export async function countActiveJobs(
  reader: Reader,
): Promise<Readonly<Record<'approved' | 'processing', number>>> {
  const rows = await reader.all(
    `select status, count(*) as jobs from jobs where status in (${quoted(activeJobStatuses)}) group by status`,
  )
  const count = (status: JobStatus): number =>
    rows.filter((row) => row.status === status).reduce((sum, row) => sum + number(row, 'jobs'), 0)
  return { approved: count('approved'), processing: count('processing') }
}

/** Active jobs with prices from another price book. */
export async function listOtherwisePriced(reader: Reader, priceBook: string): Promise<readonly number[]> {
  const rows = await reader.all(
    `select id from jobs where status in (${quoted(activeJobStatuses)}) and price_book <> $1 order by id`,
    [priceBook],
  )
  return rows.map((row) => number(row, 'id'))
}

/** Processing jobs that have all clips and miss only the film. */
export async function listUnstitched(reader: Reader): Promise<readonly number[]> {
  const rows = await reader.all(
    `select id from jobs where status = 'processing' and error is null
       and exists (select 1 from scenes where scenes.job_id = jobs.id)
       and not exists (select 1 from scenes where scenes.job_id = jobs.id and scenes.status <> 'completed')
     order by ${begunAt}, id`,
  )
  return rows.map((row) => number(row, 'id'))
}

/** Adds the labels that lists can filter by: the caller's own fields in `parameters`. */
export async function insertLabels(
  tx: Transaction,
  jobId: number,
  labels: Readonly<Record<string, string>>,
): Promise<void> {
  for (const [name, value] of Object.entries(labels))
    await tx.write('insert into job_labels (name, value, job_id) values ($1, $2, $3)', [name, value, jobId])
}
