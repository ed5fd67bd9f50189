/** Registers the handler of each kind of task: how many run at once, and what happens after the last failed try. */
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

  /** Paid clips are fetched and verified however little space is free; all other tasks wait and leave the reserve unused. */
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
      // The job has ended meanwhile, so there is nothing left to fail.
      if (!(refused instanceof RefusedError)) throw refused
    })
  }
  handle(
    'render-scene',
    // Admission counts the renders; this limit matters after the allowed number was lowered.
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
    // Cross-fades share the render slots.
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

/** Followers mostly wait; admission limits how many there are. */
const mostFollowed = 100_000

/** `stitch-film` retries a cross-fade that failed here, and reports why it fails. */
const leaveToFilm: TaskOptions['onExhausted'] = () => Promise.resolve()

const failureOf = (error: unknown) => ({
  code: error instanceof Error && 'code' in error ? String(error.code) : 'internal',
  reason: error instanceof Error ? error.message : String(error),
})
