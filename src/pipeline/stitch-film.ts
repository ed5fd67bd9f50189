/** Joins the clips and their cross-fades into the film, and verifies it before it is published. */
import type { ArtifactStore, Workspace } from '../artifact/artifact.ts'
import type { RunningCoordinator } from '../coordinator/coordinator.ts'
import type { TaskHandler } from '../engine/engine.ts'
import type { ArtifactRef, FilmManifest, Job } from '../job/job.ts'
import type { Scene } from '../job/scene.ts'
import type { MediaLimits } from '../media/ffmpeg.ts'
import { type Clips, hasClip } from './clips.ts'
import { placeOf, planFilm } from './film-plan.ts'
import { type Studio, clipLimits } from './studio.ts'

export interface StitchFilmOptions {
  readonly coordinator: Pick<RunningCoordinator, 'job' | 'scenes' | 'completeJob' | 'clipFitted'>
  readonly artifacts: ArtifactStore
  readonly clips: Clips
  readonly studio: Studio
}

const thumbnailWidth = 640

/** Packets are copied, so FFmpeg reports no frames as progress: only the wall limit applies. */
const filmLimits: MediaLimits = { ...clipLimits, stallMs: clipLimits.wallMs }

export const createStitchFilm =
  (options: StitchFilmOptions): TaskHandler =>
  async ({ jobId }, { signal }) => {
    const { coordinator, studio } = options
    const job = await coordinator.job(jobId)
    if (job.status !== 'processing') return
    const scenes = await fitted(job, await coordinator.scenes(jobId), signal, options)
    // The job has changed meanwhile: this task is enqueued again when the job's scenes are complete.
    if (!scenes) return
    const manifest = await studio.inWorkspace((workspace) => stitch(job, scenes, workspace, signal, options))
    await coordinator.completeJob(jobId, manifest, job.revision).catch(async (error: unknown) => {
      const now = await coordinator.job(jobId)
      if (now.status === 'processing' && now.revision === job.revision) throw error
    })
  }

/**
 * The scenes, with clips made for their current positions: an earlier scene may have changed its length or been removed.
 * Undefined if a scene is not complete.
 */
async function fitted(
  job: Job,
  scenes: readonly Scene[],
  signal: AbortSignal,
  { clips, coordinator, studio }: StitchFilmOptions,
): Promise<readonly Scene[] | undefined> {
  const done: Scene[] = []
  for (const scene of scenes) {
    if (scene.status !== 'completed' || !hasClip(scene)) return undefined
    const work = { scene, job, scenes }
    if (clips.fits(work)) {
      done.push(scene)
      continue
    }
    const outcome = await studio.inTurn(() => clips.fit(scene.source, work, signal))
    if (outcome.kind === 'failed') throw new Error(`scene ${scene.position + 1}: ${outcome.failure.reason}`)
    await coordinator.clipFitted(scene.id, outcome.clip)
    done.push({ ...scene, ...outcome.clip })
  }
  return done
}

async function stitch(
  job: Job,
  scenes: readonly Scene[],
  { directory, localPath }: Workspace,
  signal: AbortSignal,
  { artifacts, studio }: StitchFilmOptions,
): Promise<FilmManifest> {
  const plan = planFilm(job, scenes)
  const format = await studio.filmFormat(job.storyboard.format)
  const pathOf = (artifact: string | null | undefined): Promise<string | null> =>
    artifact ? localPath(artifact) : Promise.resolve(null)
  const clipPaths = (await Promise.all(scenes.map(({ clip }) => pathOf(clip)))).filter(
    (path) => path !== null,
  )
  const seamPaths = await Promise.all(
    plan.seams.map(async (_, index) => pathOf(await studio.seam({ plan, scenes, index, format, signal }))),
  )

  const thumbnailPath = `${directory}/thumbnail.jpg`
  const [film] = await Promise.all([
    studio.media.makeFilm(
      {
        timeline: plan.timeline,
        format,
        clipPaths,
        seamPaths,
        outPath: `${directory}/film.mp4`,
        limits: filmLimits,
      },
      { signal },
    ),
    studio.media.makeThumbnail(
      {
        clipPath: clipPaths[0]!,
        frames: placeOf(plan, scenes[0]!).frames,
        outPath: thumbnailPath,
        maxWidth: thumbnailWidth,
        limits: clipLimits,
      },
      { signal },
    ),
  ])
  return {
    film: await keep(artifacts, film.path, 'video/mp4'),
    thumbnail: await keep(artifacts, thumbnailPath, 'image/jpeg'),
    durationMs: film.durationMs,
    frames: film.frames,
    format: job.storyboard.format,
  }
}

async function keep(artifacts: ArtifactStore, path: string, contentType: string): Promise<ArtifactRef> {
  return { ...(await artifacts.adopt(path)), contentType }
}
