import { jobNotFound } from '../job/errors.ts'
import type { Job } from '../job/job.ts'
import type { Reader } from '../store/database.ts'
import { findJob } from '../store/jobs.ts'

/** @throws {RefusedError} `job_not_found` */
export async function existingJob(reader: Reader, jobId: number): Promise<Job> {
  const job = await findJob(reader, jobId)
  if (!job) throw jobNotFound(jobId)
  return job
}
