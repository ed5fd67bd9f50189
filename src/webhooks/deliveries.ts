/** Fan-out of events from the log into deliveries, and the tries of each delivery. */
import { loggedAddress } from '../job/web-address.ts'
import { givenUpAfterMs, isChosen, messageOf, retryWaitMs } from '../job/webhook.ts'
import { logLine } from '../log.ts'
import type { Transaction } from '../store/database.ts'
import {
  type Lane,
  countWaiting,
  findSending,
  deleteOldDeliveries,
  insertDelivery,
  insertTry,
  listDueDeliveries,
  listLanes,
  listSending,
  setSending,
  setTried,
  setUnsent,
} from './delivery-rows.ts'
import {
  findEndpoint,
  isUnread,
  listAudience,
  listUnread,
  setFailing,
  setRead,
  setWell,
} from './endpoint-rows.ts'
import { disable, secretsInForce, type WebhookContext } from './endpoints.ts'
import type { Bound } from '../bind.ts'

/** The sends that may start at one server. */
export interface Turn {
  readonly origin: string
  readonly slots: number
  /** Orders that wait: an endpoint gets the events of one job one after the other. */
  readonly busy: ReadonlySet<string>
}

/** A leased delivery: one send. */
export interface Sending {
  readonly id: string
  readonly origin: string
  readonly url: string
  readonly body: string
  readonly secrets: readonly string[]
  /** Deliveries with the same order are sent one at a time. */
  readonly order: string
  /** Lease until `until`, ms since the epoch, which is also the fencing token. */
  readonly leaseUntil: number
}

export interface Tried {
  readonly at: number
  readonly durationMs: number
  /** HTTP status; null without a response. */
  readonly status: number | null
  /** Null if the endpoint accepted the delivery. */
  readonly error: string | null
  /** The endpoint's `Retry-After`, in ms; null without one. */
  readonly waitMs: number | null
}

const eventsAtOnce = 100
/** Due deliveries to search for one whose order has no send in flight. */
const window = 32
/** Limits of pending deliveries of an added endpoint, and of a job's endpoint. */
const mostWaiting = { ofAllJobs: 50_000, ofOneJob: 5000 }
const keptMs = 30 * 24 * 3_600_000
const forgottenAtOnce = 1000

/** Resolves to whether there may be more. */
const readPage = (context: WebhookContext): Promise<boolean> =>
  context.database.transaction(async (tx) => {
    const events = await listUnread(tx, eventsAtOnce)
    const last = events.at(-1)
    if (!last) return false
    const audience = await listAudience(tx, [...new Set(events.map((event) => event.job_id))])
    const waiting = new Map<string, number>()
    const refusedFor = async (id: string, jobId: number | null): Promise<string | undefined> => {
      const most = jobId === null ? mostWaiting.ofAllJobs : mostWaiting.ofOneJob
      const before = waiting.get(id) ?? (await countWaiting(tx, id))
      if (before >= most) return `${most} deliveries are pending at the endpoint, which is the limit`
      waiting.set(id, before + 1)
      return undefined
    }
    for (const event of events)
      for (const { id, jobId, origin, eventTypes, afterEvent } of audience) {
        const isMeant = (jobId === null || jobId === event.job_id) && event.id > afterEvent
        if (isMeant && isChosen(eventTypes, event))
          await insertDelivery(
            tx,
            {
              id: context.host.id(),
              endpointId: id,
              origin,
              eventId: event.id,
              jobId: event.job_id,
              type: event.type,
              body: messageOf(event.type, event.inserted_at, event),
              refused: await refusedFor(id, jobId),
            },
            context.host.now(),
          )
      }
    await setRead(tx, last.id)
    return events.length === eventsAtOnce
  })

const orderOf = ({
  endpointId,
  jobId,
}: {
  readonly endpointId: string
  readonly jobId: number | null
}): string => `${endpointId} ${jobId}`

async function begin(
  context: WebhookContext,
  tx: Transaction,
  turn: Turn,
  until: number,
): Promise<readonly Sending[]> {
  const { host } = context
  const begun: Sending[] = []
  const orders = new Set(turn.busy)
  for (const due of await listDueDeliveries(tx, turn.origin, host.now(), window)) {
    if (begun.length === turn.slots) break
    const order = orderOf(due)
    if (orders.has(order)) continue
    orders.add(order)
    await setSending(tx, due.id, until)
    const owner = due.secrets.length > 0 ? due.endpointId : null
    const secrets = (await secretsInForce(tx, owner, host)).map(({ secret }) => secret)
    begun.push({ ...due, secrets, order, leaseUntil: until })
  }
  return begun
}

/** Disables an endpoint that answers 410 or has failed too long. Resolves to the reason; undefined if it stays enabled. */
async function judged(
  context: WebhookContext,
  tx: Transaction,
  endpointId: string,
  tried: Tried,
): Promise<string | undefined> {
  const { host } = context
  const now = host.now()
  if (tried.error === null) {
    await setWell(tx, endpointId)
    return undefined
  }
  const since = (await findEndpoint(tx, endpointId))?.failingSince ?? null
  await setFailing(tx, endpointId, now, tried.error)
  const reason =
    tried.status === 410
      ? 'The endpoint answered 410 Gone'
      : since !== null && now - since >= givenUpAfterMs
        ? `Every try failed for ${Math.floor((now - since) / 86_400_000)} days; last error: ${tried.error}`
        : undefined
  return reason !== undefined && (await disable(tx, endpointId, reason, now)) ? reason : undefined
}

/** Creates a delivery of each settled event for each endpoint that subscribes to it. */
export async function readLog(context: WebhookContext): Promise<void> {
  while (await isUnread(context.database)) if (!(await readPage(context))) return
}

/** Pending deliveries, by server. */
export const getLanes = (context: WebhookContext): Promise<readonly Lane[]> => listLanes(context.database)

/** The orders of deliveries that are leased now, such as by a process that died, until when, ms since the epoch. */
export const getLeasedOrders = async (context: WebhookContext): Promise<ReadonlyMap<string, number>> =>
  new Map(
    (await listSending(context.database, context.host.now())).map((sending) => [
      orderOf(sending),
      sending.leaseUntil,
    ]),
  )

/** Leases due deliveries for `leaseMs`: one without a recorded outcome by then is sent again. */
export const beginDeliveries = (
  context: WebhookContext,
  turns: readonly Turn[],
  leaseMs: number,
): Promise<readonly Sending[]> =>
  context.database.transaction(async (tx) => {
    const begun: Sending[] = []
    for (const turn of turns) begun.push(...(await begin(context, tx, turn, context.host.now() + leaseMs)))
    return begun
  })

/** Records a try's outcome, unless its lease has passed to another send. */
export async function deliveryTried(context: WebhookContext, sending: Sending, tried: Tried): Promise<void> {
  const { database, host, log } = context
  const noted = await database.transaction(async (tx) => {
    const before = await findSending(tx, sending.id, sending.leaseUntil)
    if (!before) return undefined
    const now = host.now()
    const failures = before.failures + 1
    const isFinal = tried.error === null || tried.status === 410
    const waitMs = isFinal ? undefined : retryWaitMs(failures, tried.waitMs, host.random)
    await insertTry(tx, sending.id, { ...tried, number: before.tries + 1 })
    await setTried(
      tx,
      sending.id,
      {
        status: tried.error === null ? 'delivered' : waitMs === undefined ? 'failed' : 'pending',
        nextAt: waitMs === undefined ? null : now + waitMs,
        failures,
        lastStatus: tried.status,
        lastError: tried.error,
      },
      now,
    )
    const disabled = await judged(context, tx, before.endpointId, tried)
    const isGivenUp = tried.error !== null && waitMs === undefined
    return { endpointId: before.endpointId, disabled, isGivenUp, tries: before.tries + 1 }
  })
  if (!noted) return
  const address = loggedAddress(sending.url)
  if (noted.isGivenUp)
    logLine.deliveryGivenUp(log, { id: sending.id, endpointId: noted.endpointId, address }, tried.error ?? '')
  if (noted.disabled !== undefined)
    logLine.endpointDisabled(log, { id: noted.endpointId, address }, noted.disabled)
}

/** Releases the lease of a send that this process aborted. */
export const deliveryCutOff = (context: WebhookContext, sending: Sending): Promise<void> =>
  context.database.transaction(async (tx) => {
    await setUnsent(tx, sending.id, sending.leaseUntil, context.host.now())
  })

/** Deletes deliveries that ended more than 30 days ago. */
export const forgetDeliveries = (context: WebhookContext): Promise<void> =>
  context.database.transaction(async (tx) => {
    await deleteOldDeliveries(tx, context.host.now() - keptMs, forgottenAtOnce)
  })

/** Calls `listener` when there may be something to deliver; returns the unsubscribe function. */
export const onDeliveries = (context: WebhookContext, listener: () => void): (() => void) =>
  context.signal.on('deliveries', listener)

/** The verbs to bind for the sender. */
export const deliveryVerbs = {
  readLog,
  lanes: getLanes,
  leasedOrders: getLeasedOrders,
  beginDeliveries,
  deliveryTried,
  deliveryCutOff,
  forgetDeliveries,
  onDeliveries,
}

export type DeliveryVerbs = Bound<typeof deliveryVerbs>
