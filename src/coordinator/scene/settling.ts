/** Settles a scene after an attempt has ended: another try, or the scene's failure, and the consequences for its job. */
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

/** The wait before a scene's second try; it doubles with each. */
const retryDelayMs = 2000

/** The members of a job that settling reads. */
export type SettledJob = Pick<JobState, 'id' | 'status' | 'progress' | 'error'>

export interface SceneEnd {
  readonly failure: Failure
  /** Whether another try may help. */
  readonly retry: boolean
  /** Whether this counts as a try: a busy provider says nothing about the scene. */
  readonly countsAsTry: boolean
}

/** Starts the job's film when all clips exist, or fails the job when none of its scenes runs any more. */
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
    // One scene was rendered again, while another that failed earlier was not.
    const { error } = states.find(({ status }) => status !== 'completed')!
    await fail(context, tx, job, error ?? { code: 'scene_failed', reason: 'A scene has failed' })
  } else {
    await emitProgress(context, tx, job, rendering(states))
  }
}

/** Emits the stage rendering when a job's first scene starts. */
export async function emitRendering(context: Context, tx: Transaction, jobId: number): Promise<void> {
  const job = await findJobState(tx, jobId)
  if (job?.status === 'processing')
    await emitProgress(context, tx, job, { ...job.progress, stage: 'rendering' })
}

/** Emits that FFmpeg failed on a scene's stored clip and retries at `until`, ms since the epoch. */
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

/** Enqueues the cross-fades to finished neighbours, which can be made while other scenes still render. */
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

/** Settles a scene whose attempt failed: it is retried later if that may help and tries are left. */
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
  const rule = retryRule(policy, failure, { maxTries: context.maxTries, delayMs: retryDelayMs })
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
