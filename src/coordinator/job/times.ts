/** A job's start time and deadline. */
import { invalidField } from '../../job/errors.ts'
import type { Job } from '../../job/job.ts'

const time = (given: string | null | undefined, old: number | null): number | null =>
  given === undefined ? old : given === null ? null : Date.parse(given)

/** @throws {RefusedError} `invalid`, if the deadline has passed or precedes the start. */
export function timesOf(
  {
    run_at,
    deadline_at,
  }: { readonly run_at?: string | null | undefined; readonly deadline_at?: string | null | undefined },
  before: Pick<Job, 'runAt' | 'deadlineAt'>,
  now: number,
): Pick<Job, 'runAt' | 'deadlineAt'> {
  const runAt = time(run_at, before.runAt)
  const deadlineAt = time(deadline_at, before.deadlineAt)
  if (typeof deadline_at === 'string' && deadlineAt !== null && deadlineAt <= now)
    throw invalidField('deadline_at', 'must be in the future')
  if (runAt !== null && deadlineAt !== null && deadlineAt <= runAt)
    throw invalidField('deadline_at', 'must be after run_at')
  return { runAt, deadlineAt }
}
