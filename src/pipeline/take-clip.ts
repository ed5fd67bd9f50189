/** Makes a scene's clip from a stored one: the same clip was rendered before, so it is not paid for again. */
import type { RunningCoordinator } from '../coordinator/coordinator.ts'
import type { TaskHandler, TaskOptions } from '../engine/engine.ts'
import { mostTakes, triedWords } from '../job/attempt.ts'
import { type Clips, ffmpegFailure, isMissing } from './clips.ts'
import type { Studio } from './studio.ts'

export interface TakeClipOptions {
  readonly coordinator: Pick<RunningCoordinator, 'beginTaking' | 'clipTaken' | 'clipUnusable'>
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
      else await coordinator.clipUnusable(sceneId, outcome.failure, 'kept')
    } catch (error) {
      if (!isMissing(error)) throw error
      await coordinator.clipUnusable(sceneId, { code: 'clip_missing', reason: error.message }, 'gone')
    }
  }

/** If FFmpeg fails on a stored clip, the scene reports each failure and fails after the last try; the clip stays stored. */
export const takingOptions = (
  coordinator: Pick<RunningCoordinator, 'clipPutOff' | 'clipGivenUp'>,
): Pick<TaskOptions, 'maxTries' | 'onPutOff' | 'onExhausted'> => ({
  maxTries: mostTakes,
  onPutOff: ({ subject }, error, next) => coordinator.clipPutOff(subject, ffmpegFailure(error), next),
  onExhausted: ({ subject }, error) => {
    const { code, reason } = ffmpegFailure(error)
    return coordinator.clipGivenUp(subject, { code, reason: triedWords({ code, reason }, mostTakes) })
  },
})
