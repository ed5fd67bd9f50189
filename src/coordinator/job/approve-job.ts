/** Approval: the only verb that lets a job spend. It allows a sum, and the job never spends more. */
import { once, type Kept } from '../../access/idempotency.ts'
import { type ApprovalRequest, parseApproval } from '../../job/control-request.ts'
import { RefusedError, transitionRefused } from '../../job/errors.ts'
import type { Actor } from '../../job/event.ts'
import type { Job } from '../../job/job.ts'
import { spokenMoney } from '../../job/price.ts'
import type { Scene } from '../../job/scene.ts'
import { logLine } from '../../log.ts'
import { requireClips } from '../../retention/retention.ts'
import { changedFacts } from '../../store/sql.ts'
import type { Transaction } from '../../store/database.ts'
import { setApproved, findJob } from '../../store/jobs.ts'
import { listScenes, setScenesApproved } from '../../store/scenes.ts'
import type { Context } from '../context.ts'
import { serveJob } from '../scene/starting.ts'
import {
  checkAgain,
  checkNotRejected,
  costRefused,
  dollarsOrNull,
  checkRevision,
  check,
} from './approval-checks.ts'
import { existingJob, keptJob } from './existing-job.ts'
import { neededFor, type Needed } from './needed.ts'
import { atTodaysPrices } from './prices.ts'
import { approvedProgress, reopen, authorise, allowedAnew, type Authorised } from './reopen.ts'

async function approve(
  context: Context,
  tx: Transaction,
  jobId: number,
  request: ApprovalRequest,
  actor: Actor | undefined,
): Promise<Job | RefusedError> {
  const [found, stored] = await Promise.all([existingJob(tx, jobId), listScenes(tx, jobId)])
  const { job, scenes, isRepriced } = await atTodaysPrices(context, tx, found, stored)
  const needed = await neededFor(tx, job, scenes)
  if (job.status === 'cancelled' || (job.status !== 'pending' && !needed.isMore))
    throw transitionRefused(job, 'approve')
  if (job.status === 'failed') await checkAgain(context, tx, job, 'approved')
  checkNotRejected(job, 'approved')
  // Returned, not thrown, so that the transaction commits the new prices; the next approval covers them.
  if (isRepriced)
    return costRefused(
      job,
      `Prices have changed since the estimate: it costs ${needed.quote.micros === null ? 'an unknown sum' : spokenMoney(needed.quote.micros)} now. Approve it again`,
      { estimated_cost: dollarsOrNull(needed.quote.micros) },
    )
  checkRevision(job, needed, request)
  await check(context, tx, job, needed, request)
  return allow(context, tx, { job, scenes, ...needed }, request, actor)
}

async function allow(
  context: Context,
  tx: Transaction,
  { job, scenes, totalMicros, quote }: Needed & { readonly job: Job; readonly scenes: readonly Scene[] },
  request: ApprovalRequest,
  actor: Actor | undefined,
): Promise<Job> {
  const { host, emit, wakeScheduler } = context
  const now = host.now()
  const placed = job.status === 'pending' ? await setApproved(tx, job.id, approvedProgress, now) : undefined
  const deadlineAt = job.endedAt === null ? job.deadlineAt : await reopen(tx, job, 'regenerate', now)
  const authorised = await authorise(context, tx, job, totalMicros, request)
  if (scenes.some(({ unapproved }) => unapproved)) await setScenesApproved(tx, job.id)
  const data = {
    estimated_micros: quote.micros,
    price_book: job.priceBook,
    authorised_micros: authorised.authorisedMicros,
    ...allowedAnew(job, authorised.authorisedMicros, deadlineAt),
  }
  // A pending job has no clips yet that retention could have removed.
  if (job.status !== 'pending') await requireClips(tx, job.id)
  await emit(tx, { type: 'job_approved', jobId: job.id, data, actor })
  const approved = placed
    ? firstApproved(job, { ...placed, ...authorised }, now)
    : (await findJob(tx, job.id))!
  if (scenes.some(({ forced }) => !forced)) await serveJob(context, tx, job.id)
  if (job.runAt !== null) tx.afterCommit(wakeScheduler)
  return approved
}

/** A job after its first approval. */
const firstApproved = (job: Job, given: Authorised & Pick<Job, 'queueAt'>, now: number): Job =>
  changedFacts(job, {
    ...given,
    status: 'approved',
    progress: approvedProgress,
    approvedAt: now,
    updatedAt: now,
  })

export async function approveJob(
  context: Context,
  jobId: number,
  input: unknown = {},
  actor?: Actor,
): Promise<Job> {
  const { database, log } = context
  const request = parseApproval(input)
  const outcome = await once(database, actor, keptOutcome, (tx) =>
    approve(context, tx, jobId, request, actor),
  )
  if (outcome instanceof RefusedError) throw outcome
  logLine.jobApproved(log, jobId)
  return outcome
}

/** A refusal that stored new prices is replayed too: the same request, sent again, must not approve them. */
const keptOutcome: Kept<Job | RefusedError> = {
  keep: (outcome) =>
    outcome instanceof RefusedError
      ? { message: outcome.message, refusal: outcome.refusal }
      : keptJob.keep(outcome),
  again: (tx, kept) =>
    isRefusal(kept) ? Promise.resolve(new RefusedError(kept.message, kept.refusal)) : keptJob.again(tx, kept),
}

const isRefusal = (kept: unknown): kept is Pick<RefusedError, 'message' | 'refusal'> =>
  typeof kept === 'object' && kept !== null
