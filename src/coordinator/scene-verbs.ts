/** What the pipeline tells the coordinator of a scene: begun, so far, rendered, failed. */
import type { Host } from '../host.ts'
import { type Attempt, triedWords } from '../job/attempt.ts'
import type { Job } from '../job/job.ts'
import { rendering } from '../job/progress.ts'
import type { Failure, Scene } from '../job/scene.ts'
import {
  findAttempt,
  setAttemptFailed,
  setClipUnusable,
  setSubmitted,
  setSucceeded,
} from '../store/attempts.ts'
import type { Database, Reader, Transaction } from '../store/database.ts'
import { findJob, findJobState } from '../store/jobs.ts'
import { findRender, forgetRender, keepRender } from '../store/renders.ts'
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
} from '../store/scenes.ts'
import { recordClip, recordRender } from '../store/timings.ts'
import { withKeptClip } from './attempt-verbs.ts'
import type { Settling } from './settling.ts'
import type { Starting } from './starting.ts'
import type { Tell } from './tell.ts'

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

export interface SceneVerbs {
  /** A render on this machine begins. Undefined where the attempt has been decided already. */
  beginAttempt(attemptId: string): Promise<AttemptWork | undefined>
  /** `progress` is the share of the scene that is done, 0 to 1. */
  sceneProgressed(scene: Scene, progress: number): Promise<void>
  /** The clip of an attempt on this machine is kept, for this scene and for all that want the same. The last scene's sets the stitching off. */
  sceneRendered(attemptId: string, clip: SceneClip): Promise<void>
  /** The attempt failed on this machine; the scene is tried again later if that may help and it has tries left. */
  sceneFailed(attemptId: string, failure: Failure, retry: boolean): Promise<void>
  /** A scene that takes a kept clip, and that clip's artifact. Undefined where there is nothing left to do for it. */
  beginTaking(sceneId: string): Promise<(SceneWork & { readonly source: string }) | undefined>
  /** The kept clip was made canonical for this scene. */
  clipTaken(sceneId: string, clip: SceneClip): Promise<void>
  /** Something is wrong with the kept clip itself, or its bytes are gone. */
  clipUnusable(sceneId: string, failure: Failure, bytes: 'kept' | 'gone'): Promise<void>
  /** FFmpeg failed on the kept clip, and tries again at `until`, ms since the epoch. */
  clipPutOff(
    sceneId: string,
    failure: Failure,
    next: { readonly tries: number; readonly until: number },
  ): Promise<void>
  /** FFmpeg failed on the kept clip in all tries: the scene fails, and the clip is kept. */
  clipGivenUp(sceneId: string, failure: Failure): Promise<void>
  /** A finished scene's clip was made canonical anew, for another place in the film. */
  clipFitted(sceneId: string, clip: SceneClip): Promise<void>
}

export interface SceneVerbsOptions {
  readonly database: Database
  readonly host: Host
  readonly tell: Tell
  readonly settling: Settling
  readonly starting: Starting
}

export function createSceneVerbs(options: SceneVerbsOptions): SceneVerbs {
  const { database, host, tell, settling, starting } = options

  const complete = async (tx: Transaction, scene: Scene, clip: SceneClip): Promise<boolean> => {
    if ((await setSceneCompleted(tx, scene.id, clip, host.now())) === 0) return false
    const { jobId, id: sceneId } = scene
    await tell(tx, { type: 'scene_completed', jobId, sceneId, data: { clip: clip.clip } })
    await settling.joinNeighbours(tx, scene)
    await settling.settleJob(tx, jobId)
    return true
  }

  /** The kept clip is no good. A scene that took it for nothing is rendered after all; one that paid for it fails. */
  const unusable = async (
    tx: Transaction,
    scene: Scene,
    failure: Failure,
    bytes: 'kept' | 'gone',
  ): Promise<void> => {
    const kept = await findRender(tx, scene.renderKey)
    if (kept) await forgetRender(tx, scene.renderKey, kept.artifact)
    if (scene.attemptId === null)
      return settling.sceneEnded(tx, scene, { failure, retry: true, countsAsTry: false })
    const attempt = await findAttempt(tx, scene.attemptId)
    const isKept = attempt?.fetched != null && bytes === 'kept'
    const told = isKept ? withKeptClip(attempt, failure) : failure
    await setClipUnusable(tx, scene.attemptId, isKept ? attempt.fetched : null, told, host.now())
    await settling.sceneEnded(tx, scene, { failure: told, retry: false, countsAsTry: false })
  }

  return {
    beginAttempt: (attemptId) =>
      database.transaction(async (tx) => {
        const attempt = (await setSubmitted(tx, attemptId, host.now())) ?? (await findAttempt(tx, attemptId))
        // Submitted before: an earlier process began it, and a render on this machine died with it.
        if (attempt?.status !== 'submitted') return undefined
        await settling.tellRendering(tx, attempt.jobId)
        const work = await sceneWork(tx, attempt.sceneId)
        return work && { ...work, attempt }
      }),

    sceneProgressed: (scene, progress) =>
      database.transaction(async (tx) => {
        if ((await setSceneProgress(tx, scene.id, progress, host.now())) === 0) return
        const job = await findJobState(tx, scene.jobId)
        if (job?.status === 'processing')
          await settling.tellProgress(tx, job, rendering(await listSceneStates(tx, job.id)))
      }),

    sceneRendered: (attemptId, clip) =>
      database.transaction(async (tx) => {
        const now = host.now()
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
        if (scene?.attemptId === attemptId) await complete(tx, scene, clip)
        await starting.serveRender(tx, attempt.renderKey)
      }),

    sceneFailed: (attemptId, failure, retry) =>
      database.transaction(async (tx) => {
        const attempt = await setAttemptFailed(tx, attemptId, 0, failure, host.now())
        const scene = attempt && (await findScene(tx, attempt.sceneId))
        if (scene?.attemptId === attemptId)
          await settling.sceneEnded(tx, scene, { failure, retry, countsAsTry: true })
      }),

    beginTaking: (sceneId) =>
      database.transaction(async (tx) => {
        if (!(await isTaking(tx, sceneId))) return undefined
        const work = (await sceneWork(tx, sceneId))!
        const kept = await findRender(tx, work.scene.renderKey)
        if (kept) return { ...work, source: kept.artifact }
        const failure = { code: 'clip_missing', reason: 'the clip that was kept for it is gone' }
        await unusable(tx, work.scene, failure, 'gone')
        return undefined
      }),

    clipTaken: (sceneId, clip) =>
      database.transaction(async (tx) => {
        if (!(await isTaking(tx, sceneId))) return
        const scene = (await findScene(tx, sceneId))!
        const attempt = scene.attemptId === null ? undefined : await findAttempt(tx, scene.attemptId)
        await recordClip(tx, scene, attempt, host.now())
        await complete(tx, scene, clip)
      }),

    clipUnusable: (sceneId, failure, bytes) =>
      database.transaction(async (tx) => {
        if (await isTaking(tx, sceneId)) await unusable(tx, (await findScene(tx, sceneId))!, failure, bytes)
      }),

    clipPutOff: (sceneId, failure, next) =>
      database.transaction(async (tx) => {
        if (!(await isTaking(tx, sceneId))) return
        const told = { ...failure, reason: triedWords(failure, next.tries) }
        await setSceneTakenAgain(tx, sceneId, told, next.until, host.now())
        await settling.tellTakenAgain(tx, (await findScene(tx, sceneId))!, failure, next)
      }),

    clipGivenUp: (sceneId, failure) =>
      database.transaction(async (tx) => {
        if (!(await isTaking(tx, sceneId))) return
        const scene = (await findScene(tx, sceneId))!
        const attempt = scene.attemptId === null ? undefined : await findAttempt(tx, scene.attemptId)
        const told = attempt?.fetched ? withKeptClip(attempt, failure) : failure
        await settling.sceneEnded(tx, scene, { failure: told, retry: false, countsAsTry: false })
      }),

    clipFitted: (sceneId, clip) =>
      database.transaction(async (tx) => {
        await setSceneFitted(tx, sceneId, clip, host.now())
      }),
  }
}

/** A scene with its job and its neighbours; undefined where it is gone. */
export async function sceneWork(reader: Reader, sceneId: string): Promise<SceneWork | undefined> {
  const scene = await findScene(reader, sceneId)
  const job = scene && (await findJob(reader, scene.jobId))
  return job && { scene, job, scenes: await listScenes(reader, job.id) }
}
