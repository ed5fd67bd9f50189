/** What follows when a scene or an attempt has ended: another try, the scene's failure, and how its job goes on. */
import type { Engine } from '../engine/engine.ts'
import type { Host } from '../host.ts'
import { type Progress, rendering, risen, stitching } from '../job/progress.ts'
import type { Failure, Scene } from '../job/scene.ts'
import { seamBetween } from '../job/storyboard.ts'
import { retryDelay, retryRule } from '../job/retry-policy.ts'
import type { Transaction } from '../store/database.ts'
import { type JobState, findJob, findJobState, noteFailure, setProgress } from '../store/jobs.ts'
import { listNeighbours, listSceneStates, setSceneFailed, setScenePending } from '../store/scenes.ts'
import type { Ending } from './ending.ts'
import type { Tell } from './tell.ts'

export interface SceneEnd {
  readonly failure: Failure
  /** Whether another try may help. */
  readonly retry: boolean
  /** Whether this was a try: a provider that is busy says nothing about the scene. */
  readonly countsAsTry: boolean
}

export interface Settling {
  tellProgress(tx: Transaction, job: JobState, progress: Progress): Promise<void>
  /** A job's first scene is on its way to its renderer. */
  tellRendering(tx: Transaction, jobId: number): Promise<void>
  /** A scene's attempt came to nothing: it is tried again later if that may help and it has tries left. */
  sceneEnded(tx: Transaction, scene: Scene, end: SceneEnd): Promise<void>
  /** A scene's clip is kept, and FFmpeg failed on it: it tries again by itself at `until`, ms since the epoch. */
  tellTakenAgain(
    tx: Transaction,
    scene: Scene,
    failure: Failure,
    next: { readonly tries: number; readonly until: number },
  ): Promise<void>
  /** A scene's clip is there: cross-fades to finished neighbours can be made while other scenes still render. */
  joinNeighbours(tx: Transaction, scene: Scene): Promise<void>
  /** The job goes on to its film, or fails once nothing of it runs any more. */
  settleJob(tx: Transaction, jobId: number): Promise<void>
}

export interface SettlingOptions {
  readonly engine: Engine
  readonly host: Host
  readonly tell: Tell
  readonly ending: Ending
  /** How often a scene may be tried in all. */
  readonly maxTries: number
  /** The wait before the second try; it doubles with each. */
  readonly retryDelayMs: number
}

export function createSettling(options: SettlingOptions): Settling {
  const { engine, host, tell, ending } = options

  const tellProgress: Settling['tellProgress'] = async (tx, job, progress) => {
    const next = risen(job.progress, progress)
    if (next.percentage === job.progress.percentage && next.stage === job.progress.stage) return
    if ((await setProgress(tx, job.id, next, host.now())) > 0)
      await tell(tx, { type: 'job_progress', jobId: job.id, data: { ...next } })
  }

  const settleJob: Settling['settleJob'] = async (tx, jobId) => {
    const job = await findJobState(tx, jobId)
    if (job?.status !== 'processing') return
    const states = await listSceneStates(tx, jobId)
    const runs = states.some(({ status }) => status === 'processing')
    if (job.error) {
      if (!runs) await ending.fail(tx, job, job.error)
    } else if (states.every(({ status }) => status === 'completed')) {
      await tellProgress(tx, job, stitching)
      await engine.enqueue(tx, { kind: 'stitch-film', subject: String(jobId), jobId })
    } else if (!runs && states.every(({ status }) => status !== 'pending')) {
      // One scene was rendered anew, and another has failed before and was left so.
      const { error } = states.find(({ status }) => status !== 'completed')!
      await ending.fail(tx, job, error ?? { code: 'scene_failed', reason: 'A scene has failed' })
    } else {
      await tellProgress(tx, job, rendering(states))
    }
  }

  return {
    tellProgress,
    settleJob,

    async tellRendering(tx, jobId) {
      const job = await findJobState(tx, jobId)
      if (job?.status === 'processing') await tellProgress(tx, job, { ...job.progress, stage: 'rendering' })
    },

    tellTakenAgain: (tx, { id: sceneId, jobId }, failure, { tries, until }) =>
      tell(tx, {
        type: 'scene_retrying',
        jobId,
        sceneId,
        data: { ...failure, tries, not_before: new Date(until).toISOString() },
      }),

    async joinNeighbours(tx, scene) {
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
    },

    async sceneEnded(tx, scene, { failure, retry, countsAsTry }) {
      const now = host.now()
      const { id: sceneId, jobId } = scene
      const told = { ...failure, scene_id: sceneId }
      const tries = scene.tries + (countsAsTry ? 1 : 0)
      const policy = retry ? ((await findJobState(tx, jobId))?.retryPolicy ?? null) : null
      const rule = retryRule(policy, failure, { maxTries: options.maxTries, delayMs: options.retryDelayMs })
      if (retry && tries < rule.maxTries) {
        const notBefore = now + retryDelay(rule, scene.tries, host.random())
        if ((await setScenePending(tx, sceneId, told, notBefore, countsAsTry ? 1 : 0, now)) > 0)
          await tell(tx, {
            type: 'scene_retrying',
            jobId,
            sceneId,
            data: { ...failure, tries, not_before: new Date(notBefore).toISOString() },
          })
      } else if ((await setSceneFailed(tx, sceneId, told, now)) > 0) {
        await tell(tx, { type: 'scene_failed', jobId, sceneId, data: { ...failure, tries } })
        await noteFailure(tx, jobId, told, now)
      }
      await settleJob(tx, jobId)
    },
  }
}
