/** Review: a rejected job goes back to its author, who changes it and submits it again. */
import { RefusedError, transitionRefused } from '../../job/errors.ts'
import type { Actor } from '../../job/event.ts'
import { type Job, needsApproval } from '../../job/job.ts'
import { parseRejection, parseWhy } from '../../job/control-request.ts'
import { setRejected } from '../../store/jobs.ts'
import { listScenes } from '../../store/scenes.ts'
import { neededFor } from './needed.ts'
import { existingJob, keptJob } from './existing-job.ts'
import { once } from '../../access/idempotency.ts'
import type { Context } from '../context.ts'

/** Rejects a pending job: it cannot be approved until it is submitted again. @throws {RefusedError} `job_not_found`, `transition_refused`, `invalid` */
export async function rejectJob(
  context: Context,
  jobId: number,
  input: unknown,
  actor: Actor = {},
): Promise<Job> {
  const { database, host, emit } = context
  const { note } = parseRejection(input)
  return once(database, actor, keptJob, async (tx) => {
    const job = await existingJob(tx, jobId)
    const { toApproveMicros } = await neededFor(tx, job, await listScenes(tx, jobId))
    if (job.rejected)
      throw new RefusedError('Job cannot be rejected', {
        code: 'job_refused',
        jobId,
        currentStatus: job.status,
        reason: `The job is already rejected (${job.rejected.note})`,
      })
    if (!needsApproval(job, toApproveMicros)) throw transitionRefused(job, 'reject')
    const now = host.now()
    await setRejected(tx, jobId, { at: now, by: actor.by ?? null, note }, now)
    await emit(tx, { type: 'job_rejected', jobId, data: {}, actor: { ...actor, reason: note } })
    return existingJob(tx, jobId)
  })
}

/** Submits a rejected job for approval again. @throws {RefusedError} likewise */
export async function submitJob(
  context: Context,
  jobId: number,
  input: unknown = {},
  actor: Actor = {},
): Promise<Job> {
  const { database, host, emit } = context
  const { reason } = parseWhy(input)
  return once(database, actor, keptJob, async (tx) => {
    const job = await existingJob(tx, jobId)
    if (!job.rejected) throw transitionRefused(job, 'submit')
    await setRejected(tx, jobId, null, host.now())
    await emit(tx, { type: 'job_submitted', jobId, data: {}, actor: { ...actor, reason } })
    return existingJob(tx, jobId)
  })
}
