/**
 * Metrics for Prometheus. Gauges and sums of money are read from the rows at each scrape; counters and durations come from
 * events since the process started.
 */
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'
import type { Coordinator } from '../coordinator/coordinator.ts'
import type { Feed } from '../events/feed.ts'
import type { PubSub } from '../events/pubsub.ts'
import type { Host } from '../host.ts'
import type { JobEvent } from '../job/event.ts'
import { jobStatuses, sceneStatuses } from '../job/lifecycle.ts'
import { listInFlight } from '../store/attempts.ts'
import {
  countAfterCrash,
  countInFlight,
  countJobs,
  countScenes,
  countOrphans,
  countTroubled,
  countUndelivered,
  listEnded,
} from '../store/counts.ts'
import type { Database, DatabaseCounts } from '../store/database.ts'
import { moneyIn } from '../store/money.ts'

export interface Metrics {
  readonly contentType: string
  /** The metrics in Prometheus' text format. */
  text(): Promise<string>
  /** Counts a served request. `route`: its pattern, which bounds the number of label values. */
  requestServed(request: {
    readonly method: string
    readonly route: string
    readonly status: number
    readonly seconds: number
  }): void
  /** Counts one try of a webhook. */
  webhookTried(outcome: 'delivered' | 'failed'): void
  /** Stops counting. */
  stop(): void
}

export interface MetricsOptions {
  readonly coordinator: Pick<Coordinator, 'limits' | 'budgets'>
  readonly database: Database
  readonly pubsub: PubSub
  readonly feed: Pick<Feed, 'readers'>
  readonly host: Host
  readonly version: string
  /** Free bytes on the disk of the data folder. */
  readonly freeBytes: () => Promise<number>
}

/** How long rows are cached: a second, or twenty times the reading's duration, so that reading uses at most a twentieth of the time. */
const keptMs = { least: 1000, times: 20 }

/** Durations observed at one reading: those of the newest jobs that ended since the last. */
const mostEnded = 10_000
const endedAtOnce = 500

const minute = 60
const hour = 60 * minute
const renderBuckets = [1, 2, 5, 10, 20, 40, minute, 90, 2 * minute, 5 * minute, 10 * minute, 30 * minute]
const jobBuckets = [
  1,
  5,
  15,
  30,
  minute,
  2 * minute,
  5 * minute,
  10 * minute,
  20 * minute,
  hour,
  4 * hour,
  24 * hour,
]
const requestBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10]

const usd = (micros: number): number => micros / 1e6

/** Of this node's use of a database server. Returns what copies the present counts. */
function databaseCounters(registers: Registry, read: () => DatabaseCounts): () => void {
  const helps: Record<keyof DatabaseCounts, string> = {
    transactions: 'Transactions and snapshots',
    roundTrips: 'Times that a caller waited for an answer of the database server',
    collisions: 'Tries of transactions that collided with others and were rolled back',
    retries: 'Further tries of transactions, after a collision or a lost connection',
    givenUp: 'Transactions that failed after their last try',
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the type says these are all its keys
  const names = Object.keys(helps) as (keyof DatabaseCounts)[]
  const counters = names.map((of) => {
    const help = helps[of]
    const name = `workflow_database_${of.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}_total`
    return { of, counter: new Counter({ name, help, registers: [registers] }) }
  })
  return () => {
    const counts = read()
    for (const { of, counter } of counters) {
      counter.reset()
      counter.inc(counts[of])
    }
  }
}

/** Creates the metrics of one registry, each in a line. */
function createPage(version: string) {
  const registry = new Registry()
  const registers = [registry]
  const gauge = <Label extends string>(name: string, help: string, ...labelNames: Label[]) =>
    new Gauge({ name, help, labelNames, registers })
  const counter = <Label extends string>(name: string, help: string, ...labelNames: Label[]) =>
    new Counter({ name, help, labelNames, registers })
  const histogram = <Label extends string>(
    name: string,
    help: string,
    buckets: number[],
    ...labelNames: Label[]
  ) => new Histogram({ name, help, buckets, labelNames, registers })

  gauge('workflow_build_info', 'The version that runs; always 1', 'version').set({ version }, 1)
  return {
    registry,
    jobs: gauge('workflow_jobs', 'Jobs stored', 'status'),
    scenes: gauge('workflow_scenes', 'Scenes of approved or processing jobs', 'status'),
    attempts: gauge(
      'workflow_attempts_in_flight',
      'Attempts that are, or may be, in work at their renderer',
      'renderer',
      'status',
    ),
    afterCrash: gauge(
      'workflow_tasks_after_crash',
      'Tasks that a crash interrupted and that wait to restart',
    ),
    held: gauge('workflow_held_attempts', 'Attempts that wait for a manual decision'),
    unreadable: gauge(
      'workflow_unreadable_attempts',
      'Attempts whose state or clip is unavailable at the provider',
      'renderer',
    ),
    slots: gauge('workflow_renderer_slots', 'Renders that may run at once', 'renderer'),
    slotsUsed: gauge('workflow_renderer_slots_used', 'Slots in use', 'renderer'),
    paused: gauge(
      'workflow_provider_paused',
      '1 during a cooldown of the provider or a manual pause',
      'renderer',
    ),
    spent: counter('workflow_spent_usd_total', 'US dollars charged, by the ledger'),
    reserved: gauge('workflow_reserved_usd', 'US dollars reserved for attempts in flight'),
    budgetLimit: gauge('workflow_budget_limit_usd', 'Limit of a budget in US dollars', 'budget'),
    budgetUsed: gauge(
      'workflow_budget_used_usd',
      'US dollars of a budget that are spent or reserved',
      'budget',
    ),
    orphans: gauge('workflow_stray_renders', 'Orphans: renders with our mark but without an attempt'),
    undelivered: gauge('workflow_webhook_deliveries_pending', 'Webhook deliveries not yet delivered'),
    webhooks: counter('workflow_webhook_deliveries_total', 'Tries of webhook deliveries', 'outcome'),
    streams: gauge('workflow_event_streams', 'Open event streams'),
    diskFree: gauge('workflow_disk_free_bytes', 'Free space on the disk of the data folder'),
    jobsEnded: counter('workflow_jobs_total', 'Jobs that ended', 'outcome'),
    jobDuration: histogram(
      'workflow_job_duration_seconds',
      'Time from the approval of a job to its end',
      jobBuckets,
      'type',
      'outcome',
    ),
    renders: counter('workflow_renders_total', 'Renders that ended', 'renderer', 'model', 'outcome'),
    renderDuration: histogram(
      'workflow_render_duration_seconds',
      'Time from the start of a render, when it gets a slot, to its end',
      renderBuckets,
      'renderer',
      'model',
      'outcome',
    ),
    retries: counter(
      'workflow_render_retries_total',
      'Retries of renders, by error code',
      'renderer',
      'code',
    ),
    requests: counter('http_requests_total', 'Requests served', 'method', 'route', 'status'),
    requestDuration: histogram(
      'http_request_duration_seconds',
      'Time to the start of the response, so without the transfer of films and event streams',
      requestBuckets,
      'method',
      'route',
    ),
  }
}

/**
 * Counts from now on what this process ends; renders already running are read from the rows. With several nodes, counters add up,
 * and gauges of rows are the same on each.
 */
export async function openMetrics(options: MetricsOptions): Promise<Metrics> {
  const { coordinator, database, pubsub, feed, host, version, freeBytes } = options
  const page = createPage(version)
  const { registry } = page
  for (const outcome of ['completed', 'failed', 'cancelled']) page.jobsEnded.inc({ outcome }, 0)

  const renders = createRenderCounts(page)
  for (const { sceneId, renderer, model, insertedAt } of await listInFlight(database))
    renders.begun(sceneId, { renderer, model, since: insertedAt })
  const ended: number[] = []
  const endOwn = pubsub.subscribeOwn('*', (event) => {
    renders.hearOwn(event)
    const outcome = outcomeOf[event.type]
    if (outcome === undefined) return
    page.jobsEnded.inc({ outcome })
    if (ended.push(event.job_id) > mostEnded) ended.shift()
  })
  // One node starts a render, another ends it.
  const endAll = pubsub.subscribe('*', renders.hear)

  const readDurations = async (): Promise<void> => {
    while (ended.length > 0)
      for (const { type, status, begunAt, endedAt } of await listEnded(
        database,
        ended.splice(0, endedAtOnce),
      ))
        // A job that was never approved has no duration, and a reopened job has not ended.
        if (begunAt !== null && endedAt !== null && endedAt >= begunAt)
          page.jobDuration.observe({ type, outcome: status }, (endedAt - begunAt) / 1000)
  }

  const readRows = async (): Promise<void> => {
    const [jobs, scenes] = [await countJobs(database), await countScenes(database)]
    for (const status of jobStatuses) page.jobs.set({ status }, jobs.get(status) ?? 0)
    for (const status of sceneStatuses) page.scenes.set({ status }, scenes.get(status) ?? 0)
    const attempts = await countInFlight(database)
    page.attempts.reset()
    for (const { renderer, status, count } of attempts) page.attempts.set({ renderer, status }, count)
    page.held.set(attempts.reduce((sum, { status, count }) => sum + (status === 'held' ? count : 0), 0))

    const troubled = await countTroubled(database)
    page.afterCrash.set(await countAfterCrash(database, host.now()))

    const { manualPause: stop, renderers } = await coordinator.limits()
    for (const { limit, inFlight, manualPause: own, cooldown: pause } of renderers) {
      const { name: renderer, maxConcurrency } = limit
      page.slots.set({ renderer }, maxConcurrency)
      page.slotsUsed.set({ renderer }, inFlight)
      page.unreadable.set({ renderer }, troubled.get(renderer) ?? 0)
      page.paused.set({ renderer }, stop || own || pause ? 1 : 0)
    }
    const { spentMicros, reservedMicros } = await moneyIn(database, {})
    page.spent.reset()
    page.spent.inc(usd(spentMicros))
    page.reserved.set(usd(reservedMicros))
    page.budgetLimit.reset()
    page.budgetUsed.reset()
    for (const { name: budget, limitMicros, used } of await coordinator.budgets()) {
      page.budgetLimit.set({ budget }, usd(limitMicros))
      if (used) page.budgetUsed.set({ budget }, usd(used.spentMicros + used.reservedMicros))
    }
    page.orphans.set(await countOrphans(database))
    page.undelivered.set(await countUndelivered(database))
    page.diskFree.set(await freeBytes())
    await readDurations()
  }

  let readAgainAt = Number.NEGATIVE_INFINITY
  let reading: Promise<void> | undefined
  const rowsRead = (): Promise<void> => {
    if (host.monotonic() < readAgainAt) return Promise.resolve()
    return (reading ??= (async () => {
      const began = host.monotonic()
      try {
        await readRows()
        const now = host.monotonic()
        readAgainAt = now + Math.max(keptMs.least, (now - began) * keptMs.times)
      } finally {
        reading = undefined
      }
    })())
  }

  const readDatabase = database.counts && databaseCounters(registry, () => database.counts!())
  let isAsked = false
  return {
    contentType: registry.contentType,
    async text() {
      // Started at the first scrape: they observe the event loop and the garbage collector, at a cost.
      if (!isAsked) collectDefaultMetrics({ register: registry })
      isAsked = true
      await rowsRead()
      readDatabase?.()
      page.streams.set(feed.readers())
      return registry.metrics()
    },
    requestServed({ method, route, status, seconds }) {
      page.requests.inc({ method, route, status })
      page.requestDuration.observe({ method, route }, seconds)
    },
    webhookTried: (outcome) => page.webhooks.inc({ outcome }),
    stop() {
      endOwn()
      endAll()
    },
  }
}

const outcomeOf: { readonly [type in JobEvent['type']]?: string } = {
  job_completed: 'completed',
  job_failed: 'failed',
  job_cancelled: 'cancelled',
}

const renderOutcomeOf: { readonly [type in JobEvent['type']]?: string } = {
  scene_rendered: 'succeeded',
  scene_completed: 'succeeded',
  scene_failed: 'failed',
  scene_retrying: 'failed',
  scene_cancelled: 'cancelled',
}

interface RunningRender {
  readonly renderer: string
  readonly model: string
  /** ms since the epoch. */
  readonly since: number
}

/** Remembers the renderer of each running scene: only the event at the start names it, not the one at the end. */
function createRenderCounts(page: ReturnType<typeof createPage>) {
  const running = new Map<string, RunningRender>()

  const count = ({ renderer, model, since }: RunningRender, outcome: string, event: JobEvent): void => {
    page.renders.inc({ renderer, model, outcome })
    const seconds = (Date.parse(event.inserted_at) - since) / 1000
    page.renderDuration.observe({ renderer, model, outcome }, Math.max(0, seconds))
    if (event.type === 'scene_retrying') page.retries.inc({ renderer, code: codeOf(event) })
  }

  const follow = (event: JobEvent, onEnd?: (render: RunningRender, outcome: string) => void): void => {
    const { scene_id, data } = event
    if (scene_id === undefined) return
    const { renderer, model } = data
    if (event.type === 'scene_processing' && typeof renderer === 'string' && typeof model === 'string')
      running.set(scene_id, { renderer, model, since: Date.parse(event.inserted_at) })
    const outcome = renderOutcomeOf[event.type]
    if (outcome === undefined) return
    const render = running.get(scene_id)
    running.delete(scene_id)
    // Without one, the scene used a stored clip, or its render was already counted.
    if (render) onEnd?.(render, outcome)
  }

  return {
    begun: (sceneId: string, render: RunningRender) => void running.set(sceneId, render),
    hear: (event: JobEvent): void => follow(event),
    hearOwn: (event: JobEvent): void => follow(event, (render, outcome) => count(render, outcome, event)),
  }
}

/** Our codes are few; those of a provider are unbounded, so odd ones count as `other`. */
const codeOf = ({ data: { code } }: JobEvent): string =>
  typeof code === 'string' && /^[a-z_]{1,40}$/.test(code) ? code : 'other'
