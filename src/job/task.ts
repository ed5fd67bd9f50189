/** A task: one piece of work given to the engine. */

export const taskKinds = ['render-scene', 'join-clips', 'stitch-film'] as const
export type TaskKind = (typeof taskKinds)[number]

/** One piece of work. A task of the same kind and subject is only ever there once. */
export interface Task {
  readonly kind: TaskKind
  /** What it is about: an attempt, a scene or a job, by the kind. */
  readonly subject: string
  readonly jobId: number
}
