import { type SceneStatus, mayPrecede, sceneFollows } from '../job/lifecycle.ts'
import type { Failure, Scene, Transition } from '../job/scene.ts'
import type { Reader, Row, Transaction } from './database.ts'
import { json, jsonOrNull, number, numberOrNull, quoted, text, textOrNull } from './sql.ts'

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

export type NewScene = Pick<
  Scene,
  | 'id'
  | 'jobId'
  | 'position'
  | 'title'
  | 'prompt'
  | 'duration'
  | 'asset_ids'
  | 'transition'
  | 'model'
  | 'renderer'
>

const insert = `insert into scenes
  (id, job_id, position, status, title, prompt, duration, asset_ids, transition, model, renderer,
   progress, tries, inserted_at, updated_at)
  values ($1, $2, $3, 'pending', $4, $5, $6, $7, $8, $9, $10, 0, 0, $11, $11)`

export const insertScene = (tx: Transaction, scene: NewScene, now: number): Promise<number> =>
  tx.run(insert, [
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
    now,
  ])

export const findScene = async (reader: Reader, id: string): Promise<Scene | undefined> =>
  sceneOrUndefined(await reader.get('select * from scenes where id = $1', [id]))

export const listScenes = async (reader: Reader, jobId: number): Promise<readonly Scene[]> =>
  (await reader.all('select * from scenes where job_id = $1 order by position', [jobId])).map(sceneOf)

/** What a job's progress and end are decided by, without the scenes' texts. */
export interface SceneState {
  readonly status: SceneStatus
  readonly duration: number
  readonly progress: number
}

export const listSceneStates = async (reader: Reader, jobId: number): Promise<readonly SceneState[]> =>
  (await reader.all('select status, duration, progress from scenes where job_id = $1', [jobId])).map(
    (row) => ({
      status: text(row, 'status') as SceneStatus,
      duration: number(row, 'duration'),
      progress: number(row, 'progress'),
    }),
  )

const begin = `update scenes set status = 'processing', progress = 0, not_before = null, started_at = $2, updated_at = $2
  where id = $1 and status in (${quoted(mayPrecede(sceneFollows, 'processing'))})`

/** How many rows it changed, here as below: none where the scene's state doesn't allow it. */
export const setSceneProcessing = (tx: Transaction, id: string, now: number): Promise<number> =>
  tx.run(begin, [id, now])

const advance = `update scenes set progress = $2, updated_at = $3
  where id = $1 and status = 'processing' and progress < $2`

export const setSceneProgress = (
  tx: Transaction,
  id: string,
  progress: number,
  now: number,
): Promise<number> => tx.run(advance, [id, progress, now])

const complete = `update scenes
  set status = 'completed', progress = 1, clip = $2, error = null, tries = tries + 1, completed_at = $3, updated_at = $3
  where id = $1 and status in (${quoted(mayPrecede(sceneFollows, 'completed'))})`

export const setSceneCompleted = (tx: Transaction, id: string, clip: string, now: number): Promise<number> =>
  tx.run(complete, [id, clip, now])

const fail = `update scenes set status = 'failed', error = $2, tries = tries + 1, updated_at = $3
  where id = $1 and status in (${quoted(mayPrecede(sceneFollows, 'failed'))})`

export const setSceneFailed = (tx: Transaction, id: string, error: Failure, now: number): Promise<number> =>
  tx.run(fail, [id, JSON.stringify(error), now])

const again = `update scenes
  set status = 'pending', error = $2, progress = 0, tries = tries + 1, not_before = $3, updated_at = $4
  where id = $1 and status in (${quoted(mayPrecede(sceneFollows, 'pending'))})`

/** The scene is to be tried again, not before `notBefore`; `error` tells why. */
export const setScenePending = (
  tx: Transaction,
  id: string,
  error: Failure,
  notBefore: number,
  now: number,
): Promise<number> => tx.run(again, [id, JSON.stringify(error), notBefore, now])

/** A scene that may start, and what admitting it takes. */
export interface WaitingScene {
  readonly id: string
  readonly jobId: number
  /** Its job has not begun: this would be its first scene. */
  readonly jobApproved: boolean
  readonly model: string
  readonly duration: number
}

const mayStart = `jobs.approved_at is not null and jobs.ended_at is null and jobs.error is null
    and scenes.status = 'pending' and scenes.renderer = $1`

// SQLite takes `cross join` as the order to walk in: along the queue, and not through all scenes.
const waiting = `select scenes.id, scenes.job_id, jobs.status as job_status, scenes.model, scenes.duration
  from jobs cross join scenes
  where ${mayStart} and scenes.job_id = jobs.id and (scenes.not_before is null or scenes.not_before <= $2)
  order by jobs.priority desc, jobs.approved_at, jobs.id, scenes.position
  limit $3`

/**
 * The scenes at the head of a renderer's queue: by priority, then approval, then place in the storyboard. A job
 * with a failed scene has none: nothing more is spent on it.
 */
export const listWaitingScenes = async (
  reader: Reader,
  renderer: string,
  now: number,
  limit: number,
): Promise<readonly WaitingScene[]> =>
  (await reader.all(waiting, [renderer, now, limit])).map((row) => ({
    id: text(row, 'id'),
    jobId: number(row, 'job_id'),
    jobApproved: row.job_status === 'approved',
    model: text(row, 'model'),
    duration: number(row, 'duration'),
  }))

const backingOff = `select min(scenes.not_before) as next from jobs join scenes on scenes.job_id = jobs.id
  where ${mayStart} and scenes.not_before > $2`

/** When the next scene that backs off may start; undefined where none does. */
export async function nextRetryAt(
  reader: Reader,
  renderer: string,
  now: number,
): Promise<number | undefined> {
  const row = await reader.get(backingOff, [renderer, now])
  return (row && numberOrNull(row, 'next')) ?? undefined
}

const beside = `select * from scenes where job_id = $1 and position in ($2, $3) order by position`

/** The scenes just before and just after one, where there are such. */
export const listNeighbours = async (reader: Reader, scene: Scene): Promise<readonly Scene[]> =>
  (await reader.all(beside, [scene.jobId, scene.position - 1, scene.position + 1])).map(sceneOf)
