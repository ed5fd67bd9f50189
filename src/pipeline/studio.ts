/**
 * What the tasks of this process share: FFmpeg, the artifacts, and results that two tasks would otherwise compute twice.
 * `createStudio` is long because each of its parts closes over these.
 */
import { availableParallelism } from 'node:os'
import type { ArtifactStore, Workspace } from '../artifact/artifact.ts'
import type { Host } from '../host.ts'
import type { FrameFormat } from '../job/format.ts'
import { filmEncoding } from '../media/encoding.ts'
import type { MediaLimits } from '../media/ffmpeg.ts'
import type { FilmFormat } from '../media/film-format.ts'
import type { ImageShape } from '../media/image.ts'
import type { Media } from '../media/media.ts'
import type { Database } from '../store/database.ts'
import { findSeam, insertSeam } from '../store/seams.ts'
import { type FilmPlan, seamKey } from './film-plan.ts'
import { kept, shared } from './kept.ts'
import type { Scene } from '../job/scene.ts'
import { type FairSemaphore, type Semaphore, createFairSemaphore, createSemaphore } from './semaphore.ts'

/** For work on finished clips, which takes seconds: generous, but finite. */
export const clipLimits: MediaLimits = { wallMs: 600_000, stallMs: 60_000, memoryBytes: 3 * 2 ** 30 }

/**
 * For clips from a provider: more CPU time than any clip within the limits of frames and pixels needs. A small file
 * crafted to decode slowly ends before it delays other work for long.
 */
export const takenLimits: MediaLimits = { ...clipLimits, cpuMs: 240_000 }

/** A picture of 100 megapixels needs at most 9 s of one core; a picture above this limit was crafted to. */
export const imageLimits: MediaLimits = {
  wallMs: 300_000,
  stallMs: 300_000,
  memoryBytes: 1.25 * 2 ** 30,
  cpuMs: 20_000,
}

/** Memory for reading a picture's header: nothing is decoded. */
export const headerBytes = 128 * 2 ** 20
const masterBytes = 256 * 2 ** 20

/** Pictures at once: one for each core, and two more while others are slow. */
const imageSlotLimits = {
  quick: availableParallelism(),
  all: availableParallelism() + 2,
  bytes: 2 * 2 ** 30,
}

export interface Studio {
  readonly media: Media
  /** Runs `use` with an empty folder, which is removed afterwards, and with the paths of artifacts, which stay until then. */
  inWorkspace<T>(use: (workspace: Workspace) => Promise<T>): Promise<T>
  /** The format of every clip in a film of this shape; probed from the encoder once. */
  filmFormat(format: FrameFormat): Promise<FilmFormat>
  /** The artifact id of a photograph's master in a film's shape, for models that do not crop or scale. */
  picture(master: string, shape: ImageShape): Promise<string>
  /** Limits work on clips: each call keeps a core busy. */
  readonly inTurn: Semaphore
  /**
   * Runs a render or a cross-fade when a render slot is free, in order of arrival: a fade precedes the next render, and
   * fades run in parallel once nothing renders. More at once would only use more memory.
   */
  readonly inRenderSlot: Semaphore
  /** Limits work on pictures, by owner and by memory. */
  readonly inImageTurn: FairSemaphore
  /** The artifact id of the cross-fade after scene `index`, stored or rendered now. Undefined at a cut or without a clip. */
  seam(request: SeamWork): Promise<string | undefined>
}

export interface SeamWork {
  readonly plan: FilmPlan
  readonly scenes: readonly Scene[]
  readonly index: number
  readonly format: FilmFormat
  readonly signal: AbortSignal
}

export interface StudioOptions {
  readonly media: Media
  readonly artifacts: ArtifactStore
  readonly database: Database
  readonly host: Host
  /** Render slots of all renderers on this machine. */
  readonly renderSlots: () => number
}

export function createStudio({ media, artifacts, database, host, renderSlots }: StudioOptions): Studio {
  const formats = new Map<string, Promise<FilmFormat>>()
  const seams = new Map<string, Promise<string>>()
  const pictures = new Map<string, Promise<string>>()
  const clipSlots = createSemaphore(() => clipsAtOnce)
  const renderSlot = createSemaphore(renderSlots)
  const imageSlots = createFairSemaphore({ ...imageSlotLimits, host })

  const inWorkspace: Studio['inWorkspace'] = async (use) => {
    const workspace = await artifacts.workspace()
    try {
      return await use(workspace)
    } finally {
      await workspace.remove()
    }
  }

  const make = ({ plan, scenes, index, format, signal }: SeamWork, left: string, right: string) =>
    inWorkspace(async ({ directory, localPath }) => {
      const { transition } = plan.seams[index]!
      if (transition === 'cut') throw new RangeError(`there is a cut after scene ${scenes[index]!.id}`)
      const made = await media.makeSeam(
        {
          timeline: plan.timeline,
          index,
          transition,
          leftPath: await localPath(left),
          rightPath: await localPath(right),
          outPath: `${directory}/seam.mp4`,
          format,
          limits: clipLimits,
        },
        { signal },
      )
      return (await artifacts.adopt(made.path)).id
    })

  return {
    media,
    inWorkspace,

    filmFormat: ({ width, height, fps }) =>
      kept(formats, `${width}x${height}@${fps}`, () =>
        inWorkspace(({ directory }) =>
          media.prepareFilmFormat({
            width,
            height,
            fps,
            ...filmEncoding,
            scratchPath: `${directory}/format.mp4`,
            limits: clipLimits,
          }),
        ),
      ),

    inTurn: clipSlots,
    inRenderSlot: renderSlot,
    inImageTurn: imageSlots,

    async picture(master, shape) {
      const { width, height, fit } = shape
      const key = `${master} ${width}x${height} ${fit}`
      // A photograph may open one scene and close another, so recent results are cached.
      if (pictures.size > mostPictures) pictures.delete(pictures.keys().next().value!)
      const shaped = (): Promise<string> =>
        kept(pictures, key, () =>
          inWorkspace(async ({ directory, localPath }) => {
            const path = `${directory}/picture.jpg`
            const request = { path: await localPath(master), targetPath: path, shape }
            // Masters are written by this program and read line by line, so this much memory is enough.
            await imageSlots('renders', masterBytes, () =>
              media.shapeImage({ ...request, limits: imageLimits }),
            )
            return (await artifacts.adopt(path)).id
          }),
        )
      const id = await shaped()
      // Retention may have removed it after a day without use: rows name it only while a request needs it.
      // The use keeps it from retention on another node until the caller has read it.
      if (await artifacts.use(id)) return id
      pictures.delete(key)
      return shaped()
    },

    async seam(work) {
      const key = seamKey(work.plan, work.scenes, work.index)
      if (!key) return undefined
      return shared(seams, JSON.stringify(key), async () => {
        const found = await findSeam(database, key)
        if (found) return found
        const artifact = await renderSlot(() => make(work, key.leftClip, key.rightClip))
        await database.transaction((tx) => insertSeam(tx, key, artifact, host.now()))
        return artifact
      })
    },
  }
}

const clipsAtOnce = Math.max(1, Math.floor(availableParallelism() / 2))
const mostPictures = 1000
