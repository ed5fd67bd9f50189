/** The pipeline's reports of a scene: begun, progressed, rendered, failed. */
import { type Attempt, triedWords } from '../../job/attempt.ts'
import type { Job } from '../../job/job.ts'
import { renderUnits } from '../../job/eta.ts'
import type { FrameFormat } from '../../job/format.ts'
import { rendering } from '../../job/progress.ts'
import type { Failure, Scene } from '../../job/scene.ts'
import { findAttempt, setAttemptFailed, setClipUnusable, setRendered } from '../../store/attempts.ts'
import type { Reader, Transaction } from '../../store/database.ts'
import { findJob, findJobState } from '../../store/jobs.ts'
import { findRender, forgetRender, keepRender } from '../../store/renders.ts'
import {
  type SceneClip,
  findScene,
  isTaking,
  listSceneStates,
  listScenes,
  setSceneCompleted,
  setSceneFitted,
  setSceneProgress,
  setSceneTakenAgain,
  findRendered,
} from '../../store/scenes.ts'
import { recordClip, recordRender } from '../../store/timings.ts'
import { withKeptClip } from '../attempt/clip.ts'
import {
  type SceneEnd,
  joinNeighbours,
  sceneEnded,
  emitTakenAgain,
  type SettledJob,
  settleBy,
} from './settling.ts'
import { serveRender } from './starting.ts'
import { emitProgress } from '../job/advance.ts'
import type { Context } from '../context.ts'

/** A scene in work and its film; read once, when the work begins. */
export interface SceneWork {
  readonly scene: Scene
  readonly job: Job
  /** All of the job's scenes, in the storyboard's order. */
  readonly scenes: readonly Scene[]
}

/** The input of a render. */
export interface AttemptWork extends SceneWork {
  readonly attempt: Attempt
}

/** `job`: read in this transaction. */
async function complete(
  context: Context,
  tx: Transaction,
  scene: Scene,
  clip: SceneClip,
  job: SettledJob,
): Promise<void> {
  const { host, emit } = context
  const { jobId, id: sceneId } = scene
  const [changed, states] = await Promise.all([
    setSceneCompleted(tx, sceneId, clip, host.now()),
    listSceneStates(tx, jobId),
  ])
  if (changed === 0) return
  await emit(tx, { type: 'scene_completed', jobId, sceneId, scene, data: { clip: clip.clip } })
  if (
    states.some(({ status, position }) => status === 'completed' && Math.abs(position - scene.position) === 1)
  )
    await joinNeighbours(context, tx, scene)
  if (job.status === 'processing') await settleBy(context, tx, job, states)
}

/** The stored clip is unusable. A scene that reused it is rendered instead; one that paid for it fails. */
async function unusable(
  context: Context,
  tx: Transaction,
  scene: Scene,
  failure: Failure,
  bytes: 'kept' | 'gone',
): Promise<void> {
  const { host } = context
  const kept = await findRender(tx, scene.renderKey)
  if (kept) await forgetRender(tx, scene.renderKey, kept.artifact)
  if (scene.attemptId === null)
    return sceneEnded(context, tx, scene, { failure, retry: true, countsAsTry: false })
  const attempt = await findAttempt(tx, scene.attemptId)
  const isKept = attempt?.fetched != null && bytes === 'kept'
  const told = isKept ? withKeptClip(attempt, failure) : failure
  await setClipUnusable(tx, scene.attemptId, isKept ? attempt.fetched : null, told, host.now())
  await sceneEnded(context, tx, scene, { failure: told, retry: false, countsAsTry: false })
}

/** The input of a render on this machine. Undefined if the attempt has already ended. */
export async function beginAttempt(context: Context, attemptId: string): Promise<AttemptWork | undefined> {
  const { database } = context
  const attempt = await findAttempt(database, attemptId)
  // If an earlier process began it, the render died with that process, so it begins again.
  if (attempt?.status !== 'submitted') return undefined
  const work = await sceneWork(database, attempt)
  return work && { ...work, attempt }
}

/** Records a scene's progress, 0 to 1. */
export const sceneProgressed = (context: Context, scene: Scene, progress: number): Promise<void> =>
  context.database.transaction(async (tx) => {
    if ((await setSceneProgress(tx, scene.id, progress, context.host.now())) === 0) return
    const job = await findJobState(tx, scene.jobId)
    if (job?.status === 'processing')
      await emitProgress(context, tx, job, rendering(await listSceneStates(tx, job.id)))
  })

/**
 * Records a clip rendered on this machine, for this scene and all scenes with the same render key. The last scene's clip
 * starts the stitching. `format`: of the job's film, if the caller has it.
 */
export const sceneRendered = (
  context: Context,
  attemptId: string,
  clip: SceneClip,
  format?: FrameFormat,
): Promise<void> =>
  context.database.transaction(async (tx) => {
    const now = context.host.now()
    const [changed, found] = await Promise.all([
      setRendered(tx, attemptId, now),
      findRendered(tx, attemptId),
      context.engine.finish(tx, { kind: 'render-scene', subject: attemptId }),
    ])
    if (changed === 0) return
    const { attempt, scene, job } = found!
    await keepRender(tx, attempt.renderKey, { artifact: clip.source, attemptId }, now)
    const filmFormat = scene && (format ?? (await findJob(tx, scene.jobId))?.storyboard.format)
    if (filmFormat) await recordRender(tx, attempt, renderUnits(scene.duration, filmFormat, null), now)
    if (scene?.attemptId === attemptId && job) await complete(context, tx, scene, clip, job)
    await serveRender(context, tx, attempt.renderKey)
  })

/** Records a failed attempt on this machine; the scene is retried later if that may help and tries are left. */
export const sceneFailed = (
  context: Context,
  attemptId: string,
  { failure, retry }: Pick<SceneEnd, 'failure' | 'retry'>,
): Promise<void> =>
  context.database.transaction(async (tx) => {
    const attempt = await setAttemptFailed(tx, attemptId, 0, failure, context.host.now())
    if (attempt) await context.engine.finish(tx, { kind: 'render-scene', subject: attemptId })
    const scene = attempt && (await findScene(tx, attempt.sceneId))
    if (scene?.attemptId === attemptId)
      await sceneEnded(context, tx, scene, { failure, retry, countsAsTry: true })
  })

/** A scene that reuses a stored clip, and that clip's artifact. Undefined if nothing is left to do for it. */
export const beginTaking = (
  context: Context,
  sceneId: string,
): Promise<(SceneWork & { readonly source: string }) | undefined> =>
  context.database.transaction(async (tx) => {
    if (!(await isTaking(tx, sceneId))) return undefined
    const { jobId } = (await findScene(tx, sceneId))!
    const work = (await sceneWork(tx, { jobId, sceneId }))!
    const kept = await findRender(tx, work.scene.renderKey)
    if (kept) return { ...work, source: kept.artifact }
    const failure = { code: 'clip_missing', reason: 'the stored clip of this scene is missing' }
    await unusable(context, tx, work.scene, failure, 'gone')
    return undefined
  })

/** Records that the stored clip was made canonical for this scene. */
export const clipTaken = (context: Context, sceneId: string, clip: SceneClip): Promise<void> =>
  context.database.transaction(async (tx) => {
    if (!(await isTaking(tx, sceneId))) return
    const scene = (await findScene(tx, sceneId))!
    const attempt = scene.attemptId === null ? undefined : await findAttempt(tx, scene.attemptId)
    await recordClip(tx, scene, attempt, context.host.now())
    const job = await findJobState(tx, scene.jobId)
    if (job) await complete(context, tx, scene, clip, job)
  })

/** Records that the stored clip is defective, or its bytes are gone. */
export const clipUnusable = (
  context: Context,
  sceneId: string,
  failure: Failure,
  bytes: 'kept' | 'gone',
): Promise<void> =>
  context.database.transaction(async (tx) => {
    if (await isTaking(tx, sceneId))
      await unusable(context, tx, (await findScene(tx, sceneId))!, failure, bytes)
  })

/** Records that FFmpeg failed on the stored clip and tries again at `until`, ms since the epoch. */
export const clipPutOff = (
  context: Context,
  sceneId: string,
  failure: Failure,
  next: { readonly tries: number; readonly until: number },
): Promise<void> =>
  context.database.transaction(async (tx) => {
    if (!(await isTaking(tx, sceneId))) return
    const told = { ...failure, reason: triedWords(failure, next.tries) }
    await setSceneTakenAgain(tx, sceneId, told, next.until, context.host.now())
    await emitTakenAgain(context, tx, (await findScene(tx, sceneId))!, failure, next)
  })

/** Records that FFmpeg failed on the stored clip in every try: the scene fails, and the clip stays. */
export const clipGivenUp = (context: Context, sceneId: string, failure: Failure): Promise<void> =>
  context.database.transaction(async (tx) => {
    if (!(await isTaking(tx, sceneId))) return
    const scene = (await findScene(tx, sceneId))!
    const attempt = scene.attemptId === null ? undefined : await findAttempt(tx, scene.attemptId)
    const told = attempt?.fetched ? withKeptClip(attempt, failure) : failure
    await sceneEnded(context, tx, scene, { failure: told, retry: false, countsAsTry: false })
  })

/** Records that a finished scene's clip was made canonical again, for another position in the film. */
export const clipFitted = (context: Context, sceneId: string, clip: SceneClip): Promise<void> =>
  context.database.transaction(async (tx) => {
    await setSceneFitted(tx, sceneId, clip, context.host.now())
  })

/** A scene with its job and its neighbours; undefined if it was deleted. */
async function sceneWork(
  reader: Reader,
  { jobId, sceneId }: { readonly jobId: number; readonly sceneId: string },
): Promise<SceneWork | undefined> {
  const [job, scenes] = await Promise.all([findJob(reader, jobId), listScenes(reader, jobId)])
  const scene = scenes.find(({ id }) => id === sceneId)
  return job && scene && { scene, job, scenes }
}
