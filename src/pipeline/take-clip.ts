/** A scene takes a clip that is kept: the same was rendered before, and nobody pays for it again. */
import { ArtifactError } from '../artifact/artifact.ts'
import type { SceneVerbs } from '../coordinator/scene-verbs.ts'
import type { TaskHandler } from '../engine/engine.ts'
import type { Clips } from './clips.ts'
import type { Studio } from './studio.ts'

export interface TakeClipOptions {
  readonly coordinator: Pick<SceneVerbs, 'beginTaking' | 'clipTaken' | 'clipUnusable'>
  readonly clips: Clips
  readonly studio: Pick<Studio, 'inTurn'>
}

export const createTakeClip =
  ({ coordinator, clips, studio }: TakeClipOptions): TaskHandler =>
  async ({ subject: sceneId }, { signal }) => {
    const work = await coordinator.beginTaking(sceneId)
    if (!work) return
    try {
      const outcome = await studio.inTurn(() => clips.fit(work.source, work, signal))
      if (outcome.kind === 'clip') await coordinator.clipTaken(sceneId, outcome.clip)
      else await coordinator.clipUnusable(sceneId, outcome.failure)
    } catch (error) {
      if (!(error instanceof ArtifactError && error.code === 'missing')) throw error
      await coordinator.clipUnusable(sceneId, { code: 'clip_missing', reason: error.message })
    }
  }
