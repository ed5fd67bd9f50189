import type { Key } from '../job/key.ts'
import { type Scope, scopes } from '../job/scope.ts'
import type { Reader, Row, Transaction } from '../store/database.ts'
import { bytes, bytesOrNull, number, numberOrNull, text, textOrNull } from '../store/sql.ts'

/** A key's row: SHA-256 of its secrets, never the secrets. */
export interface KeptKey extends Key {
  readonly hash: Uint8Array
  readonly previousHash: Uint8Array | null
}

const isScope = (name: string): name is Scope => (scopes as readonly string[]).includes(name)

const keyOf = (row: Row): KeptKey => ({
  id: text(row, 'id'),
  name: text(row, 'name'),
  scopes: text(row, 'scopes').split(' ').filter(isScope),
  clientId: textOrNull(row, 'client_id'),
  hash: bytes(row, 'hash'),
  previousHash: bytesOrNull(row, 'previous_hash'),
  previousUntil: numberOrNull(row, 'previous_until'),
  insertedAt: number(row, 'inserted_at'),
  createdBy: textOrNull(row, 'created_by'),
  rotatedAt: numberOrNull(row, 'rotated_at'),
  lastUsedAt: numberOrNull(row, 'last_used_at'),
  expiresAt: numberOrNull(row, 'expires_at'),
  revokedAt: numberOrNull(row, 'revoked_at'),
})

/** Inserts no row if the name exists. */
export const insertKey = (
  tx: Transaction,
  key: Pick<
    KeptKey,
    'id' | 'name' | 'scopes' | 'clientId' | 'hash' | 'expiresAt' | 'insertedAt' | 'createdBy'
  >,
): Promise<number> =>
  tx.run(
    `insert into keys (id, name, scopes, client_id, hash, expires_at, inserted_at, created_by)
     values ($1, $2, $3, $4, $5, $6, $7, $8)
     on conflict (name) do nothing`,
    [
      key.id,
      key.name,
      key.scopes.join(' '),
      key.clientId,
      key.hash,
      key.expiresAt,
      key.insertedAt,
      key.createdBy,
    ],
  )

export const countKeys = async (reader: Reader): Promise<number> =>
  number((await reader.get('select count(*) as n from keys'))!, 'n')

export async function findKey(reader: Reader, id: string): Promise<KeptKey | undefined> {
  const row = await reader.get('select * from keys where id = $1', [id])
  return row && keyOf(row)
}

export async function listKeys(reader: Reader): Promise<readonly KeptKey[]> {
  return (await reader.all('select * from keys order by inserted_at, id')).map(keyOf)
}

/** Names of keys by id, also of revoked ones. */
export async function listKeyNames(
  reader: Reader,
  ids: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (ids.length === 0) return new Map()
  const places = ids.map((_, index) => `$${index + 1}`).join(', ')
  const rows = await reader.all(`select id, name from keys where id in (${places})`, ids)
  return new Map(rows.map((row) => [text(row, 'id'), text(row, 'name')]))
}

const usable = 'revoked_at is null and (expires_at is null or expires_at > $1)'

export const hasUsableKey = async (reader: Reader, now: number): Promise<boolean> =>
  (await reader.get(`select 1 as found from keys where ${usable} limit 1`, [now])) !== undefined

/** The previous secret stays valid until `previousUntil`; null: it becomes invalid at once. */
export const rotateSecret = (
  tx: Transaction,
  id: string,
  hash: Uint8Array,
  previousUntil: number | null,
  now: number,
): Promise<number> =>
  tx.run(
    `update keys set hash = $3, rotated_at = $1, previous_until = $4,
       previous_hash = case when $5 = 1 then hash end
     where id = $2 and ${usable}`,
    [now, id, hash, previousUntil, previousUntil === null ? 0 : 1],
  )

export const setRevoked = (tx: Transaction, id: string, now: number): Promise<number> =>
  tx.run('update keys set revoked_at = $1 where id = $2 and revoked_at is null', [now, id])

export const setLastUsed = (tx: Transaction, id: string, now: number): Promise<number> =>
  tx.run('update keys set last_used_at = $1 where id = $2', [now, id])
