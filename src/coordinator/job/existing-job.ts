import { transitionRefused, RefusedError, jobNotFound } from '../../job/errors.ts'
import type { Transaction, Reader } from '../../store/database.ts'
import { findJobState, findJob } from '../../store/jobs.ts'
import type { Kept } from '../../access/idempotency.ts'
import type { Job } from '../../job/job.ts'

/** @throws {RefusedError} `job_not_found` */
export async function existingJob(reader: Reader, jobId: number): Promise<Job> {
  const job = await findJob(reader, jobId)
  if (!job) throw jobNotFound(jobId)
  return job
}

/** By its id: a job is large, and may have gone on since. */
export const keptJob: Kept<Job> = {
  keep: ({ id }) => id,
  again: (tx, kept) => existingJob(tx, Number(kept)),
}

/** Says why a guarded update found no row: no such job, or one in another state. */
export async function refused(
  tx: Transaction,
  jobId: number,
  verb: Parameters<typeof transitionRefused>[1],
): Promise<RefusedError> {
  const job = await findJobState(tx, jobId)
  return job ? transitionRefused(job, verb) : jobNotFound(jobId)
}
