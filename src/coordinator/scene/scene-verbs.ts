/** What the pipeline tells the coordinator of a scene: begun, so far, rendered, failed. */
import { type Attempt, triedWords } from '../../job/attempt.ts'
import type { Job } from '../../job/job.ts'
import { rendering } from '../../job/progress.ts'
import type { Failure, Scene } from '../../job/scene.ts'
import {
  findAttempt,
  setAttemptFailed,
  setClipUnusable,
  setSubmitted,
  setSucceeded,
} from '../../store/attempts.ts'
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
} from '../../store/scenes.ts'
import { recordClip, recordRender } from '../../store/timings.ts'
import { withKeptClip } from '../attempt/attempt-verbs.ts'
import {
  joinNeighbours,
  settleJob,
  sceneEnded,
  emitRendering,
  emitProgress,
  emitTakenAgain,
} from './settling.ts'
import { serveRender } from './starting.ts'
import type { Context } from '../context.ts'

/** A scene that is worked on, and the film it belongs to; read once, when the work begins. */
export interface SceneWork {
  readonly scene: Scene
  readonly job: Job
  /** All of the job's scenes, in the storyboard's order. */
  readonly scenes: readonly Scene[]
}

/** What a render needs to know. */
export interface AttemptWork extends SceneWork {
  readonly attempt: Attempt
}

async function complete(context: Context, tx: Transaction, scene: Scene, clip: SceneClip): Promise<boolean> {
  const { host, emit } = context
  if ((await setSceneCompleted(tx, scene.id, clip, host.now())) === 0) return false
  const { jobId, id: sceneId } = scene
  await emit(tx, { type: 'scene_completed', jobId, sceneId, data: { clip: clip.clip } })
  await joinNeighbours(context, tx, scene)
  await settleJob(context, tx, jobId)
  return true
}

/** The kept clip is no good. A scene that took it for nothing is rendered after all; one that paid for it fails. */
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

/** A render on this machine begins. Undefined where the attempt has been decided already. */
export const beginAttempt = (context: Context, attemptId: string): Promise<AttemptWork | undefined> =>
  context.database.transaction(async (tx) => {
    const attempt =
      (await setSubmitted(tx, attemptId, context.host.now())) ?? (await findAttempt(tx, attemptId))
    // Submitted before: an earlier process began it, and a render on this machine died with it.
    if (attempt?.status !== 'submitted') return undefined
    await emitRendering(context, tx, attempt.jobId)
    const work = await sceneWork(tx, attempt.sceneId)
    return work && { ...work, attempt }
  })

/** `progress` is the share of the scene that is done, 0 to 1. */
export const sceneProgressed = (context: Context, scene: Scene, progress: number): Promise<void> =>
  context.database.transaction(async (tx) => {
    if ((await setSceneProgress(tx, scene.id, progress, context.host.now())) === 0) return
    const job = await findJobState(tx, scene.jobId)
    if (job?.status === 'processing')
      await emitProgress(context, tx, job, rendering(await listSceneStates(tx, job.id)))
  })

/** The clip of an attempt on this machine is kept, for this scene and for all that want the same. The last scene's sets the stitching off. */
export const sceneRendered = (context: Context, attemptId: string, clip: SceneClip): Promise<void> =>
  context.database.transaction(async (tx) => {
    const now = context.host.now()
    const attempt = await setSucceeded(
      tx,
      attemptId,
      { chargedMicros: 0, clip: 'kept', outputUrl: null },
      now,
    )
    if (!attempt) return
    await keepRender(tx, attempt.renderKey, { artifact: clip.source, attemptId }, now)
    const scene = await findScene(tx, attempt.sceneId)
    await recordRender(tx, attempt, scene, now)
    if (scene?.attemptId === attemptId) await complete(context, tx, scene, clip)
    await serveRender(context, tx, attempt.renderKey)
  })

/** The attempt failed on this machine; the scene is tried again later if that may help and it has tries left. */
export const sceneFailed = (
  context: Context,
  attemptId: string,
  failure: Failure,
  retry: boolean,
): Promise<void> =>
  context.database.transaction(async (tx) => {
    const attempt = await setAttemptFailed(tx, attemptId, 0, failure, context.host.now())
    const scene = attempt && (await findScene(tx, attempt.sceneId))
    if (scene?.attemptId === attemptId)
      await sceneEnded(context, tx, scene, { failure, retry, countsAsTry: true })
  })

/** A scene that takes a kept clip, and that clip's artifact. Undefined where there is nothing left to do for it. */
export const beginTaking = (
  context: Context,
  sceneId: string,
): Promise<(SceneWork & { readonly source: string }) | undefined> =>
  context.database.transaction(async (tx) => {
    if (!(await isTaking(tx, sceneId))) return undefined
    const work = (await sceneWork(tx, sceneId))!
    const kept = await findRender(tx, work.scene.renderKey)
    if (kept) return { ...work, source: kept.artifact }
    const failure = { code: 'clip_missing', reason: 'the clip that was kept for it is gone' }
    await unusable(context, tx, work.scene, failure, 'gone')
    return undefined
  })

/** The kept clip was made canonical for this scene. */
export const clipTaken = (context: Context, sceneId: string, clip: SceneClip): Promise<void> =>
  context.database.transaction(async (tx) => {
    if (!(await isTaking(tx, sceneId))) return
    const scene = (await findScene(tx, sceneId))!
    const attempt = scene.attemptId === null ? undefined : await findAttempt(tx, scene.attemptId)
    await recordClip(tx, scene, attempt, context.host.now())
    await complete(context, tx, scene, clip)
  })

/** Something is wrong with the kept clip itself, or its bytes are gone. */
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

/** FFmpeg failed on the kept clip, and tries again at `until`, ms since the epoch. */
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

/** FFmpeg failed on the kept clip in all tries: the scene fails, and the clip is kept. */
export const clipGivenUp = (context: Context, sceneId: string, failure: Failure): Promise<void> =>
  context.database.transaction(async (tx) => {
    if (!(await isTaking(tx, sceneId))) return
    const scene = (await findScene(tx, sceneId))!
    const attempt = scene.attemptId === null ? undefined : await findAttempt(tx, scene.attemptId)
    const told = attempt?.fetched ? withKeptClip(attempt, failure) : failure
    await sceneEnded(context, tx, scene, { failure: told, retry: false, countsAsTry: false })
  })

/** A finished scene's clip was made canonical anew, for another place in the film. */
export const clipFitted = (context: Context, sceneId: string, clip: SceneClip): Promise<void> =>
  context.database.transaction(async (tx) => {
    await setSceneFitted(tx, sceneId, clip, context.host.now())
  })

/** A scene with its job and its neighbours; undefined where it is gone. */
export async function sceneWork(reader: Reader, sceneId: string): Promise<SceneWork | undefined> {
  const scene = await findScene(reader, sceneId)
  const job = scene && (await findJob(reader, scene.jobId))
  return job && { scene, job, scenes: await listScenes(reader, job.id) }
}
