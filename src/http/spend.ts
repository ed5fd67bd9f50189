/** What was spent, by client and month: as JSON, and as CSV for spreadsheets. */
import { OpenAPIHono, createRoute, z } from '@hono/zod-openapi'
import type { Coordinator } from '../coordinator/coordinator.ts'
import {
  type Money,
  type SpendGroup,
  type SpendRow,
  addMoney,
  dollars,
  noMoney,
  spendGroups,
} from '../job/price.ts'
import { spentOf } from './cost.ts'
import { csvOf } from './csv.ts'
import { once } from './path.ts'
import { principalOf } from './principal.ts'

const groupsReason = `must be one of ${spendGroups.join(', ')}, or both with a comma between them`

const areGroups = (names: string[]): names is SpendGroup[] =>
  names.every((name) => (spendGroups as readonly string[]).includes(name)) &&
  new Set(names).size === names.length

const month = (name: string) =>
  once(name)
    .regex(/^\d{4}-(?:0[1-9]|1[0-2])$/, 'must be a month, such as 2026-11')
    .optional()
    .openapi({ type: 'string', example: '2026-11' })

const spendQuery = z.strictObject({
  group: once('group')
    .transform((text) => text.split(','))
    .refine(areGroups, groupsReason)
    .optional()
    .openapi({ type: 'string', example: 'client,month' })
    .describe('What sums are told by; client,month if not given'),
  client_id: once('client_id').optional(),
  from: month('from').describe('The first month, UTC'),
  to: month('to').describe('The last month'),
  format: z
    .enum(['json', 'csv'], { error: 'must be one of json, csv' })
    .optional()
    .describe('If not given, what Accept says'),
})

const usd = z.number()
const sums = {
  spent: usd.nullable().describe('Charged; null where a charge of unknown price is among it'),
  reserved: usd.describe('Held back for renders that may still be charged'),
}

const spendSchema = z.object({
  currency: z.literal('USD'),
  rows: z
    .array(
      z.object({
        month: z.string().optional().describe('UTC: the month in which the render was begun'),
        client_id: z.string().nullable().optional().describe("null: nobody's"),
        ...sums,
      }),
    )
    .describe('By month, then by client; without those in which nothing was spent'),
  totals: z.object(sums).describe('Of all rows'),
  unaccounted: usd.describe(
    'Of totals.spent, what was charged for renders that no attempt accounts for; 0 where anything is filtered',
  ),
})

export type SpendAnswer = z.infer<typeof spendSchema>

const spendRoute = createRoute({
  method: 'get',
  path: '/spend',
  summary: 'What was spent, by client and month, as JSON or CSV',
  request: { query: spendQuery },
  responses: {
    200: {
      content: {
        'application/json': { schema: spendSchema },
        'text/csv': { schema: z.string() },
      },
      description: 'The sums of the ledger',
    },
  },
})

const wantsCsv = (accept: string | undefined): boolean =>
  /text\/csv(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/i.test(accept ?? '')

export function spendRoutes({ coordinator }: { readonly coordinator: Coordinator }): OpenAPIHono {
  const routes = new OpenAPIHono()

  routes.openapi(spendRoute, async (c) => {
    const { group: groups = spendGroups, client_id, from, to, format } = c.req.valid('query')
    const boundTo = principalOf(c).actor?.clientId ?? undefined
    const { rows, strayMicros } = await coordinator.spend({ groups, clientId: client_id, boundTo, from, to })
    c.header('vary', 'accept')
    if (format === 'csv' || (format === undefined && wantsCsv(c.req.header('accept')))) {
      c.header('content-type', 'text/csv; charset=utf-8')
      c.header('content-disposition', 'attachment; filename="spend.csv"')
      return c.body(
        csvOf(
          headsOf(groups),
          rows.map((row) => cellsOf(groups, row)),
        ),
        200,
      )
    }
    const answer: SpendAnswer = {
      currency: 'USD',
      rows: rows.map(({ month: inMonth, client, money }) => ({
        ...(inMonth !== undefined && { month: inMonth }),
        ...(client !== undefined && { client_id: client || null }),
        ...sumsOf(money),
      })),
      totals: sumsOf(rows.map(({ money }) => money).reduce(addMoney, noMoney)),
      unaccounted: dollars(strayMicros),
    }
    return c.json(answer, 200)
  })

  return routes
}

const sumsOf = (money: Money) => ({ spent: spentOf(money), reserved: dollars(money.reservedMicros) })

const headsOf = (groups: readonly SpendGroup[]): readonly string[] => [
  ...(groups.includes('month') ? ['month'] : []),
  ...(groups.includes('client') ? ['client_id'] : []),
  'currency',
  'spent',
  'reserved',
]

const cellsOf = (groups: readonly SpendGroup[], { month: inMonth, client, money }: SpendRow) => {
  const { spent, reserved } = sumsOf(money)
  return [
    ...(groups.includes('month') ? [inMonth ?? ''] : []),
    ...(groups.includes('client') ? [client ?? ''] : []),
    'USD',
    spent,
    reserved,
  ]
}
