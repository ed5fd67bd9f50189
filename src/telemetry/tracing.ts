/** Spans, with OpenTelemetry's API only: without an SDK they are no-ops at almost no cost. */
import {
  type Attributes,
  type Context,
  type Span,
  SpanKind,
  SpanStatusCode,
  context,
  propagation,
  trace,
} from '@opentelemetry/api'
import type { TaskHandler } from '../engine/engine.ts'
import type { Task } from '../job/task.ts'
import type { Provider } from '../renderer/provider.ts'

interface SpanOptions {
  readonly kind: SpanKind
  readonly attributes: Attributes
  /** Default: the active context. */
  readonly parent?: Context
}

function inSpan<T>(
  name: string,
  { kind, attributes, parent = context.active() }: SpanOptions,
  work: (span: Span) => Promise<T>,
): Promise<T> {
  return trace
    .getTracer('workflow-coordinator')
    .startActiveSpan(name, { kind, attributes }, parent, async (span) => {
      try {
        return await work(span)
      } catch (error) {
        fail(span, error)
        throw error
      } finally {
        span.end()
      }
    })
}

function fail(span: Span, error: unknown): void {
  const message = error instanceof Error ? error.message : String(error)
  span.recordException(error instanceof Error ? error : message)
  span.setStatus({ code: SpanStatusCode.ERROR, message })
}

const headersGetter = {
  get: (headers: Headers, name: string) => headers.get(name) ?? undefined,
  keys: (headers: Headers) => [...headers.keys()],
}

export interface RequestFacts {
  readonly method: string
  /** The pattern of the route; undefined if none matched. */
  readonly route: string | undefined
  readonly requestId: string
}

/** The span of a request, a child of its `traceparent`. `work` resolves to the status and to an unexpected error. */
export const inRequestSpan = (
  headers: Headers,
  { method, route, requestId }: RequestFacts,
  work: () => Promise<{ readonly status: number; readonly error: unknown }>,
): Promise<unknown> =>
  inSpan(
    route === undefined ? method : `${method} ${route}`,
    {
      kind: SpanKind.SERVER,
      attributes: {
        'http.request.method': method,
        ...(route !== undefined && { 'http.route': route }),
        'workflow.request_id': requestId,
      },
      parent: propagation.extract(context.active(), headers, headersGetter),
    },
    async (span) => {
      const { status, error } = await work()
      span.setAttribute('http.response.status_code', status)
      if (status < 500) return
      if (error === undefined) span.setStatus({ code: SpanStatusCode.ERROR })
      else fail(span, error)
    },
  )

/** Attributes for a task's subject, by its kind. */
const subjectOf = ({ kind, subject }: Task): Attributes => {
  switch (kind) {
    case 'render-scene':
    case 'follow-render':
      return { 'workflow.attempt_id': subject }
    case 'take-clip':
    case 'join-clips':
      return { 'workflow.scene_id': subject }
    default:
      return {}
  }
}

/** Each run of a task is a root span: its cause may have ended long ago, in another process. */
export const tracedTask =
  (handler: TaskHandler): TaskHandler =>
  (task, options) =>
    inSpan(
      `task ${task.kind}`,
      {
        kind: SpanKind.CONSUMER,
        attributes: {
          'workflow.task.kind': task.kind,
          'workflow.job_id': task.jobId,
          ...subjectOf(task),
        },
      },
      () => handler(task, options),
    )

const ofRender = (id: string): Attributes => ({ 'workflow.prediction_id': id })

/** A provider with a span for each request. No trace headers are sent to it. */
export function tracedProvider(provider: Provider): Provider {
  const ask =
    <Args extends readonly unknown[], Outcome extends { readonly kind: string }>(
      what: string,
      send: (...args: Args) => Promise<Outcome>,
      facts: (...args: Args) => Attributes,
    ) =>
    (...args: Args): Promise<Outcome> =>
      inSpan(
        `${provider.name} ${what}`,
        { kind: SpanKind.CLIENT, attributes: { 'workflow.renderer': provider.name, ...facts(...args) } },
        async (span) => {
          const outcome = await send.call(provider, ...args)
          span.setAttribute('workflow.outcome', outcome.kind)
          return outcome
        },
      )
  const traced: Partial<Provider> = {
    submit: ask('submit', provider.submit, ({ attemptId, model }) => ({
      'workflow.attempt_id': attemptId,
      'workflow.model': model,
    })),
    read: ask('read', provider.read, ofRender),
    cancel: ask('cancel', provider.cancel, ofRender),
    account: ask('account', provider.account, () => ({})),
    list: ask('list', provider.list, () => ({})),
    fetchClip: ask('fetch clip', provider.fetchClip, () => ({})),
  }
  // A proxy, since a copy of a class instance would lose its methods and private members.
  return new Proxy(provider, {
    get(target, member) {
      if (Object.hasOwn(traced, member)) return Reflect.get(traced, member)
      const value: unknown = Reflect.get(target, member)
      // oxlint-disable-next-line typescript/no-unsafe-return -- a proxy returns the members of its target
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
