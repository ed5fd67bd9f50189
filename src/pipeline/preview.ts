/**
 * Shows scenes as they will look, before anybody pays for them: small clips of the local renderer, with the film's crop, true
 * durations and titles in their real font. Retention removes those that nobody looks at.
 */
import { join } from 'node:path'
import type { ArtifactStore } from '../artifact/artifact.ts'
import type { Coordinator } from '../coordinator/coordinator.ts'
import { type FrameFormat, framesOf } from '../job/format.ts'
import type { Job } from '../job/job.ts'
import type { Scene } from '../job/scene.ts'
import type { Media } from '../media/media.ts'
import type { Renderer } from '../renderer/renderer.ts'
import { kept } from './kept.ts'
import { createSemaphore } from './semaphore.ts'
import type { Studio } from './studio.ts'

export interface Preview {
  /** Artifact id of an MP4 without sound. */
  readonly clip: string
  /** Artifact id of a JPEG: a frame of it in which the title is seen. */
  readonly frame: string
}

export interface Previews {
  /** Renders it now, unless it is kept. @throws {RefusedError} `scene_not_found`, `asset_not_found` */
  scene(jobId: number, sceneId: string): Promise<Preview>
  /** Artifact id of a photograph as a small JPEG. @throws {RefusedError} `asset_not_found` */
  photograph(assetId: string): Promise<string>
  /** Stops the render that runs, and begins no other. */
  stop(): Promise<void>
}

export interface PreviewsOptions {
  readonly coordinator: Coordinator
  readonly artifacts: ArtifactStore
  readonly studio: Studio
  /** The one of this machine. */
  readonly renderer: Renderer
}

/** One at a time: renders that are waited for come first. */
const atOnce = 1
const mostKept = 2000
const shortSide = 270
const fps = 12
const photographWidth = 480
const renderMs = 120_000
const frameLimits = { wallMs: 60_000, stallMs: 60_000, memoryBytes: 2 ** 30 }

export function createPreviews({ coordinator, artifacts, studio, renderer }: PreviewsOptions): Previews {
  const previews = new Map<string, Promise<Preview>>()
  const inTurn = createSemaphore(() => atOnce)
  const stopped = new AbortController()

  const make = (job: Job, scene: Scene, format: FrameFormat): Promise<Preview> =>
    inTurn(() =>
      studio.inWorkspace(async ({ directory, localPath }) => {
        stopped.signal.throwIfAborted()
        const assets = await Promise.all(scene.asset_ids.map((id) => coordinator.asset(id)))
        const frames = framesOf(scene.duration, format.fps)
        const outcome = await renderer.render(
          {
            attemptId: scene.id,
            jobId: job.id,
            sceneId: scene.id,
            position: scene.position,
            model: 'local',
            prompt: scene.prompt,
            title: titleOf(scene),
            format,
            frames,
            images: await Promise.all(assets.map(({ master }) => localPath(master))),
            transition: scene.transition,
            fit: job.storyboard.fit,
            keyframes: [],
          },
          {
            directory,
            signal: AbortSignal.any([AbortSignal.timeout(renderMs), stopped.signal]),
            onProgress: () => {},
          },
        )
        if (outcome.kind === 'failed') throw new Error(outcome.reason)
        const framePath = join(directory, 'frame.jpg')
        await frameOf(studio.media, outcome.clipPath, { frames, framePath, width: format.width })
        const [frame, clip] = [await artifacts.adopt(framePath), await artifacts.adopt(outcome.clipPath)]
        return { clip: clip.id, frame: frame.id }
      }),
    )

  return {
    async scene(jobId, sceneId) {
      const [job, scene] = await Promise.all([coordinator.job(jobId), coordinator.scene(jobId, sceneId)])
      const format = smallFormat(job.storyboard.format)
      const { asset_ids, duration, transition, position } = scene
      const shown = [
        asset_ids,
        titleOf(scene),
        duration,
        transition,
        position % 2,
        job.storyboard.fit,
        format,
      ]
      const key = JSON.stringify(shown)
      if (previews.size > mostKept) previews.delete(previews.keys().next().value!)
      const made = (): Promise<Preview> => kept(previews, key, () => make(job, scene, format))
      const preview = await made()
      const uses = await Promise.all([artifacts.use(preview.clip), artifacts.use(preview.frame)])
      if (uses.every(Boolean)) return preview
      previews.delete(key)
      return made()
    },

    async stop() {
      stopped.abort(new Error('The workflow was closed'))
      await Promise.allSettled(previews.values())
    },

    async photograph(assetId) {
      const { master, width, height } = await coordinator.asset(assetId)
      const across = Math.min(photographWidth, width)
      const down = Math.max(1, Math.round((across * height) / width))
      return studio.picture(master, { width: across, height: down, fit: 'crop' })
    },
  }
}

/** Models at a provider draw none. */
const titleOf = ({ title, render }: Scene): string | null => (render === null ? title : null)

const even = (pixels: number): number => Math.max(2, Math.round(pixels / 2) * 2)

function smallFormat({ width, height }: FrameFormat): FrameFormat {
  const scale = Math.min(1, shortSide / Math.min(width, height))
  return { width: even(width * scale), height: even(height * scale), fps }
}

const frameOf = (
  media: Pick<Media, 'makeThumbnail'>,
  clipPath: string,
  {
    frames,
    framePath,
    width,
  }: { readonly frames: number; readonly framePath: string; readonly width: number },
): Promise<void> =>
  media.makeThumbnail({ clipPath, frames, outPath: framePath, maxWidth: width, limits: frameLimits })
