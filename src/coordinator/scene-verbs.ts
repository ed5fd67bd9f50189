/** What the pipeline tells the coordinator of a scene: begun, so far, rendered, failed. */
import type { Engine } from '../engine/engine.ts'
import type { Host } from '../host.ts'
import type { Attempt } from '../job/attempt.ts'
import type { Job } from '../job/job.ts'
import { type Progress, rendering, risen, stitching } from '../job/progress.ts'
import type { Failure, Scene } from '../job/scene.ts'
import { seamBetween } from '../job/storyboard.ts'
import { type Log, logLine } from '../log.ts'
import { findAttempt, moveAttempt } from '../store/attempts.ts'
import type { Database, Transaction } from '../store/database.ts'
import { type JobState, findJob, findJobState, noteFailure, setFailed, setProgress } from '../store/jobs.ts'
import {
  findScene,
  listNeighbours,
  listSceneStates,
  listScenes,
  setSceneCompleted,
  setSceneFailed,
  setScenePending,
  setSceneProgress,
} from '../store/scenes.ts'
import type { Tell } from './tell.ts'

/** What a render needs to know; read once, when its attempt begins. */
export interface AttemptWork {
  readonly attempt: Attempt
  readonly scene: Scene
  readonly job: Job
  /** All of the job's scenes, in the storyboard's order. */
  readonly scenes: readonly Scene[]
}

export interface SceneVerbs {
  /** Undefined where the attempt has been decided already: there is nothing left to do for it. */
  beginAttempt(attemptId: string): Promise<AttemptWork | undefined>
  /** `progress` is the share of the scene that is done, 0 to 1. */
  sceneProgressed(scene: Scene, progress: number): Promise<void>
  /** The scene's clip is verified and kept. The last scene's sets the stitching off. */
  sceneRendered(attemptId: string, clip: string): Promise<void>
  /** The attempt failed; the scene is tried again later if that may help and it has tries left. */
  sceneFailed(attemptId: string, failure: Failure, retry: boolean): Promise<void>
}

export interface SceneVerbsOptions {
  readonly database: Database
  readonly engine: Engine
  readonly host: Host
  readonly log: Log
  readonly tell: Tell
  /** How often a scene may be tried in all. */
  readonly maxTries: number
  /** The wait before the second try; it doubles with each. */
  readonly retryDelayMs: number
}

export function createSceneVerbs(options: SceneVerbsOptions): SceneVerbs {
  const { database, engine, host, log, tell } = options

  const tellProgress = async (tx: Transaction, job: JobState, progress: Progress): Promise<void> => {
    const next = risen(job.progress, progress)
    if (next.percentage === job.progress.percentage && next.stage === job.progress.stage) return
    if ((await setProgress(tx, job.id, next, host.now())) > 0)
      await tell(tx, { type: 'job_progress', jobId: job.id, data: { ...next } })
  }

  /** After a scene has ended: the job goes on to its film, or fails once nothing of it runs any more. */
  const settleJob = async (tx: Transaction, jobId: number): Promise<void> => {
    const job = await findJobState(tx, jobId)
    if (job?.status !== 'processing') return
    const states = await listSceneStates(tx, jobId)
    if (job.error) {
      if (states.some(({ status }) => status === 'processing')) return
      const { error } = job
      await setFailed(tx, jobId, { ...job.progress, stage: 'failed' }, error, host.now())
      await tell(tx, { type: 'job_failed', jobId, data: { ...error } })
      tx.afterCommit(() => logLine.jobFailed(log, jobId, error.reason))
    } else if (states.every(({ status }) => status === 'completed')) {
      await tellProgress(tx, job, stitching)
      await engine.enqueue(tx, { kind: 'stitch-film', subject: String(jobId), jobId })
    } else {
      await tellProgress(tx, job, rendering(states))
    }
  }

  /** A cross-fade can be made as soon as both its clips are there, while other scenes still render. */
  const joinNeighbours = async (tx: Transaction, scene: Scene): Promise<void> => {
    const { jobId } = scene
    const neighbours = await listNeighbours(tx, scene)
    const finished = neighbours.filter(({ status }) => status === 'completed')
    const job = finished.length > 0 ? await findJob(tx, jobId) : undefined
    if (!job) return
    for (const neighbour of finished) {
      const [left, right] = neighbour.position < scene.position ? [neighbour, scene] : [scene, neighbour]
      if (seamBetween(left, right, job.storyboard.format.fps).overlapFrames > 0)
        await engine.enqueue(tx, { kind: 'join-clips', subject: left.id, jobId })
    }
  }

  return {
    beginAttempt: (attemptId) =>
      database.transaction(async (tx) => {
        const attempt =
          (await moveAttempt(tx, attemptId, 'submitted', host.now())) ?? (await findAttempt(tx, attemptId))
        // Submitted before: an earlier process began it, and a render on this machine died with it.
        if (attempt?.status !== 'submitted') return undefined
        const job = await findJob(tx, attempt.jobId)
        if (!job) return undefined
        if (job.status === 'processing') await tellProgress(tx, job, { ...job.progress, stage: 'rendering' })
        const scenes = await listScenes(tx, job.id)
        const scene = scenes.find(({ id }) => id === attempt.sceneId)
        return scene && { attempt, scene, job, scenes }
      }),

    sceneProgressed: (scene, progress) =>
      database.transaction(async (tx) => {
        if ((await setSceneProgress(tx, scene.id, progress, host.now())) === 0) return
        const job = await findJobState(tx, scene.jobId)
        if (job?.status === 'processing')
          await tellProgress(tx, job, rendering(await listSceneStates(tx, job.id)))
      }),

    sceneRendered: (attemptId, clip) =>
      database.transaction(async (tx) => {
        const now = host.now()
        const attempt = await moveAttempt(tx, attemptId, 'succeeded', now)
        const scene = attempt && (await findScene(tx, attempt.sceneId))
        if (!scene || (await setSceneCompleted(tx, scene.id, clip, now)) === 0) return
        await tell(tx, { type: 'scene_completed', jobId: scene.jobId, sceneId: scene.id, data: { clip } })
        await joinNeighbours(tx, scene)
        await settleJob(tx, scene.jobId)
      }),

    sceneFailed: (attemptId, failure, retry) =>
      database.transaction(async (tx) => {
        const now = host.now()
        const attempt = await moveAttempt(tx, attemptId, 'failed', now)
        const scene = attempt && (await findScene(tx, attempt.sceneId))
        if (!scene) return
        const told = { ...failure, scene_id: scene.id }
        const tries = scene.tries + 1
        if (retry && tries < options.maxTries) {
          const delayMs = options.retryDelayMs * 2 ** scene.tries * (0.5 + host.random() / 2)
          const notBefore = now + Math.ceil(delayMs)
          await setScenePending(tx, scene.id, told, notBefore, now)
          await tell(tx, {
            type: 'scene_retrying',
            jobId: scene.jobId,
            sceneId: scene.id,
            data: { ...failure, tries, not_before: new Date(notBefore).toISOString() },
          })
        } else {
          await setSceneFailed(tx, scene.id, told, now)
          await tell(tx, {
            type: 'scene_failed',
            jobId: scene.jobId,
            sceneId: scene.id,
            data: { ...failure, tries },
          })
          await noteFailure(tx, scene.jobId, told, now)
        }
        await settleJob(tx, scene.jobId)
      }),
  }
}
