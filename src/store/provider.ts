/** Provider state besides attempts: this installation's identity, received webhooks, and orphaned renders. */
import type { RenderEnd } from '../job/attempt.ts'
import type { Reader, Row, Transaction } from './database.ts'
import { refuseSealed } from './seal.ts'
import { json, number, numberOrNull, text, textOrNull } from './sql.ts'

export interface KeptInstallation {
  readonly id: string
  /** 64 hex digits. */
  readonly secret: string
  /** Previous secrets, newest first. */
  readonly previous: readonly PreviousSecret[]
}

export interface PreviousSecret {
  readonly secret: string
  /** Valid until this time, ms since the epoch. */
  readonly until: number
}

const keptOf = (row: Row): KeptInstallation => ({
  id: text(row, 'id'),
  secret: text(row, 'secret'),
  previous: json(row, 'previous_secrets') as readonly PreviousSecret[],
})

/**
 * The stored identity of this installation; `fresh` is stored on the first call. A move begins in a transaction that finds
 * none, so one of the two sees the other.
 * @throws {DatabaseError} `sealed`
 */
export async function installationOf(
  tx: Transaction,
  fresh: Pick<KeptInstallation, 'id' | 'secret'>,
): Promise<KeptInstallation> {
  await refuseSealed(tx)
  const row = await tx.get('select * from installation')
  if (row) return keptOf(row)
  await tx.run('insert into installation (id, secret) values ($1, $2)', [fresh.id, fresh.secret])
  return { ...fresh, previous: [] }
}

/** Most previous secrets that stay valid. */
const mostPrevious = 10

/** The replaced secret stays valid until `previousUntil`; null invalidates all previous secrets. */
export async function replaceSecret(
  tx: Transaction,
  secret: string,
  previousUntil: number | null,
  now: number,
): Promise<KeptInstallation> {
  const kept = keptOf((await tx.get('select * from installation'))!)
  const counting = [...kept.previous].filter(({ until }) => until > now)
  const previous =
    previousUntil === null
      ? []
      : [{ secret: kept.secret, until: previousUntil }, ...counting].slice(0, mostPrevious)
  await tx.run('update installation set secret = $1, previous_secrets = $2, rotated_at = $3', [
    secret,
    JSON.stringify(previous),
    now,
  ])
  return { id: kept.id, secret, previous }
}

/** Returns the number of rows: 0 if the message arrived before. */
export const insertWebhook = (tx: Transaction, id: string, attemptId: string, now: number): Promise<number> =>
  tx.run(
    `insert into webhooks_in (id, attempt_id, inserted_at) values ($1, $2, $3) on conflict (id) do nothing`,
    [id, attemptId, now],
  )

/** Deletes ids that are no longer needed: older messages are refused by the time of their signature. */
export const forgetWebhooks = (tx: Transaction, before: number): Promise<number> =>
  tx.run('delete from webhooks_in where inserted_at < $1', [before])

/** An orphan: a render at a provider with our mark but without an attempt. */
export interface Orphan {
  readonly renderer: string
  readonly providerId: string
  readonly mark: string
  /** The attempt that its mark names, if it exists. */
  readonly attemptId: string | null
  readonly state: RenderEnd | 'running'
  readonly chargedMicros: number | null
  readonly insertedAt: number
}

const orphanOf = (row: Row): Orphan => ({
  renderer: text(row, 'renderer'),
  providerId: text(row, 'provider_id'),
  mark: text(row, 'mark'),
  attemptId: textOrNull(row, 'attempt_id'),
  state: text(row, 'state') as Orphan['state'],
  chargedMicros: numberOrNull(row, 'charged_micros'),
  insertedAt: number(row, 'inserted_at'),
})

export async function findOrphan(
  reader: Reader,
  renderer: string,
  providerId: string,
): Promise<Orphan | undefined> {
  const row = await reader.get('select * from strays where renderer = $1 and provider_id = $2', [
    renderer,
    providerId,
  ])
  return row && orphanOf(row)
}

export const putOrphan = (tx: Transaction, orphan: Orphan): Promise<number> =>
  tx.run(
    `insert into strays (renderer, provider_id, mark, attempt_id, state, charged_micros, inserted_at)
     values ($1, $2, $3, $4, $5, $6, $7)
     on conflict (renderer, provider_id) do update set state = $5, charged_micros = $6`,
    [
      orphan.renderer,
      orphan.providerId,
      orphan.mark,
      orphan.attemptId,
      orphan.state,
      orphan.chargedMicros,
      orphan.insertedAt,
    ],
  )

/** Removes an orphan whose attempt was found. */
export const forgetOrphan = (tx: Transaction, renderer: string, providerId: string): Promise<number> =>
  tx.run('delete from strays where renderer = $1 and provider_id = $2', [renderer, providerId])

export const listOrphans = async (reader: Reader, limit: number): Promise<readonly Orphan[]> =>
  (await reader.all('select * from strays order by inserted_at desc limit $1', [limit])).map(orphanOf)
