/** A scene: one clip of the film, from one photograph or from a first to a last one. */
import type { SceneStatus } from './lifecycle.ts'

/** How one photograph passes into the next: inside a scene, and from a scene into the next. */
export const transitions = ['fade', 'slide', 'cut'] as const
export type Transition = (typeof transitions)[number]

/** How a picture of another shape fills the frame. */
export const fits = ['crop', 'letterbox', 'blur'] as const
export type Fit = (typeof fits)[number]

/** What the storyboard says of a scene, before anything is rendered. */
export interface ScenePlan {
  /** Shown in the picture; null for none. */
  readonly title: string | null
  /** What a generating model is told; the local renderer has no use for it. */
  readonly prompt: string
  /** Seconds. */
  readonly duration: number
  /** One image, or the first and the last. */
  readonly asset_ids: readonly string[]
  readonly transition: Transition
  readonly model: string
}

/** Why a scene or job failed: a code to branch on and the renderer's own last words. */
export interface Failure {
  readonly code: string
  readonly reason: string
  readonly scene_id?: string
}

export interface Scene extends ScenePlan {
  /** UUID. */
  readonly id: string
  readonly jobId: number
  /** 0-based place in the storyboard. */
  readonly position: number
  readonly status: SceneStatus
  /** The renderer that offers the scene's model. */
  readonly renderer: string
  /** Share of the render that is done, 0 to 1. */
  readonly progress: number
  /** Renders that were begun and ended, well or not; one that a crash or a shutdown cut off is not counted. */
  readonly tries: number
  /** Not to be started before then (back-off), ms since the epoch. */
  readonly notBefore: number | null
  readonly error: Failure | null
  /** The verified, canonical clip: an artifact's id. */
  readonly clip: string | null
  readonly startedAt: number | null
  readonly completedAt: number | null
  readonly insertedAt: number
  readonly updatedAt: number
}
