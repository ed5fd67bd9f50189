/** How long things took, for telling how long the next ones will; and what of the queue that takes. */
import { type TimedStage, type Timing, filmUnits, timedAs } from '../job/eta.ts'
import type { Attempt } from '../job/attempt.ts'
import type { FilmManifest } from '../job/job.ts'
import { inFlightAttemptStatuses } from '../job/lifecycle.ts'
import type { RenderSettings, Scene } from '../job/scene.ts'
import type { Reader, Transaction, Row } from './database.ts'
import { begunAt } from './jobs.ts'
import { takesSlot } from './attempts.ts'
import { waitingClients } from './scenes.ts'
import { json, jsonOrNull, number, numberOrNull, quoted, text } from './sql.ts'

/** The newest of each model and stage; older ones say little of today. */
const mostKept = 200
const tidyEvery = 50

/** `model`: as `timedAs` names it; empty where the stage belongs to none. */
export interface NewTiming extends Timing {
  readonly model: string
  readonly stage: TimedStage
}

export async function recordTiming(tx: Transaction, timing: NewTiming, now: number): Promise<void> {
  const { model, stage, ms, units } = timing
  // The clock was put back meanwhile.
  if (ms < 0) return
  const id = await tx.insert(
    'insert into timings (model, stage, ms, units, inserted_at) values ($1, $2, $3, $4, $5)',
    [model, stage, ms, units, now],
  )
  if (id % tidyEvery === 0) await deleteOldTimings(tx)
}

const deleteOldTimings = (tx: Transaction): Promise<number> =>
  tx.run(
    `delete from timings where id in (
       select id from (
         select id, row_number() over (partition by model, stage order by id desc) as place from timings
       ) ranked where place > $1)`,
    [mostKept],
  )

export const listTimings = async (
  reader: Reader,
  model: string,
  stage: TimedStage,
): Promise<readonly Timing[]> =>
  (
    await reader.all(
      'select ms, units from timings where model = $1 and stage = $2 order by id desc limit $3',
      [model, stage, mostKept],
    )
  ).map((row) => ({ ms: number(row, 'ms'), units: number(row, 'units') }))

/** An attempt has left its slot at its renderer, well. `units`: 1 where a provider rendered it. */
export const recordRender = (
  tx: Transaction,
  { model, settings, postedAt, insertedAt }: Pick<Attempt, 'model' | 'settings' | 'postedAt' | 'insertedAt'>,
  units: number,
  now: number,
): Promise<void> =>
  recordTiming(
    tx,
    { model: timedAs(model, settings), stage: 'render', ms: now - (postedAt ?? insertedAt), units },
    now,
  )

/** A kept clip has been made a scene's own. `attempt`: what it was bought with, where it was. */
export async function recordClip(
  tx: Transaction,
  scene: Scene,
  attempt: Attempt | undefined,
  now: number,
): Promise<void> {
  if (!attempt) {
    if (scene.startedAt === null) return
    await recordTiming(tx, { model: '', stage: 'take', ms: now - scene.startedAt, units: 1 }, now)
  } else if (attempt.postedAt !== null) {
    const model = timedAs(attempt.model, attempt.settings)
    await recordTiming(tx, { model, stage: 'clip', ms: now - attempt.postedAt, units: 1 }, now)
  }
}

/** A film has been joined of clips that were all there since the last one was, or since the job was reopened. */
export async function recordFilm(
  tx: Transaction,
  jobId: number,
  { frames, format }: FilmManifest,
  now: number,
): Promise<void> {
  const row = await tx.get(
    `select ${begunAt} as begun_at, max(scenes.completed_at) as completed_at
     from jobs join scenes on scenes.job_id = jobs.id where jobs.id = $1 group by jobs.id, jobs.approved_at, jobs.reopened_at`,
    [jobId],
  )
  const since = Math.max(
    (row && numberOrNull(row, 'begun_at')) ?? 0,
    (row && numberOrNull(row, 'completed_at')) ?? 0,
  )
  if (since > 0)
    await recordTiming(
      tx,
      { model: '', stage: 'stitch', ms: now - since, units: filmUnits(frames, format) },
      now,
    )
}

/** What holds a slot at a renderer. */
export interface HeldSlot {
  readonly attemptId: string
  readonly clientId: string
  readonly model: string
  readonly settings: RenderSettings | null
  readonly postedAt: number | null
  readonly insertedAt: number
}

/** The attempts that hold slots at a renderer, and those of one job that will again after a crash. The first begun first. */
export const listHeldSlots = async (
  reader: Reader,
  renderer: string,
  jobId: number,
  now: number,
): Promise<readonly HeldSlot[]> =>
  (
    await reader.all(
      `select id, client_id, model, settings, posted_at, inserted_at from attempts
       where renderer = $1 and status in (${quoted(inFlightAttemptStatuses)}) and (job_id = $3 or ${takesSlot})
       order by inserted_at, id`,
      [renderer, now, jobId],
    )
  ).map((row) => ({
    attemptId: text(row, 'id'),
    clientId: text(row, 'client_id'),
    model: text(row, 'model'),
    settings: jsonOrNull<RenderSettings>(row, 'settings'),
    postedAt: numberOrNull(row, 'posted_at'),
    insertedAt: number(row, 'inserted_at'),
  }))

/** Scenes of a kind that wait at a renderer. */
export interface WaitingKind {
  readonly clientId: string
  readonly model: string
  readonly settings: RenderSettings | null
  readonly scenes: number
}

/** Beyond so many it makes no odds. */
const mostAhead = 5_000

/** `of`: a condition on jobs, by whose order they are counted. */
const waitingKinds = (of: string): string =>
  `select client_id, model, render, count(*) as scenes from (
     select jobs.client_id, jobs.queue_at, scenes.model, coalesce(scenes.render, 'null') as render
     from ${of} and jobs.id <> $3 and scenes.job_id = jobs.id and scenes.status = 'pending' and scenes.renderer = $1
     limit ${mostAhead}
   ) waiting group by client_id, model, render order by client_id, min(queue_at), model, render`

const aheadOfOwn =
  waitingKinds(`jobs cross join scenes where jobs.queue_at is not null and jobs.client_id = $2
  and (jobs.queue_at < $4 or (jobs.queue_at = $4 and jobs.id < $3))`)

// Along the index of each client's queue, down to the job behind its first $4.
const aheadOfOthers = `with recursive ${waitingClients}
  ${waitingKinds(`waiting cross join jobs cross join scenes
  where waiting.client_id <> $2 and jobs.client_id = waiting.client_id and jobs.queue_at is not null
    and jobs.queue_at <= coalesce((select later.queue_at from jobs later where later.client_id = waiting.client_id
      and later.queue_at is not null order by later.queue_at limit 1 offset $4), 9007199254740991)`)}`

const kindOf = (row: Row): WaitingKind => ({
  clientId: text(row, 'client_id'),
  model: text(row, 'model'),
  settings: json<RenderSettings | null>(row, 'render'),
  scenes: number(row, 'scenes'),
})

/** A job's place in the queue. */
export interface QueuePosition {
  readonly jobId: number
  readonly clientId: string
  readonly queueAt: number
}

/** The scenes of its own client that come before a job at a renderer. */
export const listOwnAhead = async (
  reader: Reader,
  renderer: string,
  { jobId, clientId, queueAt }: QueuePosition,
): Promise<readonly WaitingKind[]> =>
  (await reader.all(aheadOfOwn, [renderer, clientId, jobId, queueAt])).map(kindOf)

/** The scenes of the first so many jobs of each other client. */
export const listOthersAhead = async (
  reader: Reader,
  renderer: string,
  { jobId, clientId }: QueuePosition,
  jobs: number,
): Promise<readonly WaitingKind[]> =>
  (await reader.all(aheadOfOthers, [renderer, clientId, jobId, jobs])).map(kindOf)

/** When renders were sent to a renderer since then, the first sent first. */
export const listPostedSince = async (
  reader: Reader,
  renderer: string,
  since: number,
): Promise<readonly number[]> =>
  (
    await reader.all(
      'select posted_at from attempts where renderer = $1 and posted_at >= $2 order by posted_at',
      [renderer, since],
    )
  ).map((row) => number(row, 'posted_at'))
