/** Lists of jobs by combined filters, newest first. */
import type { Job } from '../job/job.ts'
import { folded } from '../job/folded.ts'
import type { JobStatus } from '../job/lifecycle.ts'
import type { Reach } from '../job/reach.ts'
import type { Reader, SqlValue } from './database.ts'
import { factColumns, factsOf } from './jobs.ts'
import { takenOf } from './money.ts'
import { number, ownStatus, text } from './sql.ts'

export interface JobQuery {
  readonly statuses?: readonly JobStatus[] | undefined
  readonly type?: string | undefined
  readonly labels?: Readonly<Record<string, string>> | undefined
  readonly clientId?: string | undefined
  /** Inserted at this time or later, ms since the epoch. */
  readonly insertedFrom?: number | undefined
  /** Inserted before this time. */
  readonly insertedBefore?: number | undefined
  /** Part of the film's name, ignoring case. */
  readonly text?: string | undefined
  /** Only jobs that may need an approval. Some may not, because stored clips serve all their scenes. */
  readonly needsApproval?: boolean | undefined
  /** Only jobs of which one of these may be true. */
  readonly waits?: readonly WaitCondition[] | undefined
  /** Only jobs that the actor may access. */
  readonly reach?: Reach | undefined
  readonly before?: number | undefined
  /** Only jobs with at least this id. */
  readonly from?: number | undefined
  readonly isOldestFirst?: boolean | undefined
  readonly limit: number
}

/** What a job, or a scene of it, may wait for. */
export type WaitCondition =
  | 'approval'
  | 'rejected'
  | 'job_paused'
  | 'dependency'
  | 'held'
  | { readonly kind: 'start'; readonly now: number }
  /** One of these renderers takes no scenes. */
  | { readonly kind: 'renderers'; readonly names: readonly string[] }
  /** A scene costs more than is left for it, or its job may spend more than a job's budget. */
  | {
      readonly kind: 'budgets'
      readonly leftMicros: number | undefined
      readonly ofClients: readonly (readonly [clientId: string, leftMicros: number])[]
      readonly ofJobMicros: number | undefined
    }

/** The range of ids that a query can match. */
export interface IdRange {
  readonly lowest: number
  readonly highest: number
}

/** Largest setback of the clock that is expected: ids always rise with time, recorded times usually. */
const clockStepMs = 24 * 3_600_000

/** Ids rise with time, so a range of times gives a range of ids without reading jobs. */
export async function idRangeOf(
  reader: Reader,
  { insertedFrom, insertedBefore, before, from = 1 }: JobQuery,
): Promise<IdRange> {
  const idAt = async (sql: string, time: number): Promise<number | undefined> => {
    const row = await reader.get(sql, [time])
    return row && number(row, 'id')
  }
  const newest = await reader.get('select coalesce(max(id), 0) as id from jobs')
  const latest =
    insertedBefore === undefined
      ? number(newest!, 'id')
      : await idAt(
          'select id from jobs where inserted_at < $1 order by inserted_at desc, id desc limit 1',
          insertedBefore + clockStepMs,
        )
  const earliest =
    insertedFrom === undefined
      ? 1
      : await idAt(
          'select id from jobs where inserted_at >= $1 order by inserted_at, id limit 1',
          insertedFrom - clockStepMs,
        )
  return {
    lowest: Math.max(from, earliest ?? Number.MAX_SAFE_INTEGER),
    highest: Math.min(latest ?? 0, (before ?? Number.MAX_SAFE_INTEGER) - 1),
  }
}

const isToPay = `status = 'pending' and (price_micros is null or price_micros > 0)`

/**
 * SQL: a job that approvals may not cover. An approved one that has neither begun nor changed is covered. `scope`: restricts
 * the ids of jobs with scenes to pay.
 */
const mayNeedApproval = (scope: string): string => `jobs.rejected is null and ('' || jobs.status = 'pending'
  or jobs.status <> 'cancelled' and jobs.id in (select job_id from scenes where ${isToPay}${scope})
    and (jobs.status <> 'approved' or jobs.started_at is not null or jobs.edited = 1)
    and (exists (select 1 from scenes where job_id = jobs.id and ${isToPay}
        and (unapproved = 1 or (price_micros is null and jobs.unknown_cost_accepted = 0)))
      or jobs.authorised_micros < (
        select coalesce(sum(price_micros), 0) from scenes where job_id = jobs.id and ${isToPay})
        + (${takenOf('jobs.id')})))`

/** SQL: jobs of which the condition may be true; those of budgets may have kept clips instead of costs. */
function waitSql(condition: WaitCondition, bind: (value: SqlValue) => string, scope: () => string): string {
  switch (condition) {
    case 'approval':
      return mayNeedApproval(scope())
    case 'rejected':
      return `jobs.id in (select id from jobs where rejected is not null) and jobs.status <> 'cancelled'`
    case 'job_paused':
      return 'jobs.id in (select id from jobs where paused_at is not null and ended_at is null)'
    case 'dependency':
      return 'jobs.id in (select id from jobs where unmet > 0 and ended_at is null)'
    case 'held':
      return `jobs.id in (select job_id from attempts where status = 'held')`
    default:
  }
  if (condition.kind === 'start')
    return `jobs.id in (select id from jobs where run_at > ${bind(condition.now)} and queue_at is null and ended_at is null)`
  if (condition.kind === 'renderers')
    return `jobs.queue_at is not null and exists (select 1 from scenes where job_id = jobs.id and status = 'pending'
      and renderer in (${condition.names.map(bind).join(', ')}))`
  const dearer = (leftMicros: number): string =>
    `jobs.id in (select job_id from scenes where status = 'pending' and price_micros > 0
      and price_micros > ${bind(Math.max(0, leftMicros))})`
  const found = [
    ...(condition.leftMicros === undefined ? [] : [dearer(condition.leftMicros)]),
    ...condition.ofClients.map(
      ([clientId, leftMicros]) => `(jobs.client_id = ${bind(clientId)} and ${dearer(leftMicros)})`,
    ),
    ...(condition.ofJobMicros === undefined
      ? []
      : [`jobs.authorised_micros > ${bind(condition.ofJobMicros)}`]),
  ]
  return found.length === 0 ? '1 = 0' : `jobs.queue_at is not null and (${found.join(' or ')})`
}

/** Escapes a text for a pattern of `like`. */
const escaped = (part: string): string => part.replace(/[!%_]/g, (sign) => `!${sign}`)

/**
 * A filter by label scans the jobs of the first label, and one by
 * name scans the names, so that a page costs the same for any number of jobs. In SQLite `cross join` fixes this order.
 */
export async function listJobs(reader: Reader, query: JobQuery): Promise<readonly Omit<Job, 'storyboard'>[]> {
  const params: SqlValue[] = []
  const bind = (value: SqlValue): string => `$${params.push(value)}`
  const [first, ...others] = Object.entries(query.labels ?? {})
  const isLabel = ([name, value]: [string, string]): string =>
    `labels.name = ${bind(name)} and labels.value = ${bind(value)}`
  const isNamed = (part: string): string =>
    `names.folded like ${bind(`%${escaped(folded(part))}%`)} escape '!'`
  const [walk, id] = first
    ? ['job_labels labels cross join jobs', 'labels.job_id']
    : query.text === undefined
      ? ['jobs', 'jobs.id']
      : ['job_names names cross join jobs', 'names.job_id']
  const scope = (): string =>
    `${query.before === undefined ? '' : ` and job_id < ${bind(query.before)}`}${query.from === undefined ? '' : ` and job_id >= ${bind(query.from)}`}`
  const conditions = [
    ...(id === 'jobs.id' ? [] : [`jobs.id = ${id}`]),
    ...(first ? [isLabel(first)] : []),
    ...(query.before === undefined ? [] : [`${id} < ${bind(query.before)}`]),
    ...(query.from === undefined ? [] : [`${id} >= ${bind(query.from)}`]),
    ...(query.statuses === undefined ? [] : [`status in (${query.statuses.map(bind).join(', ')})`]),
    ...(query.type === undefined ? [] : [`type = ${bind(query.type)}`]),
    ...(query.clientId === undefined ? [] : [`client_id = ${bind(query.clientId)}`]),
    ...(query.reach?.clientId === undefined ? [] : [`client_id = ${bind(query.reach.clientId)}`]),
    ...(query.reach?.madeBy === undefined ? [] : [`made_by = ${bind(query.reach.madeBy)}`]),
    ...(query.needsApproval ? [mayNeedApproval(scope())] : []),
    ...(query.waits === undefined
      ? []
      : [`(${query.waits.map((wait) => `(${waitSql(wait, bind, scope)})`).join(' or ') || '1 = 0'})`]),
    ...(query.insertedFrom === undefined ? [] : [`inserted_at >= ${bind(query.insertedFrom)}`]),
    ...(query.insertedBefore === undefined ? [] : [`inserted_at < ${bind(query.insertedBefore)}`]),
    ...(query.text === undefined
      ? []
      : first
        ? [`exists (select 1 from job_names names where names.job_id = jobs.id and ${isNamed(query.text)})`]
        : [isNamed(query.text)]),
    ...others.map(
      (label) => `exists (select 1 from job_labels labels where job_id = jobs.id and ${isLabel(label)})`,
    ),
  ]
  const where = conditions.length === 0 ? '' : `where ${conditions.join(' and ')}`
  const rows = await reader.all(
    `select ${factColumns} from ${walk} ${where}
     order by ${id} ${query.isOldestFirst ? 'asc' : 'desc'} limit ${bind(query.limit)}`,
    params,
  )
  return rows.map(factsOf)
}

/** Jobs that wait for their first approval. `clientId`: only of this client. */
export async function countToApprove(reader: Reader, clientId: string | undefined): Promise<number> {
  const row = await reader.get(
    // As the index of these jobs says it.
    `select count(*) as n from jobs where ${ownStatus} = 'pending' and rejected is null
       and client_id ${clientId === undefined ? '>=' : '='} $1`,
    [clientId ?? ''],
  )
  return number(row!, 'n')
}

/** Clients with jobs in the queue. */
export const listQueuedClients = async (reader: Reader, limit: number): Promise<readonly string[]> =>
  (
    await reader.all(
      'select distinct client_id from jobs where queue_at is not null order by client_id limit $1',
      [limit],
    )
  ).map((row) => text(row, 'client_id'))
