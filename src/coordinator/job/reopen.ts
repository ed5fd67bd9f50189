/** Shared by approvals, retries and changes of scenes: the sum a job may spend, and how an ended job is reopened. */
import type { ApprovalRequest } from '../../job/control-request.ts'
import { differences } from '../../job/event.ts'
import type { Job } from '../../job/job.ts'
import { toMicros } from '../../job/price.ts'
import { created } from '../../job/progress.ts'
import type { Transaction } from '../../store/database.ts'
import { setReopened, setDeadline, setAuthorised } from '../../store/jobs.ts'
import type { Context } from '../context.ts'

export const approvedProgress = { ...created, stage: 'approved' }

/**
 * Reopens an ended job. A deadline that has passed applied to the finished film, not to the next one. Resolves to the
 * deadline still in force.
 */
export async function reopen(
  tx: Transaction,
  job: Job,
  verb: 'regenerate' | 'change',
  now: number,
): Promise<number | null> {
  const { id, status, deadlineAt } = job
  await setReopened(tx, id, verb, approvedProgress, now)
  if (status !== 'completed' || deadlineAt === null || deadlineAt > now) return deadlineAt
  await setDeadline(tx, id, null)
  return null
}

/** What a job may spend in total. */
export type Authorised = Pick<Job, 'authorisedMicros' | 'unknownCostAccepted'>

export async function authorise(
  context: Context,
  tx: Transaction,
  job: Job,
  totalMicros: number,
  { max_cost, accept_unknown_cost = false }: ApprovalRequest,
): Promise<Authorised> {
  const { host } = context
  const allowed = max_cost === undefined ? job.authorisedMicros : toMicros(max_cost)
  const authorisedMicros = Math.max(allowed, totalMicros)
  const unknownCostAccepted = accept_unknown_cost || job.unknownCostAccepted
  if (authorisedMicros > 0 || unknownCostAccepted)
    await setAuthorised(tx, job.id, { authorisedMicros, unknownCostAccepted }, host.now())
  return { authorisedMicros, unknownCostAccepted }
}

/** The changes of a job's sum and deadline, as its event lists them. */
export const allowedAnew = (job: Job, authorised: number | null, deadlineAt: number | null) =>
  differences(
    { authorised_micros: job.authorisedMicros, deadline_at: timeOrNull(job.deadlineAt) },
    { authorised_micros: authorised, deadline_at: timeOrNull(deadlineAt) },
  )

export const timeOrNull = (ms: number | null): string | null =>
  ms === null ? null : new Date(ms).toISOString()
