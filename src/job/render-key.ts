/**
 * What is rendered, as one text: two scenes with the same key would get the same clip, so the second takes the
 * first one's. It names all that the picture depends on, inputs by their content, and nothing else.
 */
import { createHash } from 'node:crypto'
import { type FrameFormat, framesOf } from './format.ts'
import type { Fit, ScenePlan } from './scene.ts'

export interface Rendered extends Pick<
  ScenePlan,
  'title' | 'prompt' | 'duration' | 'asset_ids' | 'transition' | 'model' | 'render'
> {
  readonly position: number
}

export function renderKey(scene: Rendered, format: FrameFormat, fit: Fit): string {
  const { title, prompt, duration, asset_ids, transition, model, render } = scene
  const facts = render
    ? // The film's frame rate and the scene's place are seen to when the clip is made canonical.
      { model, prompt, asset_ids, fit, ...render }
    : {
        model,
        title,
        asset_ids,
        fit,
        frames: framesOf(duration, format.fps),
        ...format,
        // The camera alternates in and out from scene to scene, and one picture has no transition within.
        pushesIn: scene.position % 2 === 0,
        transition: asset_ids.length > 1 ? transition : null,
      }
  return createHash('sha256')
    .update(JSON.stringify(Object.entries(facts).toSorted(([one], [other]) => (one < other ? -1 : 1))))
    .digest('hex')
}
