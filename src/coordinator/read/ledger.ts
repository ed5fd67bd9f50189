/** Charges: entry by entry, in total, and by month and client. */
import type { Attempt } from '../../job/attempt.ts'
import { invalidField } from '../../job/errors.ts'
import type { Money, SpendRow } from '../../job/price.ts'
import { type LedgerFilter, type LedgerQuery, listPaid } from '../../store/attempts.ts'
import { type SpendQuery, listSpend, moneyOfLedger, spentOnOrphans } from '../../store/money.ts'
import { type Orphan, listOrphans } from '../../store/provider.ts'
import type { Context } from '../context.ts'

const mostOrphans = 100
const mostSpendRows = 10_000

/** Charges and reservations, newest first. `next`: pass as `before` for the next page; null at the end. */
export async function getLedger(
  context: Context,
  query: LedgerQuery,
): Promise<{
  readonly entries: readonly Attempt[]
  readonly next: { readonly insertedAt: number; readonly id: string } | null
  /** Renders at a provider without an attempt. */
  readonly orphans: readonly Orphan[]
}> {
  const { database } = context
  const rows = await listPaid(database, { ...query, limit: query.limit + 1 })
  const entries = rows.slice(0, query.limit)
  const last = entries.at(-1)
  const next = rows.length > entries.length && last ? { insertedAt: last.insertedAt, id: last.id } : null
  return { entries, next, orphans: await listOrphans(database, mostOrphans) }
}

/** The totals of all entries that match the filter. */
export const getLedgerTotals = (context: Context, filter: LedgerFilter): Promise<Money> =>
  moneyOfLedger(context.database, filter)

/**
 * Spending by month and client. `orphanMicros`: the part for renders without an attempt; 0 where a filter is
 * set.
 * @throws {RefusedError} `invalid`, for too many rows
 */
export async function getSpend(
  context: Context,
  query: Omit<SpendQuery, 'limit'>,
): Promise<{ readonly rows: readonly SpendRow[]; readonly orphanMicros: number }> {
  const { database } = context
  const rows = await listSpend(database, { ...query, limit: mostSpendRows + 1 })
  if (rows.length > mostSpendRows)
    throw invalidField(
      'from',
      `there are more than ${mostSpendRows} rows: ask for a shorter time with from and to, or for one client_id`,
    )
  const { clientId, boundTo, from, to } = query
  const isOfAll = [clientId, boundTo, from, to].every((filter) => filter === undefined)
  return { rows, orphanMicros: isOfAll ? await spentOnOrphans(database) : 0 }
}
