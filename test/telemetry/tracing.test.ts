import { context, propagation, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Provider } from '../../src/renderer/provider.ts'
import { tracedProvider, tracedTask } from '../../src/telemetry/tracing.ts'
import { type AppHarness, openAppHarness } from '../harness/app.ts'

const exporter = new InMemorySpanExporter()
const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

beforeAll(() => {
  trace.setGlobalTracerProvider(
    new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
  )
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  // W3C's, as the SDK's own reads it.
  propagation.setGlobalPropagator({
    inject: () => {},
    fields: () => ['traceparent'],
    extract(parent, carrier, getter) {
      const header = getter.get(carrier, 'traceparent')
      const [, traceId, spanId] = (typeof header === 'string' ? header : '').split('-')
      if (traceId === undefined || spanId === undefined) return parent
      return trace.setSpanContext(parent, { traceId, spanId, traceFlags: 1, isRemote: true })
    },
  })
})
// Other files run in this process too.
afterAll(() => {
  trace.disable()
  context.disable()
  propagation.disable()
})

let harness: AppHarness
beforeEach(async () => {
  harness = await openAppHarness()
  exporter.reset()
})
afterEach(() => harness.close())

describe('a request', () => {
  it('is a span under its route, part of what its traceparent names', async () => {
    await harness.app.request('/api/v3/jobs/7', { headers: { traceparent, 'x-request-id': 'mine-1' } })
    const [span] = exporter.getFinishedSpans()
    expect(span).toMatchObject({
      name: 'GET /api/v3/jobs/:id',
      parentSpanContext: { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' },
      attributes: {
        'http.request.method': 'GET',
        'http.route': '/api/v3/jobs/:id',
        'http.response.status_code': 404,
        'workflow.request_id': 'mine-1',
      },
      status: { code: 0 },
    })
    expect(span!.spanContext().traceId).toBe('0af7651916cd43dd8448eb211c80319c')
  })

  it('that broke says why', async () => {
    const coordinator = { ...harness.coordinator, viewWithEta: () => Promise.reject(new Error('it broke')) }
    await harness.appWith({ coordinator }).request('/api/v3/jobs/7')
    const [span] = exporter.getFinishedSpans()
    expect(span).toMatchObject({ status: { code: 2, message: 'it broke' } })
    expect(span!.events[0]).toMatchObject({ name: 'exception' })
  })
})

describe('a task', () => {
  const task = { kind: 'follow-render', subject: 'an-attempt', jobId: 7 } as const
  const signal = new AbortController().signal
  const run = { signal, stopping: signal }

  it('is a span that names its job and attempt, and what it asks of a provider is part of it', async () => {
    const submit = () => Promise.resolve({ kind: 'accepted', renderId: 'p1' } as const)
    const provider = tracedProvider({ name: 'replicate', submit } as Partial<Provider> as Provider)
    const order = { model: 'm', attemptId: 'an-attempt', input: {}, marks: [] }
    await tracedTask(async () => void (await provider.submit(order, signal, () => true)))(task, run)
    const [asked, done] = exporter.getFinishedSpans()
    expect(done).toMatchObject({
      name: 'task follow-render',
      attributes: { 'workflow.job_id': 7, 'workflow.attempt_id': 'an-attempt' },
    })
    expect(asked).toMatchObject({
      name: 'replicate submit',
      parentSpanContext: { spanId: done!.spanContext().spanId },
      attributes: { 'workflow.model': 'm', 'workflow.outcome': 'accepted' },
    })
  })

  it('that rejects is told so, and rejects all the same', async () => {
    const failing = tracedTask(() => Promise.reject(new Error('no clip')))
    await expect(failing({ ...task, kind: 'take-clip', subject: 'a-scene' }, run)).rejects.toThrow('no clip')
    expect(exporter.getFinishedSpans()[0]).toMatchObject({
      attributes: { 'workflow.scene_id': 'a-scene' },
      status: { code: 2, message: 'no clip' },
    })
  })
})
