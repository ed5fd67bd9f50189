/** A job's film as the pipeline's tasks see it: where each clip lies, and how one passes into the next. */
import { type FrameFormat, framesOf } from '../job/format.ts'
import type { Job } from '../job/job.ts'
import type { Scene } from '../job/scene.ts'
import { seamsOf } from '../job/storyboard.ts'
import { cellSamples, type ClipPlace, planTimeline, type Seam, type Timeline } from '../job/timeline.ts'
import type { SeamKey } from '../store/seams.ts'

export interface FilmPlan {
  readonly timeline: Timeline
  /** `seams[k]` joins scene k and scene k + 1. */
  readonly seams: readonly Seam[]
}

/** `scenes` are all of the job's, in order. */
export function planFilm({ storyboard }: Job, scenes: readonly Scene[]): FilmPlan {
  const { fps } = storyboard.format
  const seams = seamsOf(scenes, fps)
  const clips = scenes.map(({ duration }) => framesOf(duration, fps))
  return { timeline: planTimeline({ fps, clips, seams }), seams }
}

export const placeOf = ({ timeline }: FilmPlan, { position }: Scene): ClipPlace => timeline.clips[position]!

/**
 * All that a canonical clip's bytes depend on beside its picture and sound, as one text. A clip may lie anywhere
 * in a film, or in another one, as long as it lies alike on the grid of sound.
 */
export function placeText(place: ClipPlace, { width, height, fps }: FrameFormat): string {
  const origin = place.firstCell * cellSamples
  const relative = (sample: number | null): number | null => sample && sample - origin
  const { frames, keyframes, startSample, firstCell, endCell, quietUntil, quietFrom } = place
  return JSON.stringify([
    width,
    height,
    fps,
    frames,
    keyframes,
    startSample - origin,
    endCell - firstCell,
    relative(quietUntil),
    relative(quietFrom),
  ])
}

/** What the cross-fade after scene `index` is known by; undefined where there is a cut, or a clip is wanting. */
export function seamKey(
  { timeline, seams }: FilmPlan,
  scenes: readonly Scene[],
  index: number,
): SeamKey | undefined {
  const seam = seams[index]
  const [leftClip, rightClip] = [scenes[index]?.clip, scenes[index + 1]?.clip]
  if (!seam || seam.overlapFrames === 0 || !leftClip || !rightClip) return undefined
  const soundPhase = timeline.clips[index + 1]!.startSample % cellSamples
  return { leftClip, rightClip, ...seam, soundPhase }
}
