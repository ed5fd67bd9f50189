/** What an approval is refused for: its cost, its limits, its revision, or a job that can't go on. */
import type { ApprovalRequest } from '../../job/control-request.ts'
import { RefusedError } from '../../job/errors.ts'
import type { Job } from '../../job/job.ts'
import { spokenMoney, toMicros, dollars } from '../../job/price.ts'
import type { Reader, Transaction } from '../../store/database.ts'
import { listDependencies } from '../../store/dependencies.ts'
import { openTreasury } from '../admission/budget-snapshot.ts'
import type { Context } from '../context.ts'
import type { Needed } from './needed.ts'

/** Why a job that has ended can't go on as it is; undefined where it can. */
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
    ? `Job ${missed.onJobId}, which it waits for, was deleted: create this one anew`
    : `Job ${missed.onJobId}, which it waits for, is ${missed.status}: retry that first`
}

/** @throws {RefusedError} `approval_refused`, where the cost or a limit forbids it. */
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
  const treasury = openTreasury(tx, context.budgets, host.now())
  const budgets = quote.scenesToPay === 0 ? [] : await treasury.budgetsFor({ ...job, jobId: job.id })
  const isUnknown = quote.micros === null
  const estimated_cost = dollarsOrNull(quote.micros)
  if (isUnknownNew && !accept_unknown_cost)
    throw costRefusedHere(
      'The price of a model is not known; approve with accept_unknown_cost to render it all the same',
      { estimated_cost },
    )
  if (isUnknown && budgets.length > 0)
    throw costRefusedHere(
      `The price of a model is not known, so it cannot be held against the budget ${budgets.map(({ name }) => name).join(', ')}; give the model a price`,
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

/** An approval is of what its giver could have seen. @throws {RefusedError} `approval_refused` */
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
    `It was changed since it was made, and costs ${spokenMoney(totalMicros)}${isUnknown ? ' and an unknown sum' : ''} in all now: name revision ${job.revision} to have it as it is`,
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

/** What was sent back is not paid for as it is. @throws {RefusedError} `job_refused` */
export function checkNotRejected(job: Job, done: 'approved' | 'retried'): void {
  if (job.rejected)
    throw jobRefused(job, `It was rejected (${job.rejected.note}): submit it again first`, done)
}

const jobRefused = (
  { id, status }: Pick<Job, 'id' | 'status'>,
  reason: string,
  done: 'approved' | 'retried',
): RefusedError =>
  new RefusedError(`Job cannot be ${done}`, { code: 'job_refused', jobId: id, currentStatus: status, reason })
