/** Who changed limits, budgets and pauses, when, and from which value. */
import type { Actor } from '../job/event.ts'
import type { ChangeKind, SettingChange, SettingValue } from '../job/change.ts'
import type { Reader, Row, Transaction } from './database.ts'
import { json, number, text, textOrNull } from './sql.ts'

/** Changes kept; older ones are removed. */
export const mostChanges = 2000

const insert = `insert into changes (kind, name, old_value, new_value, actor, reason, inserted_at)
  values ($1, $2, $3, $4, $5, $6, $7)`

const changeOf = (row: Row): SettingChange => ({
  id: number(row, 'id'),
  kind: text(row, 'kind') as ChangeKind,
  name: text(row, 'name'),
  old: json<SettingValue>(row, 'old_value'),
  new: json<SettingValue>(row, 'new_value'),
  by: textOrNull(row, 'actor'),
  reason: textOrNull(row, 'reason'),
  at: number(row, 'inserted_at'),
})

/** Records the values that differ. */
export async function recordChanges(
  tx: Transaction,
  kind: ChangeKind,
  { old, new: after }: Readonly<Record<'old' | 'new', Readonly<Record<string, unknown>>>>,
  { by, reason }: Actor,
  now: number,
): Promise<void> {
  const names = Object.keys(after)
  for (const name of names) {
    const values = [old[name] ?? null, after[name] ?? null].map((value) => JSON.stringify(value))
    await tx.write(insert, [kind, name, ...values, by ?? null, reason ?? null, now])
  }
  if (names.length === 0) return
  await tx.write(
    `delete from changes where id <= (select id from changes order by id desc limit 1 offset ${mostChanges})`,
  )
}

/** Newest first. `before`: only those with a lower id. */
export const listChanges = async (
  reader: Reader,
  { limit, before }: { readonly limit: number; readonly before?: number | undefined },
): Promise<readonly SettingChange[]> =>
  (
    await reader.all('select * from changes where id < $1 order by id desc limit $2', [
      before ?? Number.MAX_SAFE_INTEGER,
      limit,
    ])
  ).map(changeOf)

/** The newest change of each name, by name. */
export const latestChanges = async (
  reader: Reader,
  kind: ChangeKind,
): Promise<ReadonlyMap<string, SettingChange>> =>
  new Map(
    (
      await reader.all(
        'select * from changes where id in (select max(id) from changes where kind = $1 group by name)',
        [kind],
      )
    ).map((row) => [text(row, 'name'), changeOf(row)]),
  )
