/** How a job ends before its film is there, and what follows from any end: for its renders, and for jobs that wait for it. */
import type { Asked } from '../../job/event.ts'
import { type Progress, initializing } from '../../job/progress.ts'
import type { Failure } from '../../job/scene.ts'
import { logLine } from '../../log.ts'
import { listJobInFlight, requestCancel, setAttemptCancelled } from '../../store/attempts.ts'
import type { Transaction } from '../../store/database.ts'
import { hasDependents } from '../../store/dependencies.ts'
import { type JobState, setCancelled, setFailed, setProcessing } from '../../store/jobs.ts'
import { cancelScenes, listSceneStates } from '../../store/scenes.ts'
import type { Context } from '../context.ts'

const ends = (progress: Progress, stage: 'failed' | 'cancelled'): Progress => ({
  percentage: progress.percentage,
  stage,
})

async function stopAttempts(context: Context, tx: Transaction, jobId: number): Promise<void> {
  const { host, limitOf, engine, signal } = context
  const now = host.now()
  const over: Failure = { code: 'cancelled', reason: 'The job has ended' }
  for (const attempt of await listJobInFlight(tx, jobId)) {
    const task = {
      kind: limitOf.get(attempt.renderer)?.task ?? 'follow-render',
      subject: attempt.id,
    } as const
    const isUnsent = attempt.status === 'intended' && attempt.postedAt === null
    if (task.kind === 'render-scene' || isUnsent) {
      await setAttemptCancelled(tx, attempt.id, 0, over, now)
      await engine.cancel(tx, task)
    } else {
      await requestCancel(tx, attempt.id, now)
      tx.afterCommit(() => signal.notify(attempt.id))
    }
  }
}

/**
 * What runs for a job is stopped; what was sent to a provider is ended there by who follows it. `waitingToo`: scenes that
 * wait are cancelled with those that are worked on.
 */
export async function stopWork(
  context: Context,
  tx: Transaction,
  jobId: number,
  { waitingToo }: { readonly waitingToo: boolean },
): Promise<void> {
  const { engine, emit, host, wakeAdmission } = context
  const stopped = (await listSceneStates(tx, jobId)).filter(
    ({ status }) => status === 'processing' || (waitingToo && status === 'pending'),
  )
  for (const { id: sceneId, status } of stopped) {
    if (status === 'processing') await engine.cancel(tx, { kind: 'take-clip', subject: sceneId })
    await emit(tx, { type: 'scene_cancelled', jobId, sceneId, data: {} })
  }
  if (stopped.length > 0) await cancelScenes(tx, jobId, { waitingToo, now: host.now() })
  await stopAttempts(context, tx, jobId)
  await engine.cancel(tx, { kind: 'stitch-film', subject: String(jobId) })
  tx.afterCommit(wakeAdmission)
}

/** A job has ended, however: those that wait for it are seen to. */
export async function ended(context: Context, tx: Transaction, jobId: number): Promise<void> {
  const { engine, wakeAdmission } = context
  if (await hasDependents(tx, jobId))
    await engine.enqueue(tx, { kind: 'settle-dependents', subject: String(jobId), jobId })
  // Another job may be begun in its place.
  tx.afterCommit(wakeAdmission)
}

/** Whether it was cancelled: not where the job had ended. */
export async function cancel(
  context: Context,
  tx: Transaction,
  { id, progress }: Pick<JobState, 'id' | 'progress'>,
  { error, asked }: { readonly error: Failure | null; readonly asked?: Asked | undefined },
): Promise<boolean> {
  const { host, emit, log } = context
  if ((await setCancelled(tx, id, ends(progress, 'cancelled'), error, host.now())) === 0) return false
  await emit(tx, { type: 'job_cancelled', jobId: id, data: { ...error }, asked })
  await stopWork(context, tx, id, { waitingToo: true })
  await ended(context, tx, id)
  tx.afterCommit(() => logLine.jobCancelled(log, id))
  return true
}

/** Whether it failed: not where the job isn't worked on. */
export async function fail(
  context: Context,
  tx: Transaction,
  { id, progress }: Pick<JobState, 'id' | 'progress'>,
  error: Failure,
  asked?: Asked,
): Promise<boolean> {
  const { host, emit, log } = context
  if ((await setFailed(tx, id, ends(progress, 'failed'), error, host.now())) === 0) return false
  await emit(tx, { type: 'job_failed', jobId: id, data: { ...error }, asked })
  // What waits may be rendered after a retry.
  await stopWork(context, tx, id, { waitingToo: false })
  await ended(context, tx, id)
  tx.afterCommit(() => logLine.jobFailed(log, id, error.reason))
  return true
}

/** It can't be done any more, whatever state it is in: a job that was approved fails, any other is cancelled. */
export async function giveUp(
  context: Context,
  tx: Transaction,
  job: JobState,
  error: Failure,
): Promise<void> {
  const { host, emit } = context
  // A job fails only while it is worked on: one that was approved is, for as long as that takes to say.
  if (job.status === 'approved') {
    await setProcessing(tx, job.id, initializing, host.now())
    await emit(tx, { type: 'job_processing', jobId: job.id, data: { ...initializing } })
  }
  if (job.status === 'pending') await cancel(context, tx, job, { error })
  else await fail(context, tx, job, error)
}
