/**
 * Makes a cross-fade between two canonical clips. Only the frames that they share are encoded again; its sound
 * extends a few packets into both, to where neither has begun to change (timeline.ts).
 */
import { rm } from 'node:fs/promises'
import type { FilmFormat } from './film-format.ts'
import { type Ffmpeg, MediaError, type MediaLimits } from './ffmpeg.ts'
import { createMp4 } from './mp4-writer.ts'
import { type OpenPart, openPart, pictureRange } from './part.ts'
import { differences, frameNumbers } from './picture.ts'
import { type ProbedVideo, probeClip } from './probe.ts'
import { counted, encodeSound, isSilent, ontoGrid, placedSound, silentPacket } from './sound.ts'
import { cellSamples, type ClipPlace, type FilmPart, sampleRate, type Timeline } from '../job/timeline.ts'
import { verifyMp4 } from './written.ts'

export interface SeamRequest {
  readonly media: Pick<Ffmpeg, 'run'>
  readonly timeline: Timeline
  /** The seam after clip `index`. */
  readonly index: number
  readonly transition: 'fade' | 'slide'
  /** The canonical clips. */
  readonly leftPath: string
  readonly rightPath: string
  /** Temporary files beside it, whose names start with its name, are removed in the end. */
  readonly outPath: string
  readonly format: FilmFormat
  readonly limits: MediaLimits
}

/** Ticks a second: all our frame rates divide it. */
const clock = 90_000

/** Distance, in frames, between the two pictures around a frame of the fade; below 1, or frames would mix. */
const pairSpread = 0.8

/**
 * From `[left]` and `[right]` to `[v]`. A fade puts the two pictures of each frame around its time, at distances that give
 * their shares, and `framerate` mixes them. xfade's own fade is scalar code: 9 ms a 720p frame against 1.
 */
function transitionFilters(transition: SeamRequest['transition'], frames: number, fps: number): string {
  if (transition === 'slide')
    return `[left][right]xfade=transition=slideleft:duration=${frames / fps}:offset=0[v]`
  const at = (offset: string): string => `settb=1/${clock},setpts='round(${clock / fps}*(N+${offset}))'`
  return [
    `[left]${at(`(-${pairSpread}*N/${frames})`)}[leaving]`,
    `[right]${at(`${pairSpread}*(1-N/${frames})`)}[coming]`,
    `[leaving][coming]interleave,framerate=fps=${fps}:interp_start=0:interp_end=255:flags=0,trim=end_frame=${frames}[v]`,
  ].join(';')
}

/**
 * Writes the seam, verified and synced.
 * @throws {MediaError}
 * @throws {BrokenPartError}
 * @throws {NotAsWrittenError}
 */
export async function makeSeam(request: SeamRequest): Promise<{ path: string; sizeBytes: number }> {
  const { timeline, index, leftPath, rightPath, outPath, format } = request
  const seam = timeline.parts.find((part) => part.kind === 'seam' && part.index === index)
  if (seam === undefined) throw new RangeError(`there is no cross-fade after clip ${index}`)
  const scratch = (name: string): string => `${outPath}.${name}.mp4`
  try {
    const [left, right] = await Promise.all([
      openClip(leftPath, timeline.clips[index]!, format),
      openClip(rightPath, timeline.clips[index + 1]!, format),
    ])
    const picture = await encodeOverlap(request, seam, left, right, scratch)
    const silent = [left, right].every((part) => part.audio.every((packet) => isSilent(packet.data)))
    const sound = silent ? null : await encodeSeamSound(request, seam, scratch('sound'))
    return await writeSeam(request, seam, picture, sound)
  } finally {
    await Promise.all(['left', 'right', 'picture', 'sound'].map((name) => rm(scratch(name), { force: true })))
  }
}

const openClip = (path: string, place: ClipPlace, format: FilmFormat): Promise<OpenPart> =>
  openPart({ path, format, frames: place.frames, cells: place.endCell - place.firstCell })

/** @throws {MediaError} */
async function encodeOverlap(
  { media, format, transition, limits }: SeamRequest,
  { toFrame: frames }: FilmPart,
  left: OpenPart,
  right: OpenPart,
  scratch: (name: string) => string,
): Promise<ProbedVideo> {
  // Cut out first: FFmpeg would decode all of the left clip to reach its end.
  await cutOut(left, left.video.length - frames, frames, scratch('left'), format)
  await cutOut(right, 0, frames, scratch('right'), format)
  const { fps, crf, preset } = format
  const even = `setpts=PTS-STARTPTS,fps=${fps},settb=1/${fps}`
  await media.run({
    inputs: [
      { path: scratch('left'), format: 'mp4' },
      { path: scratch('right'), format: 'mp4' },
    ],
    graph: `[0:v]${even}[left];[1:v]${even}[right];${transitionFilters(transition, frames, fps)}`,
    output: {
      kind: 'video',
      path: scratch('picture'),
      video: { fps, frames, crf, preset, keyframes: [0] },
    },
    limits,
  })
  const encoded = await probeClip(scratch('picture'))
  if (!encoded.ok) throw new MediaError('failed', `the cross-fade is ${encoded.code}: ${encoded.reason}`)
  const unfit = differences(encoded.clip.video, format, frames, [0])
  if (unfit.length > 0) throw new MediaError('failed', `the cross-fade does not fit: ${unfit.join('; ')}`)
  return encoded.clip.video
}

async function cutOut(
  part: OpenPart,
  fromFrame: number,
  frames: number,
  path: string,
  format: FilmFormat,
): Promise<void> {
  const writer = await createMp4({ path, video: { ...format, frames }, audio: null })
  try {
    for (const packet of pictureRange(part, fromFrame, fromFrame + frames))
      await writer.addVideo(packet, part.frameOf(packet) - fromFrame)
    await writer.finish()
  } finally {
    await writer.close()
  }
}

/** Equal power: two unrelated sounds keep their joint loudness. */
const fadeCurve = 'qsin'

/**
 * Encoded before the seam's own packets and discarded. An encoder that starts cold treats the first sound as a
 * transient, and chooses other windows than the clip's encoder did: a difference of 0.11 in the shared cell.
 */
const runUpCells = 8

async function encodeSeamSound(
  { media, timeline, index, leftPath, rightPath, limits }: SeamRequest,
  { firstCell, endCell }: FilmPart,
  scratchPath: string,
): Promise<Uint8Array[]> {
  const left = timeline.clips[index]!
  const right = timeline.clips[index + 1]!
  const leftStartCell = Math.ceil(left.startSample / cellSamples)
  const runUp = Math.max(0, Math.min(runUpCells, firstCell - leftStartCell))
  const packets = endCell - firstCell + runUp
  const gridStart = (firstCell - runUp) * cellSamples
  const clipSamples = ({ frames }: ClipPlace): number => (frames * sampleRate) / timeline.fps
  const fadeStart = right.startSample
  const fadeSamples = left.startSample + clipSamples(left) - fadeStart
  const whole = (place: ClipPlace) => ({
    samples: clipSamples(place),
    channels: 2,
    delaySamples: 0,
    quietUntil: null,
    quietFrom: null,
  })
  const ending = [
    placedSound('0:a', whole(left)),
    `afade=t=out:ss=${fadeStart - left.startSample}:ns=${fadeSamples}:curve=${fadeCurve}`,
    `atrim=start_sample=${gridStart - left.startSample}`,
    `${counted}[ending]`,
  ].join(',')
  const beginning = [
    placedSound('1:a', whole(right)),
    `afade=t=in:ss=0:ns=${fadeSamples}:curve=${fadeCurve}`,
    `adelay=delays=${right.startSample - gridStart}S:all=1[beginning]`,
  ].join(',')
  const encoded = await encodeSound({
    media,
    inputs: [
      { path: leftPath, format: 'mp4' },
      { path: rightPath, format: 'mp4' },
    ],
    graph: `${ending};${beginning};[ending][beginning]amix=inputs=2:duration=longest:normalize=0,${ontoGrid(0, packets)}`,
    packets,
    scratchPath,
    limits,
  })
  return encoded.slice(runUp)
}

async function writeSeam(
  { timeline, index, outPath, format }: SeamRequest,
  seam: FilmPart,
  picture: ProbedVideo,
  sound: readonly Uint8Array[] | null,
): Promise<{ path: string; sizeBytes: number }> {
  const packets = seam.endCell - seam.firstCell
  const startSample = timeline.clips[index + 1]!.startSample
  const writer = await createMp4({
    path: outPath,
    video: { ...format, frames: seam.toFrame },
    audio: {
      packets,
      leadSamples: startSample - seam.firstCell * cellSamples,
      samples: seam.endCell * cellSamples - startSample,
    },
  })
  try {
    const numbers = frameNumbers(picture, format.fps)
    for (const [at, packet] of picture.packets.entries()) await writer.addVideo(packet, numbers[at]!)
    for (let cell = 0; cell < packets; cell++) await writer.addAudio(sound?.[cell] ?? silentPacket)
    const ledger = await writer.finish()
    await Promise.all([writer.sync(), verifyMp4(outPath, ledger)])
    return { path: outPath, sizeBytes: ledger.sizeBytes }
  } finally {
    await writer.close()
  }
}
