/** A scene: one clip of the film, from one photograph or from a first to a last one. */
import type { SceneStatus } from './lifecycle.ts'

/** How one photograph passes into the next: inside a scene, and from a scene into the next. */
export const transitions = ['fade', 'slide', 'cut'] as const
export type Transition = (typeof transitions)[number]

/** How a picture of another shape fills the frame. */
export const fits = ['crop', 'letterbox', 'blur'] as const
export type Fit = (typeof fits)[number]

/** What a paid model is asked for: one rung of its ladder. */
export interface RenderSettings {
  /** Whole seconds the model renders, and bills. */
  readonly seconds: number
  /** As the model names it, such as `768p`. */
  readonly resolution: string
  /** Such as `16:9`. */
  readonly aspect_ratio: string
  /** Whether the model is to make sound too. */
  readonly audio: boolean
}

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
  /** What a paid model is asked for; null where the scene is rendered on this machine. */
  readonly render: RenderSettings | null
  /** Millionths of a US dollar that one render costs; null where the price is unknown. */
  readonly price_micros: number | null
  /** What was settled otherwise than asked for, in words: a longer duration, a larger resolution, ... */
  readonly notes: readonly string[]
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
  /** What is rendered, as one text: equal for equal renders. */
  readonly renderKey: string
  /** It is to be rendered although an equal clip is kept. */
  readonly forced: boolean
  /** It was changed after the approval by somebody who may not approve: no money is spent on it before the next one. */
  readonly unapproved: boolean
  /** The attempt that renders it now, or rendered it last; null where it took a kept clip. */
  readonly attemptId: string | null
  /** Share of the render that is done, 0 to 1. */
  readonly progress: number
  /** Renders that were begun and ended, well or not; one that a crash or a shutdown cut off is not counted. */
  readonly tries: number
  /** Not to be started before then (back-off), ms since the epoch. */
  readonly notBefore: number | null
  readonly error: Failure | null
  /** The verified, canonical clip: an artifact's id. */
  readonly clip: string | null
  /** The artifact the clip was made from: what the provider gave, or the clip itself. */
  readonly source: string | null
  /** The place in the film the clip was made for. */
  readonly place: string | null
  readonly startedAt: number | null
  readonly completedAt: number | null
  readonly insertedAt: number
  readonly updatedAt: number
}
