/** A harness that sends webhooks, through the real guard; only receivers are the test's own. It can be killed, and opened again on the same data. */
import { createEmit } from '../../src/events/emit.ts'
import type { EventType } from '../../src/job/event.ts'
import { type Network, readNetwork } from '../../src/job/web-address.ts'
import { createGuardedOutbound } from '../../src/outbound/guarded.ts'
import type { Outbound } from '../../src/outbound/outbound.ts'
import { startWebhooks } from '../../src/webhooks/sender.ts'
import { type Clock, createClock } from '../clock.ts'
import { type Place, newMigratedPlace } from '../store/open-database.ts'
import { type App, appOver, type Ask, asking } from './ask.ts'
import { filmRequest } from './data.ts'
import { type OpenHarness, openHarness } from './harness.ts'
import { eventsSettle } from './settled-events.ts'

export interface WebhookHarness extends OpenHarness {
  readonly app: App
  readonly ask: Ask
  /** Appends an event of a job to the log, in a transaction of its own. Resolves when it can be read. */
  emit(type: EventType, jobId: number, data?: object): Promise<void>
  /** A job that is told of at `url`, as its request asks. */
  jobToldOfAt(url: string, eventTypes?: readonly string[]): Promise<number>
  /** An endpoint, added over HTTP: what was answered. */
  endpoint(url: string, members?: object): Promise<any>
  deliveries(endpointId: string): Promise<any[]>
  delivery(deliveryId: string): Promise<any>
  /** Ends as a server does that is asked to. */
  stop(graceMs?: number): Promise<void>
  /** As after a kill: what is under way is forgotten; or after `stop`. */
  reopen(): Promise<WebhookHarness>
}

export interface WebhookHarnessOptions {
  readonly allowed?: readonly Network[]
  /** Stands before the guard, to stop everything at what is sent. */
  readonly around?: (outbound: Outbound) => Outbound
  readonly resolve?: (name: string) => Promise<readonly string[]>
}

const loopback = readNetwork('127.0.0.1/32')!

export const openWebhookHarness = async (options: WebhookHarnessOptions = {}): Promise<WebhookHarness> =>
  openAt(await newMigratedPlace(), createClock(), options)

async function openAt(place: Place, clock: Clock, options: WebhookHarnessOptions): Promise<WebhookHarness> {
  const { allowed = [loopback], around = (outbound: Outbound) => outbound, resolve } = options
  const harness = await openHarness({ open: () => place.open(), clock, webhookNetworks: allowed, assets: 1 })
  const { closing, coordinator, database, log, pubsub } = harness
  const guarded = createGuardedOutbound({ allowed, host: clock, ...(resolve && { resolve }) })
  const webhooks = startWebhooks({
    coordinator,
    outbound: around(guarded),
    host: clock,
    log,
    onEvent: (wake) =>
      pubsub.subscribe('*', () => {
        if (database.dialect === 'sqlite') wake()
        else eventsSettle(database).then(wake, () => {})
      }),
  })
  const emit = createEmit({ pubsub, host: clock })
  const app = appOver(harness, { host: clock })
  const ask = asking(() => app)
  const stop = async (graceMs = 0): Promise<void> => {
    if (closing.disposed) return
    await webhooks.stop({ graceMs })
    await harness.close()
  }
  return {
    ...harness,
    app,
    ask,
    async emit(type, jobId, data = {}) {
      await database.transaction((tx) => emit(tx, { type, jobId, data: { ...data } }))
      await eventsSettle(database)
    },
    async jobToldOfAt(url, eventTypes) {
      const webhook = { webhook_url: url, ...(eventTypes && { webhook_events: eventTypes }) }
      return (await coordinator.createJob(filmRequest(1, webhook))).id
    },
    async endpoint(url, members = {}) {
      const { status, body } = await ask('POST', '/webhooks/endpoints', { url, ...members })
      if (status !== 201) throw new Error(JSON.stringify(body))
      return body
    },
    deliveries: async (endpointId) =>
      (await ask('GET', `/webhooks/endpoints/${endpointId}/deliveries`)).body.deliveries,
    delivery: async (deliveryId) => (await ask('GET', `/webhooks/deliveries/${deliveryId}`)).body,
    stop,
    close: stop,
    async reopen() {
      await stop()
      return openAt(place, clock, options)
    },
    async [Symbol.asyncDispose]() {
      await stop()
      await place.remove()
    },
  }
}
