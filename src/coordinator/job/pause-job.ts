/** Manual pause of a job, and its resumption. */
import { once } from '../../access/idempotency.ts'
import { parseWhy } from '../../job/control-request.ts'
import type { Actor } from '../../job/event.ts'
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
  actor: Actor = {},
): Promise<Job> {
  const { database, host, emit, log } = context
  const { reason } = parseWhy(input)
  const job = await once(database, actor, keptJob, async (tx) => {
    const before = await findJobState(tx, jobId)
    if (before?.pausedAt != null) return (await findJob(tx, jobId))!
    if ((await setPaused(tx, jobId, reason ?? null, host.now())) === 0)
      throw await refused(tx, jobId, 'pause')
    await emit(tx, { type: 'job_paused', jobId, data: {}, actor: { ...actor, reason } })
    return (await findJob(tx, jobId))!
  })
  logLine.jobPaused(log, jobId, actor.by)
  return job
}

/** @throws {RefusedError} */
export async function resumeJob(context: Context, jobId: number, actor: Actor = {}): Promise<Job> {
  const { database, host, emit, engine, log } = context
  const job = await once(database, actor, keptJob, async (tx) => {
    if ((await setResumed(tx, jobId, host.now())) === 0) throw await refused(tx, jobId, 'resume')
    await emit(tx, { type: 'job_resumed', jobId, data: {}, actor })
    await rejoin(context, tx, jobId)
    tx.afterCommit(() => engine.wake())
    return (await findJob(tx, jobId))!
  })
  logLine.jobResumed(log, jobId, actor.by)
  return job
}
