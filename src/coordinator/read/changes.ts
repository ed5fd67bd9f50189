/** Who changed limits, budgets and pauses. */
import type { SettingChange } from '../../job/change.ts'
import { listChanges } from '../../store/changes.ts'
import type { Context } from '../context.ts'

/** Newest first. `next`: pass as `before` for the next page; null at the end. */
export async function getChanges(
  { database }: Context,
  { limit, before }: { readonly limit: number; readonly before?: number | undefined },
): Promise<{ readonly changes: readonly SettingChange[]; readonly next: number | null }> {
  const rows = await listChanges(database, { limit: limit + 1, before })
  const changes = rows.slice(0, limit)
  return { changes, next: rows.length > limit ? changes.at(-1)!.id : null }
}
