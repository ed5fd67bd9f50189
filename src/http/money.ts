/** What things cost: before they are asked for, as they are paid for, and what may be spent at most. */
import { OpenAPIHono, createRoute, z } from '@hono/zod-openapi'
import type { BudgetStanding } from '../coordinator/admission/budgets.ts'
import type { Attempt } from '../job/attempt.ts'
import { attemptStatuses } from '../job/lifecycle.ts'
import { dollars } from '../job/price.ts'
import { readJson } from './body.ts'
import { spentOf, usdOrNull } from './cost.ts'
import { type VerbRoutes, jsonAnswer, jsonBody } from './describe.ts'
import { etaAnswer, etaSchema } from './eta.ts'
import { storyboardAnswer, storyboardSchema } from './storyboard.ts'
import { jobIdOf, once, readCursor, timeOf, timeOrNull, timeQuery, timeSchema, writeCursor } from './path.ts'
import { askedBy, principalOf } from './principal.ts'
import { malformedField } from './problem.ts'

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
  eta: etaSchema.describe('When it would be there if it were approved now'),
  storyboard: storyboardSchema,
})

export type EstimateAnswer = z.infer<typeof estimateSchema>

const estimateRoute = createRoute({
  method: 'post',
  path: '/estimates',
  summary: 'What a job would cost and how it would be planned; nothing is kept',
  request: {
    body: jsonBody('JobRequest'),
  },
  responses: { 200: jsonAnswer(estimateSchema, 'The estimate') },
})

const moneySchema = z.object({ reserved: usd, spent: usd })

const budgetsSchema = z.object({
  currency: z.literal('USD'),
  budgets: z.array(
    z.object({
      name: z.string().describe('job, client, client:<client_id>, day or total'),
      limit: usd,
      used: moneySchema.nullable().describe('Null for job and client, of which each has its own'),
    }),
  ),
})

export type BudgetsAnswer = z.infer<typeof budgetsSchema>

const readBudgetsRoute = createRoute({
  method: 'get',
  path: '/budgets',
  summary: 'What may be spent, and what of it is used',
  responses: { 200: jsonAnswer(budgetsSchema, 'The budgets in force') },
})

const setBudgetsRoute = createRoute({
  method: 'put',
  path: '/budgets',
  summary: 'Set limits in US dollars by name, null to lift one; the others stay',
  request: {
    body: jsonBody('BudgetChange'),
  },
  responses: { 200: jsonAnswer(budgetsSchema, 'The budgets in force') },
})

const budgetsAnswer = (standings: readonly BudgetStanding[]) => ({
  currency: 'USD' as const,
  budgets: standings.map(({ name, limitMicros, used }) => ({
    name,
    limit: dollars(limitMicros),
    used: used && { reserved: dollars(used.reservedMicros), spent: dollars(used.spentMicros) },
  })),
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
    .array(z.object({ prediction_id: z.string(), state: z.string(), created_at: timeSchema }))
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
  candidates:
    attempt.status === 'held'
      ? attempt.candidates.map(({ id, state, createdAt }) => ({
          prediction_id: id,
          state,
          created_at: timeOf(createdAt),
        }))
      : [],
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

const pageSize = { standard: 100, most: 500 }
const ledgerRoute = createRoute({
  method: 'get',
  path: '/ledger',
  summary: 'Every attempt that cost something, or may: newest first',
  request: {
    query: z.strictObject({
      job_id: once('job_id')
        .regex(/^(?:0|[1-9]\d*)$/, 'must be an integer, such as 123')
        .optional(),
      client_id: once('client_id').optional(),
      status: once('status')
        .pipe(z.enum(attemptStatuses, { error: `must be one of ${attemptStatuses.join(', ')}` }))
        .optional()
        .describe('Only attempts of this status: held, say, for those that a person has to decide'),
      from: timeQuery('from').describe('Attempts begun at or after'),
      to: timeQuery('to').describe('Attempts begun before'),
      limit: once('limit')
        .regex(/^(?:[1-9]\d?|[1-4]\d\d|500)$/, `must be a whole number from 1 to ${pageSize.most}`)
        .transform(Number)
        .optional()
        .openapi({ type: 'integer', minimum: 1, maximum: pageSize.most }),
      cursor: once('cursor').optional().describe('next_cursor of the page before'),
    }),
  },
  responses: { 200: jsonAnswer(ledgerSchema, 'A page of the ledger') },
})

export function moneyRoutes({ coordinator, limits }: VerbRoutes): OpenAPIHono {
  const routes = new OpenAPIHono()

  routes.openapi(estimateRoute, async (c) => {
    const estimate = await coordinator.estimateJob(await readJson(c, limits), askedBy(c))
    const { storyboard, quote, priceBook, priority, clientId } = estimate
    const eta = await coordinator.estimateEta(storyboard, { priority, clientId })
    const total = storyboard.scenes.length
    return c.json(
      {
        currency: 'USD' as const,
        estimated_cost: usdOrNull(quote.micros),
        total_scenes: total,
        scenes_to_pay: quote.scenesToPay,
        summary: `${quote.scenesToPay} of ${total} ${total === 1 ? 'scene' : 'scenes'} to pay`,
        price_book: priceBook,
        scenes: quote.byScene.map((micros, position) => ({ position, estimated: usdOrNull(micros) })),
        eta: etaAnswer(eta)!,
        storyboard: storyboardAnswer(storyboard),
      },
      200,
    )
  })

  routes.openapi(readBudgetsRoute, async (c) => c.json(budgetsAnswer(await coordinator.budgets()), 200))

  routes.openapi(setBudgetsRoute, async (c) =>
    c.json(budgetsAnswer(await coordinator.setBudgets(await readJson(c, limits), askedBy(c))), 200),
  )

  routes.openapi(ledgerRoute, async (c) => {
    const { job_id, client_id, status, from, to, limit = pageSize.standard, cursor } = c.req.valid('query')
    const jobId = job_id === undefined ? undefined : jobIdOf(job_id)
    const boundTo = principalOf(c).actor?.clientId ?? undefined
    const filter = { jobId, clientId: client_id, status, boundTo, from, to }
    const page = await coordinator.ledger({
      ...filter,
      limit,
      before: cursor === undefined ? undefined : placeOf(cursor),
    })
    const totals = await coordinator.ledgerTotals(filter)
    return c.json(
      {
        currency: 'USD' as const,
        totals: { reserved: dollars(totals.reservedMicros), spent: spentOf(totals) },
        entries: page.entries.map(entryAnswer),
        next_cursor: page.next && writeCursor(`${page.next.insertedAt}:${page.next.id}`),
        unaccounted: (boundTo === undefined ? page.strays : []).map((stray) => ({
          prediction_id: stray.providerId,
          mark: stray.mark,
          attempt_id: stray.attemptId,
          state: stray.state,
          charged: usdOrNull(stray.chargedMicros),
          first_seen_at: timeOf(stray.insertedAt),
        })),
      },
      200,
    )
  })

  return routes
}

function placeOf(cursor: string): { readonly insertedAt: number; readonly id: string } {
  const [, insertedAt, id] = /^(\d{1,15}):([0-9a-f-]{36})$/.exec(readCursor(cursor)) ?? []
  if (insertedAt === undefined || id === undefined)
    throw malformedField('cursor', 'must be the next_cursor of an earlier answer')
  return { insertedAt: Number(insertedAt), id }
}
