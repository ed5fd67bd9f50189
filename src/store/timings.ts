/** Measured durations for estimates, and the state of the queue that estimates need. */
import { type TimedStage, type Timing, filmUnits, timedAs } from '../job/eta.ts'
import type { Attempt } from '../job/attempt.ts'
import type { FilmManifest } from '../job/job.ts'
import { inFlightAttemptStatuses } from '../job/lifecycle.ts'
import type { RenderSettings, Scene } from '../job/scene.ts'
import type { Reader, Transaction } from './database.ts'
import { begunAt } from './jobs.ts'
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

/** Records the stitching of a film, which starts at its last clip or when the job was reopened. */
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

/** An attempt that holds a slot at a renderer. */
export interface HeldPlace {
  readonly attemptId: string
  readonly jobId: number
  readonly model: string
  readonly settings: RenderSettings | null
  readonly renderKey: string
  readonly postedAt: number | null
  readonly insertedAt: number
}

export const listHeldPlaces = async (reader: Reader, renderer: string): Promise<readonly HeldPlace[]> =>
  (
    await reader.all(
      `select id, job_id, model, settings, render_key, posted_at, inserted_at from attempts
       where renderer = $1 and status in (${quoted(inFlightAttemptStatuses)}) order by inserted_at, id`,
      [renderer],
    )
  ).map((row) => ({
    attemptId: text(row, 'id'),
    jobId: number(row, 'job_id'),
    model: text(row, 'model'),
    settings: jsonOrNull<RenderSettings>(row, 'settings'),
    renderKey: text(row, 'render_key'),
    postedAt: numberOrNull(row, 'posted_at'),
    insertedAt: number(row, 'inserted_at'),
  }))

/** A group of equal scenes ahead in the queue. */
export interface ScenesAhead {
  readonly model: string
  readonly settings: RenderSettings | null
  readonly scenes: number
}

/** Limit of scenes to read; further ones hardly change an estimate. */
const mostAhead = 5_000

/** The scenes at a renderer ahead of a queue position, grouped by model and settings. */
export const listScenesAhead = async (
  reader: Reader,
  renderer: string,
  { queueAt, jobId }: { readonly queueAt: number; readonly jobId: number },
): Promise<readonly ScenesAhead[]> =>
  (
    await reader.all(
      `select model, render, count(*) as scenes from (
         select scenes.model, coalesce(scenes.render, 'null') as render
         from jobs cross join scenes
         where jobs.queue_at is not null and (jobs.queue_at < $2 or (jobs.queue_at = $2 and jobs.id < $3))
           and jobs.id <> $3 and scenes.job_id = jobs.id and scenes.status = 'pending' and scenes.renderer = $1
         limit $4
       ) ahead group by model, render order by model, render`,
      [renderer, queueAt, jobId, mostAhead],
    )
  ).map((row) => ({
    model: text(row, 'model'),
    settings: json<RenderSettings | null>(row, 'render'),
    scenes: number(row, 'scenes'),
  }))

/** The job's waiting scenes with an equal stored clip. */
export const listKeptOfJob = async (reader: Reader, jobId: number): Promise<ReadonlySet<string>> =>
  new Set(
    (
      await reader.all(
        `select scenes.id from scenes join renders on renders.render_key = scenes.render_key
         where scenes.job_id = $1 and scenes.status = 'pending' and scenes.forced = 0`,
        [jobId],
      )
    ).map((row) => text(row, 'id')),
  )
