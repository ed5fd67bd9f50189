/**
 * Writes the film: the packets of its canonical clips and seams, one after the other, verified before it is
 * published. Nothing is decoded or encoded here, so what decodes in the clips decodes in the film.
 */
import type { FilmFormat } from './film-format.ts'
import { createMp4, type Mp4Writer } from './mp4-writer.ts'
import { BrokenPartError, type OpenPart, openPart, pictureRange } from './part.ts'
import { cellSamples, type FilmPart, sampleRate, type Timeline } from '../job/timeline.ts'
import { verifyMp4 } from './written.ts'

export interface FilmRequest {
  readonly timeline: Timeline
  readonly format: FilmFormat
  /** The canonical clips, in order. */
  readonly clipPaths: readonly string[]
  /** `seamPaths[k]`: the seam after clip k; null for a cut. */
  readonly seamPaths: readonly (string | null)[]
  /** A temporary name: the caller renames it once this resolves. */
  readonly outPath: string
}

export interface Film {
  readonly path: string
  readonly frames: number
  readonly durationMs: number
  readonly sizeBytes: number
  /** The first frame of each scene: where its cut is, or its cross-fade begins. */
  readonly sceneFrames: readonly number[]
}

/**
 * Writes the film, syncs it to the disk and compares it with its parts packet by packet.
 * @throws {BrokenPartError} A clip or seam has changed since it was made canonical.
 * @throws {NotAsWrittenError} The file differs from what was written.
 * @throws {MediaError} `disk_full`.
 */
export async function makeFilm(request: FilmRequest): Promise<Film> {
  const { timeline, format, outPath } = request
  const { frames, cells, samples, fps } = timeline
  const writer = await createMp4({
    path: outPath,
    video: { ...format, frames },
    audio: { packets: cells, leadSamples: 0, samples },
  })
  try {
    await copyParts(request, writer)
    const ledger = await writer.finish()
    // At once: verifying reads from memory, not from the disk, and syncing needs no processor.
    await Promise.all([writer.sync(), verifyMp4(outPath, ledger)])
    return {
      path: outPath,
      frames,
      durationMs: (frames / fps) * 1000,
      sizeBytes: ledger.sizeBytes,
      sceneFrames: timeline.clips.map((clip) => clip.startFrame),
    }
  } finally {
    await writer.close()
  }
}

/** How many parts are read while one is written. */
const partsAhead = 2

async function copyParts(request: FilmRequest, writer: Mp4Writer): Promise<void> {
  const { timeline } = request
  let filmFrame = 0
  const opening = Array.from({ length: partsAhead }, (_, index) => open(index))
  for (const [index, part] of timeline.parts.entries()) {
    const opened = await opening.shift()
    opening.push(open(index + partsAhead))
    await copyPart(opened!, part, filmFrame)
    filmFrame += part.toFrame - part.fromFrame
  }

  function open(index: number): Promise<OpenPart | null> {
    const part = timeline.parts[index]
    const opened = part === undefined ? Promise.resolve(null) : openFilmPart(request, part)
    // The await reports a failure; this prevents an unhandled rejection before it.
    opened.catch(() => {})
    return opened
  }

  async function copyPart(opened: OpenPart, part: FilmPart, startFrame: number): Promise<void> {
    const fileCell = part.kind === 'clip' ? timeline.clips[part.index]!.firstCell : part.firstCell
    const frameOfCell = (at: number): number => (at * cellSamples * timeline.fps) / sampleRate
    let cell = part.firstCell
    for (const [index, packet] of pictureRange(opened, part.fromFrame, part.toFrame).entries()) {
      for (; cell < part.endCell && frameOfCell(cell) <= startFrame + index; cell++)
        await writer.addAudio(opened.audio[cell - fileCell]!.data)
      await writer.addVideo(packet, startFrame + opened.frameOf(packet) - part.fromFrame)
    }
    for (; cell < part.endCell; cell++) await writer.addAudio(opened.audio[cell - fileCell]!.data)
  }
}

async function openFilmPart(request: FilmRequest, part: FilmPart): Promise<OpenPart> {
  const { timeline, format, clipPaths, seamPaths } = request
  const path = part.kind === 'clip' ? clipPaths[part.index] : seamPaths[part.index]
  if (path === undefined || path === null)
    throw new BrokenPartError(`${part.kind} ${part.index}`, 'there is no file for it')
  const place = timeline.clips[part.index]!
  return part.kind === 'clip'
    ? openPart({ path, format, frames: place.frames, cells: place.endCell - place.firstCell })
    : openPart({ path, format, frames: part.toFrame, cells: part.endCell - part.firstCell })
}
