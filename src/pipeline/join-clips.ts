/** Renders the cross-fade after a scene while other scenes still render, so that only joining remains at the end. */
import type { Coordinator } from '../coordinator/coordinator.ts'
import type { TaskHandler } from '../engine/engine.ts'
import { planFilm } from './film-plan.ts'
import type { Studio } from './studio.ts'

export interface JoinClipsOptions {
  readonly coordinator: Pick<Coordinator, 'job' | 'scenes'>
  readonly studio: Studio
}

export const createJoinClips =
  ({ coordinator, studio }: JoinClipsOptions): TaskHandler =>
  async ({ subject: sceneId, jobId }, { signal }) => {
    const job = await coordinator.job(jobId)
    if (job.status !== 'processing') return
    const scenes = await coordinator.scenes(jobId)
    const index = scenes.findIndex(({ id }) => id === sceneId)
    const format = await studio.filmFormat(job.storyboard.format)
    await studio.seam({ plan: planFilm(job, scenes), scenes, index, format, signal })
  }
