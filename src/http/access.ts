/** Who is let in, and to what. */
import type { Context, MiddlewareHandler } from 'hono'
import { matchedRoutes } from 'hono/route'
import type { KeyVerbs } from '../coordinator/key-verbs.ts'
import type { Host } from '../host.ts'
import type { Key, Scope } from '../job/key.ts'
import { type Log, logLine } from '../log.ts'
import { addressOf } from './path.ts'
import { setPrincipal } from './principal.ts'
import { HttpProblem } from './problem.ts'
import { type RateLimit, type Taken, callerAt, createRateLimit, isLoopbackCaller } from './rate-limit.ts'

/** `open`: to all, counted by address. `uncounted`: to all, as who asks has a proof of its own, or asks how we are. */
export type Access = Scope | 'open' | 'uncounted'

/** The one table of who may do what. A route that is not in it needs `admin`. */
export const accessByRoute: Readonly<Record<string, Access>> = {
  'GET /livez': 'uncounted',
  'GET /readyz': 'uncounted',
  [`GET ${addressOf.inputPattern}`]: 'uncounted',
  [`POST ${addressOf.webhookPattern}`]: 'uncounted',
  'GET /api/openapi.json': 'open',
  'GET /docs': 'open',
  'GET /docs/reference.css': 'open',
  'GET /docs/reference.js': 'open',
  'GET /metrics': 'read',

  'GET /api/v3/jobs': 'read',
  'GET /api/v3/jobs/:id': 'read',
  'GET /api/v3/jobs/:id/scenes': 'read',
  'GET /api/v3/jobs/:id/scenes/:scene_id': 'read',
  'GET /api/v3/jobs/:id/history': 'read',
  'GET /api/v3/jobs/:id/events': 'read',
  'GET /api/v3/events': 'read',
  'GET /api/v3/videos/:id/combined': 'read',
  'GET /api/v3/videos/:id/thumbnail': 'read',
  'GET /api/v3/videos/:id/clips/:scene_id': 'read',
  'GET /api/v3/videos/:id/versions': 'read',
  'GET /api/v3/videos/:id/versions/:version/combined': 'read',
  'GET /api/v3/assets/:id': 'read',
  'GET /api/v3/assets/:id/data': 'read',
  'GET /api/v3/ledger': 'read',
  'GET /api/v3/budgets': 'read',
  'GET /api/v3/limits': 'read',
  'GET /api/v3/storage': 'read',

  'POST /api/v3/assets': 'submit',
  'POST /api/v3/estimates': 'submit',
  'POST /api/v3/jobs': 'submit',
  'PATCH /api/v3/jobs/:id': 'submit',
  'PUT /api/v3/jobs/:id/scenes/:scene_id': 'submit',
  'DELETE /api/v3/jobs/:id/scenes/:scene_id': 'submit',
  // It stops spending.
  'POST /api/v3/jobs/:id/cancel': 'submit',
  'POST /api/v3/jobs/cancel': 'submit',

  'POST /api/v3/jobs/:id/approve': 'approve',
  'POST /api/v3/jobs/approve': 'approve',
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

export interface AccessOptions {
  /** Whether who has no key is turned away. A key that is sent is looked at either way. */
  readonly keysRequired: boolean
  /** Requests a minute for each key, or each address where there is none; 0 for no limit. */
  readonly ratePerMinute: number
}

/** Whoever tries keys from one address is not even told that they are wrong. */
const failuresPerMinute = 20

export function guardAccess({
  keysRequired,
  ratePerMinute,
  coordinator,
  host,
  log,
}: AccessOptions & {
  readonly coordinator: Pick<KeyVerbs, 'identifyKey'>
  readonly host: Host
  readonly log: Log
}): MiddlewareHandler {
  const requests = ratePerMinute === 0 ? undefined : createRateLimit({ perMinute: ratePerMinute, host })
  const failures = createRateLimit({ perMinute: failuresPerMinute, host })

  /** A valid key is let in however many wrong ones came from its address, which may be a proxy's. */
  const identify = async (c: Context, caller: string): Promise<Key | undefined> => {
    const secret = secretIn(c.req.header('authorization'))
    if (secret === undefined && !keysRequired) return undefined
    const key = secret === undefined ? undefined : await coordinator.identifyKey(secret)
    if (key) return key
    const taken = failures.take(caller)
    if (!taken.isAllowed) throw tooMany('Too many requests without a valid key', taken)
    logLine.notLetIn(log, caller, c.req.path)
    throw notLetIn()
  }

  return async (c, next) => {
    const needed = accessTo(c)
    if (needed.every((access) => access === 'uncounted') && needed.length > 0) return next()
    const caller = callerAt(remoteAddress(c))
    const isOpen = needed.length > 0 && needed.every((access) => access === 'open' || access === 'uncounted')
    const key = isOpen ? undefined : await identify(c, caller)
    if (key) setPrincipal(c, { name: key.name, scopes: new Set(key.scopes) })
    const isTrusted = !keysRequired && isLoopbackCaller(caller)
    if (requests && (key || !isTrusted)) count(c, requests, key ? `key ${key.id}` : `address ${caller}`)
    if (key) for (const access of needed) requireScope(key, access)
    return next()
  }
}

const count = (c: Context, limit: RateLimit, caller: string): void => {
  const taken = limit.take(caller)
  for (const [name, value] of Object.entries(headersOf(taken))) c.header(name, value)
  if (!taken.isAllowed) throw tooMany('Too many requests', taken)
}

/** What the routes need that this request leads to; nothing where it leads to none, which is answered 404 or 405. */
function accessTo(c: Context): readonly Access[] {
  const needed = new Set<Access>()
  // Middleware is matched under the method ALL.
  for (const { method, path } of matchedRoutes(c))
    if (method !== 'ALL') needed.add(accessByRoute[`${method} ${path}`] ?? 'admin')
  return [...needed]
}

function requireScope({ scopes }: Pick<Key, 'scopes'>, access: Access): void {
  if (access === 'open' || access === 'uncounted') return
  if (scopes.includes(access) || scopes.includes('admin')) return
  throw new HttpProblem(403, {
    error: 'Forbidden',
    reason: `This needs a key with the scope ${access}`,
    scope: access,
  })
}

const secretIn = (authorization: string | undefined): string | undefined =>
  /^Bearer +(\S.*)$/i.exec(authorization ?? '')?.[1]?.trim()

/** One answer for all that is wrong with a key: who guesses learns nothing. */
const notLetIn = (): HttpProblem =>
  new HttpProblem(
    401,
    {
      error: 'Unauthorized',
      reason: 'Send a key that is valid in the header Authorization: Bearer <key>',
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

interface Bindings {
  readonly incoming?: { readonly socket?: { readonly remoteAddress?: string } }
}

/** Of the connection itself: what headers say of it, anybody can write. Undefined where there is no connection. */
const remoteAddress = (c: Context<{ Bindings: Bindings }>): string | undefined =>
  // Without a server there are no bindings, whatever the type says.
  // oxlint-disable-next-line typescript/no-unnecessary-condition
  c.env?.incoming?.socket?.remoteAddress
