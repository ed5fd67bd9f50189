/** The way of an event to those who are told of it: from the log into deliveries, and each delivery through its tries. */
import type { Host } from '../host.ts'
import type { JobEvent } from '../job/event.ts'
import { loggedAddress } from '../job/web-address.ts'
import { givenUpAfterMs, isChosen, messageOf, retryWaitMs } from '../job/webhook.ts'
import { type Log, logLine } from '../log.ts'
import type { Database, Transaction } from '../store/database.ts'
import {
  type Lane,
  countWaiting,
  findSending,
  forgetDeliveries,
  insertDelivery,
  insertTry,
  listDueDeliveries,
  listLanes,
  setSending,
  setTried,
  setUnsent,
} from '../store/deliveries.ts'
import {
  findEndpoint,
  isUnread,
  listAudience,
  listUnread,
  setFailing,
  setRead,
  setWell,
} from '../store/webhooks.ts'
import { disable, secretsInForce } from './webhook-verbs.ts'

export interface DeliveryVerbs {
  /**
   * Makes a delivery of each event in the log for each endpoint that is told of it. Resolves to whether some could not be
   * read yet, because one before them may still turn up.
   */
  readLog(): Promise<boolean>
  /** What waits, by server. */
  lanes(): Promise<readonly Lane[]>
  /** Takes what is due, and has it for `leaseMs`: if nobody says by then how it ended, it is sent again. */
  beginDeliveries(turns: readonly Turn[], leaseMs: number): Promise<readonly Sending[]>
  /** Notes how a try ended, unless it is somebody else's by now. */
  deliveryTried(sending: Sending, tried: Tried): Promise<void>
  /** It was cut off before it ended, by us. */
  deliveryCutOff(sending: Sending): Promise<void>
  /** Forgets what ended a month ago. */
  forgetDeliveries(): Promise<void>
  /** `listener` is called when there may be something to deliver; returns a function that ends that. */
  onDeliveries(listener: () => void): () => void
}

/** What may be begun at one server. */
export interface Turn {
  readonly origin: string
  readonly places: number
  /** Whose earlier event is under way: events of one job reach an endpoint one after the other. */
  readonly busy: ReadonlySet<string>
}

/** A delivery that is to be sent now, once. */
export interface Sending {
  readonly id: string
  readonly origin: string
  readonly url: string
  readonly body: string
  readonly secrets: readonly string[]
  /** Two of the same are not sent at once. */
  readonly order: string
  /** When it is given up for lost: says that it is ours until then. */
  readonly until: number
}

export interface Tried {
  readonly at: number
  readonly durationMs: number
  /** What was answered; null where nothing was. */
  readonly status: number | null
  /** Null where it was taken. */
  readonly error: string | null
  /** How long the receiver wishes to be left alone. */
  readonly waitMs: number | null
}

export interface DeliveryVerbsOptions {
  readonly database: Database
  readonly host: Host
  readonly log: Log
}

const eventsAtOnce = 100
/** How far to look for something that isn't behind what is under way. */
const window = 32
/** What waits for an endpoint of all jobs, and for one job's. */
const mostWaiting = { ofAllJobs: 50_000, ofOneJob: 5000 }
const keptMs = 30 * 24 * 3_600_000
const forgottenAtOnce = 1000

export function createDeliveryVerbs({ database, host, log }: DeliveryVerbsOptions): DeliveryVerbs & {
  readonly deliverSoon: () => void
} {
  const listeners = new Set<() => void>()

  const readPage = (): Promise<'all' | 'more' | 'held_up'> =>
    database.transaction(async (tx) => {
      const { after, events } = await listUnread(tx, eventsAtOnce)
      const settled = database.dialect === 'postgres' ? beforeGap(events, after, host.now()) : events
      const last = settled.at(-1)
      if (!last) return events.length > 0 ? 'held_up' : 'all'
      const audience = await listAudience(tx, [...new Set(settled.map((event) => event.job_id))])
      const waiting = new Map<string, number>()
      const refusedFor = async (id: string, jobId: number | null): Promise<string | undefined> => {
        const most = jobId === null ? mostWaiting.ofAllJobs : mostWaiting.ofOneJob
        const before = waiting.get(id) ?? (await countWaiting(tx, id))
        if (before >= most) return `${most} messages wait for the endpoint, and no more are taken`
        waiting.set(id, before + 1)
        return undefined
      }
      for (const event of settled)
        for (const { id, jobId, origin, eventTypes, afterEvent } of audience) {
          const isMeant = (jobId === null || jobId === event.job_id) && event.id > afterEvent
          if (isMeant && isChosen(eventTypes, event))
            await insertDelivery(
              tx,
              {
                id: host.id(),
                endpointId: id,
                origin,
                eventId: event.id,
                jobId: event.job_id,
                type: event.type,
                body: messageOf(event.type, event.inserted_at, event),
                refused: await refusedFor(id, jobId),
              },
              host.now(),
            )
        }
      await setRead(tx, last.id)
      if (settled.length < events.length) return 'held_up'
      return events.length === eventsAtOnce ? 'more' : 'all'
    })

  const begin = async (tx: Transaction, turn: Turn, until: number): Promise<readonly Sending[]> => {
    const begun: Sending[] = []
    const orders = new Set(turn.busy)
    for (const due of await listDueDeliveries(tx, turn.origin, host.now(), window)) {
      if (begun.length === turn.places) break
      const order = `${due.endpointId} ${due.jobId}`
      if (orders.has(order)) continue
      orders.add(order)
      await setSending(tx, due.id, until)
      const owner = due.secrets.length > 0 ? due.endpointId : null
      const secrets = (await secretsInForce(tx, owner, host)).map(({ secret }) => secret)
      begun.push({ ...due, secrets, order, until })
    }
    return begun
  }

  /** Says why the endpoint is told nothing more, where that is so. */
  const judged = async (tx: Transaction, endpointId: string, tried: Tried): Promise<string | undefined> => {
    const now = host.now()
    if (tried.error === null) {
      await setWell(tx, endpointId)
      return undefined
    }
    const since = (await findEndpoint(tx, endpointId))?.failingSince ?? null
    if (since === null) await setFailing(tx, endpointId, now)
    const reason =
      tried.status === 410
        ? 'It answered 410: it wants nothing more'
        : since !== null && now - since >= givenUpAfterMs
          ? `Every try failed for ${Math.floor((now - since) / 86_400_000)} days; the last one: ${tried.error}`
          : undefined
    return reason !== undefined && (await disable(tx, endpointId, reason, now)) ? reason : undefined
  }

  return {
    async readLog() {
      while (await isUnread(database)) {
        const read = await readPage()
        if (read !== 'more') return read === 'held_up'
      }
      return false
    },

    lanes: () => listLanes(database),

    beginDeliveries: (turns, leaseMs) =>
      database.transaction(async (tx) => {
        const begun: Sending[] = []
        for (const turn of turns) begun.push(...(await begin(tx, turn, host.now() + leaseMs)))
        return begun
      }),

    async deliveryTried(sending, tried) {
      const noted = await database.transaction(async (tx) => {
        const before = await findSending(tx, sending.id, sending.until)
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
        const disabled = await judged(tx, before.endpointId, tried)
        const isGivenUp = tried.error !== null && waitMs === undefined
        return { endpointId: before.endpointId, disabled, isGivenUp, tries: before.tries + 1 }
      })
      if (!noted) return
      const address = loggedAddress(sending.url)
      if (noted.isGivenUp)
        logLine.deliveryGivenUp(
          log,
          { id: sending.id, endpointId: noted.endpointId, address },
          tried.error ?? '',
        )
      if (noted.disabled !== undefined)
        logLine.endpointDisabled(log, { id: noted.endpointId, address }, noted.disabled)
    },

    deliveryCutOff: (sending) =>
      database.transaction(async (tx) => {
        await setUnsent(tx, sending.id, sending.until, host.now())
      }),

    forgetDeliveries: () =>
      database.transaction(async (tx) => {
        await forgetDeliveries(tx, host.now() - keptMs, forgottenAtOnce)
      }),

    onDeliveries(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },

    deliverSoon: () => {
      for (const listener of listeners) listener()
    },
  }
}

/** PostgreSQL numbers events when they are written and shows them when they are committed, which may be the other way round. */
const latestCommitMs = 15_000

/** The events before a number that may still turn up; one that doesn't in time was rolled back. */
function beforeGap(events: readonly JobEvent[], after: number, now: number): readonly JobEvent[] {
  const gap = events.findIndex(
    ({ id, inserted_at }, index) =>
      id !== (events[index - 1]?.id ?? after) + 1 && now - Date.parse(inserted_at) < latestCommitMs,
  )
  return gap === -1 ? events : events.slice(0, gap)
}
