/** Refusals as one error type, distinguished by `code`. Only http/ turns codes into statuses. */
import type { Scope } from './scope.ts'
import { refusalReason } from './lifecycle.ts'

export interface FieldProblem {
  /** Path in the request, such as `parameters.images[2]`; empty for the whole request. */
  readonly field: string
  readonly reason: string
}

/** `too_large` is about bytes, `too_many_pixels` about the decoded size, `too_costly` about the work of decoding. */
export type AssetRefusal =
  | 'empty'
  | 'too_large'
  | 'not_an_image'
  | 'format_not_allowed'
  | 'damaged'
  | 'too_many_pixels'
  | 'too_costly'

export type Refusal =
  | { readonly code: 'job_not_found'; readonly jobId: number | string }
  | { readonly code: 'scene_not_found'; readonly sceneId: string }
  | { readonly code: 'scene_of_another_job'; readonly sceneId: string; readonly jobId: number }
  | { readonly code: 'asset_not_found'; readonly assetId: string }
  | { readonly code: 'endpoint_not_found'; readonly endpointId: string }
  | { readonly code: 'delivery_not_found'; readonly deliveryId: string }
  /** The state of an endpoint or a delivery does not allow it. */
  | { readonly code: 'webhook_refused'; readonly reason: string }
  /** The job's state, `currentStatus`, does not allow it. */
  | {
      readonly code: 'transition_refused'
      readonly jobId: number
      readonly verb: string
      readonly currentStatus: string
      readonly reason: string
    }
  /** The job's cost or a limit does not allow the approval; amounts are in US dollars. */
  | {
      readonly code: 'approval_refused'
      readonly jobId: number
      readonly currentStatus: string
      readonly reason: string
      readonly amounts: Readonly<Record<string, number | null>>
    }
  /** A property of the job does not allow it. */
  | {
      readonly code: 'job_refused'
      readonly jobId: number
      readonly currentStatus: string
      readonly reason: string
      /** The newest one, if the request named another. */
      readonly revision?: number
    }
  | { readonly code: 'key_not_found'; readonly keyId: string }
  /** A property of the key does not allow it. */
  | { readonly code: 'key_refused'; readonly keyId: string; readonly reason: string }
  /** The request's key needs this scope. */
  | { readonly code: 'scope_missing'; readonly scope: Scope; readonly reason: string }
  /** The state of the scene or of its job does not allow it. */
  | {
      readonly code: 'scene_refused'
      readonly sceneId: string
      readonly jobId: number
      readonly reason: string
    }
  /** The maximum number already exists. */
  | { readonly code: 'too_many'; readonly reason: string; readonly limit: number }
  /** A request with the same Idempotency-Key was answered before with a secret, which is not stored. */
  | { readonly code: 'told_before'; readonly reason: string }
  /** The request is invalid; each problem names the field and what to do. */
  | { readonly code: 'invalid'; readonly problems: readonly FieldProblem[] }
  /** Its bytes were removed by retention. */
  | { readonly code: 'removed'; readonly reason: string; readonly removedAt: number }
  /** The uploaded bytes cannot become an asset. */
  | { readonly code: 'asset_refused'; readonly kind: AssetRefusal }
  /** The film, thumbnail or clip does not exist yet. */
  | {
      readonly code: 'not_ready'
      readonly jobId: number
      readonly currentStatus: string
      readonly reason: string
    }

export class RefusedError extends Error {
  readonly refusal: Refusal
  constructor(message: string, refusal: Refusal) {
    super(message)
    this.name = 'RefusedError'
    this.refusal = refusal
  }
}

export const jobNotFound = (jobId: number | string): RefusedError =>
  new RefusedError('Job not found', { code: 'job_not_found', jobId })

export const sceneNotFound = (sceneId: string): RefusedError =>
  new RefusedError('Scene not found', { code: 'scene_not_found', sceneId })

export const assetNotFound = (assetId: string): RefusedError =>
  new RefusedError('Asset not found', { code: 'asset_not_found', assetId })

export const keyNotFound = (keyId: string): RefusedError =>
  new RefusedError('Key not found', { code: 'key_not_found', keyId })

export const secretToldBefore = (): RefusedError =>
  new RefusedError('Request was done before', {
    code: 'told_before',
    reason: 'Its answer contained a secret, which is shown once and not stored',
  })

export const scopeMissing = (scope: Scope, reason: string): RefusedError =>
  new RefusedError('Forbidden', { code: 'scope_missing', scope, reason })

export const endpointNotFound = (endpointId: string): RefusedError =>
  new RefusedError('Webhook endpoint not found', { code: 'endpoint_not_found', endpointId })

export const deliveryNotFound = (deliveryId: string): RefusedError =>
  new RefusedError('Webhook delivery not found', { code: 'delivery_not_found', deliveryId })

export const webhookRefused = (what: string, reason: string): RefusedError =>
  new RefusedError(what, { code: 'webhook_refused', reason })

const pastTense = {
  approve: 'approved',
  retry: 'retried',
  progress: 'updated',
  complete: 'completed',
  fail: 'failed',
  cancel: 'cancelled',
  update: 'changed',
  pause: 'paused',
  resume: 'resumed',
  reject: 'rejected',
  submit: 'submitted',
  delete: 'deleted',
} as const satisfies Record<keyof typeof refusalReason, string>

export const transitionRefused = (
  { id, status }: { readonly id: number; readonly status: string },
  verb: keyof typeof refusalReason,
): RefusedError =>
  new RefusedError(`Job cannot be ${pastTense[verb]}`, {
    code: 'transition_refused',
    jobId: id,
    verb,
    currentStatus: status,
    reason: refusalReason[verb],
  })

const mostProblems = 20
const longestField = 200
const longestReason = 1000

/** Limits how much of a caller's text an answer repeats. */
const shortened = (text: string, most: number): string =>
  text.length <= most ? text : `${text.slice(0, most).toWellFormed()}…`

/** Problems as shown in an answer, whose length stays bounded however many there are. */
export function toldProblems(problems: readonly FieldProblem[]): FieldProblem[] {
  const told = problems.slice(0, mostProblems).map(({ field, reason }) => ({
    field: shortened(field, longestField),
    reason: shortened(reason, longestReason),
  }))
  const others = problems.length - told.length
  return others === 0
    ? told
    : [...told, { field: '', reason: `${others} more problems are not listed: fix these first` }]
}

export function invalid(found: readonly FieldProblem[]): RefusedError {
  const problems = toldProblems(found)
  const message = problems
    .map((problem) => (problem.field ? `${problem.field}: ${problem.reason}` : problem.reason))
    .join('; ')
  return new RefusedError(message, { code: 'invalid', problems })
}

export const invalidField = (field: string, reason: string): RefusedError => invalid([{ field, reason }])
