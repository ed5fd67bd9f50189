/** Webhook endpoints and their deliveries, readable and changeable at run time. */
import type { Host } from '../host.ts'
import {
  RefusedError,
  deliveryNotFound,
  endpointNotFound,
  invalidField,
  webhookRefused,
} from '../job/errors.ts'
import type { Actor } from '../job/event.ts'
import { type Network, addressProblem } from '../job/web-address.ts'
import {
  type Delivery,
  type DeliveryStatus,
  type DeliveryTry,
  type Endpoint,
  type Secret,
  keptSecretMs,
  maxEndpoints,
  maxSecrets,
  messageOf,
  testType,
} from '../job/webhook.ts'
import { parseEndpoint, parseEndpointChange } from '../job/webhook-request.ts'
import type { Reader, Transaction, Database } from '../store/database.ts'
import {
  findDelivery,
  giveUpDeliveries,
  insertDelivery,
  listDeliveries,
  listTries,
  moveDeliveries,
  setRedelivered,
} from './delivery-rows.ts'
import {
  countEndpoints,
  deleteEndpoint,
  findEndpoint,
  findSecrets,
  findUntold,
  type JobWebhook,
  insertEndpoint,
  listEndpoints,
  setDisabled,
  setEnabled,
  setEndpoint,
  setSecrets,
  skipUnheard,
} from './endpoint-rows.ts'
import { type Kept, once, whole } from '../access/idempotency.ts'
import type { Bound } from '../bind.ts'
import type { Signal } from '../events/signal.ts'
import type { Log } from '../log.ts'

export interface WebhookContext {
  readonly database: Database
  readonly host: Host
  readonly log: Log
  readonly signal: Signal
  /** Private networks that webhooks may be sent to. */
  readonly webhookNetworks: readonly Network[]
}

export interface DeliveryPage {
  readonly status?: DeliveryStatus | undefined
  readonly limit: number
  readonly before?: Pick<Delivery, 'insertedAt' | 'id'> | undefined
}

export interface DeliveriesPage {
  readonly deliveries: readonly Delivery[]
  /** Undefined on the last page. */
  readonly next: Pick<Delivery, 'insertedAt' | 'id'> | undefined
}

export interface DeliveryDetail {
  readonly delivery: Delivery
  readonly endpoint: Endpoint
  readonly tries: readonly DeliveryTry[]
}

/** Secrets are read again from their own row, not stored with the request. */
const keptSecrets = (context: WebhookContext, endpointId: string | null): Kept<readonly Secret[]> => ({
  keep: () => null,
  again: (tx) => secretsInForce(tx, endpointId, context.host),
})

async function changed(
  context: WebhookContext,
  tx: Transaction,
  before: Endpoint,
  change: ReturnType<typeof parseEndpointChange>,
): Promise<void> {
  const { host, signal } = context
  const { url = before.url, event_types: eventTypes = before.eventTypes, status } = change
  const { description = before.description } = change
  const now = host.now()
  await setEndpoint(tx, { ...before, url, eventTypes, description }, now)
  const { origin } = new URL(url)
  if (origin !== new URL(before.url).origin) await moveDeliveries(tx, before.id, origin)
  if (status === 'disabled') await disable(tx, before.id, 'Disabled on request', now)
  if (status === 'enabled') await setEnabled(tx, before.id, await skipUnheard(tx, null), now)
  tx.afterCommit(() => signal.notify('deliveries'))
}

/** Adds an endpoint, which gets events from now on. @throws {RefusedError} `invalid`, `webhook_refused` if there are too many */
export async function addEndpoint(context: WebhookContext, input: unknown, actor?: Actor): Promise<Endpoint> {
  const { host, database, webhookNetworks } = context
  const { url, event_types: eventTypes = [], description = '' } = parseEndpoint(input)
  const id = host.id()
  return once(database, actor, whole<Endpoint>(), async (tx) => {
    refuseAddress('url', url, webhookNetworks)
    if ((await countEndpoints(tx)) >= maxEndpoints)
      throw webhookRefused(
        'Endpoint cannot be added',
        `The limit of ${maxEndpoints} endpoints is reached: remove one first`,
      )
    const afterEvent = await skipUnheard(tx, null)
    const secrets = [newSecret(host)]
    await insertEndpoint(
      tx,
      { id, jobId: null, url, eventTypes, description, secrets, afterEvent },
      host.now(),
    )
    return endpointOf(tx, id)
  })
}

/** Adds the endpoint of a job's `webhook_url`, in the transaction that creates the job; it gets the job's events from the first on. */
export async function addJobEndpoint(
  tx: Transaction,
  { id, jobId, url, eventTypes = [] }: JobWebhook,
  now: number,
): Promise<void> {
  await skipUnheard(tx, jobId)
  await insertEndpoint(tx, { id, jobId, url, eventTypes, description: '', secrets: [], afterEvent: 0 }, now)
}

/** The endpoint for which deliveries of a job are pending, or may be; undefined where there is none. */
export const pendingEndpointOf = (reader: Reader, jobId: number): Promise<string | undefined> =>
  findUntold(reader, jobId)

/** The added endpoints, or the one of a job. */
export const getEndpoints = (context: WebhookContext, jobId?: number): Promise<readonly Endpoint[]> =>
  listEndpoints(context.database, jobId)

/** @throws {RefusedError} `endpoint_not_found` */
export const getEndpoint = (context: WebhookContext, endpointId: string): Promise<Endpoint> =>
  endpointOf(context.database, endpointId)

/** Members left out stay unchanged. @throws {RefusedError} `endpoint_not_found`, `invalid` */
export async function changeEndpoint(
  context: WebhookContext,
  endpointId: string,
  input: unknown,
  actor?: Actor,
): Promise<Endpoint> {
  const { database, webhookNetworks } = context
  const change = parseEndpointChange(input)
  return once(database, actor, whole<Endpoint>(), async (tx) => {
    if (change.url !== undefined) refuseAddress('url', change.url, webhookNetworks)
    await changed(context, tx, await endpointOf(tx, endpointId), change)
    return endpointOf(tx, endpointId)
  })
}

/** Removes an endpoint and all its deliveries. @throws {RefusedError} `endpoint_not_found` */
export const removeEndpoint = (context: WebhookContext, endpointId: string, actor?: Actor): Promise<void> =>
  once(context.database, actor, whole<void>(), async (tx) => {
    if ((await deleteEndpoint(tx, endpointId)) === 0) throw endpointNotFound(endpointId)
  })

/**
 * The signing secrets of an endpoint, the newest first; null: those for the `webhook_url`s of jobs.
 * @throws {RefusedError} `endpoint_not_found`
 */
export const getWebhookSecrets = (
  context: WebhookContext,
  endpointId: string | null,
): Promise<readonly Secret[]> =>
  context.database.transaction(async (tx) => {
    const endpoint = endpointId === null ? null : await endpointOf(tx, endpointId)
    return secretsInForce(tx, endpoint && ownerOf(endpoint), context.host)
  })

/** Creates a new secret; the previous one stays valid for a day. @throws {RefusedError} `endpoint_not_found`, `webhook_refused` */
export const rotateWebhookSecret = (
  context: WebhookContext,
  endpointId: string | null,
  actor?: Actor,
): Promise<readonly Secret[]> =>
  once(context.database, actor, keptSecrets(context, endpointId), async (tx) => {
    const endpoint = endpointId === null ? null : await endpointOf(tx, endpointId)
    if (endpoint && endpoint.jobId !== null)
      throw webhookRefused(
        'Secret cannot be rotated',
        'The webhooks of jobs share one secret: rotate it with POST /api/v3/webhooks/secret/rotate',
      )
    const until = context.host.now() + keptSecretMs
    const before = await secretsInForce(tx, endpointId, context.host)
    const secrets = [
      newSecret(context.host),
      ...before.map((secret) => ({ ...secret, until: secret.until ?? until })),
    ].slice(0, maxSecrets)
    await setSecrets(tx, endpointId, secrets)
    return secrets
  })

/** Sends a test message. @throws {RefusedError} `endpoint_not_found`, `webhook_refused` */
export const testEndpoint = (context: WebhookContext, endpointId: string, actor?: Actor): Promise<Delivery> =>
  once(context.database, actor, whole<Delivery>(), async (tx) => {
    const endpoint = await endpointOf(tx, endpointId)
    if (endpoint.status === 'disabled') throw notWhileDisabled('Endpoint cannot be tested', endpoint)
    const now = context.host.now()
    const id = context.host.id()
    const body = messageOf(testType, new Date(now).toISOString(), { endpoint_id: endpointId })
    const { origin } = new URL(endpoint.url)
    await insertDelivery(
      tx,
      { id, endpointId, origin, eventId: null, jobId: null, type: testType, body },
      now,
    )
    tx.afterCommit(() => context.signal.notify('deliveries'))
    return (await findDelivery(tx, id))!
  })

/** Newest first. @throws {RefusedError} `endpoint_not_found` */
export async function getDeliveries(
  context: WebhookContext,
  endpointId: string,
  { status, limit, before }: DeliveryPage,
): Promise<DeliveriesPage> {
  const { database } = context
  await endpointOf(database, endpointId)
  const found = await listDeliveries(database, { endpointId, status, before, limit: limit + 1 })
  const deliveries = found.slice(0, limit)
  return { deliveries, next: found.length > limit ? deliveries.at(-1) : undefined }
}

/** @throws {RefusedError} `delivery_not_found` */
export async function getDelivery(context: WebhookContext, deliveryId: string): Promise<DeliveryDetail> {
  const { database } = context
  const delivery = await findDelivery(database, deliveryId)
  const endpoint = delivery && (await findEndpoint(database, delivery.endpointId))
  if (!endpoint) throw deliveryNotFound(deliveryId)
  return { delivery, endpoint, tries: await listTries(database, deliveryId) }
}

/** Sends a delivery again, with the same id and a full set of tries. @throws {RefusedError} `delivery_not_found`, `webhook_refused` */
export const redeliver = (context: WebhookContext, deliveryId: string, actor?: Actor): Promise<Delivery> =>
  once(context.database, actor, whole<Delivery>(), async (tx) => {
    const delivery = await findDelivery(tx, deliveryId)
    if (!delivery) throw deliveryNotFound(deliveryId)
    const endpoint = await endpointOf(tx, delivery.endpointId)
    if (endpoint.status === 'disabled') throw notWhileDisabled('Delivery cannot be repeated', endpoint)
    const { origin } = new URL(endpoint.url)
    if ((await setRedelivered(tx, deliveryId, origin, context.host.now())) === 0)
      throw webhookRefused('Delivery cannot be repeated', 'The delivery is being sent')
    tx.afterCommit(() => context.signal.notify('deliveries'))
    return (await findDelivery(tx, deliveryId))!
  })

/** @throws {RefusedError} `invalid`, if webhooks may not be sent to this URL. */
export function refuseAddress(field: string, url: string, allowed: readonly Network[]): void {
  const problem = addressProblem(url, allowed)
  if (problem !== undefined) throw invalidField(field, problem)
}

/** Disables an endpoint and drops its pending deliveries, so that old events do not flood it when it is enabled again. */
export async function disable(
  tx: Transaction,
  endpointId: string,
  reason: string,
  now: number,
): Promise<boolean> {
  if ((await setDisabled(tx, endpointId, reason, now)) === 0) return false
  await giveUpDeliveries(tx, endpointId, 'The endpoint was disabled', now)
  return true
}

/** The owner of its signing secrets: the endpoint itself, or the installation (null) for a job's endpoint. */
export const ownerOf = ({ id, jobId }: Pick<Endpoint, 'id' | 'jobId'>): string | null =>
  jobId === null ? id : null

/** Valid secrets, the newest first. The installation's first secret is created on first use. */
export async function secretsInForce(
  tx: Transaction,
  owner: string | null,
  host: Host,
): Promise<readonly Secret[]> {
  const kept = (await findSecrets(tx, owner)).filter(({ until }) => until === null || until > host.now())
  if (kept.length > 0) return kept
  const first = [newSecret(host)]
  await setSecrets(tx, owner, first)
  return first
}

const newSecret = (host: Host): Secret => ({
  secret: `whsec_${Buffer.from(host.secret(32), 'hex').toString('base64')}`,
  until: null,
})

async function endpointOf(reader: Reader, endpointId: string): Promise<Endpoint> {
  const endpoint = await findEndpoint(reader, endpointId)
  if (!endpoint) throw endpointNotFound(endpointId)
  return endpoint
}

const notWhileDisabled = (what: string, { reason }: Endpoint): RefusedError =>
  webhookRefused(what, `The endpoint is disabled (${reason}): enable it first`)

/** The verbs to bind. */
export const endpointVerbs = {
  addEndpoint,
  endpoints: getEndpoints,
  endpoint: getEndpoint,
  changeEndpoint,
  removeEndpoint,
  webhookSecrets: getWebhookSecrets,
  rotateWebhookSecret,
  testEndpoint,
  deliveries: getDeliveries,
  delivery: getDelivery,
  redeliver,
}

export type EndpointVerbs = Bound<typeof endpointVerbs>
