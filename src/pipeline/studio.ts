/**
 * What the tasks of this process share: FFmpeg, the artifacts, and work that two of them would otherwise do twice.
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
import type { Scene } from '../job/scene.ts'
import { type FairSemaphore, type Semaphore, createFairSemaphore, createSemaphore } from './semaphore.ts'

/** For work on finished clips: generous beside the seconds it takes, and an end all the same. */
export const clipLimits: MediaLimits = { wallMs: 600_000, stallMs: 60_000, memoryBytes: 3 * 2 ** 30 }

/**
 * For a clip that somebody else made: more than any that its limits of frames and pixels let through takes, and with small
 * files that were made to take long, it ends before others have waited for long.
 */
export const takenLimits: MediaLimits = { ...clipLimits, cpuMs: 240_000 }

/** A picture of 100 megapixels takes 9 s of a core at most; what takes longer was made to. */
export const imageLimits: MediaLimits = {
  wallMs: 300_000,
  stallMs: 300_000,
  memoryBytes: 1.25 * 2 ** 30,
  cpuMs: 20_000,
}

/** What reading a picture's header takes: nothing is decoded. */
export const headerBytes = 128 * 2 ** 20
const masterBytes = 256 * 2 ** 20

/** Pictures at once: as many as there are cores, and two more while others are slow. */
const imageSlotLimits = {
  quick: availableParallelism(),
  all: availableParallelism() + 2,
  bytes: 2 * 2 ** 30,
}

export interface Studio {
  readonly media: Media
  /** Runs `use` in an empty folder that is removed afterwards. */
  inWorkspace<T>(use: (directory: string) => Promise<T>): Promise<T>
  /** What every clip of a film of this shape must look like; asked of the encoder once. */
  filmFormat(format: FrameFormat): Promise<FilmFormat>
  /** The artifact of a photograph's master in a film's shape, for a model that renders what it is given. */
  picture(master: string, shape: ImageShape): Promise<string>
  /** Runs `work` on clips when it has a slot: each keeps a core busy. */
  readonly inTurn: Semaphore
  /**
   * Runs a render or a cross-fade when a render slot is free, in the order they came: a fade goes before the next render, and
   * beside the other fades once nothing renders. More at once would only hold more memory.
   */
  readonly inRenderSlot: Semaphore
  /** Runs `work` on a picture of `owner` that takes so much memory when it has a slot. */
  readonly inImageTurn: FairSemaphore
  /** The artifact of the cross-fade after scene `index`: the one that is kept, or made now. Undefined at a cut. */
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
    const workspace: Workspace = await artifacts.workspace()
    try {
      return await use(workspace.directory)
    } finally {
      await workspace.remove()
    }
  }

  const make = ({ plan, scenes, index, format, signal }: SeamWork, left: string, right: string) =>
    inWorkspace(async (directory) => {
      const { transition } = plan.seams[index]!
      if (transition === 'cut') throw new RangeError(`there is a cut after scene ${scenes[index]!.id}`)
      const made = await media.makeSeam(
        {
          timeline: plan.timeline,
          index,
          transition,
          leftPath: await artifacts.localPath(left),
          rightPath: await artifacts.localPath(right),
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
        inWorkspace((directory) =>
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
      // The same photograph opens one scene and closes another, so a few are worth knowing.
      if (pictures.size > mostPictures) pictures.delete(pictures.keys().next().value!)
      const shaped = (): Promise<string> =>
        kept(pictures, key, () =>
          inWorkspace(async (directory) => {
            const path = `${directory}/picture.jpg`
            const request = { path: await artifacts.localPath(master), targetPath: path, shape }
            // Masters are our own, and read line by line.
            await imageSlots('renders', masterBytes, () =>
              media.shapeImage({ ...request, limits: imageLimits }),
            )
            return (await artifacts.adopt(path)).id
          }),
        )
      const id = await shaped()
      // One that nobody has sent for a day is removed: rows name it only while it is on its way.
      if (await artifacts.stat(id)) return id
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

/** Work under way for a key is shared, not begun again. */
function shared<T>(underWay: Map<string, Promise<T>>, key: string, work: () => Promise<T>): Promise<T> {
  const started = kept(underWay, key, work)
  const forget = (): void => {
    if (underWay.get(key) === started) underWay.delete(key)
  }
  started.then(forget, forget)
  return started
}

/** Likewise, and its result is kept; what failed is begun anew by the next caller. */
function kept<T>(results: Map<string, Promise<T>>, key: string, work: () => Promise<T>): Promise<T> {
  const known = results.get(key)
  if (known) return known
  const started = work()
  results.set(key, started)
  started.catch(() => results.delete(key))
  return started
}
