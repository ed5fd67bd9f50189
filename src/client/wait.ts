/** Waits for a job's end: an event is a hint, the job's status decides. */
import type { JobAnswer } from '../http/routes/jobs.ts'
import type { JobStatus } from '../job/lifecycle.ts'
import { JobEndedError } from './error.ts'
import { type CallOptions, isPassing, pause } from './send.ts'

/** Poll interval without events, ms: a proxy may hold events back. */
const lookMs = 5_000
/** Delays before a failed poll is repeated, ms. */
const backMs = { first: 1_000, most: 30_000 } as const

export const ended: ReadonlySet<string> = new Set(['completed', 'failed', 'cancelled'] satisfies JobStatus[])

/** @throws {JobEndedError} if the job failed or was cancelled */
export async function waitForEnd(
  read: () => Promise<JobAnswer>,
  hints: (signal: AbortSignal) => AsyncIterable<unknown>,
  { signal }: CallOptions,
): Promise<JobAnswer> {
  let job = await read()
  if (!ended.has(job.status)) {
    const over = new AbortController()
    const until = AbortSignal.any(signal ? [over.signal, signal] : [over.signal])
    let hint = Promise.withResolvers<void>()
    const listen = async (): Promise<void> => {
      for await (const _ of hints(until)) hint.resolve()
    }
    // Without events, polling remains.
    listen().catch(() => {})
    try {
      let waitMs: number = backMs.first
      while (!ended.has(job.status)) {
        await Promise.race([hint.promise, pause(lookMs, until)])
        hint = Promise.withResolvers()
        try {
          job = await read()
          waitMs = backMs.first
        } catch (error) {
          signal?.throwIfAborted()
          if (!isPassing(error)) throw error
          await pause(waitMs, until)
          waitMs = Math.min(waitMs * 2, backMs.most)
        }
      }
    } finally {
      over.abort()
    }
  }
  if (job.status !== 'completed') throw new JobEndedError(job)
  return job
}
