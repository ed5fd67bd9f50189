/** Starts a job, and lets its scenes reuse stored clips: free, and without a slot at a renderer. */
import { type Progress, initializing, renderedShare } from '../../job/progress.ts'
import { logLine } from '../../log.ts'
import { setTakenAgain } from '../../store/attempts.ts'
import type { Transaction } from '../../store/database.ts'
import { requeue, setProcessing } from '../../store/jobs.ts'
import {
  type ServedScene,
  listServedBy,
  listServedOfJob,
  setSceneProcessing,
  setSceneProgress,
} from '../../store/scenes.ts'
import { freeJobSlots, limitsNow } from '../admission/limits.ts'
import { settleJob } from './settling.ts'
import type { Context } from '../context.ts'
import { rememberProgress } from '../job/advance.ts'

/** Sets an approved job to processing. `progress`: not `initializing` if its first scene starts with it. */
export async function startJob(
  context: Context,
  tx: Transaction,
  jobId: number,
  progress: Progress = initializing,
): Promise<void> {
  const { host, emit, log } = context
  await setProcessing(tx, jobId, progress, host.now())
  rememberProgress(context, jobId, progress)
  await emit(tx, { type: 'job_processing', jobId, data: { ...initializing } })
  tx.afterCommit(() => logLine.jobProcessing(log, jobId))
}

async function serve(context: Context, tx: Transaction, scenes: readonly ServedScene[]): Promise<void> {
  const { host, emit, engine } = context
  const begun = new Set<number>()
  let places: number | undefined
  for (const { id: sceneId, jobId, jobApproved, paidBy, isUntaken } of scenes) {
    if (jobApproved && !begun.has(jobId)) {
      places ??= await freeJobSlots(tx, (await limitsNow(tx)).jobs, host.now())
      // The job reuses its clips when it starts.
      if (places <= 0) continue
      places--
      await startJob(context, tx, jobId)
    }
    begun.add(jobId)
    const now = host.now()
    await setSceneProcessing(tx, sceneId, paidBy, now)
    await setSceneProgress(tx, sceneId, renderedShare, now)
    await emit(tx, { type: 'scene_processing', jobId, sceneId, data: { kept: true } })
    if (paidBy !== null && isUntaken) {
      await setTakenAgain(tx, paidBy, now)
      await engine.enqueue(tx, { kind: 'follow-render', subject: paidBy, jobId })
    } else await engine.enqueue(tx, { kind: 'take-clip', subject: sceneId, jobId })
  }
  for (const jobId of begun) await settleJob(context, tx, jobId)
}

/** Lets the pending scenes of an active job use the clips stored for them, and those they have paid for. */
export const serveJob = async (context: Context, tx: Transaction, jobId: number): Promise<void> =>
  serve(context, tx, await listServedOfJob(tx, jobId))

/** Puts a job back into the queue when it may start again, and lets its scenes use stored clips. */
export async function rejoin(context: Context, tx: Transaction, jobId: number): Promise<void> {
  const { host, wakeAdmission } = context
  await requeue(tx, jobId, host.now())
  await serveJob(context, tx, jobId)
  tx.afterCommit(wakeAdmission)
}

/** Lets all scenes that wait for this clip use it. */
export const serveRender = async (context: Context, tx: Transaction, renderKey: string): Promise<void> =>
  serve(context, tx, await listServedBy(tx, renderKey))
