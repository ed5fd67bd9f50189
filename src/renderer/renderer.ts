/** The port to whatever turns a scene into a clip: FFmpeg on this machine (`local.ts`), or a provider. */

import type { FrameFormat } from '../job/format.ts'
import type { Fit, Transition } from '../job/scene.ts'

export interface RenderRequest {
  readonly attemptId: string
  readonly jobId: number
  readonly sceneId: string
  /** 0-based place in the storyboard: camera moves alternate by it, so that neighbours don't jump. */
  readonly position: number
  readonly model: string
  readonly prompt: string
  readonly title: string | null
  readonly format: FrameFormat
  /** Exactly how many frames the clip should have. */
  readonly frames: number
  /** One image, or the first and the last: upright sRGB pictures made by media/image.ts, absolute paths. */
  readonly images: readonly string[]
  readonly transition: Transition
  readonly fit: Fit
  /** Frame numbers (0-based) at which a cross-fade to a neighbour will cut; a renderer that can makes them key frames. */
  readonly keyframes: readonly number[]
}

export interface RenderContext {
  /** An empty folder for this attempt, removed by the caller afterwards. */
  readonly directory: string
  readonly signal: AbortSignal
  /** Share of the clip that is done, 0 to 1; only rises. */
  readonly onProgress: (fraction: number) => void
}

export type RenderOutcome =
  | { readonly kind: 'rendered'; readonly clipPath: string }
  /** `retry`: whether the same request may succeed another time. `reason`: in the renderer's own last words. */
  | { readonly kind: 'failed'; readonly retry: boolean; readonly code: string; readonly reason: string }

export interface Renderer {
  readonly name: string
  /** Models a scene can name to be rendered here. */
  readonly models: readonly string[]
  /** How many renders may run here at once. */
  readonly maxConcurrency: number
  /** Expected outcomes are returned; an abort by `context.signal` rejects with its reason. */
  render(request: RenderRequest, context: RenderContext): Promise<RenderOutcome>
  /** For `doctor`: resolves to what was found, in a few words; rejects with what is wrong. */
  check?(signal: AbortSignal): Promise<string>
}
