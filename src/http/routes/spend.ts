/** Spending by client and month or day: as JSON, and as CSV for spreadsheets. */
import { z } from '@hono/zod-openapi'
import {
  type Money,
  type SpendGroup,
  type SpendRow,
  dollars,
  noMoney,
  spendGroups,
  addMoney,
} from '../../job/price.ts'
import { ownJobs } from '../access/access.ts'
import { csvOf } from '../edge/csv.ts'
import { clientIdQuery, once } from '../edge/path.ts'
import { spentOf } from './cost.ts'
import { endpoint, json, resource } from './endpoint.ts'

const groupsReason = `must be one of ${spendGroups.join(', ')}, or client with month or day and a comma between them`

const areGroups = (names: string[]): names is SpendGroup[] =>
  names.every((name) => (spendGroups as readonly string[]).includes(name)) &&
  new Set(names).size === names.length &&
  !(names.includes('month') && names.includes('day'))

const standardGroups: readonly SpendGroup[] = ['client', 'month']

const day = (name: string) =>
  once(name)
    .regex(
      /^\d{4}-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?$/,
      'must be a month or a day, such as 2026-11 or 2026-11-25',
    )
    .optional()
    .openapi({ type: 'string', example: '2026-11' })

const spendQuery = z.strictObject({
  group: once('group')
    .transform((text) => text.split(','))
    .refine(areGroups, groupsReason)
    .optional()
    .openapi({ type: 'string', example: 'client,month' })
    .describe('How sums are grouped. Default: client,month'),
  client_id: clientIdQuery,
  from: day('from').describe('The first month or day, UTC'),
  to: day('to').describe('The last month or day'),
  format: z
    .enum(['json', 'csv'], { error: 'must be one of json, csv' })
    .optional()
    .describe('Default: what Accept says'),
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
        day: z.string().optional().describe('UTC: the day in which the render was begun'),
        client_id: z.string().nullable().optional().describe("null: nobody's"),
        ...sums,
      }),
    )
    .describe('By month or day, then by client; without those in which nothing was spent'),
  totals: z.object(sums).describe('Of all rows'),
  unaccounted: usd.describe(
    'Of totals.spent, what was charged for renders that no attempt accounts for; 0 where anything is filtered',
  ),
})

export type SpendAnswer = z.infer<typeof spendSchema>

const wantsCsv = (accept: string | undefined): boolean =>
  /text\/csv(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/i.test(accept ?? '')

export const spendEndpoints = resource('money', [
  endpoint({
    id: 'readSpend',
    route: 'GET /api/v3/spend',
    access: ownJobs('read'),
    summary: 'What was spent, by client and month or day, as JSON or CSV',
    description:
      'What was spent and is reserved, by client, by month, by day, or by client and one of these: as JSON, or as CSV where the client accepts `text/csv` or sends `format=csv`.',
    query: spendQuery,
    answer: json(200, spendSchema, 'The sums of the ledger', { 'text/csv': { schema: z.string() } }),
    handle: async ({ c, query, rights }, { coordinator }) => {
      const { group: groups = standardGroups, client_id: clientId, from, to, format } = query
      const boundTo = rights?.clientId ?? undefined
      const { rows, orphanMicros } = await coordinator.spend({
        groups,
        clientId,
        boundTo,
        from,
        to,
      })
      c.header('vary', 'accept')
      if (format === 'csv' || (format === undefined && wantsCsv(c.req.header('accept')))) {
        c.header('content-type', 'text/csv; charset=utf-8')
        c.header('content-disposition', 'attachment; filename="spend.csv"')
        const cells = rows.map((row) => cellsOf(groups, row))
        return c.body(csvOf(headsOf(groups), cells), 200)
      }
      return {
        currency: 'USD' as const,
        rows: rows.map(({ month, day: onDay, client, money }) => ({
          ...(month !== undefined && { month }),
          ...(onDay !== undefined && { day: onDay }),
          ...(client !== undefined && { client_id: client || null }),
          ...sumsOf(money),
        })),
        totals: sumsOf(rows.map(({ money }) => money).reduce(addMoney, noMoney)),
        unaccounted: dollars(orphanMicros),
      }
    },
  }),
])

const sumsOf = (money: Money) => ({ spent: spentOf(money), reserved: dollars(money.reservedMicros) })

const headsOf = (groups: readonly SpendGroup[]): readonly string[] => [
  ...(groups.includes('month') ? ['month'] : []),
  ...(groups.includes('day') ? ['day'] : []),
  ...(groups.includes('client') ? ['client_id'] : []),
  'currency',
  'spent',
  'reserved',
]

const cellsOf = (groups: readonly SpendGroup[], { month, day: onDay, client, money }: SpendRow) => {
  const { spent, reserved } = sumsOf(money)
  return [
    ...(groups.includes('month') ? [month ?? ''] : []),
    ...(groups.includes('day') ? [onDay ?? ''] : []),
    ...(groups.includes('client') ? [client ?? ''] : []),
    'USD',
    spent,
    reserved,
  ]
}
