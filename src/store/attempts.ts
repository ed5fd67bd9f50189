import type { Attempt } from '../job/attempt.ts'
import { type AttemptStatus, attemptFollows, inFlightAttemptStatuses, mayPrecede } from '../job/lifecycle.ts'
import type { Reader, Row, Transaction } from './database.ts'
import { number, quoted, text } from './sql.ts'

const attemptOf = (row: Row): Attempt => ({
  id: text(row, 'id'),
  jobId: number(row, 'job_id'),
  sceneId: text(row, 'scene_id'),
  renderer: text(row, 'renderer'),
  model: text(row, 'model'),
  status: text(row, 'status') as AttemptStatus,
  costMicros: number(row, 'cost_micros'),
  insertedAt: number(row, 'inserted_at'),
  updatedAt: number(row, 'updated_at'),
})

const insert = `insert into attempts
  (id, job_id, scene_id, renderer, model, status, cost_micros, inserted_at, updated_at)
  values ($1, $2, $3, $4, $5, 'intended', $6, $7, $7)`

export type NewAttempt = Pick<Attempt, 'id' | 'jobId' | 'sceneId' | 'renderer' | 'model' | 'costMicros'>

export const insertAttempt = (tx: Transaction, attempt: NewAttempt, now: number): Promise<number> =>
  tx.run(insert, [
    attempt.id,
    attempt.jobId,
    attempt.sceneId,
    attempt.renderer,
    attempt.model,
    attempt.costMicros,
    now,
  ])

export async function findAttempt(reader: Reader, id: string): Promise<Attempt | undefined> {
  const row = await reader.get('select * from attempts where id = $1', [id])
  return row && attemptOf(row)
}

const moveTo = (status: AttemptStatus, from: readonly AttemptStatus[]): string =>
  `update attempts set status = '${status}', updated_at = $2 where id = $1 and status in (${quoted(from)})`

const moves = {
  submitted: moveTo('submitted', mayPrecede(attemptFollows, 'submitted')),
  succeeded: moveTo('succeeded', mayPrecede(attemptFollows, 'succeeded')),
  failed: moveTo('failed', mayPrecede(attemptFollows, 'failed')),
} as const

/** Undefined where the attempt is not in a state from which it may go there: somebody else has decided it. */
export async function moveAttempt(
  tx: Transaction,
  id: string,
  to: keyof typeof moves,
  now: number,
): Promise<Attempt | undefined> {
  return (await tx.run(moves[to], [id, now])) > 0 ? findAttempt(tx, id) : undefined
}

const inFlight = `select count(*) as attempts from attempts
  where renderer = $1 and status in (${quoted(inFlightAttemptStatuses)})`

/** How many slots of a renderer are taken, over all jobs and nodes. */
export async function countInFlight(reader: Reader, renderer: string): Promise<number> {
  return number((await reader.get(inFlight, [renderer]))!, 'attempts')
}

/** Attempts that hold a slot, oldest first: after a crash each needs somebody to see to it. */
export const listInFlight = async (reader: Reader): Promise<readonly Attempt[]> =>
  (
    await reader.all(
      `select * from attempts where status in (${quoted(inFlightAttemptStatuses)}) order by inserted_at, id`,
    )
  ).map(attemptOf)
