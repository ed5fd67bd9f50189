/** Determines what a clip is, and whether it is complete. FFmpeg itself accepts half an MP4 as a complete one. */
import { open, stat } from 'node:fs/promises'
import type { InputAudioTrack, InputVideoTrack } from 'mediabunny'
import { type Container, type FileKind, fileKindOf, headBytes, spokenKind } from '../job/file-kind.ts'
import {
  type Ffmpeg,
  MediaError,
  type MediaLimits,
  type Rotation,
  type Seen,
  type SeenPicture,
} from './ffmpeg.ts'
import { descriptionOf, type Packet, readBytes, readTrack, withMp4 } from './mp4.ts'
import { tableFault } from './mp4-tables.ts'

export interface ProbedVideo {
  /** Such as `avc`; null if unknown: then `codecTag` has the file's name for it. */
  readonly codec: string | null
  readonly codecTag: string
  /** The decoder configuration (avcC). */
  readonly description: Uint8Array | null
  /** Pixels as coded. */
  readonly width: number
  readonly height: number
  /** Pixels as shown, converted to square ones; before rotation. */
  readonly shownWidth: number
  readonly shownHeight: number
  /** Clockwise degrees by which a player turns it. */
  readonly rotation: Rotation
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
  /** `unreadable`: nothing with a moving picture; `incomplete`: a part is missing; `damaged`: it does not decode. */
  readonly code: 'unreadable' | 'incomplete' | 'damaged'
  /** A sentence that says what is wrong with which packet. */
  readonly reason: string
}

export type ClipFinding = { readonly ok: true; readonly clip: ProbedClip } | ClipFault

/** Largest clip: each is read into memory as a whole. */
const maxClipBytes = 2 ** 30

/** Undefined if there is no file: FFmpeg has been seen to succeed without writing one. */
const sizeOf = (path: string): Promise<number | undefined> =>
  stat(path).then(
    ({ size }) => size,
    (error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
      throw error
    },
  )

/** The fault that the file's size alone shows; null if none. */
async function sizeFault(path: string): Promise<ClipFault | null> {
  const size = await sizeOf(path)
  if (size === undefined) return fault('incomplete', 'there is no file')
  if (size === 0) return fault('incomplete', 'the file is empty')
  return size > maxClipBytes ? fault('unreadable', `${size} bytes are more than a clip may have`) : null
}

/** Reads an MP4's header and all its packets, without decoding them. */
export async function probeClip(path: string): Promise<ClipFinding> {
  const size = (await sizeOf(path)) ?? 0
  const wrongSize = await sizeFault(path)
  if (wrongSize !== null) return wrongSize
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
  /** Only for clips that were encoded here: others are decoded in full, as by a player. */
  readonly deblocking?: 'skipped'
  readonly limits: MediaLimits
}

/** A clip of any container, verified. */
export interface VerifiedClip {
  readonly path: string
  readonly container: Container
  /** Its packets if it is an MP4, which may be copied; otherwise null. */
  readonly mp4: ProbedClip | null
  readonly seen: ClipSeen
}

/** What was seen of a clip, which always has a picture. */
export type ClipSeen = Seen & { readonly picture: SeenPicture }

export type ClipVerdict =
  | { readonly ok: true; readonly clip: VerifiedClip; readonly decodedFrames: number }
  | ClipFault

/**
 * Verifies a clip: its size is as announced, all that its header promises exists, and it decodes to its end.
 * @throws {MediaError} If the clip is not at fault: cancelled, hung, disk full.
 */
export async function verifyClip(request: VerifyRequest): Promise<ClipVerdict> {
  const { media, path, sizeBytes, deblocking, limits } = request
  if (sizeBytes !== undefined) {
    const size = (await sizeOf(path)) ?? 0
    if (size !== sizeBytes) return fault('incomplete', `${size} of ${sizeBytes} bytes arrived`)
  }
  const opened = await openClip(path)
  if ('ok' in opened) return opened
  const { container, mp4 } = opened
  try {
    const { frames, seen, exceeds } = await media.run({
      inputs: [{ path, format: container }],
      graph: '',
      output: { kind: 'nothing', ...(deblocking && { deblocking }) },
      limits,
    })
    if (exceeds !== undefined) return fault('unreadable', exceeds)
    if (frames === 0 || !seen?.picture) return fault('damaged', 'no picture could be decoded')
    const clip = { path, container, mp4, seen: { ...seen, picture: seen.picture } }
    return (mp4 === null ? endFault(clip) : null) ?? { ok: true, clip, decodedFrames: frames }
  } catch (error) {
    if (error instanceof MediaError && error.code === 'failed') return fault('damaged', error.message)
    throw error
  }
}

/** Determines what a clip is by its first bytes and, for an MP4, by its packets. Nothing is decoded. */
export async function openClip(path: string): Promise<Pick<VerifiedClip, 'container' | 'mp4'> | ClipFault> {
  const wrongSize = await sizeFault(path)
  if (wrongSize !== null) return wrongSize
  const head = await headOf(path)
  const kind = fileKindOf(head)
  if (kind?.container === undefined) return fault('unreadable', notAClip(kind))
  if (kind.container !== 'mp4') {
    const cut = await riffFault(path, head)
    return cut ?? { container: kind.container, mp4: null }
  }
  const found = await probeClip(path)
  return found.ok ? { container: 'mp4', mp4: found.clip } : found
}

const notAClip = (kind: FileKind | undefined): string =>
  kind === undefined
    ? 'it is of no kind that FFmpeg is known to read as a clip'
    : `it is ${spokenKind(kind)}, not a clip`

async function headOf(path: string): Promise<Buffer> {
  await using file = await open(path)
  const { buffer, bytesRead } = await file.read(Buffer.alloc(headBytes), 0, headBytes, 0)
  return buffer.subarray(0, bytesRead)
}

/** AVI and WebP give their size at the beginning. */
async function riffFault(path: string, head: Buffer): Promise<ClipFault | null> {
  if (head.length < 8 || head.toString('latin1', 0, 4) !== 'RIFF') return null
  const promised = head.readUInt32LE(4) + 8
  const size = (await sizeOf(path)) ?? 0
  return size < promised
    ? fault('incomplete', `it has ${size} of its ${promised} bytes: it was cut off`)
    : null
}

/** Containers whose header gives the duration; for others FFmpeg estimates it from what exists. */
const promising: ReadonlySet<Container> = new Set(['matroska', 'avi', 'flv', 'asf'])

/** The duration in such a header is rounded, and sound may end a little earlier. */
const endTolerance = { share: 0.1, seconds: 0.1 }

function endFault({ container, seen: { promisedSeconds, endSeconds } }: VerifiedClip): ClipFault | null {
  if (promisedSeconds === null || !promising.has(container)) return null
  const least = promisedSeconds * (1 - endTolerance.share) - endTolerance.seconds
  return endSeconds < least
    ? fault(
        'incomplete',
        `it ends after ${endSeconds.toFixed(2)} of ${promisedSeconds.toFixed(2)} seconds: it was cut off or is damaged`,
      )
    : null
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
