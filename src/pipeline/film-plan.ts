/** A job's film for the pipeline's tasks: the position of each clip, and the seam between each pair of neighbours. */
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

/** `scenes`: all scenes of the job, in order. */
export function planFilm({ storyboard }: Job, scenes: readonly Scene[]): FilmPlan {
  const { fps } = storyboard.format
  const seams = seamsOf(scenes, fps)
  const clips = scenes.map(({ duration }) => framesOf(duration, fps))
  return { timeline: planTimeline({ fps, clips, seams }), seams }
}

export const placeOf = ({ timeline }: FilmPlan, { position }: Scene): ClipPlace => timeline.clips[position]!

/**
 * Everything except picture and sound that determines a canonical clip's bytes, as one string. A clip can be used at
 * any position in any film with the same offset to the audio grid.
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

/** The key of the cross-fade after scene `index`. Undefined at a cut, or if a clip is missing. */
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
