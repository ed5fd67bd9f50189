/** How long things took, for telling how long the next ones will; and what of the queue that takes. */
import type { TimedStage, Timing } from '../job/eta.ts'
import { filmUnits, renderUnits, timedAs } from '../job/eta.ts'
import type { Attempt } from '../job/attempt.ts'
import type { FilmManifest } from '../job/job.ts'
import { inFlightAttemptStatuses } from '../job/lifecycle.ts'
import type { RenderSettings, Scene } from '../job/scene.ts'
import type { Reader, Transaction } from './database.ts'
import { begunAt, findJob } from './jobs.ts'
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

/** An attempt has left its place at its renderer, well. */
export async function recordRender(tx: Transaction, attempt: Attempt, scene: Scene | undefined, now: number) {
  // Nobody else knows how large its picture is.
  const job = attempt.settings ? undefined : scene && (await findJob(tx, scene.jobId))
  if (!attempt.settings && !job) return
  const { model, settings, postedAt, insertedAt } = attempt
  const units = job ? renderUnits(scene!.duration, job.storyboard.format, null) : 1
  const ms = now - (postedAt ?? insertedAt)
  await recordTiming(tx, { model: timedAs(model, settings), stage: 'render', ms, units }, now)
}

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

/** What holds a place at a renderer. */
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

/** Scenes of a kind that come before others. */
export interface ScenesAhead {
  readonly model: string
  readonly settings: RenderSettings | null
  readonly scenes: number
}

/** Beyond so many it makes no odds. */
const mostAhead = 5_000

/** The scenes at a renderer whose jobs come before a place in the queue, by what they ask for. */
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
