/** Rows that need a person. */
import type { Candidate } from '../job/attempt.ts'
import type { Failure } from '../job/scene.ts'
import type { Reach } from '../job/reach.ts'
import type { Reader, Row, SqlValue } from './database.ts'
import { json, jsonOrNull, number, numberOrNull, text, textOrNull } from './sql.ts'

/** Restricts to jobs of this client, and to those that the actor may access. */
export interface AttentionQuery {
  readonly clientId?: string | undefined
  readonly reach: Reach
  readonly limit: number
}

/** A render of which nobody knows whether the provider accepted it. */
export interface HeldRender {
  readonly attemptId: string
  readonly jobId: number
  readonly videoName: string
  readonly clientId: string
  readonly sceneId: string
  readonly position: number
  readonly title: string | null
  readonly model: string
  readonly costMicros: number | null
  readonly candidates: readonly Candidate[]
  readonly failure: Failure | null
  readonly postedAt: number | null
  readonly heldSince: number
}

const heldOf = (row: Row): HeldRender => ({
  attemptId: text(row, 'id'),
  jobId: number(row, 'job_id'),
  videoName: text(row, 'video_name'),
  clientId: text(row, 'client_id'),
  sceneId: text(row, 'scene_id'),
  position: number(row, 'position'),
  title: textOrNull(row, 'title'),
  model: text(row, 'model'),
  costMicros: numberOrNull(row, 'cost_micros'),
  candidates: json<Candidate[]>(row, 'candidates'),
  failure: jsonOrNull<Failure>(row, 'failure'),
  postedAt: numberOrNull(row, 'posted_at'),
  heldSince: number(row, 'updated_at'),
})

/** Newest first, and how many there are. */
export async function listHeld(
  reader: Reader,
  { clientId, reach, limit }: AttentionQuery,
): Promise<{ readonly renders: readonly HeldRender[]; readonly count: number }> {
  const params: SqlValue[] = []
  const bind = (value: SqlValue): string => `$${params.push(value)}`
  const from = [
    `from attempts join jobs on jobs.id = attempts.job_id join scenes on scenes.id = attempts.scene_id
       where attempts.status = 'held'`,
    ...[clientId, reach.clientId].flatMap((id) => (id === undefined ? [] : [`jobs.client_id = ${bind(id)}`])),
    ...(reach.madeBy === undefined ? [] : [`jobs.made_by = ${bind(reach.madeBy)}`]),
  ].join(' and ')
  const count = number((await reader.get(`select count(*) as n ${from}`, params))!, 'n')
  if (count === 0) return { renders: [], count }
  const rows = await reader.all(
    `select attempts.id, attempts.job_id, attempts.client_id, attempts.scene_id, attempts.model, attempts.cost_micros,
       attempts.candidates, attempts.failure, attempts.posted_at, attempts.updated_at, jobs.video_name,
       scenes.position, scenes.title
     ${from} order by attempts.updated_at desc, attempts.id limit ${bind(limit)}`,
    params,
  )
  return { renders: rows.map(heldOf), count }
}

/** The first scene of each job. */
export async function firstScenes(
  reader: Reader,
  jobIds: readonly number[],
): Promise<ReadonlyMap<number, string>> {
  if (jobIds.length === 0) return new Map()
  const places = jobIds.map((_, index) => `$${index + 1}`).join(', ')
  const rows = await reader.all(
    `select job_id, id from scenes where job_id in (${places}) and position = 0`,
    jobIds,
  )
  return new Map(rows.map((row) => [number(row, 'job_id'), text(row, 'id')]))
}
