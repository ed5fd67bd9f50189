/**
 * The real coordinator, database, deliveries and guard, on a clock that the test moves; only receivers are the test's own,
 * and nothing is rendered. It can be killed, and opened again on the same data.
 */
import { setTimeout } from 'node:timers/promises'
import { type RunningCoordinator, createCoordinator } from '../../src/coordinator/coordinator.ts'
import { createEmit } from '../../src/events/emit.ts'
import { createEmbeddedEngine } from '../../src/engine/embedded.ts'
import { createPubSub } from '../../src/events/pubsub.ts'
import type { createApp } from '../../src/http/app.ts'
import { createApp as openApp } from '../../src/http/app.ts'
import { readCatalogue } from '../../src/job/catalogue.ts'
import type { EventType } from '../../src/job/event.ts'
import { type Network, readNetwork } from '../../src/job/web-address.ts'
import { createLog } from '../../src/log.ts'
import { createGuardedOutbound } from '../../src/outbound/guarded.ts'
import type { Outbound } from '../../src/outbound/outbound.ts'
import { type Webhooks, startWebhooks } from '../../src/webhooks/sender.ts'
import type { Database } from '../../src/store/database.ts'
import { migrate } from '../../src/store/migrate.ts'
import { migrations } from '../../src/store/migrations/all.ts'
import { type Clock, createClock } from '../clock.ts'
import { type Place, newPlace } from '../store/open-database.ts'

export const [second, minute, hour, day] = [1000, 60_000, 3_600_000, 86_400_000]

export interface House {
  readonly clock: Clock
  readonly coordinator: RunningCoordinator
  readonly database: Database
  readonly app: ReturnType<typeof createApp>
  readonly lines: readonly string[]
  /** Appends events of jobs to the log, each in a transaction of its own. */
  tell(type: EventType, jobId: number, data?: object): Promise<void>
  /** A job that is told of at `url`, as its request asks. */
  jobToldOfAt(url: string, eventTypes?: readonly string[]): Promise<number>
  ask(method: string, path: string, body?: unknown): Promise<{ readonly status: number; readonly body: any }>
  /** An endpoint, added over HTTP: what was answered. */
  endpoint(url: string, members?: object): Promise<any>
  deliveries(endpointId: string): Promise<any[]>
  delivery(deliveryId: string): Promise<any>
  /** Ends as a server does that is asked to. */
  stop(graceMs?: number): Promise<void>
  /** As after a kill: what is under way is forgotten; or after `stop`. */
  reopen(): Promise<House>
  [Symbol.asyncDispose](): Promise<void>
}

const loopback = readNetwork('127.0.0.1/32')!
const asset = 'a'.repeat(64)

export interface HouseOptions {
  readonly kind?: 'sqlite' | 'postgres'
  readonly allowed?: readonly Network[]
  /** Stands before the guard, to stop the world at what is sent. */
  readonly around?: (outbound: Outbound) => Outbound
  readonly resolve?: (name: string) => Promise<readonly string[]>
}

/** Asks again and again until it is so; the test's own guard is the deadline. */
export async function until<T>(what: () => T | Promise<T>): Promise<NonNullable<T>> {
  for (;;) {
    const found = await what()
    if (found) return found
    await setTimeout(1)
  }
}

export async function openHouse(options: HouseOptions = {}): Promise<House> {
  return openAt(await newPlace(options.kind ?? 'sqlite'), createClock(), options)
}

async function openAt(place: Place, clock: Clock, options: HouseOptions): Promise<House> {
  const { allowed = [loopback], around = (outbound: Outbound) => outbound, resolve } = options
  const database = await place.open()
  await migrate(database, migrations)
  const lines: string[] = []
  const log = createLog({ level: 'debug', destination: { write: (line) => lines.push(line) } })
  const pubsub = createPubSub(() => undefined)
  const engine = createEmbeddedEngine({ database, host: clock, log })
  const coordinator = createCoordinator({
    database,
    engine,
    pubsub,
    host: clock,
    log,
    renderers: [
      { name: 'local', models: ['local'], maxConcurrency: 1, startDelayMs: 0, task: 'render-scene' },
    ],
    catalogue: readCatalogue(),
    webhookNetworks: allowed,
  })
  await coordinator.addAsset({
    id: asset,
    contentType: 'image/png',
    width: 1,
    height: 1,
    size: 1,
    master: asset,
  })
  const guarded = createGuardedOutbound({ allowed, host: clock, ...(resolve && { resolve }) })
  const webhooks: Webhooks = startWebhooks({
    coordinator,
    outbound: around(guarded),
    host: clock,
    log,
    onEvent: (wake) => pubsub.subscribe('*', wake),
  })
  const tell = createEmit({ pubsub, host: clock })
  const app = openApp({
    coordinator,
    log,
    host: clock,
    // Neither is asked for here.
    artifacts: undefined as never,
    takeAsset: undefined as never,
  })
  const ask: House['ask'] = async (method, path, body) => {
    const response = await app.request(`/api/v3${path}`, {
      method,
      ...(body === undefined
        ? {}
        : {
            headers: { 'content-type': 'application/json' },
            body: typeof body === 'string' ? body : JSON.stringify(body),
          }),
    })
    const said = await response.text()
    return { status: response.status, body: said === '' ? null : JSON.parse(said) }
  }
  let isOpen = true
  const stop = async (graceMs = 0): Promise<void> => {
    if (!isOpen) return
    isOpen = false
    await webhooks.stop({ graceMs })
    await database.close()
  }

  return {
    clock,
    coordinator,
    database,
    app,
    lines,
    tell: (type, jobId, data = {}) =>
      database.transaction((tx) => tell(tx, { type, jobId, data: { ...data } })),
    async jobToldOfAt(url, eventTypes) {
      const job = await coordinator.createJob({
        type: 'property_photos',
        parameters: { photos: [{ asset_id: asset }] },
        force: true,
        webhook_url: url,
        ...(eventTypes && { webhook_events: eventTypes }),
      })
      return job.id
    },
    ask,
    async endpoint(url, members = {}) {
      const { status, body } = await ask('POST', '/webhooks/endpoints', { url, ...members })
      if (status !== 201) throw new Error(JSON.stringify(body))
      return body
    },
    deliveries: async (endpointId) =>
      (await ask('GET', `/webhooks/endpoints/${endpointId}/deliveries`)).body.deliveries,
    delivery: async (deliveryId) => (await ask('GET', `/webhooks/deliveries/${deliveryId}`)).body,
    stop,
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
