/** Makes a film's thumbnail. */
import type { Ffmpeg, MediaLimits } from './ffmpeg.ts'

export interface ThumbnailRequest {
  readonly media: Pick<Ffmpeg, 'run'>
  /** The first canonical clip: only it has to be decoded. */
  readonly clipPath: string
  /** How many frames it has. */
  readonly frames: number
  readonly outPath: string
  /** The picture is at most this wide. */
  readonly maxWidth: number
  readonly limits: MediaLimits
}

/**
 * Writes a JPEG from a third into the first scene: after its fade-in and its title's, before the title fades out.
 * @throws {MediaError}
 */
export async function makeThumbnail(request: ThumbnailRequest): Promise<void> {
  const { media, clipPath, frames, outPath, maxWidth, limits } = request
  const frame = Math.floor(frames / 3)
  await media.run({
    inputs: [{ path: clipPath, format: 'mp4' }],
    graph: `[0:v]trim=start_frame=${frame}:end_frame=${frame + 1},setpts=0,scale=w='min(iw,${maxWidth})':h=-2[v]`,
    output: { kind: 'picture', path: outPath },
    limits,
  })
}
