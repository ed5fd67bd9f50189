/** What all clips of a film must share, so that their packets can follow each other. */
import type { FrameFormat } from '../job/format.ts'
import type { Ffmpeg, MediaLimits, VideoEncoding } from './ffmpeg.ts'
import { descriptionOf, readBytes, withMp4 } from './mp4.ts'

export interface FilmFormat extends FrameFormat, Pick<VideoEncoding, 'crf' | 'preset'> {
  /**
   * The decoder configuration (avcC) of every clip: what our own encoder produces for this size, rate and
   * preset. A player reads it once for the whole film.
   */
  readonly description: Uint8Array
}

export interface FilmFormatRequest extends FrameFormat, Pick<VideoEncoding, 'crf' | 'preset'> {
  readonly media: Pick<Ffmpeg, 'run'>
  /** Path of a temporary file, which the caller removes. */
  readonly scratchPath: string
  readonly limits: MediaLimits
}

/**
 * Finds the encoder's configuration by encoding two black frames (0.1 s). Local renders with the same preset
 * share it, and are copied.
 * @throws {MediaError}
 */
export async function prepareFilmFormat(request: FilmFormatRequest): Promise<FilmFormat> {
  const { media, width, height, fps, crf, preset, scratchPath, limits } = request
  await media.run({
    inputs: [],
    graph: `color=black:s=${width}x${height}:r=${fps}:d=${2 / fps}[v]`,
    output: { kind: 'video', path: scratchPath, video: { fps, frames: 2, crf, preset, keyframes: [0] } },
    limits,
  })
  const description = await withMp4(await readBytes(scratchPath), async (input) => {
    const track = await input.getPrimaryVideoTrack()
    return track && (await descriptionOf(track))
  })
  if (!description) throw new Error('the encoder gave no decoder configuration')
  return { width, height, fps, crf, preset, description: Uint8Array.from(description) }
}
