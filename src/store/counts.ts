/** Counts for metrics and health checks. */
import {
  type JobStatus,
  activeJobStatuses,
  inFlightAttemptStatuses,
  type AttemptStatus,
  type SceneStatus,
} from '../job/lifecycle.ts'
import type { Reader, Row, Transaction } from './database.ts'
import { begunAt } from './jobs.ts'
import { number, numberOrNull, quoted, text } from './sql.ts'

const countOf = (row: Row): number => number(row, 'n')

export const countJobs = async (reader: Reader): Promise<ReadonlyMap<JobStatus, number>> =>
  new Map(
    (await reader.all('select status, count(*) as n from jobs group by status')).map((row) => [
      text(row, 'status') as JobStatus,
      countOf(row),
    ]),
  )

/** Of active jobs only: counting all scenes would scan the whole table. */
export const countScenes = async (reader: Reader): Promise<ReadonlyMap<SceneStatus, number>> =>
  new Map(
    (
      await reader.all(
        `select scenes.status, count(*) as n from jobs cross join scenes
         where jobs.status in (${quoted(activeJobStatuses)}) and scenes.job_id = jobs.id group by scenes.status`,
      )
    ).map((row) => [text(row, 'status') as SceneStatus, countOf(row)]),
  )

export interface AttemptCount {
  readonly renderer: string
  readonly status: AttemptStatus
  readonly count: number
}

export const countInFlight = async (reader: Reader): Promise<readonly AttemptCount[]> =>
  (
    await reader.all(
      `select renderer, status, count(*) as n from attempts
       where status in (${quoted(inFlightAttemptStatuses)}) group by renderer, status`,
    )
  ).map((row) => ({
    renderer: text(row, 'renderer'),
    status: text(row, 'status') as AttemptStatus,
    count: countOf(row),
  }))

/** Attempts whose state cannot be read, by provider. */
export const countTroubled = async (reader: Reader): Promise<ReadonlyMap<string, number>> =>
  new Map(
    (
      await reader.all(
        'select renderer, count(*) as n from attempts where trouble_since is not null group by renderer',
      )
    ).map((row) => [text(row, 'renderer'), countOf(row)]),
  )

export const countOrphans = async (reader: Reader): Promise<number> =>
  countOf((await reader.get('select count(*) as n from strays'))!)

/** Tasks that wait to restart after a crash. */
export const countAfterCrash = async (reader: Reader, now: number): Promise<number> =>
  countOf(
    (await reader.get('select count(*) as n from tasks where crashed_at is not null and run_at > $1', [
      now,
    ]))!,
  )

/** Webhook deliveries that have not ended. */
export const countUndelivered = async (reader: Reader): Promise<number> =>
  countOf((await reader.get('select count(*) as n from webhook_deliveries where next_at is not null'))!)

export interface EndedJob {
  readonly id: number
  readonly type: string
  readonly status: JobStatus
  /** When it was approved, or resumed without an approval. */
  readonly begunAt: number | null
  readonly endedAt: number | null
}

export const listEnded = async (reader: Reader, ids: readonly number[]): Promise<readonly EndedJob[]> =>
  (
    await reader.all(
      `select id, type, status, ${begunAt} as begun_at, ended_at from jobs
       where id in (${ids.map((_, index) => `$${index + 1}`).join(', ')})`,
      ids,
    )
  ).map((row) => ({
    id: number(row, 'id'),
    type: text(row, 'type'),
    status: text(row, 'status') as JobStatus,
    begunAt: numberOrNull(row, 'begun_at'),
    endedAt: numberOrNull(row, 'ended_at'),
  }))

/** Writes an unchanged value, to test whether the database is writable. */
export const probeWrite = (tx: Transaction): Promise<number> => tx.run('update installation set id = id')
