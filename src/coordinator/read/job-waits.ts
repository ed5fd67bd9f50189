/** Why a job waits, by its own row: reason, code and start. Pure. */
import { type Job, type ListedJob, needsApproval } from '../../job/job.ts'
import { spokenMoney } from '../../job/price.ts'
import type { Waiting, WaitingSince } from '../admission/rules.ts'

/** Why a job waits, by its row and the sum to approve alone: cheap enough for lists. */
export function listedWait(
  job: ListedJob,
  toApproveMicros: number | null,
  now: number,
): WaitingSince | undefined {
  if (job.status === 'approved' || job.status === 'processing')
    return rowWait(job, now) ?? reviewWait(job, toApproveMicros)
  return reviewWait(job, toApproveMicros)
}

export const begunAt = ({ reopenedAt, approvedAt, insertedAt }: Omit<Job, 'storyboard'>): number =>
  reopenedAt ?? approvedAt ?? insertedAt

/** What blocks all of a job's scenes, by the job's own row. */
export function rowWait(job: Omit<Job, 'storyboard'>, now: number): WaitingSince | undefined {
  const since = begunAt(job)
  if (job.pausedAt !== null) return pausedWait(job, job.pausedAt)
  if (job.unmet > 0)
    return {
      code: 'dependency',
      reason: `${job.unmet === 1 ? 'another job' : `${job.unmet} other jobs`} must end first`,
      until: null,
      since,
    }
  if (job.runAt !== null && job.runAt > now)
    return { code: 'scheduled', reason: 'scheduled to begin later', until: job.runAt, since }
  return undefined
}

/** What a person must do before a job, or a change to it, is paid for. */
export function reviewWait(
  job: Omit<Job, 'storyboard'>,
  toApproveMicros: number | null,
): WaitingSince | undefined {
  const { status, rejected, insertedAt, endedAt } = job
  if (rejected && status !== 'cancelled')
    return {
      code: 'rejected',
      reason: `rejected (${rejected.note}): change and submit it again`,
      until: null,
      since: rejected.at,
    }
  if (!needsApproval(job, toApproveMicros)) return undefined
  return {
    code: 'approval',
    reason: status === 'pending' ? 'waiting for approval' : moreWords(toApproveMicros),
    until: null,
    since: endedAt ?? insertedAt,
  }
}

const moreWords = (toApproveMicros: number | null): string =>
  toApproveMicros === null
    ? 'needs more than was approved, at an unknown price: approve it'
    : `needs ${spokenMoney(toApproveMicros)} more than was approved: approve it`

export const pausedWait = ({ pausedReason }: Pick<Job, 'pausedReason'>, since: number): WaitingSince => ({
  code: 'job_paused',
  reason: `the job is paused until it is resumed${pausedReason === null ? '' : `: ${pausedReason}`}`,
  until: null,
  since,
})

export function dependencyWait(
  unmet: readonly { readonly onJobId: number; readonly status: string | null }[],
): Waiting {
  const [first, ...others] = unmet
  const more = others.length === 0 ? '' : ` and ${others.length} more`
  return {
    code: 'dependency',
    reason: `job ${first?.onJobId} (${first?.status ?? 'deleted'})${more} must end first`,
    until: null,
  }
}

/** Why the scenes of an inactive job wait. */
export function notActiveWait(job: Job, toApproveMicros: number | null): WaitingSince {
  const { status, insertedAt, endedAt, rejected } = job
  const since = endedAt ?? insertedAt
  if (rejected && status !== 'cancelled')
    return { code: 'job_not_approved', reason: 'the job was rejected', until: null, since: rejected.at }
  // The scene was changed after its job had ended.
  if ((status === 'completed' || status === 'failed') && toApproveMicros !== 0)
    return {
      code: 'approval',
      reason: `the job ${moreWords(toApproveMicros)}`,
      until: null,
      since,
    }
  const reason = status === 'pending' ? 'the job waits for approval' : `the job is ${status}`
  return { code: 'job_not_approved', reason, until: null, since }
}

export const stitchingWait: Waiting = {
  code: 'stitching',
  reason: 'all clips are ready; the film waits for a free slot',
  until: null,
}
