/** What can be refused, as one typed error a caller can tell apart by `code`. Only http/ turns codes into statuses. */
import type { Scope } from './scope.ts'
import { refusalReason } from './lifecycle.ts'

export interface FieldProblem {
  /** Where in the request, such as `parameters.images[2]`; empty for the whole of it. */
  readonly field: string
  readonly reason: string
}

/** `too_large` counts bytes, `too_many_pixels` the picture that they hold, `too_costly` what decoding it takes. */
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
  /** What an endpoint or a delivery is like does not allow it. */
  | { readonly code: 'webhook_refused'; readonly reason: string }
  /** The job's state does not allow it: `currentStatus` is the state that was found. */
  | {
      readonly code: 'transition_refused'
      readonly jobId: number
      readonly verb: string
      readonly currentStatus: string
      readonly reason: string
    }
  /** An approval that the job's cost or a limit doesn't allow; the members say the amounts, in US dollars. */
  | {
      readonly code: 'approval_refused'
      readonly jobId: number
      readonly currentStatus: string
      readonly reason: string
      readonly amounts: Readonly<Record<string, number | null>>
    }
  /** What the job is like does not allow it. */
  | {
      readonly code: 'job_refused'
      readonly jobId: number
      readonly currentStatus: string
      readonly reason: string
    }
  | { readonly code: 'key_not_found'; readonly keyId: string }
  /** What the key is like does not allow it. */
  | { readonly code: 'key_refused'; readonly keyId: string; readonly reason: string }
  /** The key that asks may not do it: one with this scope may. */
  | { readonly code: 'scope_missing'; readonly scope: Scope; readonly reason: string }
  /** The scene's or its job's state does not allow it. */
  | {
      readonly code: 'scene_refused'
      readonly sceneId: string
      readonly jobId: number
      readonly reason: string
    }
  /** There are as many as may be at once. */
  | { readonly code: 'too_many'; readonly reason: string; readonly limit: number }
  /** It was done before, by the same request, whose answer held a secret. */
  | { readonly code: 'told_before'; readonly reason: string }
  /** The request itself is wrong: each problem says where and what to do. */
  | { readonly code: 'invalid'; readonly problems: readonly FieldProblem[] }
  /** Its bytes were there, and are not kept for ever. */
  | { readonly code: 'removed'; readonly reason: string; readonly removedAt: number }
  /** Uploaded bytes that can't be an asset. */
  | { readonly code: 'asset_refused'; readonly kind: AssetRefusal }
  /** Asked for too early: there is no film, thumbnail or clip yet. */
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
    reason: 'Its answer held a secret, which is told once and not kept',
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

/** The job's state doesn't allow the verb. */
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

/** What of a caller's own text stands in an answer. */
const shortened = (text: string, most: number): string =>
  text.length <= most ? text : `${text.slice(0, most).toWellFormed()}…`

/** Problems as they are told: no answer is longer because more is wrong. */
export function toldProblems(problems: readonly FieldProblem[]): FieldProblem[] {
  const told = problems.slice(0, mostProblems).map(({ field, reason }) => ({
    field: shortened(field, longestField),
    reason: shortened(reason, longestReason),
  }))
  const others = problems.length - told.length
  return others === 0
    ? told
    : [...told, { field: '', reason: `${others} more problems are left out: mend these first` }]
}

export function invalid(found: readonly FieldProblem[]): RefusedError {
  const problems = toldProblems(found)
  const message = problems
    .map((problem) => (problem.field ? `${problem.field}: ${problem.reason}` : problem.reason))
    .join('; ')
  return new RefusedError(message, { code: 'invalid', problems })
}

export const invalidField = (field: string, reason: string): RefusedError => invalid([{ field, reason }])
