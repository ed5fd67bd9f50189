/** What was done in a span of time: counts by time, and the newest rows to measure and to group. */
import type { JobStatus } from '../job/lifecycle.ts'
import type { Failure } from '../job/scene.ts'
import type { Reader, Row } from './database.ts'
import { jsonOrNull, number, numberOrNull, text } from './sql.ts'

/** From `from` on, before `to`, ms since the epoch. */
export interface Span {
  readonly from: number
  readonly to: number
}

/** Counts by the start of their bucket, ms since the epoch. */
export type Counts = ReadonlyMap<number, number>

const bucketOf = (column: string): string => `${column} / $3 * $3`

const countsOf = (rows: readonly Row[]): Counts =>
  new Map(rows.map((row) => [number(row, 'bucket'), number(row, 'n')]))

export const countCreated = async (reader: Reader, { from, to }: Span, bucketMs: number): Promise<Counts> =>
  countsOf(
    await reader.all(
      `select ${bucketOf('inserted_at')} as bucket, count(*) as n from jobs
       where inserted_at >= $1 and inserted_at < $2 group by 1`,
      [from, to, bucketMs],
    ),
  )

/** By status, then by bucket. */
export async function countEnded(
  reader: Reader,
  { from, to }: Span,
  bucketMs: number,
): Promise<ReadonlyMap<JobStatus, Counts>> {
  const rows = await reader.all(
    `select status, ${bucketOf('ended_at')} as bucket, count(*) as n from jobs
     where ended_at >= $1 and ended_at < $2 group by 1, 2`,
    [from, to, bucketMs],
  )
  return new Map(
    [...Map.groupBy(rows, (row) => text(row, 'status') as JobStatus)].map(([status, group]) => [
      status,
      countsOf(group),
    ]),
  )
}

export interface FinishedCount {
  readonly renderer: string
  readonly model: string
  readonly bucket: number
  readonly scenes: number
}

/** Scenes that got their clip. */
export const countFinished = async (
  reader: Reader,
  { from, to }: Span,
  bucketMs: number,
): Promise<readonly FinishedCount[]> =>
  (
    await reader.all(
      `select renderer, model, ${bucketOf('completed_at')} as bucket, count(*) as n from scenes
       where completed_at >= $1 and completed_at < $2 group by 1, 2, 3`,
      [from, to, bucketMs],
    )
  ).map((row) => ({
    renderer: text(row, 'renderer'),
    model: text(row, 'model'),
    bucket: number(row, 'bucket'),
    scenes: number(row, 'n'),
  }))

/** Times of an ended job, ms since the epoch. */
export interface JobTimes {
  readonly insertedAt: number
  readonly approvedAt: number | null
  readonly startedAt: number | null
  /** When its last clip was ready. */
  readonly clipsAt: number | null
  /** Null where it has no film. */
  readonly filmAt: number | null
}

/** Of the jobs that ended last. */
export const listJobTimes = async (
  reader: Reader,
  { from, to }: Span,
  limit: number,
): Promise<readonly JobTimes[]> =>
  (
    await reader.all(
      `select inserted_at, approved_at, started_at, case when status = 'completed' then ended_at end as film_at,
         (select max(completed_at) from scenes where scenes.job_id = jobs.id) as clips_at
       from jobs where ended_at >= $1 and ended_at < $2 order by ended_at desc limit $3`,
      [from, to, limit],
    )
  ).map((row) => ({
    insertedAt: number(row, 'inserted_at'),
    approvedAt: numberOrNull(row, 'approved_at'),
    startedAt: numberOrNull(row, 'started_at'),
    clipsAt: numberOrNull(row, 'clips_at'),
    filmAt: numberOrNull(row, 'film_at'),
  }))

export interface RenderTime {
  readonly renderer: string
  readonly model: string
  readonly ms: number
}

/** Of the scenes that got their clip last: from the start of their render. */
export const listRenderTimes = async (
  reader: Reader,
  { from, to }: Span,
  limit: number,
): Promise<readonly RenderTime[]> =>
  (
    await reader.all(
      `select renderer, model, completed_at - started_at as ms from scenes
       where completed_at >= $1 and completed_at < $2 and started_at is not null and attempt_id is not null
       order by completed_at desc limit $3`,
      [from, to, limit],
    )
  ).map((row) => ({
    renderer: text(row, 'renderer'),
    model: text(row, 'model'),
    ms: number(row, 'ms'),
  }))

export interface FailedRow {
  readonly jobId: number
  readonly failure: Failure | null
  /** ms since the epoch. */
  readonly at: number
}

export interface FailedRender extends FailedRow {
  readonly renderer: string
  readonly model: string
}

/** The renders that failed or were refused last. */
export const listFailedRenders = async (
  reader: Reader,
  { from, to }: Span,
  limit: number,
): Promise<readonly FailedRender[]> =>
  (
    await reader.all(
      `select job_id, renderer, model, failure, updated_at from attempts
       where status in ('failed', 'refused') and updated_at >= $1 and updated_at < $2 order by updated_at desc limit $3`,
      [from, to, limit],
    )
  ).map((row) => ({
    jobId: number(row, 'job_id'),
    renderer: text(row, 'renderer'),
    model: text(row, 'model'),
    failure: jsonOrNull<Failure>(row, 'failure'),
    at: number(row, 'updated_at'),
  }))

/** The jobs that failed last. */
export const listFailedJobs = async (
  reader: Reader,
  { from, to }: Span,
  limit: number,
): Promise<readonly FailedRow[]> =>
  (
    await reader.all(
      `select id, error, ended_at from jobs
       where ended_at >= $1 and ended_at < $2 and status = 'failed' order by ended_at desc limit $3`,
      [from, to, limit],
    )
  ).map((row) => ({
    jobId: number(row, 'id'),
    failure: jsonOrNull<Failure>(row, 'error'),
    at: number(row, 'ended_at'),
  }))
