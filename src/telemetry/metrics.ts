/**
 * What the house is doing, as Prometheus reads it. Gauges and sums of money come from the rows at the moment they are
 * asked for; what happened is counted from the events, since this process began.
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
  countStrays,
  countTroubled,
  countUndelivered,
  listEnded,
} from '../store/counts.ts'
import type { Database } from '../store/database.ts'
import { moneyIn } from '../store/money.ts'

export interface Metrics {
  readonly contentType: string
  /** The page, in Prometheus' text format. */
  text(): Promise<string>
  /** A request was answered. `route`: its pattern, so that there are as many as there are routes. */
  requestServed(request: {
    readonly method: string
    readonly route: string
    readonly status: number
    readonly seconds: number
  }): void
  /** A webhook was sent once. */
  webhookTried(outcome: 'delivered' | 'failed'): void
  /** Counts no more. */
  stop(): void
}

export interface MetricsOptions {
  readonly coordinator: Pick<Coordinator, 'limits' | 'budgets'>
  readonly database: Database
  readonly pubsub: PubSub
  readonly feed: Pick<Feed, 'readers'>
  readonly host: Host
  readonly version: string
  /** Bytes that are free on the disk of the data folder. */
  readonly freeBytes: () => Promise<number>
}

/** Rows are read again after a second, or twenty times as long as that takes: a twentieth of the time at most. */
const keptMs = { least: 1000, times: 20 }

/** Jobs that ended since the last reading; of more than these, the durations of the newest. */
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

/** `gauge(...)` and the like on one page, so that each metric is said in a line. */
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
    jobs: gauge('workflow_jobs', 'Jobs that are kept', 'status'),
    scenes: gauge('workflow_scenes', 'Scenes of jobs that are approved or processing', 'status'),
    attempts: gauge(
      'workflow_attempts_in_flight',
      'Attempts that are, or may be, at their renderer',
      'renderer',
      'status',
    ),
    afterCrash: gauge(
      'workflow_tasks_after_crash',
      'Tasks that ran when the process died, and wait for their time to begin again',
    ),
    held: gauge('workflow_held_attempts', 'Attempts that wait until a person decides'),
    unreadable: gauge(
      'workflow_unreadable_attempts',
      'Attempts whose provider cannot be read, or whose clip cannot be fetched',
      'renderer',
    ),
    slots: gauge('workflow_renderer_slots', 'Renders that may run at once', 'renderer'),
    slotsUsed: gauge('workflow_renderer_slots_used', 'Renders that have a place', 'renderer'),
    paused: gauge(
      'workflow_provider_paused',
      '1 while nothing is started there, because the provider asked for it or a person paused it',
      'renderer',
    ),
    spent: counter('workflow_spent_usd_total', 'US dollars that were charged, by the books'),
    reserved: gauge('workflow_reserved_usd', 'US dollars that are held back for attempts in flight'),
    budgetLimit: gauge('workflow_budget_limit_usd', 'US dollars that a budget allows', 'budget'),
    budgetUsed: gauge('workflow_budget_used_usd', 'US dollars of it that are spent or reserved', 'budget'),
    strays: gauge('workflow_stray_renders', 'Renders with our mark that no attempt accounts for'),
    undelivered: gauge('workflow_webhook_deliveries_pending', 'Webhooks that are to be delivered still'),
    webhooks: counter('workflow_webhook_deliveries_total', 'Webhooks that were sent, by try', 'outcome'),
    streams: gauge('workflow_event_streams', 'Clients that follow the events'),
    diskFree: gauge('workflow_disk_free_bytes', 'Room on the disk of the data folder'),
    jobsEnded: counter('workflow_jobs_total', 'Jobs that ended', 'outcome'),
    jobDuration: histogram(
      'workflow_job_duration_seconds',
      'From the approval of a job to its end',
      jobBuckets,
      'type',
      'outcome',
    ),
    renders: counter('workflow_renders_total', 'Renders that ended', 'renderer', 'model', 'outcome'),
    renderDuration: histogram(
      'workflow_render_duration_seconds',
      'From the place that a render got at its renderer to its end',
      renderBuckets,
      'renderer',
      'model',
      'outcome',
    ),
    retries: counter(
      'workflow_render_retries_total',
      'Renders that are tried again, and why',
      'renderer',
      'code',
    ),
    requests: counter('http_requests_total', 'Requests that were answered', 'method', 'route', 'status'),
    requestDuration: histogram(
      'http_request_duration_seconds',
      'Until an answer began: of films and event streams not until its end',
      requestBuckets,
      'method',
      'route',
    ),
  }
}

/** Counts from now on; renders that run already are read from the rows. */
export async function openMetrics(options: MetricsOptions): Promise<Metrics> {
  const { coordinator, database, pubsub, feed, host, version, freeBytes } = options
  const page = createPage(version)
  const { registry } = page
  for (const outcome of ['completed', 'failed', 'cancelled']) page.jobsEnded.inc({ outcome }, 0)

  const renders = createRenderCounts(page)
  for (const { sceneId, renderer, model, insertedAt } of await listInFlight(database))
    renders.begun(sceneId, { renderer, model, since: insertedAt })
  const ended: number[] = []
  const unsubscribe = pubsub.subscribe('*', (event) => {
    renders.hear(event)
    const outcome = outcomeOf[event.type]
    if (outcome === undefined) return
    page.jobsEnded.inc({ outcome })
    if (ended.push(event.job_id) > mostEnded) ended.shift()
  })

  const readDurations = async (): Promise<void> => {
    while (ended.length > 0)
      for (const { type, status, begunAt, endedAt } of await listEnded(
        database,
        ended.splice(0, endedAtOnce),
      ))
        // One that was never approved took no time, and one that goes on hasn't ended.
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

    const { stop, renderers } = await coordinator.limits()
    for (const { limit, inFlight, stop: own, pause } of renderers) {
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
    page.strays.set(await countStrays(database))
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

  let isAsked = false
  return {
    contentType: registry.contentType,
    async text() {
      // They watch the event loop and the garbage collector, which is for nothing where nobody reads it.
      if (!isAsked) collectDefaultMetrics({ register: registry })
      isAsked = true
      await rowsRead()
      page.streams.set(feed.readers())
      return registry.metrics()
    },
    requestServed({ method, route, status, seconds }) {
      page.requests.inc({ method, route, status })
      page.requestDuration.observe({ method, route }, seconds)
    },
    webhookTried: (outcome) => page.webhooks.inc({ outcome }),
    stop: unsubscribe,
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

/** Which scene is rendered where is told when its render begins; how it ended, later and by the scene alone. */
function createRenderCounts(page: ReturnType<typeof createPage>) {
  const running = new Map<string, RunningRender>()

  const end = (sceneId: string, outcome: string, event: JobEvent): void => {
    const render = running.get(sceneId)
    // It took a kept clip, or its render has ended before and been counted.
    if (!render) return
    running.delete(sceneId)
    const { renderer, model, since } = render
    page.renders.inc({ renderer, model, outcome })
    const seconds = (Date.parse(event.inserted_at) - since) / 1000
    page.renderDuration.observe({ renderer, model, outcome }, Math.max(0, seconds))
    if (event.type === 'scene_retrying') page.retries.inc({ renderer, code: codeOf(event) })
  }

  return {
    begun: (sceneId: string, render: RunningRender) => void running.set(sceneId, render),
    hear(event: JobEvent): void {
      const { scene_id, data } = event
      if (scene_id === undefined) return
      const { renderer, model } = data
      if (event.type === 'scene_processing' && typeof renderer === 'string' && typeof model === 'string')
        running.set(scene_id, { renderer, model, since: Date.parse(event.inserted_at) })
      const outcome = renderOutcomeOf[event.type]
      if (outcome !== undefined) end(scene_id, outcome, event)
    },
  }
}

/** Ours are few; a provider may make up others. */
const codeOf = ({ data: { code } }: JobEvent): string =>
  typeof code === 'string' && /^[a-z_]{1,40}$/.test(code) ? code : 'other'
