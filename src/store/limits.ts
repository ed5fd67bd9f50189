import type { ManualPause } from '../job/queue.ts'
import type { Reader, Transaction } from './database.ts'
import { number, numberOrNull, text, textOrNull } from './sql.ts'

/** Limits set at run time, by name: `jobs`, or a renderer's, such as `replicate.max_concurrency`. */
export async function listLimits(reader: Reader): Promise<ReadonlyMap<string, number>> {
  const rows = await reader.all('select name, value from limits order by name')
  const set = rows.map((row) => [text(row, 'name'), numberOrNull(row, 'value')] as const)
  return new Map(set.filter((entry): entry is [string, number] => entry[1] !== null))
}

/** Null: the configured limit. */
export const setLimit = (tx: Transaction, name: string, value: number | null): Promise<number> =>
  tx.run(`insert into limits (name, value) values ($1, $2) on conflict (name) do update set value = $2`, [
    name,
    value,
  ])

export const listManualPauses = async (reader: Reader): Promise<readonly ManualPause[]> =>
  (await reader.all('select * from stops order by scope')).map((row) => ({
    scope: text(row, 'scope'),
    reason: textOrNull(row, 'reason'),
    by: textOrNull(row, 'actor'),
    since: number(row, 'inserted_at'),
  }))

/** Does nothing if the pause already exists. */
export const insertManualPause = (
  tx: Transaction,
  { scope, reason, by, since }: ManualPause,
): Promise<number> =>
  tx.run(
    `insert into stops (scope, reason, actor, inserted_at) values ($1, $2, $3, $4) on conflict (scope) do nothing`,
    [scope, reason, by, since],
  )

export const deleteManualPause = (tx: Transaction, scope: string): Promise<number> =>
  tx.run('delete from stops where scope = $1', [scope])
