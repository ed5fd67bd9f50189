/** Assembles the HTTP contract: guards, endpoints, and one handler for all errors. */
import { Hono } from 'hono'
import type { ArtifactStore } from '../artifact/artifact.ts'
import type { Coordinator } from '../coordinator/coordinator.ts'
import type { Installation } from '../coordinator/attempt/installation.ts'
import type { Feed } from '../events/feed.ts'
import { type Host, systemHost } from '../host.ts'
import { type Log, logLine } from '../log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { type Check, type Readiness, createReadiness, saying } from '../telemetry/readiness.ts'
import { type AccessOptions, type FindGuarded, type Guarded, guardAccess } from './access/access.ts'
import { answerOnce } from './access/idempotency.ts'
import { guardJob, guardScene } from './access/reach.ts'
import { type BodyLimits, defaultBodyLimits } from './edge/body.ts'
import { type StreamLimits, createEventStreams, defaultStreamLimits } from './edge/event-stream.ts'
import { guardOrigin } from './edge/guard.ts'
import { standardHeaders } from './edge/headers.ts'
import { observe, requestIdOf } from './edge/observe.ts'
import { HttpProblem, answerProblem, problemOf } from './edge/problem.ts'
import { createShare } from './edge/shared-answer.ts'
import { guardQueryNames } from './edge/query-names.ts'
import { documentPages } from './openapi/pages.ts'
import { createPage } from './routes/page.ts'
import { allEndpoints } from './routes/all.ts'
import { finderOf, patternOf } from './routes/endpoint.ts'
import { operationEndpoints } from './routes/operations.ts'
import type { Parts, Previews, ProviderGate, SignedAddresses, Storage, TakeAsset } from './routes/parts.ts'

export interface AppOptions {
  readonly coordinator: Coordinator
  readonly artifacts: ArtifactStore
  readonly takeAsset: TakeAsset
  readonly log: Log
  readonly limits?: Partial<BodyLimits>
  /** Names or addresses of the server besides localhost; 0.0.0.0 or :: allows any address. */
  readonly hosts?: readonly string[]
  /** Checks requests from providers; absent where none can reach this server. */
  readonly gate?: ProviderGate
  /** Signs links to films; absent where none are given. */
  readonly addresses?: SignedAddresses
  /** Holds the secret that signs addresses; absent where it cannot be replaced. */
  readonly installation?: Pick<Installation, 'rotateSecret'>
  /** The event log; absent where it cannot be followed. */
  readonly feed?: Feed
  readonly streams?: Partial<StreamLimits>
  /** Without it, every caller may do everything. */
  readonly access?: AccessOptions
  /** Absent where no metrics are kept. */
  readonly metrics?: Metrics
  /** Absent where storage is not reported. */
  readonly storage?: Storage
  /** Absent where nothing is drawn for people. */
  readonly previews?: Previews
  /** Without it, the server is ready when the database answers. */
  readonly readiness?: Readiness
  readonly host?: Host
  /** Answers operators' probes and metrics alone: a node that only runs tasks. */
  readonly onlyOperations?: boolean
}

export function createApp(options: AppOptions): Hono {
  const { coordinator, log, metrics, hosts = [], host = systemHost, onlyOperations = false } = options
  const parts = partsOf(options, host)
  const { limits } = parts
  const offered = onlyOperations ? operationEndpoints : allEndpoints
  const listed = offered.filter(({ needs }) => needs === undefined || parts[needs] !== undefined)
  const page = onlyOperations ? undefined : createPage()
  const endpoints = page ? [...listed, ...documentPages(listed), ...page.endpoints] : listed
  const declared = finderOf(endpoints)
  // The page says to anybody that nothing is there.
  const find: FindGuarded = (c) => {
    const found = declared(c)
    return found.length === 0 && page?.isFor(c) ? [open] : found
  }
  const app = new Hono()

  app.onError((error, c) => {
    const problem = problemOf(error)
    if (problem?.status === 507) logLine.writeRefused(log, c.req.method, c.req.path)
    if (problem) return answerProblem(c, problem)
    const request_id = requestIdOf(c, host)
    log.error({ err: error, request_id, method: c.req.method, path: c.req.path }, 'Request failed')
    return answerProblem(c, new HttpProblem(500, { error: 'Internal error', request_id }))
  })
  app.notFound((c) =>
    declared(c).length === 0 && page?.isFor(c)
      ? page.nothingHere(c)
      : answerProblem(c, nothingAt(app, c.req.method, c.req.path, onlyOperations)),
  )

  app.use(observe({ host, log, metrics }), standardHeaders, guardOrigin(hosts))
  if (options.access) app.use(guardAccess({ ...options.access, find, coordinator, host, log }))
  app.use('/api/v3/*', guardQueryNames(find))
  // Before the check of reach: the first request may have deleted the job, and its repetition still gets the
  // stored answer.
  app.use('/api/v3/*', answerOnce({ find, coordinator, limits }))
  for (const noun of ['jobs', 'videos']) app.use(`/api/v3/${noun}/:id/*`, guardJob({ coordinator }))
  app.use('/api/v3/jobs/:id/scenes/:scene_id/*', guardScene({ coordinator }))
  app.use('/api/v3/videos/:id/clips/:scene_id/*', guardScene({ coordinator }))
  for (const { route, handle } of endpoints) app.on(...patternOf(route), (c) => handle(c, parts))
  return app
}

function partsOf(options: AppOptions, host: Host): Parts {
  const {
    coordinator,
    artifacts,
    takeAsset,
    log,
    feed,
    streams,
    metrics,
    storage,
    installation,
    addresses,
    gate,
    previews,
  } = options
  const followed = feed && {
    feed,
    streams: createEventStreams({ feed, host, log, limits: { ...defaultStreamLimits, ...streams } }),
  }
  return {
    coordinator,
    artifacts,
    takeAsset,
    limits: { ...defaultBodyLimits, ...options.limits },
    share: createShare({ commits: () => coordinator.commits(), now: () => host.now() }),
    keysRequired: options.access?.keysRequired ?? false,
    readiness: options.readiness ?? createReadiness({ checks: [databaseCheck(coordinator)], host, log }),
    events: followed,
    recheckStreams: () => followed?.streams.recheck(),
    metrics,
    storage,
    previews,
    installation,
    addresses,
    gate,
  }
}

const databaseCheck = (coordinator: Coordinator): Check => ({
  name: 'database',
  keptMs: 0,
  look: saying('The database does not answer', () => coordinator.jobs({ limit: 1 })),
})

const open: Guarded = { access: 'open', isStream: false, takesIdempotencyKey: false }

const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']

/** 405 if the address supports another method, else 404. */
function nothingAt(app: Hono, method: string, path: string, onlyOperations: boolean): HttpProblem {
  // Middleware also matches, under the method ALL: it offers nothing.
  const offered = methods.filter((offer) =>
    app.router.match(offer, path)[0].some(([[, route]]) => route.method !== 'ALL'),
  )
  if (offered.length === 0) {
    const reason = 'This node only runs tasks (ROLE=worker): send the request to a node with ROLE=api or all'
    return new HttpProblem(404, { error: 'Not found', path, ...(onlyOperations && { reason }) })
  }
  const allow = offered.flatMap((offer) => (offer === 'GET' ? ['GET', 'HEAD'] : [offer])).join(', ')
  return new HttpProblem(
    405,
    { error: 'Method not allowed', reason: `${method} is not possible here; use ${allow}` },
    { headers: { allow } },
  )
}
