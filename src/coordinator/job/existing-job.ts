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

/** Stores the id alone: a job is large, and a replay returns its current state. */
export const keptJob: Kept<Job> = {
  keep: ({ id }) => id,
  again: (tx, kept) => existingJob(tx, Number(kept)),
}

/** The error for a guarded update that changed no row: no such job, or a job in another state. */
export async function refused(
  tx: Transaction,
  jobId: number,
  verb: Parameters<typeof transitionRefused>[1],
): Promise<RefusedError> {
  const job = await findJobState(tx, jobId)
  return job ? transitionRefused(job, verb) : jobNotFound(jobId)
}
