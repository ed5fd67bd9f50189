/** Who is let in, and to what. */
import type { Context, MiddlewareHandler } from 'hono'
import { matchedRoutes } from 'hono/route'
import type { KeyVerbs } from '../../coordinator/key-verbs.ts'
import type { Host } from '../../host.ts'
import type { Key } from '../../job/key.ts'
import type { Scope } from '../../job/scope.ts'
import { type Log, logLine } from '../../log.ts'
import { isEverything, seenBy } from '../../job/reach.ts'
import { addressOf } from '../edge/path.ts'
import { remoteAddress, setCaller, setPrincipal } from '../edge/principal.ts'
import { wantsStream } from '../edge/event-stream.ts'
import { HttpProblem } from '../edge/problem.ts'
import {
  type RateLimit,
  type Taken,
  callerAt,
  createRateLimit,
  isLoopbackCaller,
} from '../edge/rate-limit.ts'

/** `open`: to all, counted by address. `health`: so, too, but apart from all else. `uncounted`: to all, as who asks has a proof of its own. */
export type Access = Scope | Scopes | 'open' | 'health' | 'uncounted'

/** Any of them will do. */
type Scopes = readonly [Scope, ...Scope[]]

/** Which jobs are seen is another question (`job/reach.ts`). */
const seeing: Scopes = ['read', 'submit', 'approve']
const ending: Scopes = ['submit', 'approve']

/** The one table of who may do what. A route that is not in it needs `admin`. */
export const accessByRoute: Readonly<Record<string, Access>> = {
  'GET /livez': 'health',
  'GET /readyz': 'health',
  [`GET ${addressOf.inputPattern}`]: 'uncounted',
  [`POST ${addressOf.webhookPattern}`]: 'uncounted',
  'GET /api/openapi.json': 'open',
  'GET /': 'open',
  'GET /docs': 'open',
  'GET /docs/reference.css': 'open',
  'GET /docs/reference.js': 'open',
  'GET /metrics': 'read',

  'GET /api/v3/jobs': seeing,
  'GET /api/v3/jobs/:id': seeing,
  'GET /api/v3/jobs/:id/scenes': seeing,
  'GET /api/v3/jobs/:id/scenes/:scene_id': seeing,
  'GET /api/v3/jobs/:id/history': seeing,
  'GET /api/v3/jobs/:id/events': seeing,
  'GET /api/v3/events': seeing,
  'GET /api/v3/videos/:id/combined': seeing,
  'GET /api/v3/videos/:id/thumbnail': seeing,
  'GET /api/v3/videos/:id/clips/:scene_id': seeing,
  'GET /api/v3/videos/:id/versions': seeing,
  'GET /api/v3/videos/:id/versions/:version/combined': seeing,
  'GET /api/v3/assets/:id': 'read',
  'GET /api/v3/assets/:id/data': 'read',
  'GET /api/v3/ledger': 'read',
  'GET /api/v3/spend': 'read',
  'GET /api/v3/budgets': 'read',
  'GET /api/v3/limits': 'read',
  'GET /api/v3/storage': 'read',

  'POST /api/v3/events/token': seeing,

  'POST /api/v3/assets': 'submit',
  'POST /api/v3/estimates': 'submit',
  'POST /api/v3/jobs': 'submit',
  'PATCH /api/v3/jobs/:id': 'submit',
  'POST /api/v3/jobs/:id/scenes': 'submit',
  'PUT /api/v3/jobs/:id/scenes/:scene_id': 'submit',
  'DELETE /api/v3/jobs/:id/scenes/:scene_id': 'submit',
  'POST /api/v3/jobs/:id/submit': ending,
  'DELETE /api/v3/jobs/:id': ending,
  'POST /api/v3/videos/:id/versions/:version/current': ending,
  // It stops spending.
  'POST /api/v3/jobs/:id/cancel': ending,
  'POST /api/v3/jobs/cancel': ending,

  'POST /api/v3/jobs/:id/approve': 'approve',
  'POST /api/v3/jobs/approve': 'approve',
  'POST /api/v3/jobs/:id/reject': 'approve',
  'POST /api/v3/jobs/:id/retry': 'approve',
  'POST /api/v3/jobs/:id/pause': 'approve',
  'POST /api/v3/jobs/:id/resume': 'approve',
  'POST /api/v3/jobs/:id/scenes/:scene_id/regenerate': 'approve',
  'POST /api/v3/jobs/:id/scenes/:scene_id/resolve': 'approve',

  'PUT /api/v3/budgets': 'admin',
  'PUT /api/v3/limits': 'admin',
  'POST /api/v3/storage/prune': 'admin',
  'POST /api/v3/pause': 'admin',
  'POST /api/v3/resume': 'admin',
  'GET /api/v3/webhooks/endpoints': 'admin',
  'POST /api/v3/webhooks/endpoints': 'admin',
  'GET /api/v3/webhooks/endpoints/:id': 'admin',
  'PATCH /api/v3/webhooks/endpoints/:id': 'admin',
  'DELETE /api/v3/webhooks/endpoints/:id': 'admin',
  'GET /api/v3/webhooks/endpoints/:id/secret': 'admin',
  'POST /api/v3/webhooks/endpoints/:id/rotate': 'admin',
  'POST /api/v3/webhooks/endpoints/:id/test': 'admin',
  'GET /api/v3/webhooks/endpoints/:id/deliveries': 'admin',
  'GET /api/v3/webhooks/deliveries/:id': 'admin',
  'POST /api/v3/webhooks/deliveries/:id/redeliver': 'admin',
  'GET /api/v3/webhooks/secret': 'admin',
  'POST /api/v3/webhooks/secret/rotate': 'admin',
  'POST /api/v3/secret/rotate': 'admin',
  'GET /api/v3/keys': 'admin',
  'POST /api/v3/keys': 'admin',
  'POST /api/v3/keys/:id/rotate': 'admin',
  'POST /api/v3/keys/:id/revoke': 'admin',
}

/**
 * Routes that tell of the jobs that a key reaches, and of nothing else. The others are about all jobs, and closed to a
 * key that does not see all: also one that nobody thought of here.
 */
const withinReach: ReadonlySet<string> = new Set([
  ...Object.keys(accessByRoute).filter((route) =>
    /^\w+ \/api\/v3\/(?:jobs|videos|events|assets)\b/.test(route),
  ),
  'POST /api/v3/estimates',
  'GET /api/v3/ledger',
  'GET /api/v3/spend',
])

export interface AccessOptions {
  /** Whether who has no key is turned away. A key that is sent is looked at either way. */
  readonly keysRequired: boolean
  /** Requests a minute for each key, or each address where there is none; 0 for no limit. */
  readonly ratePerMinute: number
}

/** Of each address. A probe must not fail because a limit was set low, or used up by others. */
const healthPerMinute = 1200

/** Requests of one caller that are worked on: its slow uploads must not take all connections of a proxy that others come by, too. */
const mostAtOnce = 1000

/** Whoever tries keys from one address is not even told that they are wrong. */
const failuresPerMinute = 20

export function guardAccess({
  keysRequired,
  ratePerMinute,
  coordinator,
  host,
  log,
}: AccessOptions & {
  readonly coordinator: Pick<KeyVerbs, 'identifyKey' | 'identifyEventsToken'>
  readonly host: Host
  readonly log: Log
}): MiddlewareHandler {
  const requests = ratePerMinute === 0 ? undefined : createRateLimit({ perMinute: ratePerMinute, host })
  const health = ratePerMinute === 0 ? undefined : createRateLimit({ perMinute: healthPerMinute, host })
  const failures = createRateLimit({ perMinute: failuresPerMinute, host })

  const underWay = new Map<string, number>()

  const oneMore = async (caller: string, next: () => Promise<void>): Promise<void> => {
    const before = underWay.get(caller) ?? 0
    if (before >= mostAtOnce)
      throw new HttpProblem(
        429,
        { error: 'Too many requests at once', reason: `${mostAtOnce} are worked on. Wait for some of them` },
        { headers: { 'retry-after': '1' } },
      )
    underWay.set(caller, before + 1)
    try {
      await next()
    } finally {
      const left = underWay.get(caller)! - 1
      if (left > 0) underWay.set(caller, left)
      else underWay.delete(caller)
    }
  }

  /** A valid key is let in however many wrong ones came from its address, which may be a proxy's. */
  const identify = async (c: Context, caller: string): Promise<LetIn | undefined> => {
    const finder = finderOf(c, coordinator)
    if (!finder && !keysRequired) return undefined
    const key = await finder?.find()
    if (finder && key) return { key, isLetIn: async () => (await finder.find()) !== undefined }
    const taken = failures.take(caller)
    if (!taken.isAllowed) throw tooMany('Too many requests without a valid key', taken)
    logLine.notLetIn(log, caller, c.req.path)
    throw notLetIn(finder?.by ?? 'key')
  }

  return async (c, next) => {
    const needed = accessTo(c)
    if (needed.every((access) => access === 'uncounted') && needed.length > 0) return next()
    const caller = callerAt(remoteAddress(c))
    const isOpen = needed.length > 0 && needed.every(isForAll)
    const found = isOpen ? undefined : await identify(c, caller)
    const key = found?.key
    const name = key ? `key ${key.id}` : `address ${caller}`
    if (found) setPrincipal(c, { name: found.key.name, actor: found.key, isLetIn: found.isLetIn })
    setCaller(c, name)
    const isTrusted = !keysRequired && isLoopbackCaller(caller)
    const limit = needed.includes('health') ? health : requests
    if (limit && (key || !isTrusted)) count(c, limit, name)
    if (key) for (const access of needed) requireScope(key, access)
    if (key && !isEverything(seenBy(key))) requireReach(c)
    return key || !isTrusted ? oneMore(name, next) : next()
  }
}

interface LetIn {
  readonly key: Key
  /** Whether it would be now. */
  readonly isLetIn: () => Promise<boolean>
}

const streamRoutes: ReadonlySet<string> = new Set(['GET /api/v3/events', 'GET /api/v3/jobs/:id/events'])

interface Finder {
  readonly by: 'key' | 'token'
  readonly find: () => Promise<Key | undefined>
}

/** How the key is found that the request is sent with; undefined where it names none. */
function finderOf(
  c: Context,
  coordinator: Pick<KeyVerbs, 'identifyKey' | 'identifyEventsToken'>,
): Finder | undefined {
  const secret = secretIn(c.req.header('authorization'))
  if (secret !== undefined) return { by: 'key', find: () => coordinator.identifyKey(secret) }
  const token = c.req.query('token')
  const routes = routesOf(c)
  return token !== undefined &&
    wantsStream(c) &&
    routes.length > 0 &&
    routes.every((route) => streamRoutes.has(route))
    ? { by: 'token', find: () => coordinator.identifyEventsToken(token) }
    : undefined
}

const count = (c: Context, limit: RateLimit, caller: string): void => {
  const taken = limit.take(caller)
  for (const [name, value] of Object.entries(headersOf(taken))) c.header(name, value)
  if (!taken.isAllowed) throw tooMany('Too many requests', taken)
}

/** The routes that this request leads to, as the table names them. Middleware is matched under the method ALL. */
const routesOf = (c: Context): readonly string[] =>
  matchedRoutes(c)
    .filter(({ method }) => method !== 'ALL')
    .map(({ method, path }) => `${method} ${path}`)

/** What the routes need that this request leads to; nothing where it leads to none, which is answered 404 or 405. */
const accessTo = (c: Context): readonly Access[] => [
  ...new Set(routesOf(c).map((route) => accessByRoute[route] ?? 'admin')),
]

/** Scopes of which one is needed; none for what is open. */
export const scopesFor = (access: Access): readonly Scope[] =>
  isForAll(access) ? [] : typeof access === 'string' ? [access] : access

function requireScope({ scopes }: Pick<Key, 'scopes'>, access: Access): void {
  const wanted = scopesFor(access)
  const [first, ...others] = wanted
  if (first === undefined || scopes.includes('admin') || wanted.some((scope) => scopes.includes(scope)))
    return
  throw new HttpProblem(403, {
    error: 'Forbidden',
    reason: `This needs a key with the scope ${[first, ...others].join(' or ')}`,
    scope: first,
  })
}

function requireReach(c: Context): void {
  if (
    routesOf(c).every(
      (route) => withinReach.has(route) || scopesFor(accessByRoute[route] ?? 'admin').length === 0,
    )
  )
    return
  throw new HttpProblem(403, {
    error: 'Forbidden',
    reason:
      'This is about the jobs of all clients, and the key is bound to one client: use a key that is not',
  })
}

export const isForAll = (access: Access): access is Exclude<Access, Scope> =>
  access === 'open' || access === 'health' || access === 'uncounted'

/** The key that a request is sent with. */
export const secretIn = (authorization: string | undefined): string | undefined =>
  /^Bearer +(\S.*)$/i.exec(authorization ?? '')?.[1]?.trim()

const whatToSend = {
  // `Bearer <key>` would be taken for a secret, and be redacted.
  key: 'Send a valid key in the Authorization header: the word Bearer, a space, the key',
  token: 'The token is not valid, or has ended: make another one with POST /api/v3/events/token',
} as const

/** One answer for all that is wrong with a key, and one for a token: who guesses learns nothing. */
const notLetIn = (by: Finder['by']): HttpProblem =>
  new HttpProblem(
    401,
    {
      error: 'Unauthorized',
      reason: whatToSend[by],
    },
    { headers: { 'www-authenticate': 'Bearer' } },
  )

const headersOf = ({ limit, remaining, fullInSeconds }: Taken): Readonly<Record<string, string>> => ({
  'ratelimit-limit': String(limit),
  'ratelimit-remaining': String(remaining),
  'ratelimit-reset': String(fullInSeconds),
})

const tooMany = (error: string, taken: Taken): HttpProblem =>
  new HttpProblem(
    429,
    { error, reason: `Send the request again in ${taken.retryInSeconds} s`, limit_per_minute: taken.limit },
    { headers: { ...headersOf(taken), 'retry-after': String(taken.retryInSeconds) } },
  )
