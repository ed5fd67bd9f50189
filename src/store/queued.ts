/** What waits, over all jobs that have not ended. */
import type { Reader } from './database.ts'
import { type PendingScene, pendingColumns, pendingOf } from './scenes.ts'
import { number, numberOrNull, text, textOrNull } from './sql.ts'

// SQL: why an unfinished job without a queue position waits, by its own row; null where a scene has failed and the rest ends.
const code = `case when status = 'pending' then case when rejected is null then 'approval' else 'rejected' end
  when paused_at is not null then 'job_paused' when unmet > 0 then 'dependency' when run_at > $1 then 'scheduled' end`
const since = `coalesce(case when status <> 'pending' then paused_at end, reopened_at, approved_at, inserted_at)`

/** Jobs that are looked at, of those inside and of those outside the queue: counting the scenes of all would take seconds. */
export const mostQueued = 5000

const heldBack = `select id, ${code} as code, ${since} as since from jobs
  where ended_at is null and queue_at is null order by id limit ${mostQueued}`

export type HeldBackCode = 'approval' | 'rejected' | 'job_paused' | 'dependency' | 'scheduled'

/** Jobs outside the queue, and their waiting scenes; of the oldest jobs. */
export interface HeldBack {
  readonly code: HeldBackCode
  readonly jobs: number
  readonly scenes: number
  readonly oldest: { readonly jobId: number; readonly since: number }
}

export async function listHeldBack(reader: Reader, now: number): Promise<readonly HeldBack[]> {
  const rows = await reader.all(
    `select code, count(*) as jobs, sum(scenes) as scenes, min(since) as since from (
       select held.code, held.since, (select count(*) from scenes where job_id = held.id and status = 'pending') as scenes
       from (${heldBack}) held where code is not null
     ) counted group by code`,
    [now],
  )
  return Promise.all(
    rows.map(async (row) => {
      const [itsCode, itsSince] = [text(row, 'code') as HeldBackCode, number(row, 'since')]
      const first = await reader.get(
        `select id from (${heldBack}) held where code = $2 and since = $3 limit 1`,
        [now, itsCode, itsSince],
      )
      return {
        code: itsCode,
        jobs: number(row, 'jobs'),
        scenes: Number(row['scenes']),
        oldest: { jobId: number(first!, 'id'), since: itsSince },
      }
    }),
  )
}

/** A waiting scene of a job in the queue, with all that decides why it waits. */
export interface QueuedScene extends PendingScene {
  readonly id: string
  readonly jobId: number
  readonly jobApproved: boolean
  readonly clientId: string
  readonly authorisedMicros: number
  readonly unknownCostAccepted: boolean
  readonly renderer: string
  readonly priceMicros: number | null
  readonly renderKey: string
  readonly forced: boolean
  readonly unapproved: boolean
  readonly attemptId: string | null
  /** ms since the epoch. */
  readonly notBefore: number | null
  readonly since: number
}

/** Of the first `jobs` jobs in the order of their queue positions. */
export const listQueuedScenes = async (reader: Reader, jobs: number): Promise<readonly QueuedScene[]> =>
  (
    await reader.all(
      `select scenes.id, scenes.job_id, queued.status as job_status, queued.client_id, queued.authorised_micros,
         queued.unknown_cost_accepted, scenes.renderer, scenes.price_micros, scenes.render_key, scenes.forced,
         scenes.unapproved, scenes.attempt_id, scenes.not_before, scenes.updated_at, queued.begun_at,
         ${pendingColumns}
       from (select id, status, client_id, authorised_micros, unknown_cost_accepted, queue_at,
               coalesce(reopened_at, approved_at, 0) as begun_at
             from jobs where queue_at is not null order by queue_at, id limit $1) queued
         cross join scenes
       where scenes.job_id = queued.id and scenes.status = 'pending'`,
      [jobs],
    )
  ).map((row) => ({
    id: text(row, 'id'),
    jobId: number(row, 'job_id'),
    jobApproved: text(row, 'job_status') === 'approved',
    clientId: text(row, 'client_id'),
    authorisedMicros: number(row, 'authorised_micros'),
    unknownCostAccepted: number(row, 'unknown_cost_accepted') !== 0,
    renderer: text(row, 'renderer'),
    priceMicros: numberOrNull(row, 'price_micros'),
    renderKey: text(row, 'render_key'),
    forced: number(row, 'forced') !== 0,
    unapproved: number(row, 'unapproved') !== 0,
    attemptId: textOrNull(row, 'attempt_id'),
    notBefore: numberOrNull(row, 'not_before'),
    since: Math.max(number(row, 'updated_at'), number(row, 'begun_at')),
    ...pendingOf(row),
  }))

export interface QueuedCount {
  readonly renderer: string
  readonly scenes: number
  readonly jobs: number
}

/** What is queued at each renderer, of the first jobs. */
export const countQueued = async (reader: Reader): Promise<readonly QueuedCount[]> =>
  (
    await reader.all(
      `select scenes.renderer, count(*) as scenes, count(distinct scenes.job_id) as jobs
       from (select id from jobs where queue_at is not null order by queue_at, id limit ${mostQueued}) queued
         cross join scenes
       where scenes.job_id = queued.id and scenes.status = 'pending' group by scenes.renderer`,
    )
  ).map((row) => ({
    renderer: text(row, 'renderer'),
    scenes: number(row, 'scenes'),
    jobs: number(row, 'jobs'),
  }))

/** Unfinished jobs inside and outside the queue. */
export async function countWaitingJobs(
  reader: Reader,
): Promise<{ readonly queued: number; readonly heldBack: number }> {
  const row = await reader.get(
    `select (select count(*) from jobs where ended_at is null) as unfinished,
       (select count(*) from jobs where queue_at is not null) as queued`,
  )
  const queued = number(row!, 'queued')
  return { queued, heldBack: number(row!, 'unfinished') - queued }
}
