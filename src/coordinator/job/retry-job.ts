/** Retries a failed or cancelled job, which also approves what is left of it. */
import { once } from '../../access/idempotency.ts'
import { type RetryRequest, parseRetry } from '../../job/control-request.ts'
import { transitionRefused } from '../../job/errors.ts'
import type { Actor } from '../../job/event.ts'
import type { Job } from '../../job/job.ts'
import { jobVerbs, type JobStatus } from '../../job/lifecycle.ts'
import { spokenMoney, dollars } from '../../job/price.ts'
import { logLine } from '../../log.ts'
import { requireFiles } from '../../retention/retention.ts'
import type { Transaction } from '../../store/database.ts'
import { setReopened, setDeadline, findJob } from '../../store/jobs.ts'
import { listScenes, retryScenes, setScenesApproved } from '../../store/scenes.ts'
import type { Context } from '../context.ts'
import { settleJob } from '../scene/settling.ts'
import { startJob, serveJob } from '../scene/starting.ts'
import {
  checkAgain,
  checkNotRejected,
  checkRevision,
  costRefused,
  dollarsOrNull,
  check,
} from './approval-checks.ts'
import { existingJob, keptJob } from './existing-job.ts'
import { neededFor } from './needed.ts'
import { atTodaysPrices } from './prices.ts'
import { approvedProgress, authorise, allowedAnew } from './reopen.ts'

/** @throws {RefusedError} `transition_refused`, `job_refused`, if the job cannot continue */
async function checkRetry(context: Context, tx: Transaction, job: Job): Promise<void> {
  if (!(jobVerbs.retry.from as readonly JobStatus[]).includes(job.status))
    throw transitionRefused(job, 'retry')
  await checkAgain(context, tx, job, 'retried')
}

async function retry(
  context: Context,
  tx: Transaction,
  jobId: number,
  { reason, deadline_at, ...request }: RetryRequest,
  actor: Actor,
): Promise<Job> {
  const { host, emit, wakeAdmission, wakeScheduler } = context
  const found = await existingJob(tx, jobId)
  const deadlineAt =
    deadline_at === undefined ? found.deadlineAt : deadline_at === null ? null : Date.parse(deadline_at)
  await checkRetry(context, tx, { ...found, deadlineAt })
  checkNotRejected(found, 'retried')
  const now = host.now()
  await retryScenes(tx, jobId, now)
  // Current prices: an increase needs approval like any other cost.
  const { job, scenes } = await atTodaysPrices(context, tx, found, await listScenes(tx, jobId))
  const needed = await neededFor(tx, job, scenes)
  if (needed.isMore) checkRevision(job, needed, request, 'retried')
  if (needed.isMore && !needed.isUnknownNew && request.max_cost === undefined)
    throw costRefused(
      job,
      `It costs ${spokenMoney(needed.toApproveMicros!)} more than was approved: set max_cost to ${spokenMoney(needed.totalMicros)} to approve the total`,
      { estimated_cost: dollarsOrNull(needed.quote.micros), total_cost: dollars(needed.totalMicros) },
      'retried',
    )
  await check(context, tx, job, needed, request, 'retried')
  await setReopened(tx, jobId, 'retry', approvedProgress, now)
  if (deadlineAt !== job.deadlineAt) await setDeadline(tx, jobId, deadlineAt)
  const authorised = await authorise(context, tx, job, needed.totalMicros, request)
  const data = {
    was: job.status,
    estimated_micros: needed.quote.micros,
    authorised_micros: authorised.authorisedMicros,
    ...allowedAnew(job, authorised.authorisedMicros, deadlineAt),
  }
  if (scenes.some(({ unapproved }) => unapproved)) await setScenesApproved(tx, jobId)
  await requireFiles(tx, jobId)
  await emit(tx, { type: 'job_retried', jobId, data, actor: { ...actor, reason } })
  // Only the film is missing, and no scene would start it.
  if (scenes.every(({ status }) => status === 'completed')) await startJob(context, tx, jobId)
  await serveJob(context, tx, jobId)
  await settleJob(context, tx, jobId)
  tx.afterCommit(wakeAdmission)
  tx.afterCommit(wakeScheduler)
  return (await findJob(tx, jobId))!
}

export async function retryJob(
  context: Context,
  jobId: number,
  input: unknown = {},
  actor: Actor = {},
): Promise<Job> {
  const { database, log } = context
  const request = parseRetry(input)
  const job = await once(database, actor, keptJob, (tx) => retry(context, tx, jobId, request, actor))
  logLine.jobRetried(log, jobId)
  return job
}
