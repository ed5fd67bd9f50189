/** From a clip as a renderer gave it to the scene's own: verified, canonical for its place in the film, and kept. */
import type { ArtifactStore } from '../artifact/artifact.ts'
import type { SceneWork } from '../coordinator/scene-verbs.ts'
import type { Failure, Scene } from '../job/scene.ts'
import { makeCanonical } from '../media/canonical.ts'
import { MediaError } from '../media/media.ts'
import { verifyClip } from '../media/probe.ts'
import type { SceneClip } from '../store/scenes.ts'
import { placeOf, placeText, planFilm } from './film-plan.ts'
import { type Studio, clipLimits } from './studio.ts'

export type ClipOutcome =
  | { readonly kind: 'clip'; readonly clip: SceneClip }
  /** There is something wrong with the clip; another one may be better. */
  | { readonly kind: 'failed'; readonly failure: Failure }

export interface Clips {
  /** `keepSource`: what came is worth keeping beside what was made of it, because it was paid for. */
  keep(
    path: string,
    work: SceneWork,
    options: { readonly directory: string; readonly keepSource: boolean; readonly signal: AbortSignal },
  ): Promise<ClipOutcome>
  /** Makes a scene's clip from an artifact that was kept before. */
  fit(source: string, work: SceneWork, signal: AbortSignal): Promise<ClipOutcome>
  /** Whether a finished scene's clip is of the place that the scene has now. */
  fits(work: SceneWork): boolean
}

const placeIn = ({ scene, job, scenes }: SceneWork) => placeOf(planFilm(job, scenes), scene)

export function createClips({
  artifacts,
  studio,
}: {
  readonly artifacts: ArtifactStore
  readonly studio: Studio
}): Clips {
  const keep: Clips['keep'] = async (path, work, { directory, keepSource, signal }) => {
    const settings = { media: studio.media, limits: clipLimits, signal }
    const place = placeIn(work)
    const { format: shape } = work.job.storyboard
    try {
      const verdict = await verifyClip({ ...settings, path })
      if (!verdict.ok) return failed(`clip_${verdict.code}`, verdict.reason)
      const { clip, decodedFrames } = verdict
      const format = await studio.filmFormat(shape)
      const outPath = `${directory}/canonical.mp4`
      const canonical = await makeCanonical({ ...settings, clip, decodedFrames, outPath, format, place })
      const { id } = await artifacts.adopt(canonical.path)
      const source = keepSource ? (await artifacts.adopt(path)).id : id
      return { kind: 'clip', clip: { clip: id, source, place: placeText(place, shape) } }
    } catch (error) {
      // FFmpeg could not work with this clip: that is the clip's fault.
      if (error instanceof MediaError && ['failed', 'killed', 'hung', 'too_long'].includes(error.code))
        return failed(`clip_${error.code}`, error.message)
      throw error
    }
  }

  return {
    keep,

    fit: (source, work, signal) =>
      studio.inWorkspace(async (directory) => {
        const path = await artifacts.localPath(source)
        const outcome = await keep(path, work, { directory, keepSource: false, signal })
        return outcome.kind === 'clip' ? { ...outcome, clip: { ...outcome.clip, source } } : outcome
      }),

    fits: (work) => work.scene.place === placeText(placeIn(work), work.job.storyboard.format),
  }
}

const failed = (code: string, reason: string): ClipOutcome => ({ kind: 'failed', failure: { code, reason } })

/** A finished scene, told apart from one that has no clip yet. */
export const hasClip = (scene: Scene): scene is Scene & { readonly clip: string; readonly source: string } =>
  scene.clip !== null && scene.source !== null
