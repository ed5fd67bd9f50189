/** Approval: the one thing that lets a job spend. What it allows is a sum, and the job never spends more. */
import type { Host } from '../host.ts'
import { type Catalogue, priceOf } from '../job/catalogue.ts'
import { RefusedError, jobNotFound } from '../job/errors.ts'
import type { Job } from '../job/job.ts'
import { refusalReason } from '../job/lifecycle.ts'
import { type Money, dollars, spokenMoney, toMicros } from '../job/price.ts'
import { created } from '../job/progress.ts'
import { type ApprovalRequest, parseApproval } from '../job/request.ts'
import type { Scene } from '../job/scene.ts'
import { type Log, logLine } from '../log.ts'
import type { Database, Reader, Transaction } from '../store/database.ts'
import { findJob, setApproved, setAuthorised, setReopened, setStoryboard } from '../store/jobs.ts'
import { moneyOfJob } from '../store/money.ts'
import { listScenes, setScenePlan } from '../store/scenes.ts'
import { type Quote, quoteFor } from './quote.ts'
import type { Starting } from './starting.ts'
import type { Tell } from './tell.ts'
import { type ConfiguredBudgets, budgetLimits } from './treasury.ts'

export interface ApprovalOptions {
  readonly database: Database
  readonly host: Host
  readonly log: Log
  readonly catalogue: Catalogue
  readonly budgets: ConfiguredBudgets
  readonly starting: Starting
  readonly tell: Tell
}

/** What a job still needs to be allowed. */
export interface Needed {
  readonly quote: Quote
  /** What has become of its money so far. */
  readonly money: Money
  /** In all, with what was spent and is held back already; null where a price is unknown. */
  readonly totalMicros: number | null
  /** Whether what was allowed so far is not enough. */
  readonly isMore: boolean
}

/** What the waiting scenes of a job cost, beside what was allowed. */
export async function neededFor(reader: Reader, job: Job, scenes: readonly Scene[]): Promise<Needed> {
  const quote = await quoteFor(
    reader,
    scenes.filter(({ status }) => status === 'pending'),
  )
  const money = await moneyOfJob(reader, job.id)
  const totalMicros =
    quote.micros === null ? null : quote.micros + money.reservedMicros + money.spentMicros
  const isMore =
    quote.scenesToPay > 0 &&
    (totalMicros === null ? !job.unknownCostAccepted : totalMicros > job.authorisedMicros)
  return { quote, money, totalMicros, isMore }
}

export function createApproval(options: ApprovalOptions) {
  const { database, host, log, catalogue, starting, tell } = options

  /** Prices of another book than today's are looked up anew; whoever approves has to see them first. */
  const reprice = async (tx: Transaction, job: Job, scenes: readonly Scene[]): Promise<Job | undefined> => {
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

  /** @throws {RefusedError} `approval_refused`, where the cost or a limit forbids it. */
  const check = async (
    tx: Transaction,
    job: Job,
    { totalMicros, quote }: Needed,
    { max_cost, accept_unknown_cost }: ApprovalRequest,
  ): Promise<void> => {
    const limits = await budgetLimits(tx, options.budgets)
    const cost = quote.micros
    if (cost === null) {
      if (!accept_unknown_cost)
        throw costRefused(job, 'The price of a model is not known; approve with accept_unknown_cost to render it all the same', { estimated_cost: null })
      if (limits.size > 0)
        throw costRefused(job, `The price of a model is not known, so it cannot be held against the budget ${[...limits.keys()].join(', ')}; give the model a price`, { estimated_cost: null })
      return
    }
    const estimated_cost = dollars(cost)
    if (max_cost !== undefined && totalMicros! > toMicros(max_cost))
      throw costRefused(job, `It costs ${spokenMoney(totalMicros!)}, more than max_cost`, { estimated_cost, max_cost })
    const ofJob = limits.get('job')
    if (ofJob !== undefined && totalMicros! > ofJob)
      throw costRefused(job, `It costs ${spokenMoney(totalMicros!)}, and a job's budget is ${spokenMoney(ofJob)}`, { estimated_cost, budget: dollars(ofJob) })
  }

  const approve = async (tx: Transaction, jobId: number, request: ApprovalRequest): Promise<Job | RefusedError> => {
    const found = await findJob(tx, jobId)
    if (!found) throw jobNotFound(jobId)
    const scenes = await listScenes(tx, jobId)
    const repriced = await reprice(tx, found, scenes)
    const job = repriced ?? found
    const needed = await neededFor(tx, job, await listScenes(tx, jobId))
    if (job.status === 'cancelled' || (job.status !== 'pending' && !needed.isMore)) throw notPending(job)
    // Returned, not thrown: the new prices are kept, and the next approval is of them.
    if (repriced)
      return costRefused(
        job,
        `Prices have changed since the estimate: it costs ${needed.quote.micros === null ? 'an unknown sum' : spokenMoney(needed.quote.micros)} now. Approve it again`,
        { estimated_cost: needed.quote.micros === null ? null : dollars(needed.quote.micros) },
      )
    if (request.revision !== undefined && request.revision !== job.revision)
      throw costRefused(job, `The storyboard has changed: this is revision ${job.revision}, not ${request.revision}`, { revision: job.revision })
    await check(tx, job, needed, request)
    return allow(tx, job, needed, request)
  }

  const allow = async (
    tx: Transaction,
    job: Job,
    { totalMicros, quote }: Needed,
    { max_cost, accept_unknown_cost = false }: ApprovalRequest,
  ): Promise<Job> => {
    const now = host.now()
    const progress = { ...created, stage: 'approved' }
    if (job.status === 'pending') await setApproved(tx, job.id, progress, now)
    else if (job.endedAt !== null) await setReopened(tx, job.id, progress, now)
    const authorised = Math.max(max_cost === undefined ? 0 : toMicros(max_cost), totalMicros ?? 0)
    if (authorised > 0 || accept_unknown_cost) await setAuthorised(tx, job.id, authorised, accept_unknown_cost, now)
    const data = { estimated_micros: quote.micros, price_book: job.priceBook, authorised_micros: authorised }
    await tell(tx, { type: 'job_approved', jobId: job.id, data })
    const approved = (await findJob(tx, job.id))!
    await starting.serveJob(tx, job.id)
    return approved
  }

  return {
    async approveJob(jobId: number, input: unknown = {}): Promise<Job> {
      const request = parseApproval(input)
      const outcome = await database.transaction((tx) => approve(tx, jobId, request))
      if (outcome instanceof RefusedError) throw outcome
      logLine.jobApproved(log, jobId)
      return outcome
    },
  }
}

const notPending = (job: Job): RefusedError =>
  new RefusedError('Job cannot be approved', {
    code: 'transition_refused',
    jobId: job.id,
    verb: 'approve',
    currentStatus: job.status,
    reason: refusalReason.approve,
  })

const costRefused = (
  job: Job,
  reason: string,
  amounts: Readonly<Record<string, number | null>>,
): RefusedError =>
  new RefusedError('Job cannot be approved', {
    code: 'approval_refused',
    jobId: job.id,
    currentStatus: job.status,
    reason,
    amounts,
  })
