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
import { createSemaphore } from './semaphore.ts'
import type { Studio } from './studio.ts'

export interface Preview {
  /** Artifact id of an MP4 without sound. */
  readonly clip: string
  /** Artifact id of a JPEG: a frame of it in which the title is seen. */
  readonly frame: string
}

export interface Previews {
  /**
   * Renders it now, unless it is kept. `reader`: aborted when nobody waits for the answer any more; what no reader waits for
   * is not rendered.
   * @throws {RefusedError} `scene_not_found`, `asset_not_found`
   * @throws {Error} with the code `busy` if too many others wait, `closed` if nobody waits or the workflow is closed
   */
  scene(jobId: number, sceneId: string, reader?: AbortSignal): Promise<Preview>
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
/** Previews that wait for their turn: those of the longest film, for a few people. */
const mostWaiting = 200
const shortSide = 270
const fps = 12
const photographWidth = 480
const renderMs = 120_000
const frameLimits = { wallMs: 60_000, stallMs: 60_000, memoryBytes: 2 ** 30 }

/** A preview that is kept, or on its way. */
interface Making {
  readonly preview: Promise<Preview>
  /** Aborted once nobody waits for it. */
  readonly unwanted: AbortController
  /** Who waited for it, without those who left before it was there. */
  readers: number
}

const coded = (code: 'busy' | 'closed', message: string): Error => Object.assign(new Error(message), { code })

const unwantedNow = (): Error => coded('closed', 'Nobody waits for the preview')

export function createPreviews({ coordinator, artifacts, studio, renderer }: PreviewsOptions): Previews {
  const previews = new Map<string, Making>()
  const waiting = new Set<AbortSignal>()
  const inTurn = createSemaphore(() => atOnce)
  const stopped = new AbortController()

  const render = (job: Job, scene: Scene, format: FrameFormat, signal: AbortSignal): Promise<Preview> =>
    inTurn(async () => {
      waiting.delete(signal)
      signal.throwIfAborted()
      return studio.inWorkspace(async ({ directory, localPath }) => {
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
            signal: AbortSignal.any([AbortSignal.timeout(renderMs), signal]),
            onProgress: () => {},
          },
        )
        if (outcome.kind === 'failed') throw new Error(outcome.reason)
        const framePath = join(directory, 'frame.jpg')
        await frameOf(studio.media, outcome.clipPath, { frames, framePath, width: format.width })
        const [frame, clip] = [await artifacts.adopt(framePath), await artifacts.adopt(outcome.clipPath)]
        return { clip: clip.id, frame: frame.id }
      })
    })

  const forget = (key: string, making: Making): void => {
    if (previews.get(key) === making) previews.delete(key)
  }

  const begin = (key: string, job: Job, scene: Scene, format: FrameFormat): Making => {
    if (waiting.size >= mostWaiting) throw coded('busy', `${mostWaiting} previews are waited for`)
    if (previews.size > mostKept) previews.delete(previews.keys().next().value!)
    const unwanted = new AbortController()
    const signal = AbortSignal.any([unwanted.signal, stopped.signal])
    waiting.add(signal)
    const making: Making = { preview: render(job, scene, format, signal), unwanted, readers: 0 }
    previews.set(key, making)
    making.preview.catch(() => forget(key, making))
    unwanted.signal.addEventListener('abort', () => {
      waiting.delete(signal)
      forget(key, making)
    })
    return making
  }

  /** Waits for it as one of its readers. */
  const readBy = async (making: Making, reader: AbortSignal | undefined): Promise<Preview> => {
    making.readers++
    const left = Promise.withResolvers<never>()
    const leave = (): void => {
      left.reject(unwantedNow())
      if (--making.readers === 0) making.unwanted.abort(unwantedNow())
    }
    reader?.addEventListener('abort', leave, { once: true })
    if (reader?.aborted) leave()
    try {
      return await Promise.race([making.preview, left.promise])
    } finally {
      reader?.removeEventListener('abort', leave)
    }
  }

  return {
    async scene(jobId, sceneId, reader) {
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
      const made = (): Promise<Preview> => readBy(previews.get(key) ?? begin(key, job, scene, format), reader)
      const known = previews.get(key)
      const preview = await made()
      const uses = await Promise.all([artifacts.use(preview.clip), artifacts.use(preview.frame)])
      if (uses.every(Boolean)) return preview
      if (known) forget(key, known)
      return made()
    },

    async stop() {
      stopped.abort(coded('closed', 'The workflow was closed'))
      await Promise.allSettled([...previews.values()].map(({ preview }) => preview))
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
