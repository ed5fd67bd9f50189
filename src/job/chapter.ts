/** The scenes of a finished film: where each begins, and what its picture is made of. */
import { framesOf } from './format.ts'
import type { Scene } from './scene.ts'
import { seamsOf } from './storyboard.ts'
import { planTimeline } from './timeline.ts'

export interface Chapter {
  readonly sceneId: string
  readonly title: string | null
  readonly startMs: number
  readonly durationMs: number
  /** SHA-256 of the scene's render: the same in two films that show the same render. */
  readonly clip: string | null
}

/** `scenes`: all of the film, in order. A cross-fade belongs to the scene that it leads to. */
export function chaptersOf(scenes: readonly Scene[], fps: number): readonly Chapter[] {
  if (scenes.length === 0) return []
  const clips = scenes.map(({ duration }) => framesOf(duration, fps))
  const timeline = planTimeline({ fps, clips, seams: seamsOf(scenes, fps) })
  const starts = timeline.clips.map(({ startFrame }) => startFrame)
  const msOf = (frames: number): number => Math.round((frames * 1000) / fps)
  return scenes.map(({ id, title, source }, index) => {
    const start = starts[index]!
    const end = starts[index + 1] ?? timeline.frames
    return { sceneId: id, title, startMs: msOf(start), durationMs: msOf(end - start), clip: source }
  })
}
