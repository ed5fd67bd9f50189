/** Measured durations for estimates, and the state of the queue that estimates need. */
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

/** Durations kept per model and stage; older ones say little about the present. */
const mostKept = 200
const tidyEvery = 50

/** `model`: from `timedAs`; empty for stages without a model. */
export interface NewTiming extends Timing {
  readonly model: string
  readonly stage: TimedStage
}

export async function recordTiming(tx: Transaction, timing: NewTiming, now: number): Promise<void> {
  const { model, stage, ms, units } = timing
  // The clock was set back meanwhile.
  if (ms < 0) return
  const id = await tx.append(
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

/** Records the duration of a successful render in its slot. `units`: 1 for a provider. */
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

/** Records the time until a scene's clip: since the request of `attempt` or, without one, since the reuse began. */
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

/** When the stitching of a job's film began: at its last clip, or when the job was reopened; undefined where unknown. */
export async function stitchBegunAt(tx: Transaction, jobId: number): Promise<number | undefined> {
  const row = await tx.get(
    `select ${begunAt} as begun_at, max(scenes.completed_at) as completed_at
     from jobs join scenes on scenes.job_id = jobs.id where jobs.id = $1 group by jobs.id, jobs.approved_at, jobs.reopened_at`,
    [jobId],
  )
  const since = Math.max(
    (row && numberOrNull(row, 'begun_at')) ?? 0,
    (row && numberOrNull(row, 'completed_at')) ?? 0,
  )
  return since > 0 ? since : undefined
}

/** Records the stitching of a film. */
export const recordFilm = (
  tx: Transaction,
  since: number,
  { frames, format }: FilmManifest,
  now: number,
): Promise<void> =>
  recordTiming(tx, { model: '', stage: 'stitch', ms: now - since, units: filmUnits(frames, format) }, now)

/** An attempt that holds a slot at a renderer. */
export interface HeldSlot {
  readonly attemptId: string
  readonly clientId: string
  readonly model: string
  readonly settings: RenderSettings | null
  readonly postedAt: number | null
  readonly insertedAt: number
}

/** Attempts that hold slots at a renderer, and those of one job that will again after a crash; earliest start first. */
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

/** A group of equal scenes that wait at a renderer. */
export interface WaitingKind {
  readonly clientId: string
  readonly model: string
  readonly settings: RenderSettings | null
  readonly scenes: number
}

/** Limit of scenes to read; further ones hardly change an estimate. */
const mostAhead = 5_000

/** `of`: tables with a condition on jobs. Reads at most `mostAhead` scenes in that order. */
const waitingKinds = (of: string): string =>
  `select client_id, model, render, count(*) as scenes from (
     select jobs.client_id, jobs.queue_at, scenes.model, coalesce(scenes.render, 'null') as render
     from ${of} and jobs.id <> $3 and scenes.job_id = jobs.id and scenes.status = 'pending' and scenes.renderer = $1
     limit ${mostAhead}
   ) waiting group by client_id, model, render order by client_id, min(queue_at), model, render`

const aheadOfOwn =
  waitingKinds(`jobs cross join scenes where jobs.queue_at is not null and jobs.client_id = $2
  and (jobs.queue_at < $4 or (jobs.queue_at = $4 and jobs.id < $3))`)

// Scans the index of each client's queue up to the job after its first $4.
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

/** A job's queue position. */
export interface QueuePosition {
  readonly jobId: number
  readonly clientId: string
  readonly queueAt: number
}

/** Scenes of the job's own client ahead of it at a renderer. */
export const listOwnAhead = async (
  reader: Reader,
  renderer: string,
  { jobId, clientId, queueAt }: QueuePosition,
): Promise<readonly WaitingKind[]> =>
  (await reader.all(aheadOfOwn, [renderer, clientId, jobId, queueAt])).map(kindOf)

/** Scenes of the first jobs of each other client, up to a limit. */
export const listOthersAhead = async (
  reader: Reader,
  renderer: string,
  { jobId, clientId }: QueuePosition,
  jobs: number,
): Promise<readonly WaitingKind[]> =>
  (await reader.all(aheadOfOthers, [renderer, clientId, jobId, jobs])).map(kindOf)

/** Times of requests to a renderer since then, earliest first. */
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
