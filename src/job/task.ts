/** A task: one piece of work given to the engine. */

/**
 * The subject of each kind. `render-scene`: an attempt on this machine. `follow-render`: an attempt at a provider.
 * `take-clip`: a scene that reuses a stored clip. `join-clips`: the scene before a cross-fade. `stitch-film`: a job.
 * `settle-dependents`: an ended job that others depend on.
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

/** One piece of work, unique by kind and subject. */
export interface Task {
  readonly kind: TaskKind
  /** Id of the attempt, scene or job, depending on the kind. */
  readonly subject: string
  readonly jobId: number
}
