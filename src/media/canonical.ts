/**
 * A canonical clip: exactly its frames, cuttable where the film needs it, its sound already on the film's
 * grid. Made as soon as a clip arrives, while others still render, so that the film itself is only copying.
 */
import { rm } from 'node:fs/promises'
import type { FilmFormat } from './film-format.ts'
import { type Ffmpeg, MediaError, type MediaLimits } from './ffmpeg.ts'
import { createMp4, type Mp4Ledger } from './mp4-writer.ts'
import { canonicalGraph, differences, frameNumbers } from './picture.ts'
import { type ClipFault, type ProbedAudio, type ProbedClip, type ProbedVideo, probeClip } from './probe.ts'
import { encodeSound, ontoGrid, placedSound, silentPacket } from './sound.ts'
import { cellSamples, type ClipPlace, sampleRate } from '../job/timeline.ts'
import { verifyMp4 } from './written.ts'

export interface CanonicalRequest {
  readonly media: Pick<Ffmpeg, 'run'>
  /** A verified clip, as `verifyClip` found it. */
  readonly clip: ProbedClip
  /** How many pictures it decodes to, where known: fewer or more than it has packets, and it isn't copied. */
  readonly decodedFrames?: number
  /** Files beside it, named after it, are used on the way and removed. */
  readonly outPath: string
  readonly format: FilmFormat
  readonly place: ClipPlace
  readonly limits: MediaLimits
}

export interface ClipRequest extends Omit<CanonicalRequest, 'clip'> {
  /** A clip that was verified. */
  readonly path: string
}

export interface CanonicalClip {
  readonly path: string
  readonly sizeBytes: number
  /** Why its picture had to be encoded again; none: it was copied. */
  readonly differences: readonly string[]
  readonly hasSound: boolean
}

/**
 * Makes a verified clip canonical.
 * @throws {MediaError} FFmpeg failed, was cancelled or found no room.
 * @throws {NotAsWrittenError}
 */
export async function canonicalClip({
  path,
  ...request
}: ClipRequest): Promise<{ readonly ok: true; readonly clip: CanonicalClip } | ClipFault> {
  const found = await probeClip(path)
  return found.ok ? { ok: true, clip: await makeCanonical({ ...request, clip: found.clip }) } : found
}

/**
 * Writes the canonical clip, verified and synced.
 * @throws {MediaError} FFmpeg failed, was cancelled or found no room.
 * @throws {NotAsWrittenError}
 */
export async function makeCanonical(request: CanonicalRequest): Promise<CanonicalClip> {
  const { clip, outPath, format, place } = request
  const encodedPath = `${outPath}.picture.mp4`
  const soundPath = `${outPath}.sound.mp4`
  try {
    const found = differences(clip.video, format, place.frames, place.keyframes)
    if (request.decodedFrames !== undefined && request.decodedFrames !== clip.video.packets.length)
      found.push(`it decodes to ${request.decodedFrames} of its ${clip.video.packets.length} frames`)
    const picture = found.length === 0 ? clip.video : await encodePicture(request, encodedPath)
    const sound = clip.audio === null ? null : await encodeClipSound(request, clip.audio, soundPath)
    const ledger = await writeClip(request, picture, sound)
    await verifyMp4(outPath, ledger)
    return { path: outPath, sizeBytes: ledger.sizeBytes, differences: found, hasSound: sound !== null }
  } finally {
    await Promise.all([rm(encodedPath, { force: true }), rm(soundPath, { force: true })])
  }
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
      await writer.addVideo(packet.data, packet.type === 'key', numbers[index]!)
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
  const { media, clip, format, place, limits } = request
  const { fps, crf, preset } = format
  const { frames, keyframes } = place
  await media.run({
    inputs: [{ path: clip.path, format: 'mp4' }],
    graph: canonicalGraph(clip.video, format, frames),
    output: { kind: 'video', path, video: { fps, frames, crf, preset, keyframes } },
    limits,
  })
  const encoded = await probeClip(path)
  if (!encoded.ok)
    throw new MediaError('failed', `the clip encoded anew is ${encoded.code}: ${encoded.reason}`)
  const left = differences(encoded.clip.video, format, frames, keyframes)
  if (left.length > 0)
    throw new MediaError('failed', `the clip encoded anew does not fit: ${left.join('; ')}`)
  return encoded.clip.video
}

async function encodeClipSound(
  { media, clip, format, place, limits }: CanonicalRequest,
  audio: ProbedAudio,
  scratchPath: string,
): Promise<Uint8Array[]> {
  const packets = place.endCell - place.firstCell
  const clipSample = (filmSample: number | null): number | null =>
    filmSample === null ? null : filmSample - place.startSample
  const placed = placedSound('0:a', {
    samples: (place.frames * sampleRate) / format.fps,
    delaySamples: Math.round((audio.startSeconds - clip.video.startSeconds) * sampleRate),
    quietUntil: clipSample(place.quietUntil),
    quietFrom: clipSample(place.quietFrom),
  })
  return encodeSound({
    media,
    inputPaths: [clip.path],
    graph: `${placed},${ontoGrid(place.startSample - place.firstCell * cellSamples, packets)}`,
    packets,
    scratchPath,
    limits,
  })
}
