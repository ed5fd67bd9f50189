/**
 * The states of jobs, scenes and attempts, and the allowed transitions. The store guards every update with
 * these tables, the database's CHECKs repeat the names, and a test compares both with the documentation.
 */

export const jobStatuses = ['pending', 'approved', 'processing', 'completed', 'failed', 'cancelled'] as const
export type JobStatus = (typeof jobStatuses)[number]

export const sceneStatuses = ['pending', 'processing', 'completed', 'failed', 'cancelled'] as const
export type SceneStatus = (typeof sceneStatuses)[number]

export const attemptStatuses = [
  'intended',
  'submitted',
  'succeeded',
  'failed',
  'cancelled',
  'refused',
  'unknown',
  'held',
] as const
export type AttemptStatus = (typeof attemptStatuses)[number]

type Follows<Status extends string> = { readonly [from in Status]: readonly Status[] }

/** The job states that each verb accepts, and the state that it results in. */
export const jobVerbs = {
  approve: { from: ['pending'], to: 'approved' },
  start: { from: ['approved'], to: 'processing' },
  complete: { from: ['processing'], to: 'completed' },
  fail: { from: ['processing'], to: 'failed' },
  cancel: { from: ['pending', 'approved', 'processing'], to: 'cancelled' },
  retry: { from: ['failed', 'cancelled'], to: 'approved' },
  regenerate: { from: ['completed', 'failed'], to: 'approved' },
} as const satisfies Record<string, { from: readonly JobStatus[]; to: JobStatus }>

export const sceneFollows: Follows<SceneStatus> = {
  pending: ['processing', 'cancelled'],
  processing: ['completed', 'failed', 'cancelled', 'pending'],
  completed: ['pending'],
  failed: ['pending'],
  cancelled: ['pending'],
}

export const attemptFollows: Follows<AttemptStatus> = {
  intended: ['submitted', 'refused', 'unknown', 'cancelled'],
  submitted: ['succeeded', 'failed', 'cancelled'],
  succeeded: [],
  failed: [],
  cancelled: [],
  refused: [],
  unknown: ['submitted', 'refused', 'held'],
  held: ['submitted', 'refused'],
}

/** The states that may change to `to`, for the `where` of a guarded update. */
export const mayPrecede = <Status extends string>(follows: Follows<Status>, to: Status): readonly Status[] =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the type says these are all its keys
  (Object.keys(follows) as Status[]).filter((from) => follows[from].includes(to))

/** Jobs that run, or will run without another request. */
export const activeJobStatuses = ['approved', 'processing'] as const satisfies readonly JobStatus[]

/** Ended jobs, each of which can be reopened. */
export const finalJobStatuses = ['completed', 'failed', 'cancelled'] as const satisfies readonly JobStatus[]

/** Attempts that run, or may run, at their renderer: their cost stays reserved. */
export const inFlightAttemptStatuses = [
  'intended',
  'submitted',
  'unknown',
  'held',
] as const satisfies readonly AttemptStatus[]

/** Reasons for refusals, fixed by the HTTP contract. */
export const refusalReason = {
  approve: 'Job must be in pending state to be approved',
  progress: 'Job must be in processing state to report progress',
  complete: 'Job must be in processing state to be completed',
  fail: 'Job must be in processing state to fail',
  cancel: 'Job must be in pending, approved or processing state to be cancelled',
  retry: 'Job must be in failed or cancelled state to be retried',
  update: 'Job must be in pending, approved or processing state to be changed',
  pause: 'Job must be in pending, approved or processing state to be paused',
  resume: 'Job must be paused to be resumed',
  reject: 'Job must wait for an approval to be rejected',
  submit: 'Job must be rejected to be submitted again',
  delete: 'Job must be in completed, failed or cancelled state to be deleted: cancel it first',
} as const
