/** Everything that needs a person, in one answer: each kind with its number and the first of it. */
import type { Reach } from '../../job/reach.ts'
import { isEverything } from '../../job/reach.ts'
import type { Endpoint } from '../../job/webhook.ts'
import { type HeldRender, firstScenes, listHeld } from '../../store/attention.ts'
import type { Database } from '../../store/database.ts'
import { countToApprove } from '../../store/job-lists.ts'
import { getEndpoints } from '../../webhooks/endpoints.ts'
import { type LimitsStanding, getLimits } from '../admission/limits.ts'
import type { FoundWait } from '../admission/rules.ts'
import type { Context } from '../context.ts'
import { type JobsPage, searchJobs } from './lists.ts'

export type { HeldRender } from '../../store/attention.ts'

export interface AttentionFilter {
  /** Only jobs of this client. */
  readonly clientId?: string | undefined
  readonly reach: Reach
  /** Of each kind, at most. */
  readonly limit: number
  /** Whether webhook endpoints may be shown. */
  readonly withEndpoints: boolean
  /** Whether limits and pauses may be shown. */
  readonly withLimits: boolean
}

/** `isMore`: there are at least `count`, and more than are listed. */
interface Counted {
  readonly count: number
  readonly isMore: boolean
}

export interface Attention {
  readonly approvals: Counted & Pick<JobsPage, 'jobs' | 'standings'>
  /** The first scene of each job that waits for an approval. */
  readonly firstScenes: ReadonlyMap<number, string>
  readonly held: Counted & { readonly renders: readonly HeldRender[] }
  /** Jobs of which a scene waits for a budget. */
  readonly budgets: Counted & Pick<JobsPage, 'jobs' | 'standings'>
  /** Failing or disabled because they failed; a webhook_url of a job is not among them. */
  readonly endpoints: Counted & { readonly endpoints: readonly Endpoint[] }
  /** Undefined for an actor that does not see all jobs. */
  readonly limits: LimitsStanding | undefined
}

const budgetWaits: readonly FoundWait[] = ['budget_job', 'budget_client', 'budget_day', 'budget_total']

export async function getAttention(context: Context, filter: AttentionFilter): Promise<Attention> {
  const { database } = context
  const { clientId, reach, limit, withEndpoints, withLimits } = filter
  const seesAll = isEverything(reach) && clientId === undefined
  const approvals = await searchJobs(context, { clientId, reach, limit, needsApproval: true })
  const budgets = await searchJobs(context, { clientId, reach, limit, waits: budgetWaits })
  const held = await database.snapshot((reader) => listHeld(reader, { clientId, reach, limit }))
  const failing = (withEndpoints && seesAll ? await getEndpoints(context) : []).filter(
    ({ failingSince }) => failingSince !== null,
  )
  return {
    approvals: { ...approvals, ...(await countOf(database, approvals, filter)) },
    firstScenes: await firstScenes(
      database,
      approvals.jobs.map(({ id }) => id),
    ),
    held: { ...held, isMore: held.count > held.renders.length },
    budgets: { ...budgets, count: budgets.jobs.length, isMore: budgets.last !== null },
    endpoints: {
      endpoints: failing.slice(0, limit),
      count: failing.length,
      isMore: failing.length > limit,
    },
    limits: withLimits && seesAll ? await getLimits(context) : undefined,
  }
}

/** Where more wait than are listed, jobs that wait for their first approval are counted, and of changed ones those listed. */
async function countOf(
  database: Database,
  { jobs, last }: JobsPage,
  { clientId, reach }: AttentionFilter,
): Promise<Counted> {
  if (last === null) return { count: jobs.length, isMore: false }
  const changed = jobs.filter(({ status }) => status !== 'pending').length
  const isCounted = reach.madeBy === undefined && (clientId === undefined || reach.clientId === undefined)
  const first = isCounted ? await countToApprove(database, clientId ?? reach.clientId) : 0
  return { count: Math.max(jobs.length, first + changed), isMore: true }
}
