/** The last reading of the system clock, and corrections after it was set back. */
import type { Reader, Transaction } from './database.ts'

/** Every column written by this program's own clock. Times from users stay as they are. */
export const ownTimes = {
  jobs: [
    'queue_at',
    'paused_at',
    'approved_at',
    'reopened_at',
    'started_at',
    'ended_at',
    'clips_removed_at',
    'inserted_at',
    'updated_at',
  ],
  scenes: ['not_before', 'started_at', 'completed_at', 'inserted_at', 'updated_at'],
  attempts: [
    'posted_at',
    'unknown_since',
    'pictures_fetched_at',
    'rendered_at',
    'trouble_since',
    'cancel_requested_at',
    'inserted_at',
    'updated_at',
  ],
  tasks: ['run_at', 'crashed_at'],
  events: ['inserted_at'],
  pauses: ['until'],
  outages: ['until'],
  stops: ['inserted_at'],
  webhook_endpoints: ['failing_since', 'inserted_at', 'updated_at'],
  webhook_deliveries: ['next_at', 'inserted_at', 'ended_at'],
  webhook_tries: ['at'],
  webhooks_in: ['inserted_at'],
  keys: ['previous_until', 'inserted_at', 'rotated_at', 'last_used_at', 'revoked_at'],
  requests: ['inserted_at'],
  installation: ['rotated_at'],
  nodes: ['started_at', 'heard_at'],
  assets: ['inserted_at'],
  removed_assets: ['removed_at'],
  films: ['inserted_at', 'removed_at'],
  renders: ['inserted_at'],
  seams: ['inserted_at'],
  timings: ['inserted_at'],
  changes: ['inserted_at'],
} as const satisfies Readonly<Record<string, readonly string[]>>

/** Limits the search to the end of the log: it is long, and only its end can lie in the future. */
const further: Readonly<Record<string, string>> = {
  events: `and id > coalesce((select id from events where inserted_at <= $1 order by id desc limit 1), 0)`,
}

/** The latest known time: the last reading of the clock, or the newest event; ms since the epoch. */
export async function latestMoment(reader: Reader): Promise<number> {
  const { seen_at, told_at } = (await reader.get(
    `select seen_at, (select inserted_at from events order by id desc limit 1) as told_at from clock where id = 1`,
  ))!
  return Math.max(Number(seen_at), Number(told_at ?? 0))
}

export const setSeen = (tx: Transaction, now: number): Promise<number> =>
  tx.run('update clock set seen_at = $1 where id = 1', [now])

/** After the clock was set back by `byMs`: moves times in the future back by the same amount. */
export async function putBack(tx: Transaction, now: number, byMs: number): Promise<void> {
  for (const [table, columns] of Object.entries(ownTimes)) {
    const moved = columns.map(
      (column) => `${column} = case when ${column} > $1 then ${column} - $2 else ${column} end`,
    )
    const ahead = columns.map((column) => `${column} > $1`)
    await tx.run(
      `update ${table} set ${moved.join(', ')} where (${ahead.join(' or ')}) ${further[table] ?? ''}`,
      [now, byMs],
    )
  }
}
