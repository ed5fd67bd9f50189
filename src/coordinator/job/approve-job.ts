/** Approval: the one thing that lets a job spend. What it allows is a sum, and the job never spends more. */
import { priceOf } from '../../job/catalogue.ts'
import { RefusedError, transitionRefused } from '../../job/errors.ts'
import type { Job } from '../../job/job.ts'
import { type Asked, differences } from '../../job/event.ts'
import { type JobStatus, jobVerbs } from '../../job/lifecycle.ts'
import { type Money, noMoney, dollars, spokenMoney, toMicros } from '../../job/price.ts'
import { created } from '../../job/progress.ts'
import {
  type ApprovalRequest,
  type RetryRequest,
  parseApproval,
  parseRetry,
} from '../../job/control-request.ts'
import type { Scene } from '../../job/scene.ts'
import { logLine } from '../../log.ts'
import type { Reader, Transaction } from '../../store/database.ts'
import { listDependencies } from '../../store/dependencies.ts'
import {
  findJob,
  listOtherwisePriced,
  setApproved,
  setAuthorised,
  setDeadline,
  setReopened,
  setStoryboard,
} from '../../store/jobs.ts'
import { moneyOfJob } from '../../store/money.ts'
import { listScenes, retryScenes, setScenePlan, setScenesApproved } from '../../store/scenes.ts'
import { requireClips, requireFiles } from '../../retention/retention.ts'
import { existingJob, keptJob } from './existing-job.ts'
import { type Kept, once } from '../../access/idempotency.ts'
import { type KnownScene, type Quote, quoteFor, quoteOf, withServed } from './quote.ts'
import { settleJob } from '../scene/settling.ts'
import { serveJob, startJob } from '../scene/starting.ts'
import { openTreasury } from '../admission/budget-snapshot.ts'
import type { Context } from '../context.ts'

/** What a job still needs to be allowed. */
export interface Needed {
  readonly quote: Quote
  /** What has become of its money so far. */
  readonly money: Money
  /** In all, with what was spent and is held back already; what is of unknown price is not in it. */
  readonly totalMicros: number
  /** Whether what was allowed so far is not enough. */
  readonly isMore: boolean
  /** Whether a price among it is unknown, and that was not accepted. */
  readonly isUnknownNew: boolean
  /** What is to be allowed beyond that; null: an unknown price. */
  readonly toApproveMicros: number | null
}

const unknownIn = ({ byScene }: Quote): number => byScene.filter((micros) => micros === null).length

/** What the waiting scenes of a job cost, beside what was allowed. */
export async function neededFor(reader: Reader, job: Job, scenes: readonly Scene[]): Promise<Needed> {
  const waiting = await withServed(
    reader,
    scenes.filter(({ status }) => status === 'pending'),
  )
  // One that was never approved has bought nothing.
  return neededOf(job, waiting, job.status === 'pending' ? noMoney : await moneyOfJob(reader, job.id))
}

/** `waiting`: its scenes that wait, in their order. */
export function neededOf(
  job: Pick<Job, 'authorisedMicros' | 'unknownCostAccepted'>,
  waiting: readonly (KnownScene & Pick<Scene, 'unapproved'>)[],
  money: Money,
): Needed {
  const approved = waiting.filter(({ unapproved }) => !unapproved)
  const quote = quoteOf(waiting)
  // No sum that was approved for other scenes is for those that were changed since.
  const covered = approved.length === waiting.length ? quote : quoteOf(approved)
  const uncoveredMicros = quote.knownMicros - covered.knownMicros
  const isUncoveredUnknown = unknownIn(quote) > unknownIn(covered)
  const totalMicros = quote.knownMicros + money.reservedMicros + money.spentMicros
  const isUnknownNew = quote.micros === null && (!job.unknownCostAccepted || isUncoveredUnknown)
  const moreMicros =
    quote.scenesToPay > 0 ? Math.max(0, totalMicros - job.authorisedMicros, uncoveredMicros) : 0
  const isMore = isUnknownNew || moreMicros > 0
  return {
    quote,
    money,
    totalMicros,
    isMore,
    isUnknownNew,
    toApproveMicros: isUnknownNew ? null : moreMicros,
  }
}

const approvedProgress = { ...created, stage: 'approved' }

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

/**
 * A job that has ended goes on with what was changed. A deadline that has passed was that of the finished film, and not of
 * the next one. Resolves to the deadline that is left.
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

/** Prices of another book than today's are looked up anew; whoever approves has to see them first. */
async function reprice(
  context: Context,
  tx: Transaction,
  job: Job,
  scenes: readonly Scene[],
): Promise<Job | undefined> {
  const { catalogue, host } = context
  if (job.priceBook === catalogue.version) return undefined
  const now = host.now()
  let changed = false
  const repriced: Scene[] = []
  for (const scene of scenes) {
    const price_micros = scene.render ? priceOf(catalogue, scene.model, scene.render) : scene.price_micros
    const isNew = scene.status === 'pending' && price_micros !== scene.price_micros
    if (isNew) await setScenePlan(tx, scene.id, { ...scene, price_micros }, now)
    changed ||= isNew
    repriced.push(isNew ? { ...scene, price_micros } : scene)
  }
  if (!changed) return undefined
  const { micros } = await quoteFor(
    tx,
    repriced.filter(({ status }) => status === 'pending'),
  )
  const plans = job.storyboard.scenes.map((plan, position) => ({
    ...plan,
    price_micros: repriced[position]!.price_micros,
  }))
  const storyboard = { ...job.storyboard, scenes: plans }
  await setStoryboard(tx, job.id, { storyboard, estimatedMicros: micros, priceBook: catalogue.version }, now)
  return findJob(tx, job.id)
}

/** A job and its scenes with the prices of today. */
async function atTodaysPrices(context: Context, tx: Transaction, found: Job) {
  const scenes = await listScenes(tx, found.id)
  const repriced = await reprice(context, tx, found, scenes)
  return repriced
    ? { job: repriced, scenes: await listScenes(tx, found.id), isRepriced: true }
    : { job: found, scenes, isRepriced: false }
}

/** @throws {RefusedError} `approval_refused`, where the cost or a limit forbids it. */
async function check(
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

async function approve(
  context: Context,
  tx: Transaction,
  jobId: number,
  request: ApprovalRequest,
  asked: Asked | undefined,
): Promise<Job | RefusedError> {
  const found = await existingJob(tx, jobId)
  const { job, scenes, isRepriced } = await atTodaysPrices(context, tx, found)
  const needed = await neededFor(tx, job, scenes)
  if (job.status === 'cancelled' || (job.status !== 'pending' && !needed.isMore))
    throw transitionRefused(job, 'approve')
  if (job.status === 'failed') await checkAgain(context, tx, job, 'approved')
  checkNotRejected(job, 'approved')
  // Returned, not thrown: the new prices are kept, and the next approval is of them.
  if (isRepriced)
    return costRefused(
      job,
      `Prices have changed since the estimate: it costs ${needed.quote.micros === null ? 'an unknown sum' : spokenMoney(needed.quote.micros)} now. Approve it again`,
      { estimated_cost: dollarsOrNull(needed.quote.micros) },
    )
  checkRevision(job, needed, request)
  await check(context, tx, job, needed, request)
  return allow(context, tx, { job, scenes, ...needed }, request, asked)
}

async function allow(
  context: Context,
  tx: Transaction,
  { job, scenes, totalMicros, quote }: Needed & { readonly job: Job; readonly scenes: readonly Scene[] },
  request: ApprovalRequest,
  asked: Asked | undefined,
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
  // One that has not begun has nothing that could have been removed.
  if (job.status !== 'pending') await requireClips(tx, job.id)
  await emit(tx, { type: 'job_approved', jobId: job.id, data, asked })
  const approved = placed
    ? firstApproved(job, { ...placed, ...authorised }, now)
    : (await findJob(tx, job.id))!
  if (scenes.some(({ forced }) => !forced)) await serveJob(context, tx, job.id)
  if (job.runAt !== null) tx.afterCommit(wakeScheduler)
  return approved
}

/** What a job may spend in all. */
type Authorised = Pick<Job, 'authorisedMicros' | 'unknownCostAccepted'>

async function authorise(
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
    await setAuthorised(tx, job.id, authorisedMicros, unknownCostAccepted, host.now())
  return { authorisedMicros, unknownCostAccepted }
}

/** A job as its first approval leaves it. */
const firstApproved = (job: Job, given: Authorised & Pick<Job, 'queueAt'>, now: number): Job => ({
  ...job,
  ...given,
  status: 'approved',
  progress: approvedProgress,
  approvedAt: now,
  updatedAt: now,
})

/** Whether a job that has ended could go on at all. @throws {RefusedError} `transition_refused`, `job_refused` */
async function checkRetry(context: Context, tx: Transaction, job: Job): Promise<void> {
  if (!(jobVerbs.retry.from as readonly JobStatus[]).includes(job.status))
    throw transitionRefused(job, 'retry')
  await checkAgain(context, tx, job, 'retried')
}

/** @throws {RefusedError} `job_refused` */
async function checkAgain(
  context: Context,
  tx: Transaction,
  job: Job,
  done: 'approved' | 'retried',
): Promise<void> {
  const { host } = context
  const reason = await whyNotAgain(tx, job, host.now())
  if (reason !== undefined) throw jobRefused(job, reason, done)
}

async function retry(
  context: Context,
  tx: Transaction,
  jobId: number,
  { reason, deadline_at, ...request }: RetryRequest,
  asked: Asked,
): Promise<Job> {
  const { host, emit, wakeAdmission, wakeScheduler } = context
  const found = await existingJob(tx, jobId)
  const deadlineAt =
    deadline_at === undefined ? found.deadlineAt : deadline_at === null ? null : Date.parse(deadline_at)
  await checkRetry(context, tx, { ...found, deadlineAt })
  checkNotRejected(found, 'retried')
  const now = host.now()
  await retryScenes(tx, jobId, now)
  // Prices of today: what they make dearer is asked for like anything that was not approved.
  const { job, scenes } = await atTodaysPrices(context, tx, found)
  const needed = await neededFor(tx, job, scenes)
  if (needed.isMore) checkRevision(job, needed, request, 'retried')
  if (needed.isMore && !needed.isUnknownNew && request.max_cost === undefined)
    throw costRefused(
      job,
      `It costs ${spokenMoney(needed.toApproveMicros!)} more than was approved: allow ${spokenMoney(needed.totalMicros)} in all with max_cost`,
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
  await emit(tx, { type: 'job_retried', jobId, data, asked: { ...asked, reason } })
  // Only its film is wanting, and nothing else would begin that.
  if (scenes.every(({ status }) => status === 'completed')) await startJob(context, tx, jobId)
  await serveJob(context, tx, jobId)
  await settleJob(context, tx, jobId)
  tx.afterCommit(wakeAdmission)
  tx.afterCommit(wakeScheduler)
  return (await findJob(tx, jobId))!
}

/** Approved jobs that wait are held to today's prices, and to the sum that was approved. */
export async function repriceActive(context: Context, tx: Transaction): Promise<void> {
  const { catalogue } = context
  for (const id of await listOtherwisePriced(tx, catalogue.version))
    await reprice(context, tx, (await findJob(tx, id))!, await listScenes(tx, id))
}

export async function retryJob(
  context: Context,
  jobId: number,
  input: unknown = {},
  asked: Asked = {},
): Promise<Job> {
  const { database, log } = context
  const request = parseRetry(input)
  const job = await once(database, asked, keptJob, (tx) => retry(context, tx, jobId, request, asked))
  logLine.jobRetried(log, jobId)
  return job
}

export async function approveJob(
  context: Context,
  jobId: number,
  input: unknown = {},
  asked?: Asked,
): Promise<Job> {
  const { database, log } = context
  const request = parseApproval(input)
  const outcome = await once(database, asked, keptOutcome, (tx) =>
    approve(context, tx, jobId, request, asked),
  )
  if (outcome instanceof RefusedError) throw outcome
  logLine.jobApproved(log, jobId)
  return outcome
}

/** A refusal that has kept new prices is the answer, too: sent again, it must not approve them. */
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

/** An approval is of what its giver could have seen. @throws {RefusedError} `approval_refused` */
function checkRevision(
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

/** What an approval changes of a job's sum and deadline, as it is told. */
const allowedAnew = (job: Job, authorised: number | null, deadlineAt: number | null) =>
  differences(
    { authorised_micros: job.authorisedMicros, deadline_at: timeOrNull(job.deadlineAt) },
    { authorised_micros: authorised, deadline_at: timeOrNull(deadlineAt) },
  )

export const timeOrNull = (ms: number | null): string | null =>
  ms === null ? null : new Date(ms).toISOString()

const dollarsOrNull = (micros: number | null): number | null => (micros === null ? null : dollars(micros))

const costRefused = (
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
function checkNotRejected(job: Job, done: 'approved' | 'retried'): void {
  if (job.rejected)
    throw jobRefused(job, `It was rejected (${job.rejected.note}): submit it again first`, done)
}

const jobRefused = (
  { id, status }: Pick<Job, 'id' | 'status'>,
  reason: string,
  done: 'approved' | 'retried',
): RefusedError =>
  new RefusedError(`Job cannot be ${done}`, { code: 'job_refused', jobId: id, currentStatus: status, reason })
