import { DatabaseError, type Reader, type Row, type Transaction } from '../store/database.ts'
import { bytes, bytesOrNull, json, number, text, textOrNull } from '../store/sql.ts'

/** Identifies a request: the client's key for one target. */
export interface RequestIdentity {
  /** The sender. */
  readonly principal: string
  /** Method and path. */
  readonly target: string
  readonly key: string
}

/** A stored response, to be replayed. */
export interface KeptAnswer {
  readonly status: number
  readonly contentType: string
  readonly location: string | null
  readonly body: Uint8Array
}

export interface KeptRequest {
  readonly id: number
  /** SHA-256 of the request's content. */
  readonly fingerprint: Uint8Array
  readonly answer: KeptAnswer | null
  readonly insertedAt: number
  /** The node that works on it. */
  readonly claimedBy: string | null
}

const answerOf = (row: Row): KeptAnswer | null =>
  row['status'] === null
    ? null
    : {
        status: number(row, 'status'),
        contentType: text(row, 'content_type'),
        location: textOrNull(row, 'location'),
        body: bytesOrNull(row, 'body') ?? new Uint8Array(),
      }

const requestOf = (row: Row): KeptRequest => ({
  id: number(row, 'id'),
  fingerprint: bytes(row, 'fingerprint'),
  answer: answerOf(row),
  insertedAt: number(row, 'inserted_at'),
  claimedBy: textOrNull(row, 'claimed_by'),
})

export async function findRequest(
  reader: Reader,
  { principal, target, key }: RequestIdentity,
): Promise<KeptRequest | undefined> {
  const row = await reader.get(
    'select * from requests where principal = $1 and target = $2 and idempotency_key = $3',
    [principal, target, key],
  )
  return row && requestOf(row)
}

export const countRequests = async (reader: Reader, principal: string): Promise<number> =>
  number((await reader.get('select count(*) as n from requests where principal = $1', [principal]))!, 'n')

/** Resolves to the row's id. */
export const insertRequest = (
  tx: Transaction,
  { principal, target, key }: RequestIdentity,
  { fingerprint, insertedAt, claimedBy }: Omit<KeptRequest, 'id' | 'answer'>,
): Promise<number> =>
  tx.insert(
    `insert into requests (principal, target, idempotency_key, fingerprint, inserted_at, claimed_by)
     values ($1, $2, $3, $4, $5, $6)`,
    [principal, target, key, fingerprint, insertedAt, claimedBy],
  )

/** Notes who works on an unanswered request; null: nobody. */
export const setClaim = (tx: Transaction, id: number, claimedBy: string | null): Promise<number> =>
  tx.run('update requests set claimed_by = $2 where id = $1', [id, claimedBy])

/**
 * Moves an unanswered request with its effects from a dead node to another, under a new id: the id is the fencing token, so
 * the dead node changes nothing more if it comes back. Undefined if another node was faster.
 */
export async function takeRequest(
  tx: Transaction,
  identity: RequestIdentity,
  from: KeptRequest,
  claimedBy: string,
): Promise<number | undefined> {
  const found = await findRequest(tx, identity)
  if (found?.id !== from.id || found.claimedBy !== from.claimedBy || found.answer) return undefined
  const effects = await tx.all('select part, result from effects where request_id = $1', [found.id])
  await deleteRequest(tx, found.id)
  const id = await insertRequest(tx, identity, { ...found, claimedBy })
  for (const effect of effects)
    await tx.run('insert into effects (request_id, part, result) values ($1, $2, $3)', [
      id,
      text(effect, 'part'),
      text(effect, 'result'),
    ])
  return id
}

/** Stores the response and deletes the effects, which it replaces. */
export async function setRequestAnswer(tx: Transaction, id: number, answer: KeptAnswer): Promise<void> {
  await tx.run('update requests set status = $1, content_type = $2, location = $3, body = $4 where id = $5', [
    answer.status,
    answer.contentType,
    answer.location,
    answer.body,
    id,
  ])
  await tx.run('delete from effects where request_id = $1', [id])
}

/** Keeps a request with effects, which must not happen twice. */
export const deleteUnanswered = (tx: Transaction, id: number): Promise<number> =>
  tx.run(
    `delete from requests where id = $1 and status is null
       and not exists (select 1 from effects where request_id = $1)`,
    [id],
  )

/**
 * The stored result of a part of a request; undefined if it had no effect.
 * @throws {DatabaseError} `busy` if another node has taken over the request or answered it
 */
export async function findEffect(
  reader: Reader,
  requestId: number,
  part: string,
): Promise<{ readonly kept: unknown } | undefined> {
  const row = await reader.get(
    `select effects.result from requests
     left join effects on effects.request_id = requests.id and effects.part = $2
     where requests.id = $1 and requests.status is null`,
    [requestId, part],
  )
  if (!row) throw new DatabaseError('busy', 'Another node works on this request now')
  return row['result'] === null ? undefined : { kept: json(row, 'result') }
}

/** Call it in the effect's transaction. `kept` is JSON. */
export const insertEffect = (
  tx: Transaction,
  requestId: number,
  part: string,
  kept: unknown,
): Promise<number> =>
  tx.run('insert into effects (request_id, part, result) values ($1, $2, $3)', [
    requestId,
    part,
    JSON.stringify(kept ?? null),
  ])

export const hasEffect = async (reader: Reader, requestId: number): Promise<boolean> =>
  (await reader.get('select 1 as one from effects where request_id = $1 limit 1', [requestId])) !== undefined

export const deleteRequest = (tx: Transaction, id: number): Promise<number> =>
  tx.run('delete from requests where id = $1', [id])

/** Deletes the oldest requests before `time`, `most` at once. */
export const deleteRequestsBefore = (tx: Transaction, time: number, most: number): Promise<number> =>
  tx.run(
    `delete from requests where id in
       (select id from requests where inserted_at < $1 order by inserted_at, id limit $2)`,
    [time, most],
  )
