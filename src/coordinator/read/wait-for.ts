/** Waits for a job's end, for programs in this process. */
import type { PubSub } from '../../events/pubsub.ts'
import type { Job } from '../../job/job.ts'

/** A job that was waited for failed or was cancelled. */
export class JobEndedError extends Error {
  /** The job as read: `status` is `failed` or `cancelled`, `error` gives the reason. */
  readonly job: Job
  constructor(job: Job) {
    super(
      job.status === 'failed'
        ? `Job ${job.id} failed: ${job.error?.reason ?? 'no reason given'}`
        : `Job ${job.id} was cancelled`,
    )
    this.name = 'JobEndedError'
    this.job = job
  }
}

export interface WaitOptions {
  /** Ends the wait, such as `AbortSignal.timeout(3_600_000)`. */
  readonly signal?: AbortSignal
}

/**
 * Resolves with the job once it is completed, at once if it already is. It keeps waiting while the job waits,
 * even for an approval.
 * @throws {JobEndedError} if the job failed or was cancelled
 * @throws {RefusedError} `job_not_found`
 */
export type WaitFor = (jobId: number, options?: WaitOptions) => Promise<Job>

export interface WaitForParts {
  readonly readJob: (jobId: number) => Promise<Job>
  readonly pubsub: Pick<PubSub, 'subscribe'>
  /** Fires when the coordinator closes: no job ends after that. */
  readonly closed: AbortSignal
}

export const createWaitFor =
  ({ readJob, pubsub, closed }: WaitForParts): WaitFor =>
  async (jobId, { signal } = {}) => {
    const stop = AbortSignal.any(signal ? [signal, closed] : [closed])
    const stopped = Promise.withResolvers<never>()
    stopped.promise.catch(() => {})
    stop.addEventListener('abort', () => stopped.reject(stop.reason), { once: true })
    let heard = Promise.withResolvers<void>()
    const unsubscribe = pubsub.subscribe('jobs:*', ({ job_id, type }) => {
      if (job_id === jobId && /^job_(?:completed|failed|cancelled)$/.test(type)) heard.resolve()
    })
    try {
      for (;;) {
        stop.throwIfAborted()
        heard = Promise.withResolvers()
        const job = await readJob(jobId)
        if (job.status === 'completed') return job
        if (job.status === 'failed' || job.status === 'cancelled') throw new JobEndedError(job)
        await Promise.race([heard.promise, stopped.promise])
      }
    } finally {
      unsubscribe()
    }
  }
