import type { Kept } from '../../access/idempotency.ts'
import { jobNotFound } from '../../job/errors.ts'
import type { Job } from '../../job/job.ts'
import type { Reader } from '../../store/database.ts'
import { findJob } from '../../store/jobs.ts'

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
