import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createPubSub } from '../../src/events/pubsub.ts'
import type { JobEvent } from '../../src/job/event.ts'
import type { Metrics } from '../../src/telemetry/metrics.ts'
import { openMetrics } from '../../src/telemetry/metrics.ts'
import { createClock } from '../clock.ts'
import { type AppHarness, openAppHarness } from '../harness/app.ts'
import { parseExposition, valueOf } from './exposition.ts'

let harness: AppHarness
let metrics: Metrics
/** Rows are believed for a second: each look is a second later. */
const clock = createClock()

beforeEach(async () => {
  harness = await openAppHarness()
  metrics = await openMetrics({ ...harness, host: clock, version: '1.2.3', freeBytes: async () => 5e9 })
})
afterEach(async () => {
  metrics.stop()
  await harness.close()
})

/** The events of its own, and those of both. */
function createNodeOfTwo() {
  const [own, all] = [createPubSub(() => undefined), createPubSub(() => undefined)]
  return { own, all, pubsub: { ...all, subscribeOwn: own.subscribe } }
}

const look = async () => {
  clock.advance(60_000)
  const page = parseExposition(await metrics.text())
  return (sample: string) => valueOf(page, sample)
}

describe('the page for Prometheus', () => {
  it('counts a job through its life', async () => {
    const { job_id } = await harness.job(2)
    let now = await look()
    expect(now('workflow_jobs{status="pending"}')).toBe(1)
    expect(now('workflow_jobs{status="completed"}')).toBe(0)
    expect(now('workflow_jobs_total{outcome="completed"}')).toBe(0)

    await harness.finish(job_id, Buffer.from('a film'))
    now = await look()
    expect(now('workflow_jobs{status="pending"}')).toBe(0)
    expect(now('workflow_jobs{status="completed"}')).toBe(1)
    expect(now('workflow_jobs_total{outcome="completed"}')).toBe(1)
    expect(now('workflow_renders_total{renderer="local",model="local",outcome="succeeded"}')).toBe(2)
    const labels = 'renderer="local",model="local",outcome="succeeded"'
    expect(now(`workflow_render_duration_seconds_count{${labels}}`)).toBe(2)
    const job = 'type="property_photos",outcome="completed"'
    expect(now(`workflow_job_duration_seconds_count{${job}}`)).toBe(1)
    expect(now('workflow_renderer_slots{renderer="local"}')).toBe(4)
    expect(now('workflow_renderer_slots_used{renderer="local"}')).toBe(0)
    expect(now('workflow_held_attempts')).toBe(0)
  })

  it('tells cancelled jobs, pauses, budgets and what is free', async () => {
    const { job_id } = await harness.job()
    await harness.coordinator.cancelJob(job_id)
    await harness.coordinator.pause({ renderer: 'local' })
    await harness.coordinator.setBudgets({ day: 20 })
    const now = await look()
    expect(now('workflow_jobs_total{outcome="cancelled"}')).toBe(1)
    expect(now('workflow_provider_paused{renderer="local"}')).toBe(1)
    expect(now('workflow_budget_limit_usd{budget="day"}')).toBe(20)
    expect(now('workflow_budget_used_usd{budget="day"}')).toBe(0)
    expect(now('workflow_spent_usd_total')).toBe(0)
    expect(now('workflow_disk_free_bytes')).toBe(5e9)
    expect(now('workflow_build_info{version="1.2.3"}')).toBe(1)
    expect(now('workflow_event_streams')).toBe(0)
    expect(now('process_cpu_seconds_total')).toBeGreaterThan(0)
    expect(now('nodejs_eventloop_lag_seconds')).toBeGreaterThanOrEqual(0)
  })

  it('counts a render that is tried again by why', async () => {
    const sceneId = 'a scene'
    const event = { id: 1, job_id: 1, scene_id: sceneId, inserted_at: new Date(0).toISOString() }
    const started = { renderer: 'replicate', model: 'm', attempt_id: 'a' }
    harness.pubsub.publish({ ...event, topic: 'scenes:processing', type: 'scene_processing', data: started })
    const later = { ...event, inserted_at: new Date(30_000).toISOString() }
    const again = { topic: 'scenes:retrying', type: 'scene_retrying' } as const
    harness.pubsub.publish({ ...later, ...again, data: { code: 'E6716 or so', reason: 'no' } })
    // Of a scene that nobody renders it says nothing.
    harness.pubsub.publish({ ...later, ...again, data: { code: 'throttled', reason: 'no' } })
    const now = await look()
    expect(now('workflow_render_retries_total{renderer="replicate",code="other"}')).toBe(1)
    const labels = 'renderer="replicate",model="m",outcome="failed"'
    expect(now(`workflow_renders_total{${labels}}`)).toBe(1)
    expect(now(`workflow_render_duration_seconds_sum{${labels}}`)).toBe(30)
  })

  it('counts a render that another node began, at the node that ended it', async () => {
    const nodes = [createNodeOfTwo(), createNodeOfTwo()]
    const pages = await Promise.all(
      nodes.map(({ pubsub }) =>
        openMetrics({ ...harness, pubsub, host: clock, version: '1', freeBytes: async () => 1 }),
      ),
    )
    const publish = (at: number, event: JobEvent): void => {
      nodes[at]!.own.publish(event)
      for (const { all } of nodes) all.publish(event)
    }
    const event = { id: 1, job_id: 1, scene_id: 'a scene', inserted_at: new Date(0).toISOString() }
    const data = { renderer: 'replicate', model: 'm', attempt_id: 'a' }
    publish(0, { ...event, topic: 'scenes:processing', type: 'scene_processing', data })
    const ended = { ...event, inserted_at: new Date(5000).toISOString(), data: {} }
    publish(1, { ...ended, topic: 'scenes:completed', type: 'scene_completed' })
    publish(0, { ...ended, topic: 'scenes:completed', type: 'scene_completed' })
    const sample = 'workflow_renders_total{renderer="replicate",model="m",outcome="succeeded"}'
    const [began, ends] = await Promise.all(pages.map((page) => page.text()))
    expect(began).not.toContain(sample)
    expect(valueOf(parseExposition(ends!), sample)).toBe(1)
    for (const page of pages) page.stop()
  })

  it('knows requests by their route, so that strangers cannot make it long', async () => {
    const app = harness.appWith({ metrics })
    for (const path of ['/api/v3/jobs/1', '/api/v3/jobs/2', '/wp-admin', '/api/v4', '/livez'])
      await (await app.request(path)).text()
    const response = await app.request('/metrics')
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    const page = parseExposition(await response.text())
    const requests = [...page.get('http_requests_total')!.samples]
    expect(Object.fromEntries(requests)).toEqual({
      'http_requests_total{method="GET",route="/api/v3/jobs/:id",status="404"}': 2,
      'http_requests_total{method="GET",route="none",status="404"}': 2,
      'http_requests_total{method="GET",route="/livez",status="200"}': 1,
    })
    expect(page.get('http_request_duration_seconds')!.type).toBe('histogram')
  })

  it('reads the rows once a second, however many ask', async () => {
    let reads = 0
    const counted = await openMetrics({
      ...harness,
      host: clock,
      version: '1',
      freeBytes: async () => ++reads,
    })
    await Promise.all([counted.text(), counted.text(), counted.text()])
    await counted.text()
    expect(reads).toBe(1)
    clock.advance(1001)
    await counted.text()
    expect(reads).toBe(2)
    counted.stop()
  })
})
