/** Makes each request visible to operators: an id, a log line, a count, a span. */
import type { Context, MiddlewareHandler } from 'hono'
import { matchedRoutes } from 'hono/route'
import type { Host } from '../../host.ts'
import { type Log, logLine } from '../../log.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import { inRequestSpan } from '../../telemetry/tracing.ts'
import { principalOf } from './principal.ts'

export interface ObserveOptions {
  readonly host: Host
  readonly log: Log
  /** Absent where no metrics are kept. */
  readonly metrics?: Pick<Metrics, 'requestServed'> | undefined
}

const ids = new WeakMap<Request, string>()

/** The request's id in the log, the answer and the span. */
export function requestIdOf(c: Context, host: Host): string {
  const known = ids.get(c.req.raw)
  if (known !== undefined) return known
  const given = c.req.header('x-request-id')
  const id = given !== undefined && wellFormed.test(given) ? given : host.id()
  ids.set(c.req.raw, id)
  return id
}

/** An id that is safe in any log line. */
const wellFormed = /^[\w.:-]{1,128}$/

export const observe =
  ({ host, log, metrics }: ObserveOptions): MiddlewareHandler =>
  async (c, next) => {
    const began = host.monotonic()
    const requestId = requestIdOf(c, host)
    const method = knownMethods.has(c.req.method) ? c.req.method : '_OTHER'
    const route = routeOf(c)
    c.header('x-request-id', requestId)
    await inRequestSpan(c.req.raw.headers, { method, route, requestId }, async () => {
      await next()
      return { status: c.res.status, error: c.error }
    })
    const { status } = c.res
    const ms = host.monotonic() - began
    metrics?.requestServed({ method, route: route ?? 'none', status, seconds: ms / 1000 })
    if (log.isLevelEnabled('debug'))
      logLine.requestServed(log, {
        request_id: requestId,
        method,
        route: route ?? null,
        path: c.req.path,
        status,
        ms: Math.round(ms * 100) / 100,
        by: status === 401 ? null : principalOf(c).name,
      })
  }

const knownMethods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** The matching route's pattern; undefined without one. Middleware matches under the method ALL. */
const routeOf = (c: Context): string | undefined =>
  matchedRoutes(c).findLast(({ method }) => method !== 'ALL')?.path
