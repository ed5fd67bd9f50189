/** Who does which kind of task, how many at once, and what becomes of a job whose task can't be done. */
import { availableParallelism } from 'node:os'
import type { RunningCoordinator } from '../coordinator/coordinator.ts'
import type { DiskRoom } from '../disk-full.ts'
import type { Engine, TaskHandler, TaskOptions } from '../engine/engine.ts'
import { RefusedError } from '../job/errors.ts'
import { tracedTask } from '../telemetry/tracing.ts'
import { type FollowRenderOptions, createFollowRender } from './follow/follow-render.ts'
import { type JoinClipsOptions, createJoinClips } from './join-clips.ts'
import { type RenderSceneOptions, createRenderScene } from './render-scene.ts'
import { type StitchFilmOptions, createStitchFilm } from './stitch-film.ts'
import { type TakeClipOptions, createTakeClip, takingOptions } from './take-clip.ts'

export type TasksOptions = RenderSceneOptions &
  FollowRenderOptions &
  TakeClipOptions &
  JoinClipsOptions &
  StitchFilmOptions & { readonly coordinator: RunningCoordinator; readonly room: DiskRoom }

export function handleTasks(engine: Engine, options: TasksOptions): void {
  const { coordinator, room } = options
  const handle: Engine['handle'] = (kind, how, handler) => engine.handle(kind, how, tracedTask(handler))
  const places = Math.max(1, Math.floor(availableParallelism() / 2))

  /** A paid clip is fetched and taken whatever room there is; all else waits before the reserve is used. */
  const inRoom =
    (handler: TaskHandler): TaskHandler =>
    async (task, context) => {
      await room.require()
      return handler(task, context)
    }

  const failScene: TaskOptions['onExhausted'] = ({ subject }, error) =>
    coordinator.sceneFailed(subject, { failure: failureOf(error), retry: false })
  const failJob: TaskOptions['onExhausted'] = async ({ jobId }, error) => {
    await coordinator.failJob(jobId, failureOf(error)).catch((refused: unknown) => {
      // The job has ended otherwise meanwhile: nothing is left to fail.
      if (!(refused instanceof RefusedError)) throw refused
    })
  }
  handle(
    'render-scene',
    // Renders are counted where they are admitted; this holds where fewer are allowed than before.
    { concurrency: () => coordinator.rendersAtOnce(), isRisky: true, onExhausted: failScene },
    inRoom(createRenderScene(options)),
  )
  handle(
    'follow-render',
    { concurrency: mostFollowed, maxTries: Number.POSITIVE_INFINITY, onExhausted: leaveToFilm },
    createFollowRender(options),
  )
  handle(
    'take-clip',
    { concurrency: places, isRisky: true, ...takingOptions(coordinator) },
    createTakeClip(options),
  )
  handle(
    'join-clips',
    // They share the render slots.
    { concurrency: () => coordinator.rendersAtOnce(), isRisky: true, onExhausted: leaveToFilm },
    inRoom(createJoinClips(options)),
  )
  handle(
    'settle-dependents',
    { concurrency: 1, maxTries: Number.POSITIVE_INFINITY, onExhausted: leaveToFilm },
    ({ jobId }) => coordinator.settleDependents(jobId),
  )
  handle(
    'stitch-film',
    { concurrency: places, isRisky: true, onExhausted: failJob },
    inRoom(createStitchFilm(options)),
  )
}

/** They only wait; how many there are is decided where they are admitted. */
const mostFollowed = 100_000

/** A cross-fade that can't be made beforehand is tried again when the film is put together, which tells why. */
const leaveToFilm: TaskOptions['onExhausted'] = () => Promise.resolve()

const failureOf = (error: unknown) => ({
  code: error instanceof Error && 'code' in error ? String(error.code) : 'internal',
  reason: error instanceof Error ? error.message : String(error),
})
