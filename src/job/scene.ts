/** A scene: one clip of the film, made of one photograph or of a first and a last one. */
import type { SceneStatus } from './lifecycle.ts'

/** Transitions between the photographs of a scene, and from a scene to the next. */
export const transitions = ['fade', 'slide', 'cut'] as const
export type Transition = (typeof transitions)[number]

/** How a picture of another shape fills the frame. */
export const fits = ['crop', 'letterbox', 'blur'] as const
export type Fit = (typeof fits)[number]

/** Settings of a paid render: one of the model's offers. */
export interface RenderSettings {
  /** Whole seconds that the model renders and bills. */
  readonly seconds: number
  /** As the model names it, such as `768p`. */
  readonly resolution: string
  /** Such as `16:9`. */
  readonly aspect_ratio: string
  /** Whether the model also renders sound. */
  readonly audio: boolean
}

/** A scene of the storyboard, before anything is rendered. */
export interface ScenePlan {
  /** Shown in the picture; null for none. */
  readonly title: string | null
  /** Prompt for generative models; the local renderer ignores it. */
  readonly prompt: string
  /** Seconds. */
  readonly duration: number
  /** One image, or the first and the last. */
  readonly asset_ids: readonly string[]
  readonly transition: Transition
  readonly model: string
  /** Settings of a paid render; null if this machine renders the scene. */
  readonly render: RenderSettings | null
  /** Cost of one render in millionths of a US dollar; null if the price is unknown. */
  readonly price_micros: number | null
  /** Differences from the request for people to read: a longer duration, a larger resolution, ... */
  readonly notes: readonly string[]
}

/** Why a scene or job failed: a code for programs, and the renderer's last message. */
export interface Failure {
  readonly code: string
  readonly reason: string
  readonly scene_id?: string
}

export interface Scene extends ScenePlan {
  /** UUID. */
  readonly id: string
  readonly jobId: number
  /** Position in the storyboard, from 0. */
  readonly position: number
  readonly status: SceneStatus
  /** The renderer that offers the scene's model. */
  readonly renderer: string
  /** Hash of everything that the clip depends on: equal for equal renders. */
  readonly renderKey: string
  /** Render it even if an equal clip is stored. */
  readonly forced: boolean
  /** Changed after the approval by an actor who may not approve; it spends nothing before the next approval. */
  readonly unapproved: boolean
  /** Its running or last attempt; null if it reused a stored clip. */
  readonly attemptId: string | null
  /** Completed share of the render, 0 to 1. */
  readonly progress: number
  /** Renders that succeeded or failed; those interrupted by a crash or a shutdown do not count. */
  readonly tries: number
  /** Back-off: the scene does not start before this time, ms since the epoch. */
  readonly notBefore: number | null
  readonly error: Failure | null
  /** Artifact id of the verified, canonical clip. */
  readonly clip: string | null
  /** Artifact id of the provider's clip that `clip` was converted from, or of `clip` itself. */
  readonly source: string | null
  /** The placement in the film that `clip` was made for. */
  readonly place: string | null
  readonly startedAt: number | null
  readonly completedAt: number | null
  readonly insertedAt: number
  readonly updatedAt: number
}
