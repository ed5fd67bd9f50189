/** Whom is told of events, and up to where the log was read for them. */
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
  insertedAt: number(row, 'inserted_at'),
  updatedAt: number(row, 'updated_at'),
})

export interface NewEndpoint {
  readonly id: string
  readonly jobId: number | null
  readonly url: string
  readonly eventTypes: readonly string[]
  readonly description: string
  /** None for a job's: those are signed with the installation's. */
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

/** What a job's request says of whom to tell. */
export interface JobWebhook {
  readonly id: string
  readonly jobId: number
  readonly url: string
  /** None: all. */
  readonly eventTypes?: readonly string[] | undefined
}

/** In the transaction that creates the job: its `webhook_url` is told of its events, from the first one on. */
export async function insertJobWebhook(tx: Transaction, webhook: JobWebhook, now: number): Promise<void> {
  const { id, jobId, url, eventTypes = [] } = webhook
  await skipUnheard(tx, jobId)
  await insertEndpoint(tx, { id, jobId, url, eventTypes, description: '', secrets: [], afterEvent: 0 }, now)
}

/**
 * While nobody is told of anything the log isn't read, so that it costs nothing. Called before somebody is: what went by
 * until then was meant for nobody, except the events of the job `jobId`.
 */
export async function skipUnheard(tx: Transaction, jobId: number | null): Promise<number> {
  const row = await tx.get(
    `select coalesce(max(id), 0) as last, coalesce((select min(id) - 1 from events where job_id = $1), max(id), 0) as until
     from events`,
    [jobId],
  )
  await tx.run(
    `update webhook_state set event_id = $1
     where event_id < $1 and not exists (select 1 from webhook_endpoints where status = 'enabled')`,
    [number(row!, 'until')],
  )
  return number(row!, 'last')
}

export async function findEndpoint(reader: Reader, id: string): Promise<Endpoint | undefined> {
  const row = await reader.get('select * from webhook_endpoints where id = $1', [id])
  return row && endpointOf(row)
}

/** Those that were added; `jobId`: those of a job. */
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
    `update webhook_endpoints set status = 'enabled', reason = null, failing_since = null, after_event = $2, updated_at = $3
     where id = $1 and status = 'disabled'`,
    [id, afterEvent, now],
  )

export const setDisabled = (tx: Transaction, id: string, reason: string, now: number): Promise<number> =>
  tx.run(
    `update webhook_endpoints set status = 'disabled', reason = $2, updated_at = $3
     where id = $1 and status = 'enabled'`,
    [id, reason, now],
  )

export const setFailing = (tx: Transaction, id: string, since: number): Promise<number> =>
  tx.run('update webhook_endpoints set failing_since = $2 where id = $1 and failing_since is null', [
    id,
    since,
  ])

export const setWell = (tx: Transaction, id: string): Promise<number> =>
  tx.run('update webhook_endpoints set failing_since = null where id = $1 and failing_since is not null', [
    id,
  ])

export const deleteEndpoint = (tx: Transaction, id: string): Promise<number> =>
  tx.run('delete from webhook_endpoints where id = $1', [id])

/** `id`: an endpoint's; null for those that the webhooks of jobs are signed with. */
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

/** The endpoint of a job, where something of the job waits for it, or may: what was not read in the log yet. */
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

/** Whether somebody is to be told of what is in the log by now. */
export const isUnread = async (reader: Reader): Promise<boolean> =>
  (await reader.get(
    `select 1 as unread from webhook_state
     where event_id < (select max(id) from events)
       and exists (select 1 from webhook_endpoints where status = 'enabled')`,
  )) !== undefined

/** The events that follow on where the log was read to, oldest first, and that place. */
export async function listUnread(
  reader: Reader,
  limit: number,
): Promise<{ readonly after: number; readonly events: readonly JobEvent[] }> {
  const state = await reader.get('select event_id from webhook_state')
  const after = number(state!, 'event_id')
  return { after, events: await listEvents(reader, after, limit) }
}

export const setRead = (tx: Transaction, eventId: number): Promise<number> =>
  tx.run('update webhook_state set event_id = $1', [eventId])

/** An endpoint that may be told of some events. */
export interface Audience {
  readonly id: string
  readonly jobId: number | null
  readonly origin: string
  readonly eventTypes: readonly string[]
  readonly afterEvent: number
}

/** Those that are told of all jobs, and those of these jobs. */
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
