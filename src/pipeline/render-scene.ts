/** Renders a scene's clip from its photographs on this machine. */
import type { Workspace } from '../artifact/artifact.ts'
import type { RunningCoordinator } from '../coordinator/coordinator.ts'
import type { AttemptWork } from '../coordinator/scene/scene-verbs.ts'
import type { TaskHandler } from '../engine/engine.ts'
import type { Host } from '../host.ts'
import { renderedShare } from '../job/progress.ts'
import type { Failure, Scene } from '../job/scene.ts'
import type { Renderer } from '../renderer/renderer.ts'
import type { Clips } from './clips.ts'
import { placeOf, planFilm } from './film-plan.ts'
import type { Studio } from './studio.ts'

export interface RenderSceneOptions {
  readonly coordinator: RunningCoordinator
  readonly renderers: readonly Renderer[]
  readonly clips: Clips
  readonly studio: Studio
  readonly host: Host
}

/** Least interval between progress reports: each report is a synced commit. */
const tellEveryMs = 500

type Outcome =
  | Awaited<ReturnType<Clips['make']>>
  | { readonly kind: 'failed'; readonly failure: Failure; readonly retry: boolean }

export function createRenderScene(options: RenderSceneOptions): TaskHandler {
  const { coordinator, studio } = options
  return async ({ subject: attemptId }, { signal }) => {
    const work = await coordinator.beginAttempt(attemptId)
    if (!work) return
    const outcome = await studio.inRenderSlot(() =>
      studio.inWorkspace((workspace) => render(work, workspace, signal, options)),
    )
    if (outcome.kind === 'clip')
      await coordinator.sceneRendered(attemptId, outcome.clip, work.job.storyboard.format)
    // A bad clip is retried: another render may succeed.
    else
      await coordinator.sceneFailed(attemptId, {
        failure: outcome.failure,
        retry: 'retry' in outcome ? outcome.retry : true,
      })
  }
}

async function render(
  work: AttemptWork,
  { directory, localPath }: Workspace,
  signal: AbortSignal,
  options: RenderSceneOptions,
): Promise<Outcome> {
  const { attempt, scene, job } = work
  const { coordinator } = options
  const renderer = options.renderers.find(({ name }) => name === attempt.renderer)
  if (!renderer)
    return failed({
      code: 'no_renderer',
      reason: `there is no renderer ${attempt.renderer} here any more`,
      retry: true,
    })
  const { format, fit } = job.storyboard
  const place = placeOf(planFilm(job, work.scenes), scene)
  const assets = await Promise.all(scene.asset_ids.map((id) => coordinator.asset(id)))
  const images = await Promise.all(assets.map(({ master }) => localPath(master)))
  const progress = createProgressReport(scene, options)
  const outcome = await renderer.render(
    {
      attemptId: attempt.id,
      jobId: job.id,
      sceneId: scene.id,
      position: scene.position,
      model: scene.model,
      prompt: scene.prompt,
      title: scene.title,
      format,
      frames: place.frames,
      images,
      transition: scene.transition,
      fit,
      keyframes: place.keyframes,
    },
    { directory, signal, onProgress: (fraction) => progress.tell(fraction * renderedShare) },
  )
  await progress.told()
  if (outcome.kind === 'failed') return failed(outcome)
  return options.clips.make(outcome.clipPath, work, { directory, signal })
}

const failed = ({ code, reason, retry }: Failure & { readonly retry: boolean }): Outcome => ({
  kind: 'failed',
  failure: { code, reason },
  retry,
})

/** Reports progress, one report at a time. A report that fails is dropped, so that it cannot fail the render. */
function createProgressReport(
  scene: Scene,
  { coordinator, host }: Pick<RenderSceneOptions, 'coordinator' | 'host'>,
): { tell(fraction: number): void; told(): Promise<void> } {
  let toldAt = Number.NEGATIVE_INFINITY
  let telling: Promise<void> | undefined
  return {
    tell(fraction) {
      if (telling || host.monotonic() - toldAt < tellEveryMs) return
      toldAt = host.monotonic()
      telling = coordinator
        .sceneProgressed(scene, fraction)
        .catch(() => undefined)
        .finally(() => (telling = undefined))
    },
    async told() {
      await telling
    },
  }
}
