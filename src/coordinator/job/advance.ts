/** A job's progress: it only rises, and each change appends an event. */
import { type Progress, risen } from '../../job/progress.ts'
import type { Transaction } from '../../store/database.ts'
import { type JobState, findJobState, moveProgress, setProgress } from '../../store/jobs.ts'
import type { Context } from '../context.ts'

/** Jobs in the cache. */
const mostKnown = 10_000

export function rememberProgress({ knownProgress }: Context, jobId: number, progress: Progress): void {
  if (knownProgress.size >= mostKnown && !knownProgress.has(jobId))
    knownProgress.delete(knownProgress.keys().next().value!)
  knownProgress.set(jobId, progress)
}

/**
 * Records a processing job's progress. Resolves to whether the job is processing. If the row matches the cached progress,
 * one guarded update is enough; otherwise the row is read first.
 */
export async function advanceJob(
  context: Context,
  tx: Transaction,
  jobId: number,
  progress: Progress,
): Promise<boolean> {
  const { host, emit, knownProgress } = context
  const known = knownProgress.get(jobId)
  let next = known && risen(known, progress)
  if (!next || (await moveProgress(tx, jobId, { from: known!, to: next }, host.now())) === 0) {
    const job = await findJobState(tx, jobId)
    if (job?.status !== 'processing') return false
    next = risen(job.progress, progress)
    await setProgress(tx, jobId, next, host.now())
  }
  rememberProgress(context, jobId, next)
  await emit(tx, { type: 'job_progress', jobId, data: { ...next } })
  return true
}

/** The same for a processing job that this transaction has read; does nothing if the progress is unchanged. */
export async function emitProgress(
  context: Context,
  tx: Transaction,
  job: Pick<JobState, 'id' | 'progress'>,
  progress: Progress,
): Promise<void> {
  const { host, emit } = context
  const next = risen(job.progress, progress)
  if (next.percentage === job.progress.percentage && next.stage === job.progress.stage) return
  await setProgress(tx, job.id, next, host.now())
  rememberProgress(context, job.id, next)
  await emit(tx, { type: 'job_progress', jobId: job.id, data: { ...next } })
}
