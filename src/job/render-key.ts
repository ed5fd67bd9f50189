/**
 * A hash of everything that a clip depends on, with inputs identified by content. Scenes with the same key would get the
 * same clip, so the second reuses the first one's.
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
    ? // Frame rate and position in the film do not matter: they are applied later, when the clip is made canonical.
      { model, prompt, asset_ids, fit, ...render }
    : {
        model,
        title,
        asset_ids,
        fit,
        frames: framesOf(duration, format.fps),
        ...format,
        // The camera alternates between in and out from scene to scene; a single picture has no transition inside.
        pushesIn: scene.position % 2 === 0,
        transition: asset_ids.length > 1 ? transition : null,
      }
  return createHash('sha256')
    .update(JSON.stringify(Object.entries(facts).toSorted(([one], [other]) => (one < other ? -1 : 1))))
    .digest('hex')
}
