/**
 * The ids of events on PostgreSQL, which are safe cursors although transactions commit in another order than they begin:
 * `base + transaction * 8192 + n`, for the n-th event of a transaction. The view `settled_events` shows those of transactions
 * before the oldest one that runs, so no event can appear below one that was read. See docs/decisions/0031-event-order.md.
 */
import type { Database } from './database.ts'
import { waitForOtherNodes } from './migrate.ts'
import { eventsPerTransaction } from './settled.ts'

/**
 * Lets new events follow all that are stored. Transactions of another server may have lower numbers than those that wrote the
 * events, such as after a dump was restored, or events were copied from SQLite. Call it at each start, after the migrations.
 * Resolves to the base.
 */
export async function continueEventIds(database: Database): Promise<number> {
  if (database.dialect === 'sqlite') return 0
  return database.transaction(async (tx) => {
    await waitForOtherNodes(tx)
    const row = await tx.get(
      `select base, pg_current_xact_id()::text::bigint * ${eventsPerTransaction} as own, greatest(
           (select max(id) from events), (select until from removed_events), (select event_id from webhook_state)) as last
       from event_base`,
    )
    const [base, own, last] = [Number(row!['base']), Number(row!['own']), Number(row!['last'])]
    if (base + own > last) return base
    const raised = last + 1 - own
    await tx.run('update event_base set base = $1', [raised])
    return raised
  })
}
