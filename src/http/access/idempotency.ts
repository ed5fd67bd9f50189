/** Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): a repeated change is made only once. */
import { createHash } from 'node:crypto'
import type { Context, MiddlewareHandler } from 'hono'
import { type Idempotent, type KeptAnswer, mostKeptRequests } from '../../access/idempotency.ts'
import { secretToldBefore } from '../../job/errors.ts'
import { type BodyLimits, readAhead } from '../edge/body.ts'
import type { FindGuarded } from './access.ts'
import { principalOf, setDoneBefore, setRequestRow } from '../edge/principal.ts'
import { HttpProblem, malformedField, problemBody, problemOf } from '../edge/problem.ts'

const changing = new Set(['POST', 'PUT', 'PATCH', 'DELETE'])

const keyPattern = /^[\x21-\x7e]{1,255}$/

const replayed = 'idempotency-replayed'

const unkept = new WeakSet<Request>()

/** Marks an answer that holds a secret: it is not stored, and repeating the request answers 409. */
export const holdsSecret = (c: Context): void => void unkept.add(c.req.raw)

export function answerOnce({
  find,
  coordinator,
  limits,
}: {
  readonly find: FindGuarded
  readonly coordinator: Idempotent
  readonly limits: BodyLimits
}): MiddlewareHandler {
  return async (c, next) => {
    const key = c.req.header('idempotency-key')
    if (key === undefined || !changing.has(c.req.method)) return next()
    const found = find(c)
    if (found.length === 0 || found.some(({ takesIdempotencyKey }) => !takesIdempotencyKey)) return next()
    if (!keyPattern.test(key))
      throw malformedField('Idempotency-Key', 'must be 1 to 255 visible ASCII characters, without spaces')
    // In its encoded form: decoded, it may hold characters that a database cannot store.
    const { pathname, search } = new URL(c.req.url)
    const target = `${c.req.method} ${pathname}`
    const body = await readAhead(c, limits.jsonBytes)
    const fingerprint = createHash('sha256').update(`${target}\n${search}\n`).update(body).digest()
    const { name } = principalOf(c)
    const answered = await coordinator.answerOnce(
      { principal: name, target, key, fingerprint },
      async (id, { hasEffect }) => {
        setRequestRow(c, id)
        if (hasEffect) setDoneBefore(c)
        await next()
        if (hasEffect) c.header(replayed, 'true')
        if (unkept.has(c.req.raw) && c.res.ok) return toldOnce
        return isKept(c.res.status) ? keptAnswer(c.res.clone()) : undefined
      },
    )
    if (answered === 'done') return undefined
    if (answered === 'other_request')
      throw new HttpProblem(422, {
        error: 'Idempotency-Key was used before',
        reason: 'It was sent with another request: use a new one for each request',
      })
    if (answered === 'too_many')
      throw new HttpProblem(
        429,
        {
          error: 'Too many requests with an Idempotency-Key',
          reason: `Answers are kept for a day, at most ${mostKeptRequests} for each caller: send it later, or without the header`,
        },
        { headers: { 'retry-after': '60' } },
      )
    if (answered === 'running')
      throw new HttpProblem(
        409,
        {
          error: 'Request is being worked on',
          reason: 'One with the same Idempotency-Key is not answered yet',
        },
        { headers: { 'retry-after': '1' } },
      )
    return replayOf(c, answered)
  }
}

/** Whether an answer is stored: one that may differ next time is not. */
const isKept = (status: number): boolean => status < 500 && status !== 401 && status !== 408 && status !== 429

async function keptAnswer(response: Response): Promise<KeptAnswer> {
  const body = new Uint8Array(await response.arrayBuffer())
  return {
    status: response.status,
    contentType: response.headers.get('content-type') ?? '',
    location: response.headers.get('location'),
    body,
  }
}

const told = problemOf(secretToldBefore())!
const toldBody = problemBody(told, undefined)
const toldOnce: KeptAnswer = {
  status: told.status,
  contentType: toldBody.contentType,
  location: null,
  body: new TextEncoder().encode(toldBody.body),
}

function replayOf(c: Context, { status, contentType, location, body }: KeptAnswer): Response {
  const headers = new Headers({ [replayed]: 'true' })
  if (contentType !== '') headers.set('content-type', contentType)
  if (location !== null) headers.set('location', location)
  return c.newResponse(
    body.length === 0 ? null : new Uint8Array(body),
    new Response(null, { status, headers }),
  )
}
