/**
 * The pool of media processes: started on demand, used again, and ended after they were idle, grew or failed. Callers limit
 * how much runs at once: admission limits renders, semaphores limit clips and pictures.
 */
import { basename, isAbsolute } from 'node:path'
import type { Host } from '../host.ts'
import { MediaError, type MediaLimits } from './ffmpeg.ts'
import type { Media, MediaRunOptions } from './media.ts'
import type { OperationName, Operations } from './operations.ts'
import { type MediaProcess, type MediaProcessOptions, startMediaProcess } from './process.ts'

export interface MediaOptions extends Pick<MediaProcessOptions, 'host' | 'execArgv'> {
  readonly host: Host
  /** Absolute path of an FFmpeg program, 5.1 or later with libx264; by default the FFmpeg that npm installed. */
  readonly ffmpegPath?: string
}

/** A process that was idle for this long is ended, to free its memory. */
const restMs = 5000

/** A process that holds more memory after an operation is ended: a new one costs 0.2 s. */
const mostKeptBytes = 400 * 2 ** 20

/** For loading the libraries, or reading the program's version: a second at most, more on a cold disk. */
const describeLimits: MediaLimits = { wallMs: 30_000, stallMs: 30_000, memoryBytes: 2 ** 30 }

/** After these operations a process cannot be used again: fontconfig keeps the fonts of one title. */
const last: ReadonlySet<OperationName> = new Set(['drawTitle'])

const end = (process: MediaProcess): void =>
  process.kill(new MediaError('cancelled', 'the media process had ended'))

export function createMedia({ host, ffmpegPath, execArgv }: MediaOptions): Media {
  const all = new Set<MediaProcess>()
  /** The process that became idle last is taken first, so that the others can end. */
  const resting: { readonly process: MediaProcess; readonly awake: AbortController }[] = []
  let closed = false

  const start = (): MediaProcess => {
    const process = startMediaProcess({ program: ffmpegPath, host, ...(execArgv && { execArgv }) })
    all.add(process)
    void process.gone.then(() => all.delete(process))
    return process
  }

  const take = (): MediaProcess => {
    for (let rested = resting.pop(); rested; rested = resting.pop()) {
      rested.awake.abort()
      if (rested.process.canGoOn()) return rested.process
    }
    return start()
  }

  /** Keeps a process for the next operation. */
  const rest = async (process: MediaProcess): Promise<void> => {
    if (closed || !process.canGoOn() || (await process.residentBytes()) > mostKeptBytes) return end(process)
    const awake = new AbortController()
    const entry = { process, awake }
    process.rest()
    resting.push(entry)
    await host.sleep(restMs, awake.signal)
    if (awake.signal.aborted) return
    resting.splice(resting.indexOf(entry), 1)
    end(process)
  }

  const perform = async (
    name: OperationName,
    request: { readonly limits: MediaLimits },
    { signal, onProgress }: MediaRunOptions = {},
  ): Promise<unknown> => {
    if (closed) throw new MediaError('unusable', 'FFmpeg is closed: this process is ending')
    if (signal?.aborted)
      throw new MediaError('cancelled', 'cancelled before it started', { cause: signal.reason })
    const process = take()
    try {
      const { limits } = request
      const result = await process.perform({ name, request }, limits, {
        ...(signal && { signal }),
        ...(onProgress && { onProgress }),
      })
      if (last.has(name)) end(process)
      else void rest(process)
      return withoutFolders(result, request)
    } catch (error) {
      // An operation that failed on untrusted bytes may have left the process in any state.
      end(process)
      throw withoutFolders(error, request)
    }
  }

  const operation =
    <Name extends OperationName>(name: Name) =>
    (request: { readonly limits: MediaLimits }, options?: MediaRunOptions) =>
      // The media process answers by the types of `operations.ts`, which is not loaded here.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      perform(name, request, options) as ReturnType<Operations[Name]>

  return {
    run: operation('run'),
    readImage: operation('readImage'),
    masterImage: operation('masterImage'),
    shapeImage: operation('shapeImage'),
    drawTitle: operation('drawTitle'),
    verifyClip: operation('verifyClip'),
    canonicalClip: operation('canonicalClip'),
    makeSeam: operation('makeSeam'),
    makeFilm: operation('makeFilm'),
    makeThumbnail: operation('makeThumbnail'),
    prepareFilmFormat: operation('prepareFilmFormat'),

    describe: async () => ({
      kind: ffmpegPath === undefined ? 'packaged' : 'command',
      version: await operation('describe')({ limits: describeLimits }),
    }),

    close: async () => {
      closed = true
      const ending = [...all]
      for (const { awake } of resting.splice(0)) awake.abort()
      for (const process of ending)
        process.kill(new MediaError('cancelled', 'killed: this process is ending'))
      await Promise.all(ending.map(({ gone }) => gone))
    },
  }
}

/** FFmpeg reports absolute paths; a reader of a scene's failure needs only the file names. */
function withoutFolders(told: unknown, request: object): unknown {
  if (typeof told !== 'object' || told === null) return told
  const short = (text: string): string =>
    pathsIn(request).reduce(
      (words, path) => words.replaceAll(`file:${path}`, basename(path)).replaceAll(path, basename(path)),
      text,
    )
  if (told instanceof Error) told.message = short(told.message)
  else if ('reason' in told && typeof told.reason === 'string') return { ...told, reason: short(told.reason) }
  return told
}

/** Absolute paths anywhere in a request. */
function pathsIn(value: unknown): string[] {
  if (typeof value === 'string') return isAbsolute(value) ? [value] : []
  if (ArrayBuffer.isView(value) || typeof value !== 'object' || value === null) return []
  return Object.values(value).flatMap((part) => pathsIn(part))
}
