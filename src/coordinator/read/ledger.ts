/** What was paid: entry by entry, in all, and by month and client. */
import type { Attempt } from '../../job/attempt.ts'
import { invalidField } from '../../job/errors.ts'
import type { Money, SpendRow } from '../../job/price.ts'
import { type LedgerFilter, type LedgerQuery, listPaid } from '../../store/attempts.ts'
import { type SpendQuery, listSpend, moneyOfLedger, spentOnOrphans } from '../../store/money.ts'
import { type Orphan, listOrphans } from '../../store/provider.ts'
import type { Context } from '../context.ts'

const mostOrphans = 100
const mostSpendRows = 10_000

/** What was, or may be, paid for, newest first. `next`: what to pass as `before` for the next page; null at the end. */
export async function getLedger(
  context: Context,
  query: LedgerQuery,
): Promise<{
  readonly entries: readonly Attempt[]
  readonly next: { readonly insertedAt: number; readonly id: string } | null
  /** Renders at a provider that no attempt accounts for. */
  readonly orphans: readonly Orphan[]
}> {
  const { database } = context
  const rows = await listPaid(database, { ...query, limit: query.limit + 1 })
  const entries = rows.slice(0, query.limit)
  const last = entries.at(-1)
  const next = rows.length > entries.length && last ? { insertedAt: last.insertedAt, id: last.id } : null
  return { entries, next, orphans: await listOrphans(database, mostOrphans) }
}

/** What all that the filter finds has cost, or may. */
export const getLedgerTotals = (context: Context, filter: LedgerFilter): Promise<Money> =>
  moneyOfLedger(context.database, filter)

/** What was spent, by month and client. `orphanMicros`: of it, for renders that no attempt accounts for; 0 where anything is filtered. @throws {RefusedError} `invalid`, where that would be too many rows */
export async function getSpend(
  context: Context,
  query: Omit<SpendQuery, 'limit'>,
): Promise<{ readonly rows: readonly SpendRow[]; readonly orphanMicros: number }> {
  const { database } = context
  const rows = await listSpend(database, { ...query, limit: mostSpendRows + 1 })
  if (rows.length > mostSpendRows)
    throw invalidField(
      'from',
      `there are more than ${mostSpendRows} rows: ask for fewer months with from and to, or for one client_id`,
    )
  const { clientId, boundTo, from, to } = query
  const isOfAll = [clientId, boundTo, from, to].every((filter) => filter === undefined)
  return { rows, orphanMicros: isOfAll ? await spentOnOrphans(database) : 0 }
}
