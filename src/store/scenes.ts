import type { Attempt } from '../job/attempt.ts'
import type { Job } from '../job/job.ts'
import type { Progress } from '../job/progress.ts'
import {
  type JobStatus,
  type SceneStatus,
  inFlightAttemptStatuses,
  mayPrecede,
  sceneFollows,
} from '../job/lifecycle.ts'
import type { Waiter } from '../job/queue.ts'
import type { Failure, RenderSettings, Scene, Transition } from '../job/scene.ts'
import type { Reader, Row, Transaction } from './database.ts'
import { isRendering, isUntaken } from './attempts.ts'
import { json, jsonOrNull, number, numberOrNull, ownStatus, quoted, text, textOrNull } from './sql.ts'

const sceneOf = (row: Row): Scene => ({
  id: text(row, 'id'),
  jobId: number(row, 'job_id'),
  position: number(row, 'position'),
  status: text(row, 'status') as SceneStatus,
  title: textOrNull(row, 'title'),
  prompt: text(row, 'prompt'),
  duration: number(row, 'duration'),
  asset_ids: json<string[]>(row, 'asset_ids'),
  transition: text(row, 'transition') as Transition,
  model: text(row, 'model'),
  renderer: text(row, 'renderer'),
  render: jsonOrNull<RenderSettings>(row, 'render'),
  price_micros: numberOrNull(row, 'price_micros'),
  notes: json<string[]>(row, 'notes'),
  renderKey: text(row, 'render_key'),
  forced: number(row, 'forced') !== 0,
  unapproved: number(row, 'unapproved') !== 0,
  attemptId: textOrNull(row, 'attempt_id'),
  source: textOrNull(row, 'source'),
  place: textOrNull(row, 'place'),
  progress: number(row, 'progress'),
  tries: number(row, 'tries'),
  notBefore: numberOrNull(row, 'not_before'),
  error: jsonOrNull<Failure>(row, 'error'),
  clip: textOrNull(row, 'clip'),
  startedAt: numberOrNull(row, 'started_at'),
  completedAt: numberOrNull(row, 'completed_at'),
  insertedAt: number(row, 'inserted_at'),
  updatedAt: number(row, 'updated_at'),
})

const sceneOrUndefined = (row: Row | undefined): Scene | undefined => row && sceneOf(row)

/** A scene's plan, renderer and price. */
export type ScenePlanColumns = Pick<
  Scene,
  | 'title'
  | 'prompt'
  | 'duration'
  | 'asset_ids'
  | 'transition'
  | 'model'
  | 'renderer'
  | 'render'
  | 'price_micros'
  | 'notes'
  | 'renderKey'
>

export type NewScene = ScenePlanColumns & Pick<Scene, 'id' | 'jobId' | 'position' | 'forced'>

const insert = `insert into scenes
  (id, job_id, position, status, title, prompt, duration, asset_ids, transition, model, renderer, render, price_micros,
   notes, render_key, forced, progress, tries, inserted_at, updated_at)
  values ($1, $2, $3, 'pending', $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 0, 0, $16, $16)`

export const insertScene = (tx: Transaction, scene: NewScene, now: number): Promise<void> =>
  tx.write(insert, [
    scene.id,
    scene.jobId,
    scene.position,
    scene.title,
    scene.prompt,
    scene.duration,
    JSON.stringify(scene.asset_ids),
    scene.transition,
    scene.model,
    scene.renderer,
    scene.render && JSON.stringify(scene.render),
    scene.price_micros,
    JSON.stringify(scene.notes),
    scene.renderKey,
    scene.forced ? 1 : 0,
    now,
  ])

export const findScene = async (reader: Reader, id: string): Promise<Scene | undefined> =>
  sceneOrUndefined(await reader.get('select * from scenes where id = $1', [id]))

export const listScenes = async (reader: Reader, jobId: number): Promise<readonly Scene[]> =>
  (await reader.all('select * from scenes where job_id = $1 order by position', [jobId])).map(sceneOf)

/** A scene that an attempt rendered, and its job; undefined if they were deleted. */
export interface Rendered {
  readonly attempt: Pick<Attempt, 'renderKey' | 'model' | 'settings' | 'postedAt' | 'insertedAt'>
  readonly scene: Scene | undefined
  readonly job: Pick<Job, 'id' | 'status' | 'progress' | 'error'> | undefined
}

const rendered = `select scenes.*, jobs.status as job_status, jobs.progress as job_progress, jobs.error as job_error,
    attempts.render_key as attempt_key, attempts.model as attempt_model,
    attempts.settings, attempts.posted_at, attempts.inserted_at as attempt_at
  from attempts left join scenes on scenes.id = attempts.scene_id left join jobs on jobs.id = scenes.job_id
  where attempts.id = $1`

/** One statement, because settling a render needs all of it. */
export async function findRendered(reader: Reader, attemptId: string): Promise<Rendered | undefined> {
  const row = await reader.get(rendered, [attemptId])
  if (!row) return undefined
  return {
    attempt: {
      renderKey: text(row, 'attempt_key'),
      model: text(row, 'attempt_model'),
      settings: jsonOrNull<RenderSettings>(row, 'settings'),
      postedAt: numberOrNull(row, 'posted_at'),
      insertedAt: number(row, 'attempt_at'),
    },
    scene: row.id === null ? undefined : sceneOf(row),
    job:
      row.id === null
        ? undefined
        : {
            id: number(row, 'job_id'),
            status: text(row, 'job_status') as JobStatus,
            progress: json<Progress>(row, 'job_progress'),
            error: jsonOrNull<Failure>(row, 'job_error'),
          },
  }
}

/** The facts that decide a job's progress and end, without the scenes' texts. */
export interface SceneState {
  readonly id: string
  readonly position: number
  readonly status: SceneStatus
  readonly duration: number
  readonly progress: number
  readonly error: Failure | null
}

export const listSceneStates = async (reader: Reader, jobId: number): Promise<readonly SceneState[]> =>
  (
    await reader.all(
      'select id, position, status, duration, progress, error from scenes where job_id = $1 order by position',
      [jobId],
    )
  ).map((row) => ({
    id: text(row, 'id'),
    position: number(row, 'position'),
    status: text(row, 'status') as SceneStatus,
    duration: number(row, 'duration'),
    progress: number(row, 'progress'),
    error: jsonOrNull<Failure>(row, 'error'),
  }))

const begin = `update scenes
  set status = 'processing', progress = 0, not_before = null, attempt_id = $3, started_at = $2, updated_at = $2
  where id = $1 and ${ownStatus} in (${quoted(mayPrecede(sceneFollows, 'processing'))})`

/** Returns the number of rows, here and below: 0 if the scene's state doesn't allow it. */
export const setSceneProcessing = (
  tx: Transaction,
  id: string,
  attemptId: string | null,
  now: number,
): Promise<number> => tx.run(begin, [id, now, attemptId])

const advance = `update scenes set progress = $2, updated_at = $3
  where id = $1 and ${ownStatus} = 'processing' and progress < $2`

export const setSceneProgress = (
  tx: Transaction,
  id: string,
  progress: number,
  now: number,
): Promise<number> => tx.run(advance, [id, progress, now])

const complete = `update scenes
  set status = 'completed', progress = 1, clip = $2, source = $3, place = $4, error = null, not_before = null, forced = 0, unapproved = 0, tries = tries + 1,
    completed_at = $5, updated_at = $5
  where id = $1 and ${ownStatus} in (${quoted(mayPrecede(sceneFollows, 'completed'))})`

/** A scene's canonical clip, and its source for making it again after the scene moves in the film. */
export interface SceneClip {
  /** The canonical clip's artifact. */
  readonly clip: string
  /** Artifact id of its source. */
  readonly source: string
  /** The placement in the film that it was made for. */
  readonly place: string
}

export const setSceneCompleted = (
  tx: Transaction,
  id: string,
  { clip, source, place }: SceneClip,
  now: number,
): Promise<number> => tx.run(complete, [id, clip, source, place, now])

/** Records the same picture, made canonical for another placement in the film. */
export const setSceneFitted = (
  tx: Transaction,
  id: string,
  { clip, source, place }: SceneClip,
  now: number,
): Promise<number> =>
  tx.run(
    `update scenes set clip = $2, place = $4, updated_at = $5
     where id = $1 and source = $3 and ${ownStatus} = 'completed'`,
    [id, clip, source, place, now],
  )

const putOff = `update scenes set error = $2, not_before = $3, updated_at = $4
  where id = $1 and ${ownStatus} = 'processing'`

/** Schedules another try after FFmpeg failed on a scene's stored clip. */
export const setSceneTakenAgain = (
  tx: Transaction,
  id: string,
  error: Failure,
  notBefore: number,
  now: number,
): Promise<number> => tx.run(putOff, [id, JSON.stringify(error), notBefore, now])

const fail = `update scenes set status = 'failed', error = $2, not_before = null, tries = tries + 1, updated_at = $3
  where id = $1 and ${ownStatus} in (${quoted(mayPrecede(sceneFollows, 'failed'))})`

export const setSceneFailed = (tx: Transaction, id: string, error: Failure, now: number): Promise<number> =>
  tx.run(fail, [id, JSON.stringify(error), now])

const again = `update scenes
  set status = 'pending', error = $2, progress = 0, tries = tries + $5, not_before = $3, updated_at = $4
  where id = $1 and ${ownStatus} = 'processing'`

/** Returns the scene to the queue from `notBefore` on; `error` is the reason, `tries` the new count. */
export const setScenePending = (
  tx: Transaction,
  id: string,
  error: Failure,
  notBefore: number,
  tries: 0 | 1,
  now: number,
): Promise<number> => tx.run(again, [id, JSON.stringify(error), notBefore, now, tries])

const anew = `update scenes
  set status = 'pending', error = null, progress = 0, tries = 0, not_before = null, forced = $2, completed_at = null,
    updated_at = $3
  where id = $1 and ${ownStatus} in ('completed', 'failed', 'cancelled')`

/** Queues a finished scene for another render; its clip stays until then. `forced`: even if an equal one is stored. */
export const setSceneAnew = (
  tx: Transaction,
  id: string,
  { forced, now }: { readonly forced: boolean; readonly now: number },
): Promise<number> => tx.run(anew, [id, forced ? 1 : 0, now])

const cancelled = (from: readonly SceneStatus[]): string => `update scenes
  set status = 'cancelled', not_before = null, updated_at = $2
  where job_id = $1 and ${ownStatus} in (${quoted(from)})`

const cancelAll = cancelled(mayPrecede(sceneFollows, 'cancelled'))
const cancelRunning = cancelled(['processing'])

/** Cancels processing scenes and, with `waitingToo`, waiting ones. */
export const cancelScenes = (
  tx: Transaction,
  jobId: number,
  { waitingToo, now }: { readonly waitingToo: boolean; readonly now: number },
): Promise<number> => tx.run(waitingToo ? cancelAll : cancelRunning, [jobId, now])

// A scene whose own render may still be charged reuses that one, even if another was requested before.
const retryAll = `update scenes
  set status = 'pending', error = null, progress = 0, tries = 0, not_before = null, updated_at = $2,
    forced = case when exists (select 1 from attempts where attempts.id = scenes.attempt_id
      and (attempts.status in (${quoted(inFlightAttemptStatuses)}) or ${isUntaken}))
      then 0 else forced end
  where job_id = $1 and ${ownStatus} in ('failed', 'cancelled')`

/** Queues failed and cancelled scenes again; finished clips stay. */
export const retryScenes = (tx: Transaction, jobId: number, now: number): Promise<number> =>
  tx.run(retryAll, [jobId, now])

export const setScenePlan = (
  tx: Transaction,
  id: string,
  plan: ScenePlanColumns,
  now: number,
): Promise<number> =>
  tx.run(
    `update scenes set title = $2, prompt = $3, duration = $4, asset_ids = $5, transition = $6, model = $7,
       renderer = $8, render = $9, price_micros = $10, notes = $11, render_key = $12, updated_at = $13
     where id = $1`,
    [
      id,
      plan.title,
      plan.prompt,
      plan.duration,
      JSON.stringify(plan.asset_ids),
      plan.transition,
      plan.model,
      plan.renderer,
      plan.render && JSON.stringify(plan.render),
      plan.price_micros,
      JSON.stringify(plan.notes),
      plan.renderKey,
      now,
    ],
  )

/** Blocks spending on the scene until the next approval. */
export const setSceneUnapproved = (tx: Transaction, id: string): Promise<number> =>
  tx.run('update scenes set unapproved = 1 where id = $1', [id])

/** Marks all scenes of the job as approved. */
export const setScenesApproved = (tx: Transaction, jobId: number): Promise<void> =>
  tx.write('update scenes set unapproved = 0 where job_id = $1 and unapproved = 1', [jobId])

/** Makes room for a scene by moving those from `position` on down. */
export const makeRoom = (tx: Transaction, jobId: number, position: number, now: number): Promise<number> =>
  tx.run('update scenes set position = position + 1, updated_at = $3 where job_id = $1 and position >= $2', [
    jobId,
    position,
    now,
  ])

/** Moves a scene to `position` and shifts those between. */
export async function moveScene(tx: Transaction, scene: Scene, position: number, now: number): Promise<void> {
  const { id, jobId, position: from } = scene
  const [first, last, step] = from < position ? [from + 1, position, -1] : [position, from - 1, 1]
  await tx.run(
    `update scenes set position = position + $4, updated_at = $5
     where job_id = $1 and position >= $2 and position <= $3`,
    [jobId, first, last, step, now],
  )
  await tx.run('update scenes set position = $2, updated_at = $3 where id = $1', [id, position, now])
}

/** Deletes a scene and moves later ones up. */
export async function deleteSceneRows(tx: Transaction, scene: Scene, now: number): Promise<void> {
  await tx.run('delete from scenes where id = $1', [scene.id])
  await tx.run(
    'update scenes set position = position - 1, updated_at = $3 where job_id = $1 and position > $2',
    [scene.jobId, scene.position, now],
  )
}

// SQL: an equal clip is stored, or the scene's own is paid for and still usable.
const isKept = `(scenes.forced = 0 and exists (select 1 from renders where renders.render_key = scenes.render_key))`
const isPaid = `(scenes.forced = 0 and exists (select 1 from attempts where attempts.id = scenes.attempt_id
  and attempts.render_key = scenes.render_key and ${isUntaken}))`

/** The facts that decide whether a waiting scene needs a render. */
export interface PendingScene {
  /** An equal clip is stored, and the scene reuses it. */
  readonly isKept: boolean
  /** It costs nothing: an equal clip is stored, or its own is already paid. */
  readonly isServed: boolean
  /** It may reuse an equal clip, and one is being rendered now. */
  readonly isBeingRendered: boolean
  /** It may reuse its own earlier render, which is held. */
  readonly isHeld: boolean
}

/** SQL: the columns of these facts. */
export const pendingColumns = `case when ${isKept} then 1 else 0 end as kept,
  case when ${isKept} or ${isPaid} then 1 else 0 end as served,
  case when scenes.forced = 0 and exists (select 1 from attempts
    where attempts.render_key = scenes.render_key and ${isRendering}) then 1 else 0 end as rendering,
  case when scenes.forced = 0 and exists (select 1 from attempts where attempts.scene_id = scenes.id
    and attempts.render_key = scenes.render_key and attempts.status = 'held') then 1 else 0 end as held`

export const pendingOf = (row: Row): PendingScene => ({
  isKept: number(row, 'kept') !== 0,
  isServed: number(row, 'served') !== 0,
  isBeingRendered: number(row, 'rendering') !== 0,
  isHeld: number(row, 'held') !== 0,
})

/** By id, for each waiting scene of the job, in the film's order. */
export const listPending = async (
  reader: Reader,
  jobId: number,
): Promise<ReadonlyMap<string, PendingScene>> =>
  new Map(
    (
      await reader.all(
        `select scenes.id, ${pendingColumns}
         from scenes where scenes.job_id = $1 and scenes.status = 'pending' order by scenes.position`,
        [jobId],
      )
    ).map((row) => [text(row, 'id'), pendingOf(row)]),
  )

/** A waiting scene, with the facts that decide its cost. */
export interface UnpaidScene extends Pick<
  Scene,
  'jobId' | 'price_micros' | 'renderKey' | 'forced' | 'unapproved'
> {
  /** Whether it costs nothing: an equal clip is stored, or its own is already paid. */
  readonly isServed: boolean
}

/** Waiting scenes of these jobs, in the films' order. */
export async function listUnpaid(reader: Reader, jobIds: readonly number[]): Promise<readonly UnpaidScene[]> {
  if (jobIds.length === 0) return []
  const places = jobIds.map((_, index) => `$${index + 1}`).join(', ')
  const rows = await reader.all(
    `select scenes.job_id, scenes.price_micros, scenes.render_key, scenes.forced, scenes.unapproved,
       case when ${isKept} or ${isPaid} then 1 else 0 end as served
     from scenes where scenes.status = 'pending' and scenes.job_id in (${places})
     order by scenes.job_id, scenes.position`,
    jobIds,
  )
  return rows.map((row) => ({
    jobId: number(row, 'job_id'),
    price_micros: numberOrNull(row, 'price_micros'),
    renderKey: text(row, 'render_key'),
    forced: number(row, 'forced') !== 0,
    unapproved: number(row, 'unapproved') !== 0,
    isServed: number(row, 'served') !== 0,
  }))
}

/** A scene that may start, with the facts for its admission. */
export interface WaitingScene {
  readonly id: string
  readonly jobId: number
  readonly position: number
  readonly title: string | null
  /** Whether its job is still `approved`, so this would be its first scene. */
  readonly jobApproved: boolean
  readonly model: string
  readonly render: RenderSettings | null
  readonly priceMicros: number | null
  readonly renderKey: string
  readonly forced: boolean
  readonly unapproved: boolean
  /** The attempt that rendered it last. */
  readonly attemptId: string | null
  readonly clientId: string
  readonly authorisedMicros: number
  readonly unknownCostAccepted: boolean
  /** Its job's queue position, as a time. */
  readonly queueAt: number
}

// A job that has failed, is paused, or waits for others or its scheduled start has no queue position.
const mayStart = `jobs.queue_at is not null and scenes.status = 'pending' and scenes.renderer = $1`

// In SQLite `cross join` fixes the order: along the queue, not through all scenes.
const waiting = (
  isBegun: string,
) => `select scenes.id, scenes.job_id, scenes.position, scenes.title, jobs.status as job_status, scenes.model, scenes.render,
    scenes.price_micros, scenes.render_key, scenes.forced, scenes.unapproved, scenes.attempt_id, jobs.client_id, jobs.authorised_micros,
    jobs.unknown_cost_accepted, jobs.queue_at
  from jobs cross join scenes
  where ${mayStart} and jobs.client_id = $3${isBegun} and scenes.job_id = jobs.id
    and (scenes.not_before is null or scenes.not_before <= $2)
  order by jobs.queue_at, jobs.id, scenes.position
  limit $4 offset $5`

const waitingOfAll = waiting('')
const waitingOfBegun = waiting(` and jobs.status = 'processing'`)

/** A client's queue at a renderer. */
export interface Queue {
  readonly renderer: string
  readonly clientId: string
  /** Only scenes of jobs that have started. */
  readonly onlyBegun: boolean
}

/**
 * The scenes at the head of a client's queue at a renderer, by their job's queue position and then by storyboard. Jobs
 * with a failed scene are excluded, because they spend nothing more.
 */
export const listWaitingScenes = async (
  reader: Reader,
  { renderer, clientId, onlyBegun }: Queue,
  now: number,
  { limit, offset }: { readonly limit: number; readonly offset: number },
): Promise<readonly WaitingScene[]> =>
  (await reader.all(onlyBegun ? waitingOfBegun : waitingOfAll, [renderer, now, clientId, limit, offset])).map(
    waitingOf,
  )

const anyWaiting = `select 1 as found from jobs cross join scenes where ${mayStart} and scenes.job_id = jobs.id
  and (scenes.not_before is null or scenes.not_before <= $2) limit 1`

/** Whether any scene may start at a renderer, as far as its job and its back-off are concerned. */
export const hasWaitingScene = async (reader: Reader, renderer: string, now: number): Promise<boolean> =>
  (await reader.get(anyWaiting, [renderer, now])) !== undefined

/** SQL: skips along the index from client to client, so that the cost does not grow with a client's jobs. */
export const waitingClients = `waiting (client_id) as (
    select min(client_id) from jobs where queue_at is not null
    union all
    select (select min(client_id) from jobs where queue_at is not null and client_id > waiting.client_id)
    from waiting where client_id is not null
  )`

const clients = `with recursive ${waitingClients}
  select client_id,
    (select min(queue_at) from jobs where jobs.client_id = waiting.client_id and queue_at is not null) as queue_at,
    coalesce((select turn from turns where renderer = $1 and turns.client_id = waiting.client_id), 0) as last_turn
  from waiting where client_id is not null`

/** Clients with queued jobs: the queue position of their first job, and their last turn at the renderer. */
export const listWaitingClients = async (
  reader: Reader,
  renderer: string,
): Promise<readonly Omit<Waiter, 'inFlight'>[]> =>
  (await reader.all(clients, [renderer])).map((row) => ({
    clientId: text(row, 'client_id'),
    queueAt: number(row, 'queue_at'),
    lastTurn: number(row, 'last_turn'),
  }))

const waitingOf = (row: Row): WaitingScene => ({
  id: text(row, 'id'),
  jobId: number(row, 'job_id'),
  position: number(row, 'position'),
  title: textOrNull(row, 'title'),
  jobApproved: row.job_status === 'approved',
  model: text(row, 'model'),
  render: jsonOrNull<RenderSettings>(row, 'render'),
  priceMicros: numberOrNull(row, 'price_micros'),
  renderKey: text(row, 'render_key'),
  forced: number(row, 'forced') !== 0,
  attemptId: textOrNull(row, 'attempt_id'),
  unapproved: number(row, 'unapproved') !== 0,
  clientId: text(row, 'client_id'),
  authorisedMicros: number(row, 'authorised_micros'),
  unknownCostAccepted: number(row, 'unknown_cost_accepted') !== 0,
  queueAt: number(row, 'queue_at'),
})

/** A waiting scene that costs nothing: its own paid clip is not verified yet, or an equal clip is stored. */
export interface ServedScene extends Pick<WaitingScene, 'id' | 'jobId' | 'jobApproved'> {
  /** The scene's own attempt that paid for the clip; null if another scene's did. */
  readonly paidBy: string | null
  readonly isUntaken: boolean
}

// The sum keeps PostgreSQL from reading the index of the queue, which other transactions write to.
const served = (
  of: string,
) => `select scenes.id, scenes.job_id, jobs.status as job_status, attempts.id as attempt,
    attempts.fetched, renders.attempt_id as kept_by, case when ${isUntaken} then 1 else 0 end as untaken
  from scenes join jobs on jobs.id = scenes.job_id
    left join renders on renders.render_key = scenes.render_key
    left join attempts on attempts.id = scenes.attempt_id and attempts.render_key = scenes.render_key
  where ${of} and scenes.status = 'pending' and scenes.forced = 0
    and jobs.queue_at + 0 is not null and (renders.render_key is not null or ${isUntaken})
  order by scenes.job_id, scenes.position`

const servedOf = (row: Row): ServedScene => {
  const attempt = textOrNull(row, 'attempt')
  const isUntakenOwn = number(row, 'untaken') === 1
  const isOwn = isUntakenOwn || (row.fetched !== null && textOrNull(row, 'kept_by') === attempt)
  return {
    id: text(row, 'id'),
    jobId: number(row, 'job_id'),
    jobApproved: row.job_status === 'approved',
    paidBy: isOwn ? attempt : null,
    isUntaken: isUntakenOwn,
  }
}

/** Scenes of an active job that need no render. */
export const listServedOfJob = async (reader: Reader, jobId: number): Promise<readonly ServedScene[]> =>
  (await reader.all(served('scenes.job_id = $1'), [jobId])).map(servedOf)

/** All waiting scenes that a newly stored clip serves. */
export const listServedBy = async (reader: Reader, renderKey: string): Promise<readonly ServedScene[]> =>
  (await reader.all(served('scenes.render_key = $1'), [renderKey])).map(servedOf)

// Processing without a running render: no render was needed, or it has succeeded.
const taking = `scenes.status = 'processing' and (scenes.attempt_id is null or exists (
  select 1 from attempts where attempts.id = scenes.attempt_id and attempts.status = 'succeeded' and attempts.clip = 'kept'))`

/** Whether a scene is reusing a stored clip at the moment. */
export const isTaking = async (reader: Reader, id: string): Promise<boolean> =>
  (await reader.get(`select 1 as found from scenes where id = $1 and ${taking}`, [id])) !== undefined

/** All scenes that are reusing a stored clip. After a crash each needs a task. */
export const listTaking = async (
  reader: Reader,
): Promise<readonly { readonly id: string; readonly jobId: number }[]> =>
  (await reader.all(`select id, job_id from scenes where ${taking} order by job_id, position`)).map(
    (row) => ({
      id: text(row, 'id'),
      jobId: number(row, 'job_id'),
    }),
  )

const backingOff = `select min(scenes.not_before) as next from jobs join scenes on scenes.job_id = jobs.id
  where ${mayStart} and scenes.not_before > $2`

/** When the next scene in back-off may start, ms since the epoch; undefined if there is none. */
export async function nextRetryAt(
  reader: Reader,
  renderer: string,
  now: number,
): Promise<number | undefined> {
  const row = await reader.get(backingOff, [renderer, now])
  return (row && numberOrNull(row, 'next')) ?? undefined
}

const beside = `select * from scenes where job_id = $1 and position in ($2, $3) order by position`

/** The scenes directly before and after, if any. */
export const listNeighbours = async (reader: Reader, scene: Scene): Promise<readonly Scene[]> =>
  (await reader.all(beside, [scene.jobId, scene.position - 1, scene.position + 1])).map(sceneOf)
