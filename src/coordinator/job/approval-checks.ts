/** Reasons to refuse an approval: its cost, its limits, its revision, or a job that cannot continue. */
import type { ApprovalRequest } from '../../job/control-request.ts'
import { RefusedError } from '../../job/errors.ts'
import type { Job } from '../../job/job.ts'
import { spokenMoney, toMicros, dollars } from '../../job/price.ts'
import type { Reader, Transaction } from '../../store/database.ts'
import { listDependencies } from '../../store/dependencies.ts'
import { openBudgetSnapshot } from '../admission/budget-snapshot.ts'
import type { Context } from '../context.ts'
import type { Needed } from './needed.ts'

/** Why an ended job cannot continue unchanged; undefined if it can. */
export async function whyNotAgain(
  reader: Reader,
  { id, deadlineAt }: Pick<Job, 'id' | 'deadlineAt'>,
  now: number,
): Promise<string | undefined> {
  if (deadlineAt !== null && deadlineAt <= now)
    return 'Its deadline has passed: retry it with another deadline_at, or null for none'
  const missed = (await listDependencies(reader, id)).find(
    ({ isMet, onFailure, status }) =>
      !isMet &&
      (status === null || (onFailure === 'fail' && (status === 'failed' || status === 'cancelled'))),
  )
  if (!missed) return undefined
  return missed.status === null
    ? `Job ${missed.onJobId}, which this job waits for, was deleted: create a new job`
    : `Job ${missed.onJobId}, which this job waits for, is ${missed.status}: retry that job first`
}

/** @throws {RefusedError} `approval_refused`, if the cost or a limit forbids the approval. */
export async function check(
  context: Context,
  tx: Transaction,
  job: Job,
  { totalMicros, quote, isUnknownNew }: Needed,
  { max_cost, accept_unknown_cost }: ApprovalRequest,
  done: 'approved' | 'retried' = 'approved',
): Promise<void> {
  const { host } = context
  const costRefusedHere = (reason: string, amounts: Readonly<Record<string, number | null>>) =>
    costRefused(job, reason, amounts, done)
  const snapshot = openBudgetSnapshot(tx, context.budgets, host.now())
  const budgets = quote.scenesToPay === 0 ? [] : await snapshot.budgetsFor({ ...job, jobId: job.id })
  const isUnknown = quote.micros === null
  const estimated_cost = dollarsOrNull(quote.micros)
  if (isUnknownNew && !accept_unknown_cost)
    throw costRefusedHere(
      'The price of a model is unknown; approve with accept_unknown_cost to render anyway',
      { estimated_cost },
    )
  if (isUnknown && budgets.length > 0)
    throw costRefusedHere(
      `The price of a model is unknown, so it cannot be checked against the budget ${budgets.map(({ name }) => name).join(', ')}; give the model a price`,
      { estimated_cost },
    )
  const cost = `${spokenMoney(totalMicros)}${isUnknown ? ' and an unknown sum' : ''}`
  if (max_cost !== undefined && totalMicros > toMicros(max_cost))
    throw costRefusedHere(`It costs ${cost}, more than max_cost`, { estimated_cost, max_cost })
  const ofJob = budgets.find(({ name }) => name === 'job')?.limitMicros
  if (ofJob !== undefined && totalMicros > ofJob)
    throw costRefusedHere(`It costs ${cost}, and a job's budget is ${spokenMoney(ofJob)}`, {
      estimated_cost,
      budget: dollars(ofJob),
    })
}

/** @throws {RefusedError} `job_refused` */
export async function checkAgain(
  context: Context,
  tx: Transaction,
  job: Job,
  done: 'approved' | 'retried',
): Promise<void> {
  const { host } = context
  const reason = await whyNotAgain(tx, job, host.now())
  if (reason !== undefined) throw jobRefused(job, reason, done)
}

/** An approval covers the revision that its sender could have read. @throws {RefusedError} `approval_refused` */
export function checkRevision(
  job: Job,
  { quote, totalMicros }: Needed,
  { revision }: Pick<ApprovalRequest, 'revision'>,
  done: 'approved' | 'retried' = 'approved',
): void {
  if (revision !== undefined && revision !== job.revision)
    throw costRefused(
      job,
      `The storyboard has changed: this is revision ${job.revision}, not ${revision}`,
      { revision: job.revision },
      done,
    )
  if (revision !== undefined || !job.edited || quote.scenesToPay === 0) return
  const isUnknown = quote.micros === null
  throw costRefused(
    job,
    `The job has changed since it was created and now costs ${spokenMoney(totalMicros)}${isUnknown ? ' and an unknown sum' : ''} in total: send revision ${job.revision} to approve it`,
    {
      revision: job.revision,
      estimated_cost: dollarsOrNull(quote.micros),
      total_cost: isUnknown ? null : dollars(totalMicros),
    },
    done,
  )
}

export const dollarsOrNull = (micros: number | null): number | null =>
  micros === null ? null : dollars(micros)

export const costRefused = (
  job: Job,
  reason: string,
  amounts: Readonly<Record<string, number | null>>,
  done: 'approved' | 'retried' = 'approved',
): RefusedError =>
  new RefusedError(`Job cannot be ${done}`, {
    code: 'approval_refused',
    jobId: job.id,
    currentStatus: job.status,
    reason,
    amounts,
  })

/** A rejected job spends nothing before it is submitted again. @throws {RefusedError} `job_refused` */
export function checkNotRejected(job: Job, done: 'approved' | 'retried'): void {
  if (job.rejected)
    throw jobRefused(job, `The job was rejected (${job.rejected.note}): submit it again first`, done)
}

const jobRefused = (
  { id, status }: Pick<Job, 'id' | 'status'>,
  reason: string,
  done: 'approved' | 'retried',
): RefusedError =>
  new RefusedError(`Job cannot be ${done}`, { code: 'job_refused', jobId: id, currentStatus: status, reason })
