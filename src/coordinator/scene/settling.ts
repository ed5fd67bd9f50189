/** What follows when a scene or an attempt has ended: another try, the scene's failure, and how its job goes on. */
import { rendering, stitching } from '../../job/progress.ts'
import type { Failure, Scene } from '../../job/scene.ts'
import { seamBetween } from '../../job/storyboard.ts'
import { retryDelay, retryRule } from '../../job/retry-policy.ts'
import type { Transaction } from '../../store/database.ts'
import { type JobState, findJob, findJobState, noteFailure } from '../../store/jobs.ts'
import {
  type SceneState,
  listNeighbours,
  listSceneStates,
  setSceneFailed,
  setScenePending,
} from '../../store/scenes.ts'
import { fail } from '../job/ending.ts'
import { emitProgress } from '../job/advance.ts'
import type { Context } from '../context.ts'

/** What of a job decides how it goes on. */
export type SettledJob = Pick<JobState, 'id' | 'status' | 'progress' | 'error'>

export interface SceneEnd {
  readonly failure: Failure
  /** Whether another try may help. */
  readonly retry: boolean
  /** Whether this was a try: a provider that is busy says nothing about the scene. */
  readonly countsAsTry: boolean
}

/** The job goes on to its film, or fails once nothing of it runs any more. */
export async function settleJob(context: Context, tx: Transaction, jobId: number): Promise<void> {
  const job = await findJobState(tx, jobId)
  if (job?.status === 'processing') await settleBy(context, tx, job, await listSceneStates(tx, jobId))
}

/** The same for a processing job whose state and scenes were read in this transaction. */
export async function settleBy(
  context: Context,
  tx: Transaction,
  job: SettledJob,
  states: readonly SceneState[],
): Promise<void> {
  const { engine } = context
  const { id: jobId } = job
  const runs = states.some(({ status }) => status === 'processing')
  if (job.error) {
    if (!runs) await fail(context, tx, job, job.error)
  } else if (states.every(({ status }) => status === 'completed')) {
    await emitProgress(context, tx, job, stitching)
    await engine.enqueue(tx, { kind: 'stitch-film', subject: String(jobId), jobId })
  } else if (!runs && states.every(({ status }) => status !== 'pending')) {
    // One scene was rendered anew, and another has failed before and was left so.
    const { error } = states.find(({ status }) => status !== 'completed')!
    await fail(context, tx, job, error ?? { code: 'scene_failed', reason: 'A scene has failed' })
  } else {
    await emitProgress(context, tx, job, rendering(states))
  }
}

/** A job's first scene is on its way to its renderer. */
export async function emitRendering(context: Context, tx: Transaction, jobId: number): Promise<void> {
  const job = await findJobState(tx, jobId)
  if (job?.status === 'processing')
    await emitProgress(context, tx, job, { ...job.progress, stage: 'rendering' })
}

/** A scene's clip is kept, and FFmpeg failed on it: it tries again by itself at `until`, ms since the epoch. */
export const emitTakenAgain = (
  context: Context,
  tx: Transaction,
  { id: sceneId, jobId }: Scene,
  failure: Failure,
  { tries, until }: { readonly tries: number; readonly until: number },
): Promise<void> =>
  context.emit(tx, {
    type: 'scene_retrying',
    jobId,
    sceneId,
    data: { ...failure, tries, not_before: new Date(until).toISOString() },
  })

/** A scene's clip is there: cross-fades to finished neighbours can be made while other scenes still render. */
export async function joinNeighbours(context: Context, tx: Transaction, scene: Scene): Promise<void> {
  const { engine } = context
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

/** A scene's attempt came to nothing: it is tried again later if that may help and it has tries left. */
export async function sceneEnded(
  context: Context,
  tx: Transaction,
  scene: Scene,
  { failure, retry, countsAsTry }: SceneEnd,
): Promise<void> {
  const { host, emit } = context
  const now = host.now()
  const { id: sceneId, jobId } = scene
  const told = { ...failure, scene_id: sceneId }
  const tries = scene.tries + (countsAsTry ? 1 : 0)
  const policy = retry ? ((await findJobState(tx, jobId))?.retryPolicy ?? null) : null
  const rule = retryRule(policy, failure, { maxTries: context.maxTries, delayMs: context.retryDelayMs })
  if (retry && tries < rule.maxTries) {
    const notBefore = now + retryDelay(rule, scene.tries, host.random())
    if ((await setScenePending(tx, sceneId, told, notBefore, countsAsTry ? 1 : 0, now)) > 0)
      await emit(tx, {
        type: 'scene_retrying',
        jobId,
        sceneId,
        data: { ...failure, tries, not_before: new Date(notBefore).toISOString() },
      })
  } else if ((await setSceneFailed(tx, sceneId, told, now)) > 0) {
    await emit(tx, { type: 'scene_failed', jobId, sceneId, data: { ...failure, tries } })
    await noteFailure(tx, jobId, told, now)
  }
  await settleJob(context, tx, jobId)
}
