/** Renders on this machine: FFmpeg moves a camera over the photographs. Free. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { layoutTitle } from '../job/title.ts'
import { filmEncoding } from '../media/encoding.ts'
import { MediaError, type MediaJob, type MediaLimits } from '../media/ffmpeg.ts'
import type { Media } from '../media/media.ts'
import { sceneGraph } from '../media/scene-graph.ts'
import type { RenderContext, Renderer, RenderOutcome, RenderRequest } from './renderer.ts'

export interface LocalRendererOptions {
  readonly media: Pick<Media, 'run' | 'drawTitle'>
  /** Concurrent renders; each uses about two cores. */
  readonly maxConcurrency: number
}

/** On the slowest supported machine one second of 1080p at 60 frames takes half a minute. */
const wallMsPerSecond = 30_000
const wallMsAtLeast = 120_000

/** Decoding and scaling 16 megapixels precedes the first frame. */
const stallMs = 60_000

/** 1080p needs 500 MB; two panoramas of 67 megapixels need 700 MB more. */
const memoryBytes = 2 * 2 ** 30

/** A title takes 0.3 s; one of a hundred Han characters from sixty font files 1 s. */
const titleLimits: MediaLimits = { wallMs: 120_000, stallMs: 120_000, memoryBytes: 2 ** 29 }

export function createLocalRenderer({ media, maxConcurrency }: LocalRendererOptions): Renderer {
  return {
    name: 'local',
    models: ['local'],
    maxConcurrency,
    render: async (request, context) => {
      context.signal.throwIfAborted()
      const clipPath = join(context.directory, 'clip.mp4')
      try {
        const title = await drawTitle(media, request, context)
        const job = mediaJob(request, title, clipPath)
        await media.run(job, {
          signal: context.signal,
          onProgress: (frames) => context.onProgress(Math.min(frames / request.frames, 1)),
        })
        return { kind: 'rendered', clipPath }
      } catch (error) {
        return outcomeOf(error, context)
      }
    },
  }
}

function outcomeOf(error: unknown, { signal }: RenderContext): RenderOutcome {
  if (signal.aborted) throw signal.reason
  if (!(error instanceof MediaError)) throw error
  const { code, message: reason } = error
  // A full disk, a missing FFmpeg or a shutdown is not the scene's fault, so the caller decides when to try again.
  if (code === 'disk_full' || code === 'unusable' || code === 'cancelled') throw error
  // The same graph over the same pictures fails again; a busy machine or one out of memory may recover.
  return { kind: 'failed', retry: code !== 'failed', code: `render_${code}`, reason }
}

function mediaJob(request: RenderRequest, title: Title | null, clipPath: string): MediaJob {
  const { format, frames, position, images, transition, fit, keyframes } = request
  const [first, second] = images
  if (first === undefined) throw new TypeError('a scene needs an image')
  const paths = second === undefined ? [first] : [first, second]
  return {
    inputs: [
      ...paths.map((path) => ({ path, format: 'jpeg' }) as const),
      ...(title ? [{ path: title.path, format: 'png' } as const] : []),
    ],
    graph: sceneGraph({
      format,
      frames,
      position,
      images: paths.length === 2 ? 2 : 1,
      transition,
      fit,
      titleHeight: title?.height ?? null,
    }),
    output: {
      kind: 'video',
      path: clipPath,
      video: { ...filmEncoding, fps: format.fps, frames, keyframes, content: 'photographs' },
    },
    limits: limitsFor(frames / format.fps),
  }
}

function limitsFor(seconds: number): MediaLimits {
  return { wallMs: Math.max(wallMsAtLeast, seconds * wallMsPerSecond), stallMs, memoryBytes }
}

interface Title {
  readonly path: string
  /** Pixels. */
  readonly height: number
}

async function drawTitle(
  media: Pick<Media, 'drawTitle'>,
  { title, format }: RenderRequest,
  { directory, signal }: RenderContext,
): Promise<Title | null> {
  const layout = title === null ? null : layoutTitle(title, format)
  if (layout === null) return null
  const fonts = join(directory, 'fonts')
  await mkdir(fonts, { recursive: true })
  const path = join(directory, 'title.png')
  const { height } = await media.drawTitle(
    { layout, format, directory: fonts, targetPath: path, limits: titleLimits },
    { signal },
  )
  return { path, height }
}
