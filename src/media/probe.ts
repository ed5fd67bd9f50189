/** What a clip is, and whether all of it is there. FFmpeg itself takes a clip cut in half for a whole one. */
import { stat } from 'node:fs/promises'
import type { InputAudioTrack, InputVideoTrack } from 'mediabunny'
import { type Ffmpeg, MediaError, type MediaLimits } from './ffmpeg.ts'
import { descriptionOf, type Packet, readBytes, readTrack, withMp4 } from './mp4.ts'
import { tableFault } from './mp4-tables.ts'

export interface ProbedVideo {
  /** Such as `avc`; null where unknown, then `codecTag` tells what the file calls it. */
  readonly codec: string | null
  readonly codecTag: string
  /** The avcC. */
  readonly description: Uint8Array | null
  /** Pixels as coded. */
  readonly width: number
  readonly height: number
  /** Pixels as shown, were they square; before rotation. */
  readonly shownWidth: number
  readonly shownHeight: number
  /** Such as `bt709`; null where the clip doesn't say. */
  readonly colourMatrix: string | null
  /** Clockwise degrees by which a player turns it. */
  readonly rotation: 0 | 90 | 180 | 270
  readonly mirrored: boolean
  readonly squarePixels: boolean
  /** When the first picture is shown, in seconds from the file's beginning. */
  readonly startSeconds: number
  /** In the order of decoding. */
  readonly packets: readonly Packet[]
}

export interface ProbedAudio {
  readonly codec: string | null
  /** When the first sound is heard, in seconds from the file's beginning. */
  readonly startSeconds: number
}

export interface ProbedClip {
  readonly path: string
  readonly sizeBytes: number
  readonly video: ProbedVideo
  readonly audio: ProbedAudio | null
}

export type ClipFault = {
  readonly ok: false
  /** `unreadable`: no MP4 with a picture; `incomplete`: a part is missing; `damaged`: it does not decode. */
  readonly code: 'unreadable' | 'incomplete' | 'damaged'
  /** A sentence that says what is wrong with which packet. */
  readonly reason: string
}

export type ClipFinding = { readonly ok: true; readonly clip: ProbedClip } | ClipFault

/** Larger ones are no clips; each is read into memory whole. */
const maxClipBytes = 2 ** 30

/** An FFmpeg that ends well and writes nothing has been seen. */
const sizeOf = (path: string): Promise<number | undefined> =>
  stat(path).then(
    ({ size }) => size,
    (error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
      throw error
    },
  )

/** Reads a clip's header and all its packets, without decoding them. */
export async function probeClip(path: string): Promise<ClipFinding> {
  const size = await sizeOf(path)
  if (size === undefined) return fault('incomplete', 'there is no file')
  if (size === 0) return fault('incomplete', 'the file is empty')
  if (size > maxClipBytes) return fault('unreadable', `${size} bytes are more than a clip may have`)
  const tables = await tableFault(path)
  if (tables !== null) return fault('unreadable', tables)
  const source = await readBytes(path)
  try {
    return await withMp4(source, async (input) => {
      const video = await input.getPrimaryVideoTrack()
      if (video === null) return fault('unreadable', 'there is no picture in it')
      const audio = await input.getPrimaryAudioTrack()
      const probedVideo = await probeVideo(video)
      if ('ok' in probedVideo) return probedVideo
      const probedAudio = audio && (await probeAudio(audio))
      if (probedAudio && 'ok' in probedAudio) return probedAudio
      return { ok: true, clip: { path, sizeBytes: size, video: probedVideo, audio: probedAudio } }
    })
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error)
    return fault('unreadable', `no readable MP4, or its header is missing (${words})`)
  }
}

export interface VerifyRequest {
  readonly media: Pick<Ffmpeg, 'run'>
  readonly path: string
  /** As the sender announced it. */
  readonly sizeBytes?: number
  readonly limits: MediaLimits
}

export type ClipVerdict =
  | { readonly ok: true; readonly clip: ProbedClip; readonly decodedFrames: number }
  | ClipFault

/**
 * A clip counts when its size is as announced, its packets are all there and it decodes to its end.
 * @throws {MediaError} Where the fault is not the clip's: cancelled, hung, no room.
 */
export async function verifyClip(request: VerifyRequest): Promise<ClipVerdict> {
  const { media, path, sizeBytes, limits } = request
  const finding = await probeClip(path)
  if (sizeBytes !== undefined) {
    const size = (await sizeOf(path)) ?? 0
    if (size !== sizeBytes) return fault('incomplete', `${size} of ${sizeBytes} bytes arrived`)
  }
  if (!finding.ok) return finding
  try {
    const { frames } = await media.run({
      inputs: [{ path, format: 'mp4' }],
      graph: '',
      output: { kind: 'nothing' },
      limits,
    })
    return frames === 0
      ? fault('damaged', 'no picture could be decoded')
      : { ok: true, clip: finding.clip, decodedFrames: frames }
  } catch (error) {
    if (error instanceof MediaError && error.code === 'failed') return fault('damaged', error.message)
    throw error
  }
}

async function probeVideo(track: InputVideoTrack): Promise<ProbedVideo | ClipFault> {
  const { packets, promised } = await readTrack(track)
  if (packets.length < promised) return missing('picture', packets.length, promised)
  if (packets.length === 0) return fault('incomplete', 'there is not one packet of the picture')
  const pixels = await track.getPixelAspectRatio()
  return {
    codec: await track.getCodec(),
    codecTag: String(await track.getInternalCodecId()),
    description: await descriptionOf(track).catch(() => null),
    width: await track.getCodedWidth(),
    height: await track.getCodedHeight(),
    rotation: await track.getRotation(),
    mirrored: await track.getFlip(),
    shownWidth: await track.getSquarePixelWidth(),
    shownHeight: await track.getSquarePixelHeight(),
    colourMatrix: (await track.getColorSpace()).matrix ?? null,
    squarePixels: pixels.num === pixels.den,
    startSeconds: firstHeard(packets),
    packets,
  }
}

async function probeAudio(track: InputAudioTrack): Promise<ProbedAudio | null | ClipFault> {
  const { packets, promised } = await readTrack(track)
  if (packets.length < promised) return missing('sound', packets.length, promised)
  if (packets.length === 0) return null
  return { codec: await track.getCodec(), startSeconds: firstHeard(packets) }
}

/** What lies before 0 is cut off by the file's edit list. */
const firstHeard = (packets: readonly Packet[]): number =>
  packets.reduce((first, packet) => Math.min(first, Math.max(0, packet.timestamp)), Infinity)

const missing = (track: string, found: number, promised: number): ClipFault =>
  fault(
    'incomplete',
    `packet ${found + 1} of ${promised} of the ${track} lies beyond the end of the file: it was cut off`,
  )

function fault(code: ClipFault['code'], reason: string): ClipFault {
  return { ok: false, code, reason }
}
