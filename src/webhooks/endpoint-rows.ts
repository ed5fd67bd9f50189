/** Endpoints, and the fan-out cursor. */
import type { JobEvent } from '../job/event.ts'
import type { Endpoint, EndpointStatus, Secret } from '../job/webhook.ts'
import type { Reader, Row, Transaction } from '../store/database.ts'
import { listEvents } from '../store/events.ts'
import { json, number, numberOrNull, text, textOrNull } from '../store/sql.ts'

const endpointOf = (row: Row): Endpoint => ({
  id: text(row, 'id'),
  jobId: numberOrNull(row, 'job_id'),
  url: text(row, 'url'),
  eventTypes: json<string[]>(row, 'event_types'),
  description: text(row, 'description'),
  status: text(row, 'status') as EndpointStatus,
  reason: textOrNull(row, 'reason'),
  failingSince: numberOrNull(row, 'failing_since'),
  lastError: textOrNull(row, 'last_error'),
  insertedAt: number(row, 'inserted_at'),
  updatedAt: number(row, 'updated_at'),
})

export interface NewEndpoint {
  readonly id: string
  readonly jobId: number | null
  readonly url: string
  readonly eventTypes: readonly string[]
  readonly description: string
  /** Empty for a job's endpoint, whose deliveries are signed with the installation's secrets. */
  readonly secrets: readonly Secret[]
  readonly afterEvent: number
}

export const insertEndpoint = (tx: Transaction, endpoint: NewEndpoint, now: number): Promise<number> =>
  tx.run(
    `insert into webhook_endpoints (id, job_id, url, event_types, description, status, secrets, after_event, inserted_at,
       updated_at)
     values ($1, $2, $3, $4, $5, 'enabled', $6, $7, $8, $8)`,
    [
      endpoint.id,
      endpoint.jobId,
      endpoint.url,
      JSON.stringify(endpoint.eventTypes),
      endpoint.description,
      JSON.stringify(endpoint.secrets),
      endpoint.afterEvent,
      now,
    ],
  )

/** The webhook of a job's request. */
export interface JobWebhook {
  readonly id: string
  readonly jobId: number
  readonly url: string
  /** Default: all types. */
  readonly eventTypes?: readonly string[] | undefined
}

/**
 * Moves the fan-out cursor past the events that no endpoint was to get. Without an enabled endpoint the log is not read, so
 * call this before one is enabled. Events of the job `jobId` are not skipped. Resolves to the newest settled event: a later one
 * may still be committed below those that are there.
 */
export async function skipUnheard(tx: Transaction, jobId: number | null): Promise<number> {
  const row = await tx.get(
    `select (select coalesce(max(id), 0) from settled_events) as last,
       (select min(id) from events where job_id = $1) as first`,
    [jobId],
  )
  const [last, first] = [number(row!, 'last'), numberOrNull(row!, 'first')]
  await tx.run(
    `update webhook_state set event_id = $1
     where event_id < $1 and not exists (select 1 from webhook_endpoints where status = 'enabled')`,
    [first === null ? last : Math.min(last, first - 1)],
  )
  return last
}

export async function findEndpoint(reader: Reader, id: string): Promise<Endpoint | undefined> {
  const row = await reader.get('select * from webhook_endpoints where id = $1', [id])
  return row && endpointOf(row)
}

/** The added endpoints; with `jobId`, those of a job. */
export const listEndpoints = async (
  reader: Reader,
  jobId: number | undefined,
): Promise<readonly Endpoint[]> =>
  (
    await (jobId === undefined
      ? reader.all('select * from webhook_endpoints where job_id is null order by inserted_at, id')
      : reader.all('select * from webhook_endpoints where job_id = $1 order by inserted_at, id', [jobId]))
  ).map(endpointOf)

export async function countEndpoints(reader: Reader): Promise<number> {
  return number((await reader.get('select count(*) as n from webhook_endpoints where job_id is null'))!, 'n')
}

export const setEndpoint = (tx: Transaction, endpoint: Endpoint, now: number): Promise<number> =>
  tx.run(
    `update webhook_endpoints set url = $2, event_types = $3, description = $4, updated_at = $5 where id = $1`,
    [endpoint.id, endpoint.url, JSON.stringify(endpoint.eventTypes), endpoint.description, now],
  )

export const setEnabled = (tx: Transaction, id: string, afterEvent: number, now: number): Promise<number> =>
  tx.run(
    `update webhook_endpoints set status = 'enabled', reason = null, failing_since = null, last_error = null, after_event = $2,
       updated_at = $3
     where id = $1 and status = 'disabled'`,
    [id, afterEvent, now],
  )

export const setDisabled = (tx: Transaction, id: string, reason: string, now: number): Promise<number> =>
  tx.run(
    `update webhook_endpoints set status = 'disabled', reason = $2, updated_at = $3
     where id = $1 and status = 'enabled'`,
    [id, reason, now],
  )

export const setFailing = (tx: Transaction, id: string, since: number, error: string): Promise<number> =>
  tx.run(
    `update webhook_endpoints set failing_since = coalesce(failing_since, $2), last_error = $3
     where id = $1 and (failing_since is null or last_error is distinct from $3)`,
    [id, since, error],
  )

export const setWell = (tx: Transaction, id: string): Promise<number> =>
  tx.run(
    `update webhook_endpoints set failing_since = null, last_error = null
     where id = $1 and failing_since is not null`,
    [id],
  )

export const deleteEndpoint = (tx: Transaction, id: string): Promise<number> =>
  tx.run('delete from webhook_endpoints where id = $1', [id])

/** `id`: an endpoint; null: the installation, whose secrets sign the webhooks of jobs. */
export async function findSecrets(reader: Reader, id: string | null): Promise<readonly Secret[]> {
  const row =
    id === null
      ? await reader.get('select secrets from webhook_state')
      : await reader.get('select secrets from webhook_endpoints where id = $1', [id])
  return row ? json<Secret[]>(row, 'secrets') : []
}

export const setSecrets = (tx: Transaction, id: string | null, secrets: readonly Secret[]): Promise<number> =>
  id === null
    ? tx.run('update webhook_state set secrets = $1', [JSON.stringify(secrets)])
    : tx.run('update webhook_endpoints set secrets = $2 where id = $1', [id, JSON.stringify(secrets)])

/** A job's endpoint with pending deliveries or events not yet fanned out; undefined if there is none. */
export async function findUntold(reader: Reader, jobId: number): Promise<string | undefined> {
  const row = await reader.get(
    `select id from webhook_endpoints where job_id = $1
       and (exists (select 1 from webhook_deliveries
           where endpoint_id = webhook_endpoints.id and next_at is not null)
         or (status = 'enabled' and exists (select 1 from events
           where events.job_id = $1 and events.id > webhook_endpoints.after_event
             and events.id > (select event_id from webhook_state))))`,
    [jobId],
  )
  return row && text(row, 'id')
}

/** Whether the log has events that an enabled endpoint may subscribe to and that were not fanned out yet. */
export const isUnread = async (reader: Reader): Promise<boolean> =>
  (await reader.get(
    `select 1 as unread from webhook_state
     where event_id < (select max(id) from settled_events)
       and exists (select 1 from webhook_endpoints where status = 'enabled')`,
  )) !== undefined

/** The events after the fan-out cursor, oldest first. */
export async function listUnread(reader: Reader, limit: number): Promise<readonly JobEvent[]> {
  const state = await reader.get('select event_id from webhook_state')
  return listEvents(reader, number(state!, 'event_id'), limit)
}

export const setRead = (tx: Transaction, eventId: number): Promise<number> =>
  tx.run('update webhook_state set event_id = $1', [eventId])

/** An endpoint that may subscribe to some of the events. */
export interface Audience {
  readonly id: string
  readonly jobId: number | null
  readonly origin: string
  readonly eventTypes: readonly string[]
  readonly afterEvent: number
}

/** The enabled endpoints for all jobs, and those of these jobs. */
export async function listAudience(reader: Reader, jobIds: readonly number[]): Promise<readonly Audience[]> {
  const places = jobIds.map((_, index) => `$${index + 1}`).join(', ')
  const rows = await reader.all(
    `select id, job_id, url, event_types, after_event from webhook_endpoints
     where status = 'enabled' and (job_id is null or job_id in (${places}))`,
    jobIds,
  )
  return rows.map((row) => ({
    id: text(row, 'id'),
    jobId: numberOrNull(row, 'job_id'),
    origin: new URL(text(row, 'url')).origin,
    eventTypes: json<string[]>(row, 'event_types'),
    afterEvent: number(row, 'after_event'),
  }))
}
