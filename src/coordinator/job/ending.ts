/** Ends a job before its film exists, and does what every end requires: stop its renders, settle the jobs that wait for it. */
import type { Attempt } from '../../job/attempt.ts'
import type { Actor } from '../../job/event.ts'
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

async function stopAttempts(context: Context, tx: Transaction, inFlight: readonly Attempt[]): Promise<void> {
  const { host, limitOf, engine, signal } = context
  const now = host.now()
  const over: Failure = { code: 'cancelled', reason: 'The job has ended' }
  for (const attempt of inFlight) {
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
 * Stops a job's work; a render at a provider is ended by the task that follows it. `waitingToo`: pending scenes are
 * cancelled with the processing ones.
 */
export async function stopWork(
  context: Context,
  tx: Transaction,
  jobId: number,
  { waitingToo }: { readonly waitingToo: boolean },
): Promise<void> {
  const { engine, emit, host, wakeAdmission } = context
  const [states, inFlight] = await Promise.all([listSceneStates(tx, jobId), listJobInFlight(tx, jobId)])
  const stopped = states.filter(
    ({ status }) => status === 'processing' || (waitingToo && status === 'pending'),
  )
  for (const { id: sceneId, status } of stopped) {
    if (status === 'processing') await engine.cancel(tx, { kind: 'take-clip', subject: sceneId })
    await emit(tx, { type: 'scene_cancelled', jobId, sceneId, data: {} })
  }
  if (stopped.length > 0) await cancelScenes(tx, jobId, { waitingToo, now: host.now() })
  await stopAttempts(context, tx, inFlight)
  await engine.cancel(tx, { kind: 'stitch-film', subject: String(jobId) })
  tx.afterCommit(wakeAdmission)
}

/** Runs at every end of a job: settles the jobs that wait for it. */
export async function ended(context: Context, tx: Transaction, jobId: number): Promise<void> {
  const { engine, wakeAdmission } = context
  if (await hasDependents(tx, jobId))
    await engine.enqueue(tx, { kind: 'settle-dependents', subject: String(jobId), jobId })
  // Its slot under the limit of jobs is free.
  tx.afterCommit(wakeAdmission)
}

/** Resolves to false if the job had already ended. */
export async function cancel(
  context: Context,
  tx: Transaction,
  { id, progress }: Pick<JobState, 'id' | 'progress'>,
  { error, actor }: { readonly error: Failure | null; readonly actor?: Actor | undefined },
): Promise<boolean> {
  const { host, emit, log } = context
  if ((await setCancelled(tx, id, ends(progress, 'cancelled'), error, host.now())) === 0) return false
  await emit(tx, { type: 'job_cancelled', jobId: id, data: { ...error }, actor })
  await Promise.all([stopWork(context, tx, id, { waitingToo: true }), ended(context, tx, id)])
  tx.afterCommit(() => logLine.jobCancelled(log, id))
  return true
}

/** Resolves to false if the job is not processing. */
export async function fail(
  context: Context,
  tx: Transaction,
  { id, progress }: Pick<JobState, 'id' | 'progress'>,
  error: Failure,
  actor?: Actor,
): Promise<boolean> {
  const { host, emit, log } = context
  if ((await setFailed(tx, id, ends(progress, 'failed'), error, host.now())) === 0) return false
  await emit(tx, { type: 'job_failed', jobId: id, data: { ...error }, actor })
  // What waits may be rendered after a retry.
  await Promise.all([stopWork(context, tx, id, { waitingToo: false }), ended(context, tx, id)])
  tx.afterCommit(() => logLine.jobFailed(log, id, error.reason))
  return true
}

/** Ends a job that can no longer succeed: an approved or processing job fails, a pending one is cancelled. */
export async function giveUp(
  context: Context,
  tx: Transaction,
  job: JobState,
  error: Failure,
): Promise<void> {
  const { host, emit } = context
  // Only a processing job may fail, so an approved one passes through processing in this transaction.
  if (job.status === 'approved') {
    await setProcessing(tx, job.id, initializing, host.now())
    await emit(tx, { type: 'job_processing', jobId: job.id, data: { ...initializing } })
  }
  if (job.status === 'pending') await cancel(context, tx, job, { error })
  else await fail(context, tx, job, error)
}
