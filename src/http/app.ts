/** The HTTP contract, put together: guards, resources, and one way for everything that goes wrong. */
import { OpenAPIHono, z } from '@hono/zod-openapi'
import type { MiddlewareHandler } from 'hono'
import type { ArtifactStore } from '../artifact/artifact.ts'
import type { Coordinator } from '../coordinator/coordinator.ts'
import { type Host, systemHost } from '../host.ts'
import { approvalRequest, budgetChange, jobRequest, resolution, sceneChange } from '../job/request.ts'
import { type Log, logLine } from '../log.ts'
import { type TakeAsset, assetRoutes } from './assets.ts'
import { type BodyLimits, defaultBodyLimits } from './body.ts'
import { guardOrigin } from './guard.ts'
import { jobRoutes } from './jobs.ts'
import { moneyRoutes } from './money.ts'
import { operationRoutes } from './operations.ts'
import { HttpProblem, answerProblem, malformed, problemOf } from './problem.ts'
import { type ProviderGate, providerRoutes } from './provider.ts'
import { sceneRoutes } from './scenes.ts'
import { videoRoutes } from './videos.ts'

export interface AppOptions {
  readonly coordinator: Coordinator
  readonly artifacts: ArtifactStore
  readonly takeAsset: TakeAsset
  readonly log: Log
  readonly limits?: Partial<BodyLimits>
  /** Names or addresses under which the server is reached, besides localhost; 0.0.0.0 or :: for any address. */
  readonly hosts?: readonly string[]
  /** How a provider gets at what it needs of us; left out where none reaches us. */
  readonly gate?: ProviderGate
  readonly host?: Host
}

export function createApp(options: AppOptions): OpenAPIHono {
  const { coordinator, artifacts, takeAsset, log, hosts = [], host = systemHost } = options
  const limits = { ...defaultBodyLimits, ...options.limits }
  const app = new OpenAPIHono({
    defaultHook: (result) => {
      if (!result.success)
        throw malformed(
          result.error.issues.map((issue) => ({ field: issue.path.join('.'), reason: issue.message })),
        )
    },
  })

  app.onError((error, c) => {
    const problem = problemOf(error)
    if (problem?.status === 507) logLine.writeRefused(log, c.req.method, c.req.path)
    if (problem) return answerProblem(c, problem)
    const request_id = host.id()
    log.error({ err: error, request_id, method: c.req.method, path: c.req.path }, 'Request failed')
    return answerProblem(c, new HttpProblem(500, { error: 'Internal error', request_id }))
  })
  app.notFound((c) => answerProblem(c, nothingAt(app, c.req.method, c.req.path)))

  app.use(standardHeaders, guardOrigin(hosts))
  // Not register(): a schema of job/ may be older than the library's extension of zod, by the order of imports.
  for (const [name, schema] of Object.entries(requests))
    app.openAPIRegistry.registerComponent(
      'schemas',
      name,
      JSON.parse(JSON.stringify(z.toJSONSchema(schema, { io: 'input' }))),
    )
  app.route('/api/v3', jobRoutes({ coordinator, limits }))
  app.route('/api/v3', sceneRoutes({ coordinator, limits }))
  app.route('/api/v3', moneyRoutes({ coordinator, limits }))
  app.route('/api/v3', videoRoutes({ coordinator, artifacts }))
  app.route('/api/v3', assetRoutes({ coordinator, artifacts, takeAsset, limits }))
  app.route('/', operationRoutes({ coordinator, log }))
  if (options.gate) app.route('/', providerRoutes({ coordinator, artifacts, gate: options.gate }))
  return app
}

/** What the coordinator checks itself, for HTTP and for programs alike. */
const requests = {
  JobRequest: jobRequest,
  Approval: approvalRequest,
  SceneChange: sceneChange,
  Resolution: resolution,
  BudgetChange: budgetChange,
}

/** No answer is ever guessed to be of another type, kept by a cache unasked, or read by a foreign page. */
const standardHeaders: MiddlewareHandler = async (c, next) => {
  c.header('x-content-type-options', 'nosniff')
  c.header('cross-origin-resource-policy', 'same-origin')
  c.header('referrer-policy', 'no-referrer')
  c.header('cache-control', 'no-store')
  await next()
}

const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']

/** 405 where the address takes another method, else 404. */
function nothingAt(app: OpenAPIHono, method: string, path: string): HttpProblem {
  // Middleware matches under the method ALL, and is not what an address offers.
  const offered = methods.filter((offer) =>
    app.router.match(offer, path)[0].some(([[, route]]) => route.method !== 'ALL'),
  )
  if (offered.length === 0) return new HttpProblem(404, { error: 'Not found', path })
  const allow = offered.flatMap((offer) => (offer === 'GET' ? ['GET', 'HEAD'] : [offer])).join(', ')
  return new HttpProblem(
    405,
    { error: 'Method not allowed', reason: `${method} is not possible here; use ${allow}` },
    { headers: { allow } },
  )
}
