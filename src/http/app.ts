/** The HTTP contract, put together: guards, resources, and one way for everything that goes wrong. */
import { OpenAPIHono, z } from '@hono/zod-openapi'
import type { ArtifactStore } from '../artifact/artifact.ts'
import type { Coordinator } from '../coordinator/coordinator.ts'
import type { Installation } from '../coordinator/installation.ts'
import type { Feed } from '../events/feed.ts'
import { type Host, systemHost } from '../host.ts'
import { jobRequest } from '../job/request.ts'
import {
  approvalBatch,
  approvalRequest,
  budgetChange,
  cancelBatch,
  jobChange,
  limitsChange,
  newScene,
  pauseRequest,
  rejection,
  resolution,
  retryRequest,
  sceneChange,
  whyRequest,
} from '../job/control-request.ts'
import { keyRequest, rotationRequest } from '../job/key.ts'
import { pruneRequest } from '../job/storage.ts'
import { endpointChange, endpointRequest } from '../job/webhook-request.ts'
import { type Log, logLine } from '../log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { type Check, type Readiness, createReadiness, saying } from '../telemetry/readiness.ts'
import { type AccessOptions, guardAccess } from './access/access.ts'
import { type TakeAsset, assetRoutes } from './routes/assets.ts'
import { type BodyLimits, defaultBodyLimits } from './edge/body.ts'
import type { StreamLimits } from './edge/event-stream.ts'
import { eventRoutes } from './routes/events.ts'
import { guardOrigin } from './edge/guard.ts'
import { standardHeaders } from './edge/headers.ts'
import { answerOnce } from './access/idempotency.ts'
import { batchRoutes } from './routes/batches.ts'
import { jobControlRoutes } from './routes/job-control.ts'
import { jobRoutes } from './routes/jobs.ts'
import { limitRoutes } from './routes/limits.ts'
import { keyRoutes } from './routes/keys.ts'
import { moneyRoutes } from './routes/money.ts'
import { type ApiDocument, describeApi, openApiRoutes } from './openapi/document.ts'
import { observe, requestIdOf } from './edge/observe.ts'
import { operationRoutes } from './routes/operations.ts'
import { HttpProblem, answerProblem, malformed, problemOf } from './edge/problem.ts'
import { type ProviderGate, providerRoutes } from './routes/provider.ts'
import { guardQueryNames } from './edge/query-names.ts'
import { guardJob, guardScene } from './access/reach.ts'
import { referenceRoutes } from './openapi/reference.ts'
import { sceneRoutes } from './routes/scenes.ts'
import { secretRoutes } from './routes/secret.ts'
import { spendRoutes } from './routes/spend.ts'
import { type Storage, storageRoutes } from './routes/storage.ts'
import { videoRoutes } from './routes/videos.ts'
import { webhookRoutes } from './routes/webhooks.ts'

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
  /** Whose secret addresses are signed with; left out where nobody is to replace it. */
  readonly installation?: Pick<Installation, 'rotateSecret'>
  /** The events' log; left out where nobody is to follow it. */
  readonly feed?: Feed
  readonly streams?: Partial<StreamLimits>
  /** Who is let in; left out, everybody is, and to everything. */
  readonly access?: AccessOptions
  /** Left out where nobody counts. */
  readonly metrics?: Metrics
  /** What is stored, and what may go; left out where nobody is to be told. */
  readonly storage?: Storage
  /** Left out, it is whether the database answers. */
  readonly readiness?: Readiness
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
    const request_id = requestIdOf(c, host)
    log.error({ err: error, request_id, method: c.req.method, path: c.req.path }, 'Request failed')
    return answerProblem(c, new HttpProblem(500, { error: 'Internal error', request_id }))
  })
  app.notFound((c) => answerProblem(c, nothingAt(app, c.req.method, c.req.path)))

  const { metrics } = options
  app.use(observe({ host, log, metrics }), standardHeaders, guardOrigin(hosts))
  if (options.access) app.use(guardAccess({ ...options.access, coordinator, host, log }))
  app.use('/api/v3/*', guardQueryNames(app))
  // Before what looks whose job it is: what the request has done may have taken that away, and it is answered all the same.
  app.use('/api/v3/*', answerOnce({ coordinator, limits }))
  for (const noun of ['jobs', 'videos']) app.use(`/api/v3/${noun}/:id/*`, guardJob({ coordinator }))
  app.use('/api/v3/jobs/:id/scenes/:scene_id/*', guardScene({ coordinator }))
  app.use('/api/v3/videos/:id/clips/:scene_id/*', guardScene({ coordinator }))
  // Not register(): a schema of job/ may be older than the library's extension of zod, by the order of imports.
  for (const [name, schema] of Object.entries(requests))
    app.openAPIRegistry.registerComponent(
      'schemas',
      name,
      JSON.parse(JSON.stringify(z.toJSONSchema(schema, { io: 'input' }))),
    )
  app.route('/api/v3', jobRoutes({ coordinator, limits }))
  app.route('/api/v3', jobControlRoutes({ coordinator, limits }))
  app.route('/api/v3', batchRoutes({ coordinator, limits }))
  app.route('/api/v3', limitRoutes({ coordinator, limits }))
  app.route('/api/v3', sceneRoutes({ coordinator, limits }))
  app.route('/api/v3', moneyRoutes({ coordinator, limits }))
  app.route('/api/v3', spendRoutes({ coordinator }))
  app.route('/api/v3', videoRoutes({ coordinator, artifacts }))
  app.route('/api/v3', assetRoutes({ coordinator, artifacts, takeAsset, limits }))
  app.route('/api/v3', keyRoutes({ coordinator, limits }))
  app.route('/api/v3', webhookRoutes({ coordinator, limits }))
  if (options.installation) app.route('/api/v3', secretRoutes({ installation: options.installation, limits }))
  const readiness = options.readiness ?? createReadiness({ checks: [databaseCheck(coordinator)], host, log })
  app.route('/', operationRoutes({ readiness, metrics }))
  if (options.storage) app.route('/api/v3', storageRoutes({ storage: options.storage, limits }))
  if (options.feed)
    app.route('/api/v3', eventRoutes({ coordinator, feed: options.feed, host, log, limits: options.streams }))
  // Described when it is first asked for: by then all routes are there.
  let api: ApiDocument | undefined
  const document = (): ApiDocument => (api ??= describeApi(app))
  app.route('/', openApiRoutes(document))
  app.route('/', referenceRoutes(document))
  if (options.gate) app.route('/', providerRoutes({ coordinator, artifacts, gate: options.gate }))
  return app
}

/** What the coordinator checks itself, for HTTP and for programs alike. */
const requests = {
  JobRequest: jobRequest,
  Approval: approvalRequest,
  NewScene: newScene,
  SceneChange: sceneChange,
  Resolution: resolution,
  BudgetChange: budgetChange,
  RetryRequest: retryRequest,
  Rejection: rejection,
  JobChange: jobChange,
  Why: whyRequest,
  PauseRequest: pauseRequest,
  LimitsChange: limitsChange,
  ApprovalBatch: approvalBatch,
  CancelBatch: cancelBatch,
  WebhookEndpointRequest: endpointRequest,
  WebhookEndpointChange: endpointChange,
  KeyRequest: keyRequest,
  KeyRotation: rotationRequest,
  PruneRequest: pruneRequest,
}

/** Who can read his rows. */
const databaseCheck = (coordinator: Coordinator): Check => ({
  name: 'database',
  keptMs: 0,
  look: saying('The database does not answer', () => coordinator.jobs({ limit: 1 })),
})

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
