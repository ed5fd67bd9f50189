/** The port to renderers, which turn a scene into a clip, such as FFmpeg on this machine (`local.ts`). */

import type { FrameFormat } from '../job/format.ts'
import type { Fit, Transition } from '../job/scene.ts'

export interface RenderRequest {
  readonly attemptId: string
  readonly jobId: number
  readonly sceneId: string
  /** Position in the storyboard, from 0. Camera moves alternate by it, so that neighbours don't jump. */
  readonly position: number
  readonly model: string
  readonly prompt: string
  readonly title: string | null
  readonly format: FrameFormat
  /** Exact number of frames of the clip. */
  readonly frames: number
  /** One image, or the first and the last: absolute paths of upright sRGB pictures made by media/image.ts. */
  readonly images: readonly string[]
  readonly transition: Transition
  readonly fit: Fit
  /** Frames (from 0) where a cross-fade to a neighbour will cut; renderers should make them key frames if they can. */
  readonly keyframes: readonly number[]
}

export interface RenderContext {
  /** An empty folder for this attempt; the caller removes it afterwards. */
  readonly directory: string
  readonly signal: AbortSignal
  /** Completed share of the clip, 0 to 1; only rises. */
  readonly onProgress: (fraction: number) => void
}

export type RenderOutcome =
  | { readonly kind: 'rendered'; readonly clipPath: string }
  /** `retry`: whether the same request may succeed another time. `reason`: the renderer's last message. */
  | { readonly kind: 'failed'; readonly retry: boolean; readonly code: string; readonly reason: string }

export interface Renderer {
  readonly name: string
  /** Models that scenes can name. */
  readonly models: readonly string[]
  /** Maximum of concurrent renders. */
  readonly maxConcurrency: number
  /** Returns expected outcomes; an abort by `context.signal` rejects with its reason. */
  render(request: RenderRequest, context: RenderContext): Promise<RenderOutcome>
  /** For `doctor`: resolves to a short summary; rejects with the problem. */
  check?(signal: AbortSignal): Promise<string>
}
