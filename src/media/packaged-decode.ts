/** Decodes a file to its end with FFmpeg's libraries, writes nothing, and reports what was seen. */
import {
  AV_FRAME_DATA_DISPLAYMATRIX,
  AV_NOPTS_VALUE,
  AVCOL_RANGE_JPEG,
  AVMEDIA_TYPE_ATTACHMENT,
} from 'node-av/constants'
import { avGetPixFmtName, Frame, Rational } from 'node-av/lib'
import {
  excess,
  hasAlpha,
  type MediaResult,
  promisedFrom,
  quarterTurn,
  type Rotation,
  type SeenPicture,
  type SeenSound,
} from './ffmpeg.ts'
import { pixelFormat, type Progress } from './libav.ts'
import { isCover, isMedia, type OpenInput, readPacket } from './packaged-input.ts'

export async function decodeAll(input: OpenInput, progress: Progress): Promise<Omit<MediaResult, 'frames'>> {
  let picture: SeenPicture | null = null
  let sound: SeenSound | null = null
  let endSeconds = 0
  let pixels = 0
  const found: { excess: string | null } = { excess: null }
  const counted = input.pads.find(({ isVideo }) => isVideo)
  while (!input.ended && found.excess === null) {
    await readPacket(input, async (pad, frame) => {
      if (frame === null) return
      const { num, den } = pad.stream.timeBase
      const startSeconds = frame.pts === AV_NOPTS_VALUE ? 0 : (Number(frame.pts) * num) / den
      const seconds = pad.isVideo
        ? (Number(frame.duration) * num) / den
        : frame.nbSamples / Math.max(1, frame.sampleRate)
      endSeconds = Math.max(endSeconds, startSeconds + seconds)
      if (pad.isVideo) picture ??= pictureOf(frame, startSeconds, pad.stream.avgFrameRate)
      else sound ??= { channels: frame.channelLayout.nbChannels, startSeconds }
      if (pad.isVideo) pixels += frame.width * frame.height
      frame.free()
      if (pad === counted) progress.report(++progress.frames)
      found.excess ??= excess(progress.frames, pixels)
    })
  }
  const seen = { picture, sound, promisedSeconds: promisedSeconds(input), endSeconds }
  return { seen, ...(found.excess !== null && { exceeds: found.excess }) }
}

function promisedSeconds({ format, startUs }: OpenInput): number | null {
  // Subtitles may last longer than picture and sound.
  const isAlone = format.streams.every(
    (stream) => isMedia(stream) || isCover(stream) || stream.codecpar.codecType === AVMEDIA_TYPE_ATTACHMENT,
  )
  return format.duration > 0n && isAlone
    ? promisedFrom(Number(format.duration) / 1e6, Number(startUs) / 1e6)
    : null
}

function pictureOf(frame: Frame, startSeconds: number, rate: Rational): SeenPicture {
  const { num, den } = frame.sampleAspectRatio
  return {
    width: frame.width,
    height: frame.height,
    hasAlpha: hasAlpha(avGetPixFmtName(pixelFormat(frame.format)) ?? ''),
    pixelAspect: num > 0 && den > 0 ? num / den : 1,
    rotation: rotationOf(frame.getSideData(AV_FRAME_DATA_DISPLAYMATRIX)),
    matrix: frame.colorSpace,
    primaries: frame.colorPrimaries,
    transfer: frame.colorTrc,
    isFullRange: frame.colorRange === AVCOL_RANGE_JPEG,
    startSeconds,
    frameRate: rate.num > 0 && rate.den > 0 ? rate.num / rate.den : null,
  }
}

/** The rotation of a 3 x 3 matrix, whose first two numbers give the direction of the picture's right side. */
function rotationOf(matrix: Buffer | null): Rotation {
  if (matrix === null || matrix.length < 36) return 0
  return quarterTurn((Math.atan2(matrix.readInt32LE(4), matrix.readInt32LE(0)) * 180) / Math.PI)
}
