/** Lists of jobs by combined filters, newest first. */
import type { Job } from '../job/job.ts'
import { folded } from '../job/folded.ts'
import type { JobStatus } from '../job/lifecycle.ts'
import type { Reach } from '../job/reach.ts'
import type { Reader, SqlValue } from './database.ts'
import { factColumns, factsOf } from './jobs.ts'
import { takenOf } from './money.ts'
import { number } from './sql.ts'

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
  /** Only jobs that the actor may access. */
  readonly reach?: Reach | undefined
  readonly before?: number | undefined
  readonly limit: number
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
  { insertedFrom, insertedBefore, before }: JobQuery,
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
    lowest: earliest ?? Number.MAX_SAFE_INTEGER,
    highest: Math.min(latest ?? 0, (before ?? Number.MAX_SAFE_INTEGER) - 1),
  }
}

/** SQL: a job that approvals may not cover. `scope`: restricts the ids of jobs with waiting scenes. */
const mayNeedApproval = (scope: string): string => `jobs.rejected is null and jobs.status <> 'cancelled'
  and jobs.id in (select job_id from scenes where status = 'pending'${scope})
  and (jobs.status = 'pending'
    or exists (select 1 from scenes where job_id = jobs.id and status = 'pending'
      and (unapproved = 1 or (price_micros is null and jobs.unknown_cost_accepted = 0)))
    or jobs.authorised_micros < (
      select coalesce(sum(price_micros), 0) from scenes where job_id = jobs.id and status = 'pending')
      + (${takenOf('jobs.id')}))`

/** Escapes a text for a pattern of `like`. */
const escaped = (part: string): string => part.replace(/[!%_]/g, (sign) => `!${sign}`)

/**
 * Newest first; `from`: only jobs with at least this id. A filter by label scans the jobs of the first label, and one by
 * name scans the names, so that a page costs the same for any number of jobs. In SQLite `cross join` fixes this order.
 */
export async function listJobs(
  reader: Reader,
  query: JobQuery & { readonly from?: number | undefined },
): Promise<readonly Omit<Job, 'storyboard'>[]> {
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
    ...(query.needsApproval
      ? [
          mayNeedApproval(
            `${query.before === undefined ? '' : ` and job_id < ${bind(query.before)}`}${query.from === undefined ? '' : ` and job_id >= ${bind(query.from)}`}`,
          ),
        ]
      : []),
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
     order by ${id} desc limit ${bind(query.limit)}`,
    params,
  )
  return rows.map(factsOf)
}
