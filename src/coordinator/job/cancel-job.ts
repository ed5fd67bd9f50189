/** Cancels a job by request. */
import { once } from '../../access/idempotency.ts'
import { scopeMissing } from '../../job/errors.ts'
import type { Actor } from '../../job/event.ts'
import type { Job } from '../../job/job.ts'
import { jobVerbs, type JobStatus } from '../../job/lifecycle.ts'
import { type Rights, mayApprove } from '../../job/reach.ts'
import type { Transaction } from '../../store/database.ts'
import { findJobState, findJob } from '../../store/jobs.ts'
import { moneyOfJob } from '../../store/money.ts'
import type { Context } from '../context.ts'
import { cancel } from './ending.ts'
import { keptJob, refused } from './existing-job.ts'

/** Cancels an open job and stops its renders, at providers too. @throws {RefusedError} */
export const cancelJob = (context: Context, jobId: number, actor?: Actor): Promise<Job> =>
  once(context.database, actor, keptJob, async (tx) => {
    const job = await findJobState(tx, jobId)
    if (job && isOpen(job)) await checkMayEnd(tx, job, actor?.rights)
    if (!job || !(await cancel(context, tx, job, { error: null, actor })))
      throw await refused(tx, jobId, 'cancel')
    return (await findJob(tx, jobId))!
  })

export const isOpen = ({ status }: Pick<Job, 'status'>): boolean =>
  (jobVerbs.cancel.from as readonly JobStatus[]).includes(status)

/** Paid renders may be ended with the scope approve, or with the key that created the job. @throws {RefusedError} `scope_missing` */
export async function checkMayEnd(
  tx: Transaction,
  { id, madeBy }: Pick<Job, 'id' | 'madeBy'>,
  rights: Rights | undefined,
): Promise<void> {
  if (!rights || mayApprove(rights) || madeBy === rights.id) return
  const { reservedMicros, spentMicros, unpriced } = await moneyOfJob(tx, id)
  if (reservedMicros + spentMicros + unpriced > 0)
    throw scopeMissing(
      'approve',
      `Job ${id} has paid renders and was created with another key: ending it needs a key with the scope approve`,
    )
}
