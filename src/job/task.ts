/** A task: one piece of work given to the engine. */

/**
 * `render-scene`: an attempt, on this machine. `follow-render`: an attempt, at a provider. `take-clip`: a scene, whose
 * clip is kept already. `join-clips`: the scene before a cross-fade. `stitch-film`: a job. `settle-dependents`: a job that
 * has ended, for which others wait.
 */
export const taskKinds = [
  'render-scene',
  'follow-render',
  'take-clip',
  'join-clips',
  'stitch-film',
  'settle-dependents',
] as const
export type TaskKind = (typeof taskKinds)[number]

/** One piece of work. A task of the same kind and subject is only ever there once. */
export interface Task {
  readonly kind: TaskKind
  /** What it is about: an attempt, a scene or a job, by the kind. */
  readonly subject: string
  readonly jobId: number
}
