/** Renders on this machine: FFmpeg moves a camera over the photographs. Costs nothing but time. */
import { writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { filmEncoding } from '../media/encoding.ts'
import { MediaError, type MediaJob, type MediaLimits } from '../media/ffmpeg.ts'
import type { Media } from '../media/media.ts'
import { ownerFile } from '../owner-only.ts'
import { sceneGraph } from '../media/scene-graph.ts'
import { layoutTitle, type TitleLayout } from '../media/title.ts'
import type { RenderContext, Renderer, RenderOutcome, RenderRequest } from './renderer.ts'

export interface LocalRendererOptions {
  readonly media: Pick<Media, 'run'>
  /** Renders at once; each keeps about two cores busy. */
  readonly maxConcurrency: number
}

const fontPath = createRequire(import.meta.url).resolve('dejavu-fonts-ttf/ttf/DejaVuSans-Bold.ttf')

/** The slowest machine we think of takes half a minute a second of 1080p at 60 frames. */
const wallMsPerSecond = 30_000
const wallMsAtLeast = 120_000

/** Decoding and scaling 16 megapixels comes before the first frame. */
const stallMs = 60_000

/** 1080p takes 500 MB. */
const memoryBytes = 2 * 2 ** 30

export function createLocalRenderer({ media, maxConcurrency }: LocalRendererOptions): Renderer {
  return {
    name: 'local',
    models: ['local'],
    maxConcurrency,
    render: async (request, context) => {
      context.signal.throwIfAborted()
      const clipPath = join(context.directory, 'clip.mp4')
      const job = await mediaJob(request, context.directory, clipPath)
      try {
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
  // A full disk, FFmpeg missing or this process ending is not the scene's fault: whoever called waits.
  if (code === 'disk_full' || code === 'unusable' || code === 'cancelled') throw error
  // The same graph over the same pictures fails in the same way; a machine that was busy or out of memory may not be.
  return { kind: 'failed', retry: code !== 'failed', code: `render_${code}`, reason }
}

async function mediaJob(request: RenderRequest, directory: string, clipPath: string): Promise<MediaJob> {
  const { format, frames, position, images, transition, fit, keyframes } = request
  const [first, second] = images
  if (first === undefined) throw new TypeError('a scene needs an image')
  const paths = second === undefined ? [first] : [first, second]
  const title = await writeTitle(request, directory)
  return {
    inputs: paths.map((path) => ({ path, format: 'jpeg' })),
    graph: sceneGraph({
      format,
      frames,
      position,
      images: paths.length === 2 ? 2 : 1,
      transition,
      fit,
      title,
    }),
    output: { kind: 'video', path: clipPath, video: { ...filmEncoding, fps: format.fps, frames, keyframes } },
    limits: limitsFor(frames / format.fps),
  }
}

function limitsFor(seconds: number): MediaLimits {
  return { wallMs: Math.max(wallMsAtLeast, seconds * wallMsPerSecond), stallMs, memoryBytes }
}

async function writeTitle({ title, format }: RenderRequest, directory: string): Promise<TitleLayout | null> {
  const layout = title === null ? null : layoutTitle(title, format)
  if (layout === null) return null
  const textPaths = layout.lines.map((_line, index) => join(directory, `title-${index}.txt`))
  for (const [index, line] of layout.lines.entries())
    await writeFile(textPaths[index] ?? '', line, { mode: ownerFile })
  return { ...layout, fontPath, textPaths }
}
