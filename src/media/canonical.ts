/**
 * Makes a canonical clip: exactly its frames, key frames where the film is cut, and sound already on the film's grid. This
 * happens as soon as a clip arrives, while others still render, so that the film only needs copying.
 */
import { rm } from 'node:fs/promises'
import type { FilmFormat } from './film-format.ts'
import { type Ffmpeg, MediaError, type MediaLimits } from './ffmpeg.ts'
import { createMp4, type Mp4Ledger } from './mp4-writer.ts'
import { canonicalGraph, differences, frameNumbers, type Look } from './picture.ts'
import {
  type ClipFault,
  type ClipSeen,
  openClip,
  type ProbedVideo,
  probeClip,
  type VerifiedClip,
} from './probe.ts'
import { encodeSound, ontoGrid, placedSound, silentPacket } from './sound.ts'
import type { Fit } from '../job/scene.ts'
import { cellSamples, type ClipPlace, sampleRate } from '../job/timeline.ts'
import { verifyMp4 } from './written.ts'

export interface CanonicalRequest {
  readonly media: Pick<Ffmpeg, 'run'>
  /** A clip that `verifyClip` accepted. */
  readonly clip: VerifiedClip
  /** How many pictures it decodes to. If this differs from its number of packets, it is encoded again, not copied. */
  readonly decodedFrames: number
  /** How a picture of another shape fills the frame. */
  readonly fit: Fit
  /** Temporary files beside it, whose names start with its name, are removed in the end. */
  readonly outPath: string
  readonly format: FilmFormat
  readonly place: ClipPlace
  readonly limits: MediaLimits
}

export interface ClipRequest extends Omit<CanonicalRequest, 'clip'> {
  /** Path of a verified clip. */
  readonly path: string
  /** What the verification saw. */
  readonly seen: ClipSeen
}

export interface CanonicalClip {
  readonly path: string
  readonly sizeBytes: number
  /** Why its picture was encoded again; empty if it was copied. */
  readonly differences: readonly string[]
  readonly hasSound: boolean
}

/**
 * Makes a verified clip canonical.
 * @throws {MediaError} FFmpeg failed, was cancelled or found the disk full.
 * @throws {NotAsWrittenError}
 */
export async function canonicalClip({
  path,
  seen,
  ...request
}: ClipRequest): Promise<{ readonly ok: true; readonly clip: CanonicalClip } | ClipFault> {
  const opened = await openClip(path)
  if ('ok' in opened) return opened
  return { ok: true, clip: await makeCanonical({ ...request, clip: { path, seen, ...opened } }) }
}

/**
 * Writes the canonical clip, verified and synced.
 * @throws {MediaError} FFmpeg failed, was cancelled or found the disk full.
 * @throws {NotAsWrittenError}
 */
export async function makeCanonical(request: CanonicalRequest): Promise<CanonicalClip> {
  const { clip, outPath } = request
  const encodedPath = `${outPath}.picture.mp4`
  const soundPath = `${outPath}.sound.mp4`
  try {
    const found = reasonsToEncode(request)
    const picture =
      clip.mp4 !== null && found.length === 0 ? clip.mp4.video : await encodePicture(request, encodedPath)
    const sound = await encodeClipSound(request, soundPath)
    const ledger = await writeClip(request, picture, sound)
    await verifyMp4(outPath, ledger)
    return { path: outPath, sizeBytes: ledger.sizeBytes, differences: found, hasSound: sound !== null }
  } finally {
    await Promise.all([rm(encodedPath, { force: true }), rm(soundPath, { force: true })])
  }
}

function reasonsToEncode({
  clip: { container, mp4 },
  format,
  place,
  decodedFrames,
}: CanonicalRequest): string[] {
  if (mp4 === null) return [`its container is ${container}, not MP4`]
  const found = differences(mp4.video, format, place.frames, place.keyframes)
  const { length } = mp4.video.packets
  return decodedFrames === length
    ? found
    : [...found, `it decodes to ${decodedFrames} of its ${length} frames`]
}

async function writeClip(
  { outPath, format, place }: CanonicalRequest,
  picture: ProbedVideo,
  sound: readonly Uint8Array[] | null,
): Promise<Mp4Ledger> {
  const cells = place.endCell - place.firstCell
  const leadSamples = place.startSample - place.firstCell * cellSamples
  const writer = await createMp4({
    path: outPath,
    video: { ...format, frames: place.frames },
    audio: { packets: cells, leadSamples, samples: (place.frames * sampleRate) / format.fps },
  })
  try {
    const numbers = frameNumbers(picture, format.fps)
    const frameOfCell = (cell: number): number =>
      ((cell * cellSamples - leadSamples) * format.fps) / sampleRate
    let cell = 0
    for (let index = 0; index < place.frames; index++) {
      for (; cell < cells && frameOfCell(cell) <= index; cell++)
        await writer.addAudio(sound?.[cell] ?? silentPacket)
      const packet = picture.packets[index]!
      await writer.addVideo(packet, numbers[index]!)
    }
    for (; cell < cells; cell++) await writer.addAudio(sound?.[cell] ?? silentPacket)
    const ledger = await writer.finish()
    await writer.sync()
    return ledger
  } finally {
    await writer.close()
  }
}

/** @throws {MediaError} */
async function encodePicture(request: CanonicalRequest, path: string): Promise<ProbedVideo> {
  const { media, clip, format, place, fit, limits } = request
  const { fps, crf, preset } = format
  const { frames, keyframes } = place
  await media.run({
    inputs: [{ path: clip.path, format: clip.container }],
    graph: canonicalGraph(lookOf(clip), format, frames, fit),
    output: { kind: 'video', path, video: { fps, frames, crf, preset, keyframes } },
    limits,
  })
  const encoded = await probeClip(path)
  if (!encoded.ok)
    throw new MediaError('failed', `the clip encoded anew is ${encoded.code}: ${encoded.reason}`)
  // FFmpeg 5.1 copies the clip's rotation to its output, although the graph has turned the picture.
  const picture = { ...encoded.clip.video, rotation: 0, mirrored: false } as const
  const left = differences(picture, format, frames, keyframes)
  if (left.length > 0)
    throw new MediaError('failed', `the clip encoded anew does not fit: ${left.join('; ')}`)
  return picture
}

function lookOf({ mp4, seen: { picture } }: VerifiedClip): Look {
  if (mp4 !== null) return { ...picture, ...mp4.video }
  const { width, height, pixelAspect } = picture
  return { ...picture, mirrored: false, shownWidth: width * pixelAspect, shownHeight: height }
}

/** Null if the clip has no sound. */
async function encodeClipSound(
  { media, clip, format, place, limits }: CanonicalRequest,
  scratchPath: string,
): Promise<Uint8Array[] | null> {
  const { mp4, seen } = clip
  const { sound } = seen
  const [heard, shown] = mp4 === null ? [sound, seen.picture] : [mp4.audio, mp4.video]
  if (sound === null || heard === null) return null
  const lateSeconds = heard.startSeconds - shown.startSeconds
  const packets = place.endCell - place.firstCell
  const clipSample = (filmSample: number | null): number | null =>
    filmSample === null ? null : filmSample - place.startSample
  const placed = placedSound('0:a', {
    samples: (place.frames * sampleRate) / format.fps,
    channels: sound.channels,
    delaySamples: Math.round(lateSeconds * sampleRate),
    quietUntil: clipSample(place.quietUntil),
    quietFrom: clipSample(place.quietFrom),
  })
  return encodeSound({
    media,
    inputs: [{ path: clip.path, format: clip.container }],
    graph: `${placed},${ontoGrid(place.startSample - place.firstCell * cellSamples, packets)}`,
    packets,
    scratchPath,
    limits,
  })
}
