/** Money: estimates before a job, charges, and budgets. */
import { z } from '@hono/zod-openapi'
import type { BudgetStanding } from '../../coordinator/admission/budgets.ts'
import type { Attempt, Candidate } from '../../job/attempt.ts'
import { attemptStatuses } from '../../job/lifecycle.ts'
import { dollars } from '../../job/price.ts'
import { budgetChange } from '../../job/control-request.ts'
import { allJobs, ownJobs } from '../access/access.ts'
import {
  clientIdQuery,
  cursorQuery,
  jobIdQuery,
  once,
  pageLimit,
  readEntryCursor,
  timeOf,
  timeOrNull,
  timeQuery,
  timeSchema,
  writeEntryCursor,
} from '../edge/path.ts'
import { changedAnswer, changedSchema } from './changes.ts'
import { spentOf, usdOrNull } from './cost.ts'
import { endpoint, json, jsonBody, resource } from './endpoint.ts'
import { etaAnswer, etaSchema } from './eta.ts'
import { jobBody } from './jobs.ts'
import { storyboardAnswer, storyboardSchema } from './storyboard.ts'

const usd = z.number().describe('US dollars')

const estimateSchema = z.object({
  currency: z.literal('USD'),
  estimated_cost: usd.nullable().describe('US dollars; null where a price is unknown'),
  total_scenes: z.int(),
  scenes_to_pay: z
    .int()
    .describe('Those that no kept clip and no equal scene serves, and that cost something'),
  summary: z.string(),
  price_book: z.string(),
  scenes: z.array(z.object({ position: z.int(), estimated: usd.nullable() })),
  eta: etaSchema.describe('When it would finish if it were approved now'),
  storyboard: storyboardSchema,
})

export type EstimateAnswer = z.infer<typeof estimateSchema>

const moneySchema = z.object({ reserved: usd, spent: usd })

const budgetsSchema = z.object({
  currency: z.literal('USD'),
  budgets: z.array(
    z.object({
      name: z.string().describe('job, client, client:<client_id>, day or total'),
      limit: usd,
      used: moneySchema.nullable().describe('Null for job and client, of which each has its own'),
      changed: changedSchema,
    }),
  ),
})

export type BudgetsAnswer = z.infer<typeof budgetsSchema>

const budgetsAnswer = (standings: readonly BudgetStanding[]) => ({
  currency: 'USD' as const,
  budgets: standings.map(({ name, limitMicros, used, changed }) => ({
    name,
    limit: dollars(limitMicros),
    used: used && { reserved: dollars(used.reservedMicros), spent: dollars(used.spentMicros) },
    changed: changedAnswer(changed),
  })),
})

/** A render at the provider that may be a held attempt's. */
export const candidateSchema = z.object({
  prediction_id: z.string(),
  state: z.string(),
  created_at: timeSchema,
})

export const candidateAnswer = ({ id, state, createdAt }: Candidate): z.infer<typeof candidateSchema> => ({
  prediction_id: id,
  state,
  created_at: timeOf(createdAt),
})

const entrySchema = z.object({
  attempt_id: z.string(),
  job_id: z.int(),
  scene_id: z.string(),
  client_id: z.string().nullable(),
  model: z.string(),
  status: z.enum(attemptStatuses),
  prediction_id: z.string().nullable(),
  account: z.string().nullable().describe('The account at the provider that it was sent from'),
  candidates: z
    .array(candidateSchema)
    .describe('What a held one may be at the provider, as it was when it became held'),
  reserved: usd.nullable().describe('Held back until it is settled; null where the price is unknown'),
  charged: usd.nullable().describe('Null until it is settled, and where the price is unknown'),
  failure: z.object({ code: z.string(), reason: z.string() }).nullable(),
  posted_at: timeSchema.nullable(),
  inserted_at: timeSchema,
  updated_at: timeSchema,
})

const open = new Set<Attempt['status']>(['intended', 'submitted', 'unknown', 'held'])

const entryAnswer = (attempt: Attempt): z.infer<typeof entrySchema> => ({
  attempt_id: attempt.id,
  job_id: attempt.jobId,
  scene_id: attempt.sceneId,
  client_id: attempt.clientId || null,
  model: attempt.model,
  status: attempt.status,
  prediction_id: attempt.providerId,
  account: attempt.account,
  candidates: attempt.status === 'held' ? attempt.candidates.map(candidateAnswer) : [],
  reserved: open.has(attempt.status) ? usdOrNull(attempt.costMicros) : 0,
  charged: usdOrNull(attempt.chargedMicros),
  failure: attempt.failure && { code: attempt.failure.code, reason: attempt.failure.reason },
  posted_at: timeOrNull(attempt.postedAt),
  inserted_at: timeOf(attempt.insertedAt),
  updated_at: timeOf(attempt.updatedAt),
})

const ledgerSchema = z.object({
  currency: z.literal('USD'),
  totals: z
    .object({ reserved: usd, spent: usd.nullable() })
    .describe(
      'Of all that the same filters find; without any also of renders that no attempt accounts for. spent is null where a charge of unknown price is among it',
    ),
  entries: z.array(entrySchema),
  next_cursor: z.string().nullable(),
  unaccounted: z
    .array(
      z.object({
        prediction_id: z.string(),
        mark: z.string(),
        attempt_id: z.string().nullable(),
        state: z.string(),
        charged: usd.nullable(),
        first_seen_at: timeSchema,
      }),
    )
    .describe('Renders at a provider that carry our mark and belong to no attempt: each is an alarm'),
})

export type LedgerAnswer = z.infer<typeof ledgerSchema>

const ledgerQuery = z.strictObject({
  job_id: jobIdQuery,
  client_id: clientIdQuery,
  status: once('status')
    .pipe(z.enum(attemptStatuses, { error: `must be one of ${attemptStatuses.join(', ')}` }))
    .optional()
    .describe('Only attempts of this status: held, say, for those that a person has to decide'),
  from: timeQuery('from').describe('Attempts begun at or after'),
  to: timeQuery('to').describe('Attempts begun before'),
  limit: pageLimit({ standard: 100, most: 500 }).describe('Entries in a page, at most'),
  cursor: cursorQuery,
})

export const moneyEndpoints = resource('money', [
  endpoint({
    id: 'estimateJob',
    route: 'POST /api/v3/estimates',
    access: ownJobs('submit'),
    summary: 'Estimate the cost and the plan of a job; creates no job',
    description:
      'Plans a job as `POST /jobs` does, and keeps nothing. Answers its cost by scene, its storyboard and when its film would be finished.',
    body: jobBody,
    answer: json(200, estimateSchema, 'The estimate'),
    refuses: { 422: 'The request is well-formed and impossible: `problems` names each wrong member' },
    repeatsFreely: true,
    handle: async ({ body, by }, { coordinator }) => {
      const { storyboard, quote, priceBook, priority, clientId } = await coordinator.estimateJob(body, by)
      const eta = await coordinator.estimateEta(storyboard, { priority, clientId })
      const total = storyboard.scenes.length
      return {
        currency: 'USD' as const,
        estimated_cost: usdOrNull(quote.micros),
        total_scenes: total,
        scenes_to_pay: quote.scenesToPay,
        summary: `${quote.scenesToPay} of ${total} ${total === 1 ? 'scene' : 'scenes'} to pay`,
        price_book: priceBook,
        scenes: quote.byScene.map((micros, position) => ({ position, estimated: usdOrNull(micros) })),
        eta: etaAnswer(eta)!,
        storyboard: storyboardAnswer(storyboard),
      }
    },
  }),

  endpoint({
    id: 'readBudgets',
    route: 'GET /api/v3/budgets',
    access: allJobs('read'),
    summary: 'The budgets, and how much of each is used',
    description: 'Each budget in force with its limit and with what is reserved and spent of it.',
    answer: json(200, budgetsSchema, 'The budgets in force'),
    isShared: true,
    handle: async (_, { coordinator }) => budgetsAnswer(await coordinator.budgets()),
  }),

  endpoint({
    id: 'setBudgets',
    route: 'PUT /api/v3/budgets',
    access: allJobs('admin'),
    summary: 'Set limits in US dollars by name, null to lift one; the others stay',
    description:
      'Sets the budgets that the body names. They hold at once, also for jobs that were approved before.',
    body: jsonBody('BudgetChange', budgetChange, { day: 20, job: 2.5 }),
    answer: json(200, budgetsSchema, 'The budgets in force'),
    refuses: { 422: 'A name or a sum is impossible: `problems` names each' },
    handle: async ({ body, by }, { coordinator }) => budgetsAnswer(await coordinator.setBudgets(body, by)),
  }),

  endpoint({
    id: 'readLedger',
    route: 'GET /api/v3/ledger',
    access: ownJobs('read'),
    summary: 'Every attempt that has cost something, or may; newest first',
    description:
      'The attempts that the key sees, newest first, with the sums of all that the filters find. Any filter may be left out.',
    query: ledgerQuery,
    answer: json(200, ledgerSchema, 'A page of the ledger'),
    handle: async ({ query, rights }, { coordinator }) => {
      const { job_id: jobId, client_id: clientId, status, from, to, limit, cursor } = query
      const boundTo = rights?.clientId ?? undefined
      const filter = { jobId, clientId, status, boundTo, from, to }
      const page = await coordinator.ledger({ ...filter, limit, before: readEntryCursor(cursor) })
      const totals = await coordinator.ledgerTotals(filter)
      return {
        currency: 'USD' as const,
        totals: { reserved: dollars(totals.reservedMicros), spent: spentOf(totals) },
        entries: page.entries.map(entryAnswer),
        next_cursor: writeEntryCursor(page.next),
        unaccounted: (boundTo === undefined ? page.orphans : []).map((orphan) => ({
          prediction_id: orphan.providerId,
          mark: orphan.mark,
          attempt_id: orphan.attemptId,
          state: orphan.state,
          charged: usdOrNull(orphan.chargedMicros),
          first_seen_at: timeOf(orphan.insertedAt),
        })),
      }
    },
  }),
])
