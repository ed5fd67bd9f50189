/** A canonical clip or a seam, opened to be copied: its packets, by frame and by cell of the film's sound. */
import type { FilmFormat } from './film-format.ts'
import { descriptionOf, type Packet, readBytes, readTrack, sameBytes, withMp4 } from './mp4.ts'

/** A file that was made canonical is no longer usable: lost, truncated, or made for another film. */
export class BrokenPartError extends Error {
  readonly code = 'broken_part'
  readonly path: string
  constructor(path: string, reason: string, options?: ErrorOptions) {
    super(`${path}: ${reason}`, options)
    this.name = 'BrokenPartError'
    this.path = path
  }
}

export interface PartRequest {
  readonly path: string
  readonly format: FilmFormat
  /** How many pictures and packets of sound the file must have. */
  readonly frames: number
  readonly cells: number
}

export interface OpenPart {
  readonly path: string
  /** In decoding order. */
  readonly video: readonly Packet[]
  readonly audio: readonly Packet[]
  readonly frameOf: (packet: Packet) => number
}

/** @throws {BrokenPartError} */
export async function openPart({ path, format, frames, cells }: PartRequest): Promise<OpenPart> {
  try {
    return await withMp4(await readBytes(path), async (input) => {
      const video = await input.getPrimaryVideoTrack()
      const audio = await input.getPrimaryAudioTrack()
      if (video === null || audio === null) throw new BrokenPartError(path, 'picture or sound is missing')
      if (!sameBytes(await descriptionOf(video), format.description))
        throw new BrokenPartError(path, 'it was made for another film: its decoder configuration differs')
      const pictures = await readTrack(video)
      const sounds = await readTrack(audio)
      expectCount(path, 'picture', pictures.packets.length, frames)
      expectCount(path, 'sound', sounds.packets.length, cells)
      return {
        path,
        video: pictures.packets,
        audio: sounds.packets,
        frameOf: (packet) => Math.round(packet.timestamp * format.fps),
      }
    })
  } catch (error) {
    if (error instanceof BrokenPartError) throw error
    throw new BrokenPartError(path, 'it cannot be read', { cause: error })
  }
}

function expectCount(path: string, name: string, found: number, expected: number): void {
  if (found !== expected)
    throw new BrokenPartError(path, `${found} packets of the ${name} instead of ${expected}`)
}

/**
 * The packets that show [fromFrame, toFrame), which must begin with a key frame and need no others.
 * @throws {BrokenPartError}
 */
export function pictureRange(part: OpenPart, fromFrame: number, toFrame: number): readonly Packet[] {
  const { video, frameOf } = part
  const inRange = (packet: Packet): boolean => frameOf(packet) >= fromFrame && frameOf(packet) < toFrame
  const first = video.findIndex(inRange)
  const range = video.slice(first, first + toFrame - fromFrame)
  if (first === -1 || range.length !== toFrame - fromFrame || !range.every(inRange))
    throw new BrokenPartError(part.path, `frames ${fromFrame} to ${toFrame} do not lie together`)
  if (range[0]!.type !== 'key' || frameOf(range[0]!) !== fromFrame)
    throw new BrokenPartError(part.path, `frame ${fromFrame} is no key frame`)
  return range
}
