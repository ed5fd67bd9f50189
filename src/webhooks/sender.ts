/**
 * Sends webhooks: turns events of the log into deliveries, and sends those that are due. Rows hold what is to be done, and
 * memory only what is under way, so that a restart resumes where the last process stopped.
 */
import type { DeliveryVerbs, Sending, Tried, Turn } from './deliveries.ts'
import { type Host, atMost } from '../host.ts'
import { messageId, signedHeaders } from '../job/webhook.ts'
import { type Log, logLine } from '../log.ts'
import { createLoop } from '../loop.ts'
import type { Outbound, Outcome } from '../outbound/outbound.ts'

export interface WebhooksOptions {
  readonly coordinator: DeliveryVerbs
  readonly outbound: Outbound
  readonly host: Host
  readonly log: Log
  /** Calls `wake` after each event; returns a function that unsubscribes. */
  readonly onEvent: (wake: () => void) => () => void
}

export interface Webhooks {
  /** Starts no more deliveries, and aborts those still under way after `graceMs`: the next start sends them. */
  stop(options: { readonly graceMs: number }): Promise<void>
}

const slots = {
  /** At once in total. */
  all: 64,
  /** At once to one server that accepted its last delivery. */
  each: 4,
  /** At once to all servers together whose last delivery failed: slots always remain for the others. */
  troubled: 32,
}
/** Beyond the longest try, which takes 15 s: a delivery of a process that died is sent again when its lease expires. */
const leaseMs = 15_500
/** Wakes from other nodes may get lost. */
const lookAgainMs = 10_000
const forgetEveryMs = 3_600_000
/** After the outcome of a send could not be recorded; doubled up to the longest. */
const recordAgainMs = { first: 250, longest: 10_000 }

/** The deliveries under way to one server. */
interface Traffic {
  readonly orders: Set<string>
  /** The outcome of its last delivery. While unknown, it gets one slot: it may never answer. */
  state: 'unknown' | 'well' | 'troubled'
  /** Its last turn, counted over all servers: the server with the earliest turn is next. */
  turn: number
}

export function startWebhooks({ coordinator, outbound, host, log, onEvent }: WebhooksOptions): Webhooks {
  const cutOff = new AbortController()
  const traffic = new Map<string, Traffic>()
  const underWay = new Set<Promise<void>>()
  /** Orders that an earlier process may still be sending, and until when. */
  let inherited: Map<string, number> | undefined
  let forgetAt = host.now()
  let turn = 0

  const trafficTo = (origin: string): Traffic => {
    const known = traffic.get(origin) ?? { orders: new Set(), state: 'unknown', turn: 0 }
    traffic.set(origin, known)
    return known
  }

  /** Shares the free slots among the servers with due deliveries: fewest under way first, then the earliest turn. */
  const turnsFor = (due: readonly string[]): readonly Turn[] => {
    let free = slots.all - underWay.size
    let freeToTroubled = slots.troubled
    for (const { state, orders } of traffic.values()) if (state === 'troubled') freeToTroubled -= orders.size
    const turns: Turn[] = []
    const inTurn = due
      .map((origin) => ({ origin, ...trafficTo(origin) }))
      .toSorted((one, other) => one.orders.size - other.orders.size || one.turn - other.turn)
    for (const { origin, state, orders } of inTurn) {
      const most = (state === 'well' ? slots.each : 1) - orders.size
      const share = Math.min(most, free, state === 'troubled' ? freeToTroubled : free)
      if (share <= 0) continue
      free -= share
      if (state === 'troubled') freeToTroubled -= share
      turns.push({ origin, slots: share, busy: new Set([...orders, ...(inherited?.keys() ?? [])]) })
    }
    return turns
  }

  const deliver = async (sending: Sending, leasedUntil: number): Promise<void> => {
    const id = messageId(sending.id)
    const at = host.now()
    const began = host.monotonic()
    const headers = signedHeaders(id, at, sending.body, sending.secrets)
    // By monotonic time: this process may have been stopped for longer than its lease.
    const mayBeSent = (): boolean => host.monotonic() < leasedUntil
    const outcome = await outbound.post(
      { url: sending.url, headers, body: sending.body, mayBeSent },
      cutOff.signal,
    )
    if (outcome.kind === 'cut_off') return coordinator.deliveryCutOff(sending)
    const error = errorOf(outcome)
    trafficTo(sending.origin).state = error === null ? 'well' : 'troubled'
    return record(sending, {
      at,
      durationMs: Math.round(host.monotonic() - began),
      status: outcome.kind === 'answered' ? outcome.status : null,
      error,
      waitMs: outcome.kind === 'answered' ? outcome.waitMs : null,
    })
  }

  /** Records until it succeeds: a delivery without an outcome is sent again. It changes nothing once the lease has passed on. */
  const record = async (sending: Sending, tried: Tried): Promise<void> => {
    for (let waitMs = recordAgainMs.first; ; waitMs = Math.min(waitMs * 2, recordAgainMs.longest)) {
      try {
        return await coordinator.deliveryTried(sending, tried)
      } catch (error) {
        logLine.cannotDeliver(log, error)
        await host.sleep(waitMs, cutOff.signal)
        if (cutOff.signal.aborted) return
      }
    }
  }

  /** Leases of an earlier process that have not expired yet: its sends may be under way. */
  const passInherited = async (now: number): Promise<number> => {
    inherited ??= new Map(await coordinator.leasedOrders())
    for (const [order, until] of inherited) if (until <= now) inherited.delete(order)
    return Math.min(Number.POSITIVE_INFINITY, ...inherited.values())
  }

  const begin = (sending: Sending, leasedUntil: number): void => {
    const server = trafficTo(sending.origin)
    const { orders } = server
    orders.add(sending.order)
    server.turn = ++turn
    const done = deliver(sending, leasedUntil)
      .catch((error: unknown) => logLine.cannotDeliver(log, error))
      .finally(() => {
        orders.delete(sending.order)
        underWay.delete(done)
        loop.wake()
      })
    underWay.add(done)
  }

  /** Starts the deliveries that may start; returns the ms until the next look. */
  const look = async (): Promise<number> => {
    await coordinator.readLog()
    if (host.now() >= forgetAt || host.now() < forgetAt - forgetEveryMs) {
      await coordinator.forgetDeliveries()
      forgetAt = host.now() + forgetEveryMs
    }
    const lanes = await coordinator.lanes()
    const waiting = new Set(lanes.map(({ origin }) => origin))
    for (const [origin, { orders }] of traffic)
      if (orders.size === 0 && !waiting.has(origin)) traffic.delete(origin)
    // One moment for due and future: an order between two moments would be neither.
    const now = host.now()
    const inheritedUntil = await passInherited(now)
    const turns = turnsFor(lanes.filter(({ nextAt }) => nextAt <= now).map(({ origin }) => origin))
    if (turns.length > 0) {
      // Before the lease begins.
      const leasedUntil = host.monotonic() + leaseMs
      for (const sending of await coordinator.beginDeliveries(turns, leaseMs)) begin(sending, leasedUntil)
    }
    // Due deliveries without a slot are looked for when one under way ends.
    const times = [forgetAt, inheritedUntil, ...lanes.map(({ nextAt }) => nextAt)].filter((at) => at > now)
    return Math.min(lookAgainMs, Math.min(...times) - host.now())
  }

  const loop = createLoop({ host, look, onError: (error) => logLine.cannotDeliver(log, error) })
  const subscriptions = [onEvent(loop.wake), coordinator.onDeliveries(loop.wake)]
  loop.start()

  return {
    async stop({ graceMs }) {
      for (const end of subscriptions) end()
      await loop.stop()
      await atMost(host, graceMs, Promise.all(underWay))
      cutOff.abort(new Error('the server is stopping'))
      await Promise.all(underWay)
      await outbound.close()
    },
  }
}

/**
 * Sends until `signal` fires, then as `stop`: for a program of several nodes, in which one sends at a time. Another may begin
 * while this one ends: a send whose lease has passed on writes nothing and records nothing.
 */
export async function runWebhooks(
  { graceMs, ...options }: WebhooksOptions & { readonly graceMs: number },
  signal: AbortSignal,
): Promise<void> {
  const webhooks = startWebhooks(options)
  if (!signal.aborted)
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
  await webhooks.stop({ graceMs })
}

/** Null if the server accepted the message. */
function errorOf(outcome: Exclude<Outcome, { kind: 'cut_off' }>): string | null {
  if (outcome.kind === 'unanswered') return outcome.reason
  const { status } = outcome
  if (status >= 200 && status < 300) return null
  return status >= 300 && status < 400
    ? `It answered ${status}: of redirects only 307 and 308 repeat what is sent`
    : `It answered ${status}`
}
