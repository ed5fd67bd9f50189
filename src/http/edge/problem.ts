/** Maps errors to statuses and texts of the HTTP contract; the only place that does. */
import type { Context } from 'hono'
import { ReserveError, isDiskFull, isStoreUnavailable } from '../../disk-full.ts'
import { redacted } from '../../log.ts'
import {
  type AssetRefusal,
  type FieldProblem,
  type Refusal,
  RefusedError,
  toldProblems,
} from '../../job/errors.ts'

/** The body of an error: `error` says what went wrong, further members say where and why. */
export interface ProblemMembers {
  readonly error: string
  readonly [member: string]: unknown
}

export type ProblemStatus =
  | 400
  | 401
  | 403
  | 404
  | 405
  | 408
  | 409
  | 410
  | 412
  | 413
  | 415
  | 416
  | 421
  | 422
  | 429
  | 431
  | 500
  | 503
  | 507

/** An error with its HTTP status and body. */
export class HttpProblem extends Error {
  readonly status: ProblemStatus
  readonly members: ProblemMembers
  readonly headers: Readonly<Record<string, string>>
  constructor(
    status: ProblemStatus,
    members: ProblemMembers,
    options: ErrorOptions & { readonly headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(members.error, options)
    this.name = 'HttpProblem'
    this.status = status
    this.members = members
    this.headers = options.headers ?? {}
  }
}

const fieldMembers = (problems: readonly FieldProblem[]): ProblemMembers => ({
  error: 'Invalid request',
  field: problems[0]?.field ?? '',
  reason: problems[0]?.reason ?? '',
  problems,
})

/** 400: the request's address or syntax is wrong. A well-formed but impossible body is 422. */
export const malformed = (problems: readonly FieldProblem[], options?: ErrorOptions): HttpProblem =>
  new HttpProblem(400, fieldMembers(toldProblems(problems)), options)

export const malformedField = (field: string, reason: string, options?: ErrorOptions): HttpProblem =>
  malformed([{ field, reason }], options)

export const tooLarge = (limitBytes: number, options?: ErrorOptions): HttpProblem =>
  new HttpProblem(
    413,
    {
      error: 'Body too large',
      reason: `The body must have at most ${readableBytes(limitBytes)}`,
      limit_bytes: limitBytes,
    },
    options,
  )

const readableBytes = (bytes: number): string =>
  bytes >= 1 << 20 && bytes % (1 << 20) === 0 ? `${bytes >> 20} MiB (${bytes} bytes)` : `${bytes} bytes`

const assetStatus: { readonly [kind in AssetRefusal]: ProblemStatus } = {
  empty: 422,
  too_large: 413,
  not_an_image: 422,
  format_not_allowed: 415,
  damaged: 422,
  too_many_pixels: 422,
  too_costly: 422,
}

/** Long, as it is a table: one case for each code. */
function refusalProblem(message: string, refusal: Refusal): HttpProblem {
  switch (refusal.code) {
    case 'job_not_found':
      // The id as it was sent: a string, not the parsed number.
      return new HttpProblem(404, { error: message, job_id: String(refusal.jobId) })
    case 'scene_not_found':
      return new HttpProblem(404, { error: message, scene_id: refusal.sceneId })
    case 'scene_of_another_job':
      return new HttpProblem(422, { error: message, scene_id: refusal.sceneId, job_id: refusal.jobId })
    case 'key_not_found':
      return new HttpProblem(404, { error: message, key_id: refusal.keyId })
    case 'key_refused':
      return new HttpProblem(422, { error: message, key_id: refusal.keyId, reason: refusal.reason })
    case 'scope_missing':
      return new HttpProblem(403, { error: message, reason: refusal.reason, scope: refusal.scope })
    case 'job_refused':
      return new HttpProblem(422, {
        error: message,
        job_id: refusal.jobId,
        current_status: refusal.currentStatus,
        reason: refusal.reason,
        ...(refusal.revision !== undefined && { revision: refusal.revision }),
      })
    case 'scene_refused':
      return new HttpProblem(422, { error: message, scene_id: refusal.sceneId, reason: refusal.reason })
    case 'approval_refused':
      return new HttpProblem(422, {
        error: message,
        job_id: refusal.jobId,
        current_status: refusal.currentStatus,
        reason: refusal.reason,
        ...refusal.amounts,
      })
    case 'endpoint_not_found':
      return new HttpProblem(404, { error: message, endpoint_id: refusal.endpointId })
    case 'delivery_not_found':
      return new HttpProblem(404, { error: message, delivery_id: refusal.deliveryId })
    case 'webhook_refused':
      return new HttpProblem(422, { error: message, reason: refusal.reason })
    case 'asset_not_found':
      return new HttpProblem(404, { error: message, asset_id: refusal.assetId })
    case 'transition_refused':
      return new HttpProblem(422, {
        error: message,
        job_id: refusal.jobId,
        current_status: refusal.currentStatus,
        reason: refusal.reason,
      })
    case 'not_ready':
      return new HttpProblem(404, {
        error: message,
        job_id: refusal.jobId,
        current_status: refusal.currentStatus,
        reason: refusal.reason,
      })
    case 'removed':
      return new HttpProblem(410, {
        error: message,
        reason: refusal.reason,
        removed_at: new Date(refusal.removedAt).toISOString(),
      })
    case 'too_many':
      return new HttpProblem(
        429,
        { error: message, reason: refusal.reason, limit: refusal.limit },
        { headers: { 'retry-after': '60' } },
      )
    case 'told_before':
      return new HttpProblem(409, { error: message, reason: refusal.reason })
    case 'invalid':
      return new HttpProblem(422, fieldMembers(refusal.problems))
    case 'asset_refused':
      return new HttpProblem(assetStatus[refusal.kind], {
        error: 'Image refused',
        reason: message,
        kind: refusal.kind,
      })
    default:
      return refusal satisfies never
  }
}

const codeOf = (error: unknown): unknown =>
  typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined

/** The answer to a known error; undefined for an unexpected one. */
export function problemOf(error: unknown): HttpProblem | undefined {
  if (error instanceof HttpProblem) return error
  if (error instanceof RefusedError) return refusalProblem(error.message, error.refusal)
  if (isDiskFull(error)) {
    const why = error instanceof ReserveError ? `${error.message}. ` : ''
    return new HttpProblem(507, {
      error: 'Storage is full',
      reason: `${why}Nothing was changed. Send the request again when there is room on the disk`,
    })
  }
  if (isStoreUnavailable(error))
    return new HttpProblem(
      503,
      { error: 'Unavailable', reason: 'The store of the files cannot be reached. Send the request again' },
      { headers: { 'retry-after': '5' } },
    )
  if (codeOf(error) === 'busy' || codeOf(error) === 'closed')
    return new HttpProblem(
      503,
      {
        error: 'Unavailable',
        reason: 'The server is busy or stopping, or its database does not answer. Send the request again',
      },
      { headers: { 'retry-after': '1' } },
    )
  if (codeOf(error) === 'uncertain')
    return new HttpProblem(
      503,
      {
        error: 'Unavailable',
        reason:
          'The database was lost while it stored the change, and does not say whether it did. Send the request again with the same Idempotency-Key; without one, first look whether it had its effect',
      },
      { headers: { 'retry-after': '5' } },
    )
  return undefined
}

const phrases: { readonly [status in ProblemStatus]: string } = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  409: 'Conflict',
  410: 'Gone',
  412: 'Precondition Failed',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  416: 'Range Not Satisfiable',
  421: 'Misdirected Request',
  422: 'Unprocessable Content',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
  507: 'Insufficient Storage',
}

const wantsProblemJson = (accept: string | undefined): boolean =>
  accept !== undefined && /application\/problem\+json(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/i.test(accept)

/**
 * An error's body: plain members, or RFC 9457 with the same members as extensions, if the client accepts it.
 */
export function problemBody(
  { status, members }: Pick<HttpProblem, 'status' | 'members'>,
  accept: string | undefined,
): { readonly body: string; readonly contentType: string } {
  if (!wantsProblemJson(accept))
    return { body: redacted(JSON.stringify(members)), contentType: 'application/json; charset=utf-8' }
  const { error, reason } = members
  const detail = typeof reason === 'string' ? `${error}: ${reason}` : error
  return {
    body: redacted(
      JSON.stringify({ type: 'about:blank', title: phrases[status], status, detail, ...members }),
    ),
    contentType: 'application/problem+json; charset=utf-8',
  }
}

export function answerProblem(c: Context, problem: HttpProblem): Response {
  const { body, contentType } = problemBody(problem, c.req.header('accept'))
  c.header('content-type', contentType)
  c.header('cache-control', 'no-store')
  c.header('vary', 'accept')
  for (const [name, value] of Object.entries(problem.headers)) c.header(name, value)
  return c.body(body, problem.status)
}
