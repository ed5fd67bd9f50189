import type { Reader, Transaction } from './database.ts'
import { text } from './sql.ts'

/** A verified clip that is stored for reuse by equal scenes. */
export interface KeptRender {
  /** The artifact. */
  readonly artifact: string
  readonly attemptId: string
}

export async function findRender(reader: Reader, renderKey: string): Promise<KeptRender | undefined> {
  const row = await reader.get('select artifact, attempt_id from renders where render_key = $1', [renderKey])
  return row && { artifact: text(row, 'artifact'), attemptId: text(row, 'attempt_id') }
}

/** Replaces an older clip, because the new one was requested in its place. */
export const keepRender = (
  tx: Transaction,
  renderKey: string,
  { artifact, attemptId }: KeptRender,
  now: number,
): Promise<void> =>
  tx.write(
    `insert into renders (render_key, artifact, attempt_id, inserted_at) values ($1, $2, $3, $4)
     on conflict (render_key) do update set artifact = $2, attempt_id = $3, inserted_at = $4`,
    [renderKey, artifact, attemptId, now],
  )

export const forgetRender = (tx: Transaction, renderKey: string, artifact: string): Promise<void> =>
  tx.write('delete from renders where render_key = $1 and artifact = $2', [renderKey, artifact])
