/** Manual pause of a job, and its resumption. */
import { once } from '../../access/idempotency.ts'
import { parseWhy } from '../../job/control-request.ts'
import type { Asked } from '../../job/event.ts'
import type { Job } from '../../job/job.ts'
import { logLine } from '../../log.ts'
import { findJobState, findJob, setPaused, setResumed } from '../../store/jobs.ts'
import type { Context } from '../context.ts'
import { rejoin } from '../scene/starting.ts'
import { keptJob, refused } from './existing-job.ts'

/** Starts nothing new for the job until it is resumed; running work ends normally. Idempotent. @throws {RefusedError} */
export async function pauseJob(
  context: Context,
  jobId: number,
  input: unknown = {},
  asked: Asked = {},
): Promise<Job> {
  const { database, host, emit, log } = context
  const { reason } = parseWhy(input)
  const job = await once(database, asked, keptJob, async (tx) => {
    const before = await findJobState(tx, jobId)
    if (before?.pausedAt != null) return (await findJob(tx, jobId))!
    if ((await setPaused(tx, jobId, reason ?? null, host.now())) === 0)
      throw await refused(tx, jobId, 'pause')
    await emit(tx, { type: 'job_paused', jobId, data: {}, asked: { ...asked, reason } })
    return (await findJob(tx, jobId))!
  })
  logLine.jobPaused(log, jobId, asked.by)
  return job
}

/** @throws {RefusedError} */
export async function resumeJob(context: Context, jobId: number, asked: Asked = {}): Promise<Job> {
  const { database, host, emit, engine, log } = context
  const job = await once(database, asked, keptJob, async (tx) => {
    if ((await setResumed(tx, jobId, host.now())) === 0) throw await refused(tx, jobId, 'resume')
    await emit(tx, { type: 'job_resumed', jobId, data: {}, asked })
    await rejoin(context, tx, jobId)
    tx.afterCommit(() => engine.wake())
    return (await findJob(tx, jobId))!
  })
  logLine.jobResumed(log, jobId, asked.by)
  return job
}
