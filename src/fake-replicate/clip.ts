/** Real clips, made by FFmpeg from the pictures in an input, so that a film made with the fake shows them. */
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { type FrameFormat, framesOf } from '../job/format.ts'
import type { MediaLimits } from '../media/ffmpeg.ts'
import type { Media } from '../media/media.ts'
import { sceneGraph } from '../media/scene-graph.ts'
import { type ModelInput, hasSound, secondsOf, shortSideOf } from './model.ts'
import type { Prediction } from './prediction.ts'
import { withTone } from './sound.ts'

export interface ClipsOptions {
  readonly media: Media
  /** The bytes of a file uploaded to the fake. */
  readonly fileBytes: (url: string) => Uint8Array | undefined
}

export interface Clips {
  make(prediction: Pick<Prediction, 'model' | 'input'>): Promise<Uint8Array>
  close(): Promise<void>
}

const fps = 24

/** FFmpeg processes at once; few, since the product runs its own. */
const maxRuns = 2

/** Cached clips, by their content. */
const maxCached = 64

const maxImageBytes = 30 << 20
const limits: MediaLimits = { wallMs: 300_000, stallMs: 60_000, memoryBytes: 2 ** 31 }
const fetchMs = 10_000

/** The models' names for the first and the last picture. */
const firstFields = ['image', 'first_frame_image', 'start_image']
const lastFields = ['last_frame', 'last_frame_image', 'end_image']

export async function createClips({ media, fileBytes }: ClipsOptions): Promise<Clips> {
  const directory = await mkdtemp(join(tmpdir(), 'fake-replicate-'))
  const cache = new Map<string, Promise<Uint8Array>>()
  const waiting: (() => void)[] = []
  let runs = 0
  let names = 0

  const inTurn = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    if (runs >= maxRuns) await new Promise<void>((enter) => waiting.push(enter))
    else runs++
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next) next()
      else runs--
    }
  }

  /** A picture of an input, ready for FFmpeg; null if none can be read. */
  const fetchImage = async (input: ModelInput, fields: readonly string[]): Promise<Image | null> => {
    const url = fields.map((field) => input[field]).find((value) => typeof value === 'string')
    if (url === undefined) return null
    const path = join(directory, `image-${++names}`)
    try {
      await writeFile(path, fileBytes(url) ?? (await download(url)))
      const targetPath = `${path}.jpg`
      const made = await media.masterImage({ path, targetPath, limits })
      return made.kind === 'master' ? { ...made, path: targetPath } : null
    } catch {
      return null
    } finally {
      await rm(path, { force: true })
    }
  }

  const testPicture = async (format: FrameFormat, text: string): Promise<string> => {
    const path = join(directory, `image-${++names}.jpg`)
    await sharp(Buffer.from(testCard(format, text)))
      .jpeg()
      .toFile(path)
    return path
  }

  const render = async (
    images: readonly string[],
    format: FrameFormat,
    frames: number,
    { isHeard }: { readonly isHeard: boolean },
  ): Promise<Uint8Array> => {
    const path = join(directory, `clip-${++names}.mp4`)
    const graph = sceneGraph({
      format,
      frames,
      position: 0,
      images: images.length === 2 ? 2 : 1,
      transition: 'fade',
      fit: 'crop',
      titleHeight: null,
    })
    try {
      await media.run({
        inputs: images.map((image) => ({ path: image, format: 'jpeg' })),
        graph,
        output: { kind: 'video', path, video: { fps, frames, crf: 23, preset: 'veryfast', keyframes: [] } },
        limits,
      })
      const picture = await readFile(path)
      if (!isHeard) return picture
      return await withTone({
        media,
        limits,
        picture,
        seconds: frames / fps,
        scratchPath: `${path}.sound.mp4`,
      })
    } finally {
      await rm(path, { force: true })
    }
  }

  const make: Clips['make'] = async ({ model, input }) => {
    const [first, last] = await Promise.all([fetchImage(input, firstFields), fetchImage(input, lastFields)])
    const format = formatOf(shortSideOf(model, input), shapeOf(input, first))
    const frames = framesOf(secondsOf(model, input), fps)
    const shown = first ?? last
    const images = shown ? [shown.path] : [await testPicture(format, textOf(input['prompt']) || model)]
    if (first && last) images.push(last.path)
    const isHeard = hasSound(model, input)
    const key = await fingerprint(images, [format.width, format.height, frames, Number(isHeard)])
    let clip = cache.get(key)
    if (!clip) {
      clip = inTurn(() => render(images, format, frames, { isHeard }))
      cache.set(key, clip)
      clip.catch(() => cache.delete(key))
      for (const oldest of cache.keys()) if (cache.size > maxCached) cache.delete(oldest)
    }
    try {
      return await clip
    } finally {
      await Promise.all(images.map((image) => rm(image, { force: true })))
    }
  }

  return { make, close: () => rm(directory, { recursive: true, force: true }) }
}

interface Image {
  readonly path: string
  readonly width: number
  readonly height: number
}

/** From this machine or a data URL only: tests use no network. */
async function download(text: string): Promise<Uint8Array> {
  const url = new URL(text)
  const isHere = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(url.hostname)
  if (url.protocol !== 'data:' && !isHere) throw new Error('not on this machine')
  const response = await fetch(url, { signal: AbortSignal.timeout(fetchMs), redirect: 'error' })
  if (!response.ok) throw new Error(`answered ${response.status}`)
  const bytes = await response.bytes()
  if (bytes.length > maxImageBytes) throw new Error('too large')
  return bytes
}

/** Width by height: as requested, else as the picture's. */
function shapeOf(input: ModelInput, image: Image | null): number {
  const ratio = /^(\d+):(\d+)$/.exec(textOf(input['aspect_ratio']))
  if (ratio) return Number(ratio[1]) / Number(ratio[2])
  return image ? image.width / image.height : 16 / 9
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

const even = (pixels: number): number => Math.max(2, 2 * Math.round(pixels / 2))

function formatOf(shortSide: number, shape: number): FrameFormat {
  return shape >= 1
    ? { width: even(shortSide * shape), height: even(shortSide), fps }
    : { width: even(shortSide), height: even(shortSide / shape), fps }
}

async function fingerprint(paths: readonly string[], numbers: readonly number[]): Promise<string> {
  const hash = createHash('sha256').update(numbers.join(' '))
  for (const path of paths) hash.update(await readFile(path))
  return hash.digest('hex')
}

/** Coloured by its text, so that clips can be distinguished by eye. */
function testCard({ width, height }: FrameFormat, text: string): string {
  const hue = createHash('sha256').update(text).digest().readUInt16BE() % 360
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">
    <rect width="100%" height="100%" fill="hsl(${hue} 50% 35%)"/>
    <circle cx="50%" cy="50%" r="25%" fill="none" stroke="white" stroke-width="2%"/>
    <path d="M0 0 L${width} ${height} M${width} 0 L0 ${height}" stroke="white" stroke-width="2"/>
  </svg>`
}
