/** Checks a request's key, scope and rate before its endpoint. */
import type { Context, MiddlewareHandler } from 'hono'
import type { KeyVerbs, Token } from '../../access/keys.ts'
import type { Host } from '../../host.ts'
import type { Key } from '../../job/key.ts'
import type { Scope } from '../../job/scope.ts'
import { type Log, logLine } from '../../log.ts'
import { isEverything, seenBy } from '../../job/reach.ts'
import { remoteAddress, setCaller, setPrincipal } from '../edge/principal.ts'
import { wantsStream } from '../edge/event-stream.ts'
import { isOfOwnPage } from '../edge/guard.ts'
import { HttpProblem } from '../edge/problem.ts'
import type { QueryNames } from '../edge/query-names.ts'
import { keepSession, sessionIn } from './session.ts'
import {
  type RateLimit,
  type Taken,
  callerAt,
  createRateLimit,
  isLoopbackCaller,
} from '../edge/rate-limit.ts'

/** Allows a key with any of these scopes. */
export interface KeyAccess {
  readonly scopes: readonly [Scope, ...Scope[]]
  /** `own`: shows only jobs that the key reaches (`job/reach.ts`). `all`: concerns all jobs. */
  readonly jobs: 'own' | 'all'
}

/**
 * Without a key: `open` is counted by address, `health` in a separate count. `uncounted`: the request itself
 * proves its sender.
 */
export type Access = KeyAccess | 'open' | 'health' | 'uncounted'

export const ownJobs = (...scopes: KeyAccess['scopes']): KeyAccess => ({ scopes, jobs: 'own' })

/** Refuses keys that are bound to one client. */
export const allJobs = (...scopes: KeyAccess['scopes']): KeyAccess => ({ scopes, jobs: 'all' })

/** An endpoint, as the guards see it. */
export interface Guarded {
  readonly access: Access
  /** Whether it may answer an event stream, which also accepts a token. */
  readonly isStream: boolean
  readonly takesIdempotencyKey: boolean
  /** Undefined where query names are not checked. */
  readonly queryNames?: QueryNames | undefined
}

/** The endpoints that match a request; none where the answer is 404 or 405. */
export type FindGuarded = (c: Context) => readonly Guarded[]

/** A route that no endpoint declares. */
export const undeclared: Guarded = { access: allJobs('admin'), isStream: false, takesIdempotencyKey: true }

export interface AccessOptions {
  /** Whether requests need a key. A key that is sent is checked in any case. */
  readonly keysRequired: boolean
  /** Requests per minute for each key, or each address without one; 0 for no limit. */
  readonly ratePerMinute: number
  /** How many nodes answer requests now: each allows its part of the rate. Default: 1. */
  readonly sharedBy?: () => number
}

/** Per address. A probe must not fail because of a low limit, or one that others used up. */
const healthPerMinute = 1200

/** Concurrent requests per caller: one caller's slow uploads must not use up a shared proxy's connections. */
const mostAtOnce = 1000

/** Wrong keys per minute and address; further requests without a valid key get 429. */
const failuresPerMinute = 20

export function guardAccess({
  keysRequired,
  ratePerMinute,
  sharedBy = () => 1,
  find,
  coordinator,
  host,
  log,
}: AccessOptions & {
  readonly find: FindGuarded
  readonly coordinator: Pick<KeyVerbs, 'identifyKey' | 'identifyEventsToken' | 'identifySession'>
  readonly host: Host
  readonly log: Log
}): MiddlewareHandler {
  const requests =
    ratePerMinute === 0 ? undefined : createRateLimit({ perMinute: ratePerMinute, host, sharedBy })
  const health = ratePerMinute === 0 ? undefined : createRateLimit({ perMinute: healthPerMinute, host })
  const failures = createRateLimit({ perMinute: failuresPerMinute, host, sharedBy })

  const oneMore = limitAtOnce()

  const countWrongKey = (c: Context, caller: string): void => {
    const taken = failures.take(caller)
    if (!taken.isAllowed) throw tooMany('Too many requests without a valid key', taken)
    logLine.notLetIn(log, caller, c.req.path)
  }

  /** A valid key passes after any number of wrong ones from its address, which may be a proxy's. */
  const identify = async (c: Context, caller: string): Promise<LetIn | undefined> => {
    const finder = keyFinder(c, coordinator, find(c))
    if (!finder && !keysRequired) return undefined
    const key = await finder?.find()
    if (finder && key) {
      finder.renew?.()
      return { key, isLetIn: async () => (await finder.find()) !== undefined }
    }
    // A browser sends what another server, or an earlier time, left with it. Nothing would be refused without it.
    if (finder?.by === 'session' && !keysRequired) return undefined
    countWrongKey(c, caller)
    throw notLetIn(finder?.by ?? 'key')
  }

  return async (c, next) => {
    const needed = find(c).map(({ access }) => access)
    if (needed.every((access) => access === 'uncounted') && needed.length > 0) return next()
    const caller = callerAt(remoteAddress(c))
    wrongKeyCounts.set(c.req.raw, () => countWrongKey(c, caller))
    const isOpen = needed.length > 0 && needed.every((access) => typeof access === 'string')
    const found = isOpen ? undefined : await identify(c, caller)
    const key = found?.key
    const name = key ? `key ${key.id}` : `address ${caller}`
    if (found) setPrincipal(c, { name: found.key.name, rights: found.key, isLetIn: found.isLetIn })
    setCaller(c, name)
    const isTrusted = !keysRequired && isLoopbackCaller(caller)
    const limit = needed.includes('health') ? health : requests
    if (limit && (key || !isTrusted)) count(c, limit, name)
    if (key) for (const access of needed) requireScope(key, access)
    if (key && !isEverything(seenBy(key))) for (const access of needed) requireOwnJobs(access)
    return key || !isTrusted ? oneMore(name, next) : next()
  }
}

const wrongKeyCounts = new WeakMap<Request, () => void>()

/** For a key that a request has in its body, such as at signing in: it counts like one in its header. */
export const noteWrongKey = (c: Context): void => wrongKeyCounts.get(c.req.raw)?.()

/** Limits the concurrent requests of each caller. */
function limitAtOnce(): (caller: string, next: () => Promise<void>) => Promise<void> {
  const underWay = new Map<string, number>()
  return async (caller, next) => {
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
}

interface LetIn {
  readonly key: Key
  /** Whether the key is still valid. */
  readonly isLetIn: () => Promise<boolean>
}

interface Finder {
  readonly by: 'key' | 'token' | 'session'
  readonly find: () => Promise<Key | undefined>
  /** Lets the browser keep a session that is used: only before the answer begins, while `find` may be called again later. */
  readonly renew?: () => void
}

/** How to look up the key of a request; undefined where it sends none. */
function keyFinder(
  c: Context,
  coordinator: Pick<KeyVerbs, 'identifyKey' | 'identifyEventsToken' | 'identifySession'>,
  endpoints: readonly Guarded[],
): Finder | undefined {
  const secret = secretIn(c.req.header('authorization'))
  if (secret !== undefined) return { by: 'key', find: () => coordinator.identifyKey(secret) }
  const token = c.req.query('token')
  if (
    token !== undefined &&
    wantsStream(c) &&
    endpoints.length > 0 &&
    endpoints.every(({ isStream }) => isStream)
  )
    return { by: 'token', find: () => coordinator.identifyEventsToken(token) }
  const session = sessionIn(c)
  if (session === undefined) return undefined
  let renewed: Token | undefined
  return {
    by: 'session',
    async find() {
      requireOwnPage(c)
      const found = await coordinator.identifySession(session)
      renewed = found?.renewed
      return found?.key
    },
    renew: () => renewed && keepSession(c, renewed),
  }
}

/** A browser sends the session by itself, also with what another page makes it send: changes must come from our own page. */
function requireOwnPage(c: Context): void {
  if (c.req.method === 'GET' || c.req.method === 'HEAD' || isOfOwnPage(c.req.raw)) return
  throw new HttpProblem(403, {
    error: 'Forbidden',
    reason: 'A change by a session must come from a page of this server. Programs send a key instead',
  })
}

const count = (c: Context, limit: RateLimit, caller: string): void => {
  const taken = limit.take(caller)
  for (const [name, value] of Object.entries(headersOf(taken))) c.header(name, value)
  if (!taken.isAllowed) throw tooMany('Too many requests', taken)
}

/** The scopes of which one is needed; none for open access. */
export const scopesFor = (access: Access): readonly Scope[] =>
  typeof access === 'string' ? [] : access.scopes

function requireScope({ scopes }: Pick<Key, 'scopes'>, access: Access): void {
  const wanted = scopesFor(access)
  const [first] = wanted
  if (first === undefined || scopes.includes('admin') || wanted.some((scope) => scopes.includes(scope)))
    return
  throw new HttpProblem(403, {
    error: 'Forbidden',
    reason: `This needs a key with the scope ${wanted.join(' or ')}`,
    scope: first,
  })
}

function requireOwnJobs(access: Access): void {
  if (typeof access === 'string' || access.jobs === 'own') return
  throw new HttpProblem(403, {
    error: 'Forbidden',
    reason:
      'This is about the jobs of all clients, and the key is bound to one client: use a key that is not',
  })
}

/** The key in an Authorization header. */
export const secretIn = (authorization: string | undefined): string | undefined =>
  /^Bearer +(\S.*)$/i.exec(authorization ?? '')?.[1]?.trim()

const whatToSend = {
  // The log would redact `Bearer <key>` as a secret.
  key: 'Send a valid key in the Authorization header: the word Bearer, a space, the key',
  token: 'The token is not valid, or has ended: make another one with POST /api/v3/events/token',
  session: 'The session has ended: sign in again',
} as const

/** The same answer for every invalid key, and for every invalid token: a guesser learns nothing. */
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
    {
      error,
      reason: `Send the request again in ${taken.retryInSeconds} s`,
      limit_per_minute: taken.limit,
      retry_in_seconds: taken.retryInSeconds,
    },
    { headers: { ...headersOf(taken), 'retry-after': String(taken.retryInSeconds) } },
  )
