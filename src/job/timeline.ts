/**
 * The timeline of a film, computed before anything is rendered. From the lengths of the clips and the seams between
 * them follow each clip's placement, the frames where it must be cuttable, and the film's parts in order.
 *
 * The film's sound is one row of AAC packets. Packet `c` is the one whose 2048-sample window begins with
 * cell `c`, the samples [1024c, 1024c + 1024) of the film; decoding it gives that cell. Two neighbouring
 * packets share a cell, so packets of two encoders may follow each other only if both encoders got the same
 * samples in the shared cell: silence at a cut (`quiet`), identical sound beside a cross-fade.
 */

export const sampleRate = 48_000

/** Samples in one AAC packet. */
export const cellSamples = 1024

export interface Seam {
  readonly transition: 'cut' | 'fade' | 'slide'
  /** How many frames the two clips share: 0 for a cut, at least 1 for the others. */
  readonly overlapFrames: number
}

export interface TimelineRequest {
  /** Frames a second; 48000 must be a multiple of it. */
  readonly fps: number
  /** Frames of each clip. */
  readonly clips: readonly number[]
  /** `seams[k]` joins clip k and clip k + 1. */
  readonly seams: readonly Seam[]
}

/** One clip's placement in the film: the input for making it canonical. */
export interface ClipPlace {
  readonly frames: number
  /** Film frame of its first frame, alone or within a cross-fade. */
  readonly startFrame: number
  readonly startSample: number
  /** Frames of the clip that must be IDR frames, independent of earlier frames: 0, and where seams touch it. */
  readonly keyframes: readonly number[]
  /** Sound packets in its own file: [firstCell, endCell). */
  readonly firstCell: number
  readonly endCell: number
  /** In film samples: silent before `quietUntil` and from `quietFrom` on; null at a cross-fade. */
  readonly quietUntil: number | null
  readonly quietFrom: number | null
}

/** A stretch of the film that is copied from one file, a clip's or a seam's. */
export interface FilmPart {
  readonly kind: 'clip' | 'seam'
  /** Index of the clip, or of the clip before the seam. */
  readonly index: number
  /** Frames of that file: [fromFrame, toFrame). */
  readonly fromFrame: number
  readonly toFrame: number
  /** Packets of the film's sound: [firstCell, endCell). */
  readonly firstCell: number
  readonly endCell: number
}

export interface Timeline {
  readonly fps: number
  readonly frames: number
  readonly samples: number
  /** AAC packets of the film. */
  readonly cells: number
  readonly clips: readonly ClipPlace[]
  readonly parts: readonly FilmPart[]
}

/**
 * A seam's packets reach this many cells into the clips beside it. Where they join, the cross-fade has not influenced
 * either encoder yet, so both made the same decisions and the shared cell is practically seamless.
 */
const seamMarginCells = 4

/** @throws {RangeError} if the seams leave a clip no frame, or a frame is not a whole number of samples. */
export function planTimeline({ fps, clips, seams }: TimelineRequest): Timeline {
  checkRequest({ fps, clips, seams })
  const frameSamples = sampleRate / fps
  const starts = clipStarts(clips, seams)
  const frames = starts.at(-1)! + clips.at(-1)!
  const samples = frames * frameSamples
  const cells = Math.ceil(samples / cellSamples)
  const joints = soundJoints(starts, clips, seams, frameSamples)

  const places = clips.map((count, index): ClipPlace => {
    const before = index === 0 ? cut : seams[index - 1]!
    const after = seams[index] ?? cut
    const startSample = starts[index]! * frameSamples
    const endSample = startSample + count * frameSamples
    const startCell = Math.floor(startSample / cellSamples)
    const quietHead = before.overlapFrames === 0
    return {
      frames: count,
      startFrame: starts[index]!,
      startSample,
      keyframes: [
        ...new Set([
          0,
          before.overlapFrames,
          ...(after.overlapFrames > 0 ? [count - after.overlapFrames] : []),
        ]),
      ],
      // One packet earlier if the sound starts immediately, because a decoder's first cell is incomplete.
      firstCell: quietHead ? startCell : startCell - 1,
      endCell: Math.ceil(endSample / cellSamples),
      quietUntil: quietHead ? (startCell + 1) * cellSamples : null,
      quietFrom: after.overlapFrames === 0 ? Math.floor(endSample / cellSamples) * cellSamples : null,
    }
  })

  const parts: FilmPart[] = []
  for (const [index, count] of clips.entries()) {
    const before = seams[index - 1]?.overlapFrames ?? 0
    const after = seams[index]?.overlapFrames ?? 0
    const { bodyFirst, bodyEnd } = joints[index]!
    parts.push({
      kind: 'clip',
      index,
      fromFrame: before,
      toFrame: count - after,
      firstCell: bodyFirst,
      endCell: index === clips.length - 1 ? cells : bodyEnd,
    })
    if (after > 0)
      parts.push({
        kind: 'seam',
        index,
        fromFrame: 0,
        toFrame: after,
        firstCell: bodyEnd,
        endCell: joints[index + 1]!.bodyFirst,
      })
  }
  return { fps, frames, samples, cells, clips: places, parts }
}

const cut: Seam = { transition: 'cut', overlapFrames: 0 }

/** The film frame at which each clip begins. */
function clipStarts(clips: readonly number[], seams: readonly Seam[]): number[] {
  const starts: number[] = []
  let next = 0
  for (const [index, count] of clips.entries()) {
    starts.push(next)
    next += count - (seams[index]?.overlapFrames ?? 0)
  }
  return starts
}

/** The packets of the film that come from each clip's own file: [bodyFirst, bodyEnd). */
function soundJoints(
  starts: readonly number[],
  clips: readonly number[],
  seams: readonly Seam[],
  frameSamples: number,
): { bodyFirst: number; bodyEnd: number }[] {
  return clips.map((count, index) => {
    const before = seams[index - 1]?.overlapFrames ?? 0
    const after = seams[index]?.overlapFrames ?? 0
    const first = Math.floor(((starts[index]! + before) * frameSamples) / cellSamples)
    const end = Math.floor(((starts[index]! + count - after) * frameSamples) / cellSamples)
    const fades = (before > 0 ? 1 : 0) + (after > 0 ? 1 : 0)
    const margin = fades === 0 ? 0 : Math.min(seamMarginCells, Math.floor((end - first) / fades))
    return {
      bodyFirst: first + (before > 0 ? margin : 0),
      bodyEnd: end - (after > 0 ? margin : 0),
    }
  })
}

function checkRequest({ fps, clips, seams }: TimelineRequest): void {
  if (!Number.isInteger(fps) || fps < 1 || sampleRate % fps !== 0)
    throw new RangeError(`at ${fps} frames per second a frame is not a whole number of samples`)
  if (clips.length === 0) throw new RangeError('a film needs at least one clip')
  if (seams.length !== clips.length - 1)
    throw new RangeError(`${clips.length} clips have ${clips.length - 1} seams, not ${seams.length}`)
  for (const [index, seam] of seams.entries()) {
    const fits =
      seam.transition === 'cut'
        ? seam.overlapFrames === 0
        : Number.isInteger(seam.overlapFrames) && seam.overlapFrames >= 1
    if (!fits) throw new RangeError(`seam ${index}: a ${seam.transition} of ${seam.overlapFrames} frames`)
  }
  for (const [index, count] of clips.entries()) {
    const taken = (seams[index - 1]?.overlapFrames ?? 0) + (seams[index]?.overlapFrames ?? 0)
    if (!Number.isInteger(count) || count <= taken)
      throw new RangeError(
        `clip ${index} has ${count} frames, but its seams use ${taken}: at least one must remain`,
      )
  }
}
