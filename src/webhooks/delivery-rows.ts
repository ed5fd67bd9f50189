/** Deliveries and their tries. */
import type { Delivery, DeliveryStatus, DeliveryTry, Secret } from '../job/webhook.ts'
import type { Reader, Row, SqlValue, Transaction } from '../store/database.ts'
import { json, number, numberOrNull, text, textOrNull } from '../store/sql.ts'

const deliveryOf = (row: Row): Delivery => ({
  id: text(row, 'id'),
  endpointId: text(row, 'endpoint_id'),
  eventId: number(row, 'event_id') || null,
  jobId: numberOrNull(row, 'job_id'),
  type: text(row, 'type'),
  body: text(row, 'body'),
  status: text(row, 'status') as DeliveryStatus,
  tries: number(row, 'tries'),
  nextAt: numberOrNull(row, 'next_at'),
  lastStatus: numberOrNull(row, 'last_status'),
  lastError: textOrNull(row, 'last_error'),
  insertedAt: number(row, 'inserted_at'),
  endedAt: numberOrNull(row, 'ended_at'),
})

export interface NewDelivery {
  readonly id: string
  readonly endpointId: string
  readonly origin: string
  readonly eventId: number | null
  readonly jobId: number | null
  readonly type: string
  readonly body: string
  /** Why it fails before it is sent. */
  readonly refused?: string | undefined
}

export const insertDelivery = (tx: Transaction, delivery: NewDelivery, now: number): Promise<number> =>
  tx.run(
    `insert into webhook_deliveries (id, endpoint_id, origin, event_id, job_id, type, body, status, tries, failures, next_at,
       inserted_at, last_error, ended_at)
     values ($1, $2, $3, $4, $5, $6, $7, $9, 0, 0, $10, $8, $11, $12)`,
    [
      delivery.id,
      delivery.endpointId,
      delivery.origin,
      delivery.eventId ?? 0,
      delivery.jobId,
      delivery.type,
      delivery.body,
      now,
      ...(delivery.refused === undefined
        ? ['pending', now, null, null]
        : ['failed', null, delivery.refused, now]),
    ],
  )

/** Pending deliveries of an endpoint, including those being sent. */
export const countWaiting = async (reader: Reader, endpointId: string): Promise<number> =>
  number(
    (await reader.get(
      'select count(*) as n from webhook_deliveries where endpoint_id = $1 and next_at is not null',
      [endpointId],
    ))!,
    'n',
  )

/** The pending deliveries of one server, and when the first is due. */
export interface Lane {
  readonly origin: string
  readonly nextAt: number
}

/** Skips from one origin to the next in the index, so it reads only the first delivery of each. */
export const listLanes = async (reader: Reader): Promise<readonly Lane[]> =>
  (
    await reader.all(
      `with recursive lanes (origin) as (
         select min(origin) from webhook_deliveries where next_at is not null
         union all
         select (select min(origin) from webhook_deliveries where next_at is not null and origin > lanes.origin)
         from lanes where lanes.origin is not null
       )
       select origin,
         (select min(next_at) from webhook_deliveries
          where next_at is not null and webhook_deliveries.origin = lanes.origin) as next_at
       from lanes where origin is not null`,
    )
  ).map((row) => ({ origin: text(row, 'origin'), nextAt: number(row, 'next_at') }))

/** The input of a send. */
export interface DueDelivery {
  readonly id: string
  readonly endpointId: string
  readonly origin: string
  readonly jobId: number | null
  readonly body: string
  readonly url: string
  /** The endpoint's secrets; empty for a job's endpoint. */
  readonly secrets: readonly Secret[]
}

/** Due deliveries of one server; those never tried are in the order of the events. */
export const listDueDeliveries = async (
  reader: Reader,
  origin: string,
  now: number,
  limit: number,
): Promise<readonly DueDelivery[]> =>
  (
    await reader.all(
      `select webhook_deliveries.id, endpoint_id, origin, webhook_deliveries.job_id, body, url, secrets
       from webhook_deliveries join webhook_endpoints on webhook_endpoints.id = endpoint_id
       where origin = $1 and next_at is not null and next_at <= $2
       order by next_at, event_id limit $3`,
      [origin, now, limit],
    )
  ).map((row) => ({
    id: text(row, 'id'),
    endpointId: text(row, 'endpoint_id'),
    origin: text(row, 'origin'),
    jobId: numberOrNull(row, 'job_id'),
    body: text(row, 'body'),
    url: text(row, 'url'),
    secrets: json<Secret[]>(row, 'secrets'),
  }))

/** Leases a delivery until `until`, the fencing token: only a holder of the same value may record the outcome. */
export const setSending = (tx: Transaction, id: string, until: number): Promise<number> =>
  tx.run(`update webhook_deliveries set status = 'sending', next_at = $2 where id = $1`, [id, until])

/** Releases the lease of an aborted send, which does not count as a try. */
export const setUnsent = (tx: Transaction, id: string, until: number, now: number): Promise<number> =>
  tx.run(
    `update webhook_deliveries set status = 'pending', next_at = $3
     where id = $1 and status = 'sending' and next_at = $2`,
    [id, until, now],
  )

/** Deliveries that are leased at `now`. */
export const listSending = async (
  reader: Reader,
  now: number,
): Promise<
  readonly { readonly endpointId: string; readonly jobId: number | null; readonly leaseUntil: number }[]
> =>
  (
    await reader.all(
      `select endpoint_id, job_id, next_at from webhook_deliveries where status = 'sending' and next_at > $1`,
      [now],
    )
  ).map((row) => ({
    endpointId: text(row, 'endpoint_id'),
    jobId: numberOrNull(row, 'job_id'),
    leaseUntil: number(row, 'next_at'),
  }))

/** Failures since the last (re)delivery and tries in total; undefined if the lease `until` is no longer current. */
export async function findSending(
  reader: Reader,
  id: string,
  until: number,
): Promise<{ readonly endpointId: string; readonly failures: number; readonly tries: number } | undefined> {
  const row = await reader.get(
    `select endpoint_id, failures, tries from webhook_deliveries
     where id = $1 and status = 'sending' and next_at = $2`,
    [id, until],
  )
  return (
    row && {
      endpointId: text(row, 'endpoint_id'),
      failures: number(row, 'failures'),
      tries: number(row, 'tries'),
    }
  )
}

export interface TryEnd {
  readonly status: Exclude<DeliveryStatus, 'sending'>
  /** Null if it has ended. */
  readonly nextAt: number | null
  readonly failures: number
  readonly lastStatus: number | null
  readonly lastError: string | null
}

export const setTried = (tx: Transaction, id: string, end: TryEnd, now: number): Promise<number> =>
  tx.run(
    `update webhook_deliveries set status = $2, tries = tries + 1, failures = $3, next_at = $4, last_status = $5,
       last_error = $6, ended_at = $7
     where id = $1`,
    [
      id,
      end.status,
      end.failures,
      end.nextAt,
      end.lastStatus,
      end.lastError,
      end.nextAt === null ? now : null,
    ],
  )

export const insertTry = (tx: Transaction, deliveryId: string, tried: DeliveryTry): Promise<number> =>
  tx.run(
    `insert into webhook_tries (delivery_id, number, at, duration_ms, status, error) values ($1, $2, $3, $4, $5, $6)`,
    [deliveryId, tried.number, tried.at, tried.durationMs, tried.status, tried.error],
  )

/** Fails an endpoint's deliveries that are pending or being sent. */
export const giveUpDeliveries = (
  tx: Transaction,
  endpointId: string,
  reason: string,
  now: number,
): Promise<number> =>
  tx.run(
    `update webhook_deliveries set status = 'failed', next_at = null, last_error = $2, ended_at = $3
     where endpoint_id = $1 and next_at is not null`,
    [endpointId, reason, now],
  )

/** Moves an endpoint's pending deliveries to its new server. */
export const moveDeliveries = (tx: Transaction, endpointId: string, origin: string): Promise<number> =>
  tx.run('update webhook_deliveries set origin = $2 where endpoint_id = $1 and next_at is not null', [
    endpointId,
    origin,
  ])

/** Starts a delivery again, unless it is being sent. */
export const setRedelivered = (tx: Transaction, id: string, origin: string, now: number): Promise<number> =>
  tx.run(
    `update webhook_deliveries set status = 'pending', origin = $2, failures = 0, next_at = $3, ended_at = null
     where id = $1 and status <> 'sending'`,
    [id, origin, now],
  )

export async function findDelivery(reader: Reader, id: string): Promise<Delivery | undefined> {
  const row = await reader.get('select * from webhook_deliveries where id = $1', [id])
  return row && deliveryOf(row)
}

export const listTries = async (reader: Reader, deliveryId: string): Promise<readonly DeliveryTry[]> =>
  (await reader.all('select * from webhook_tries where delivery_id = $1 order by number', [deliveryId])).map(
    (row) => ({
      number: number(row, 'number'),
      at: number(row, 'at'),
      durationMs: number(row, 'duration_ms'),
      status: numberOrNull(row, 'status'),
      error: textOrNull(row, 'error'),
    }),
  )

export interface DeliveryFilter {
  readonly endpointId: string
  readonly status?: DeliveryStatus | undefined
  readonly limit: number
  /** Cursor: the last delivery of the previous page. */
  readonly before?: Pick<Delivery, 'insertedAt' | 'id'> | undefined
}

/** Newest first. */
export async function listDeliveries(reader: Reader, filter: DeliveryFilter): Promise<readonly Delivery[]> {
  const params: SqlValue[] = [filter.endpointId]
  const parts = ['endpoint_id = $1']
  if (filter.status !== undefined) parts.push(`status = $${params.push(filter.status)}`)
  if (filter.before)
    parts.push(
      `(inserted_at, id) < ($${params.push(filter.before.insertedAt)}, $${params.push(filter.before.id)})`,
    )
  const rows = await reader.all(
    `select * from webhook_deliveries where ${parts.join(' and ')}
     order by inserted_at desc, id desc limit $${params.push(filter.limit)}`,
    params,
  )
  return rows.map(deliveryOf)
}

/** Deletes up to `limit` deliveries that ended before a time, with their tries. */
export const deleteOldDeliveries = (tx: Transaction, before: number, limit: number): Promise<number> =>
  tx.run(
    `delete from webhook_deliveries where id in
       (select id from webhook_deliveries where ended_at is not null and ended_at < $1 order by ended_at limit $2)`,
    [before, limit],
  )
