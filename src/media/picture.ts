/**
 * Decides whether a clip's picture can be copied into a film unchanged, and builds the graph that converts it otherwise.
 * Pure.
 */
import type { FrameFormat } from '../job/format.ts'
import type { Fit } from '../job/scene.ts'
import type { Rotation, SeenPicture } from './ffmpeg.ts'
import type { FilmFormat } from './film-format.ts'
import { type Packet, sameBytes } from './mp4.ts'
import type { ProbedVideo } from './probe.ts'

/** Files with timestamps in milliseconds round each frame's time by up to half a millisecond, twice. */
const roundingSeconds = 0.0011

/** The frame number of each packet at a constant rate, in decoding order; -1 if it matches no frame. */
export function frameNumbers(video: ProbedVideo, fps: number): number[] {
  return video.packets.map(({ timestamp }) => {
    const seconds = timestamp - video.startSeconds
    const frame = Math.round(seconds * fps)
    return Math.abs(seconds - frame / fps) <= roundingSeconds ? frame : -1
  })
}

/**
 * Why the first `frames` pictures of a clip cannot be copied into a film of this format; empty if they can.
 * `keyframes`: the frames at which a copy may be cut.
 */
export function differences(
  video: ProbedVideo,
  format: FilmFormat,
  frames: number,
  keyframes: readonly number[],
): string[] {
  const found: string[] = []
  if (video.codec !== 'avc') found.push(`its codec is ${video.codec ?? video.codecTag}, not H.264`)
  if (video.width !== format.width || video.height !== format.height)
    found.push(`its size is ${video.width}x${video.height}, not ${format.width}x${format.height}`)
  if (video.rotation !== 0 || video.mirrored) found.push('it is rotated or mirrored by the player')
  if (!video.squarePixels) found.push('its pixels are not square')
  if (video.codec === 'avc' && !sameBytes(video.description, format.description))
    found.push('its decoder configuration is another (profile, level, colours, reference frames, ...)')
  // The packets can only be judged once the configuration matches.
  return found.length > 0 ? found : timingDifferences(video, format, frames, keyframes)
}

function timingDifferences(
  video: ProbedVideo,
  format: FilmFormat,
  frames: number,
  keyframes: readonly number[],
): string[] {
  if (video.packets.some((packet) => packet.timestamp < 0)) return ['a part of it is cut off by an edit list']
  if (video.packets.length < frames) return [`it has ${video.packets.length} frames, not ${frames}`]
  const numbers = frameNumbers(video, format.fps).slice(0, frames)
  const packets = video.packets.slice(0, frames)
  if (!isWhole(numbers)) return [`its frames are not ${frames} at a constant ${format.fps} a second`]
  const nalLengthBytes = (format.description[4]! & 3) + 1
  const found: string[] = []
  for (const frame of keyframes) {
    const at = numbers.indexOf(frame)
    if (packets[at]!.type !== 'key' || !isIdr(packets[at]!.data, nalLengthBytes))
      found.push(`frame ${frame} is no IDR frame`)
  }
  if (!keyframesAreClosed(packets, numbers)) found.push('pictures before a key frame need it')
  return found
}

/** Whether each of 0, 1, ... n - 1 occurs once. */
function isWhole(numbers: readonly number[]): boolean {
  const seen = new Set(numbers)
  return seen.size === numbers.length && numbers.every((number) => number >= 0 && number < numbers.length)
}

/** Whether no picture decoded before a key frame is shown after it, nor the reverse. */
function keyframesAreClosed(packets: readonly Packet[], numbers: readonly number[]): boolean {
  let latest = -1
  let lastKey = -1
  for (const [index, packet] of packets.entries()) {
    const number = numbers[index]!
    if (packet.type === 'key') {
      if (number < latest) return false
      lastKey = number
    }
    if (number < lastKey) return false
    latest = Math.max(latest, number)
  }
  return true
}

/** Whether the first slice in a packet belongs to an IDR picture (NAL unit type 5; 1 is any other). */
function isIdr(data: Uint8Array, nalLengthBytes: number): boolean {
  for (let at = 0; at + nalLengthBytes < data.length;) {
    let length = 0
    for (let index = 0; index < nalLengthBytes; index++) length = length * 256 + data[at + index]!
    const type = data[at + nalLengthBytes]! & 31
    if (type === 5) return true
    if (type === 1) return false
    at += nalLengthBytes + length
  }
  return false
}

/** Shapes this close are made equal by cropping a little, whatever `fit` says. */
const cropTolerance = 0.03

/** How a clip's picture is shown, whatever its container. */
export interface Look extends Pick<
  SeenPicture,
  'matrix' | 'primaries' | 'transfer' | 'isFullRange' | 'height' | 'hasAlpha'
> {
  /** Pixels as shown, converted to square ones; before rotation. */
  readonly shownWidth: number
  readonly shownHeight: number
  readonly rotation: Rotation
  readonly mirrored: boolean
}

interface Size {
  readonly width: number
  readonly height: number
}

/** The graph from the clip's first picture on: upright, square pixels, BT.709, the film's size and rate, exactly `frames`. */
export function canonicalGraph(seen: Look, format: FrameFormat, frames: number, fit: Fit): string {
  const look = seen.hasAlpha ? { ...seen, ...opaque } : seen
  const upright = look.rotation % 180 === 0
  const shown = {
    width: upright ? look.shownWidth : look.shownHeight,
    height: upright ? look.shownHeight : look.shownWidth,
  }
  const beginning = [
    '[0:v]setpts=PTS-STARTPTS',
    ...(seen.hasAlpha ? onWhite(seen) : []),
    ...uprightFilters(look),
    ...colourFilters(look, shown, format),
  ]
  const ending = [`fps=${format.fps}`, `tpad=stop=${frames}:stop_mode=clone`, `trim=end_frame=${frames}[v]`]
  return [...beginning, ...fitFilters(look, shown, format, fit), ...ending].join(',')
}

/** The look after `onWhite`. */
const opaque = { matrix: 0, isFullRange: true, hasAlpha: false } as const

/** Puts the picture on white, as with photographs: inverted light is multiplied by opacity, so transparent becomes white. */
function onWhite(look: Look): string[] {
  return [
    `scale=flags=bicubic+accurate_rnd+full_chroma_int${inputMatrix(look)}`,
    'format=gbrap',
    'negate',
    'premultiply=inplace=1',
    'negate',
    'format=gbrp',
  ]
}

function uprightFilters({ rotation, mirrored }: Look): string[] {
  const turned = { 0: [], 90: ['transpose=clock'], 180: ['hflip', 'vflip'], 270: ['transpose=cclock'] }[
    rotation
  ]
  return mirrored ? [...turned, 'hflip'] : turned
}

/** The size at which a picture covers the frame (`max`) or fits into it (`min`); even numbers. */
function scaledSize(shown: Size, frame: Size, side: 'max' | 'min'): Size {
  const scale = Math[side](frame.width / shown.width, frame.height / shown.height)
  const size = (length: number, limit: number): number =>
    Math[side](limit, Math.max(2, 2 * Math.round((length * scale) / 2)))
  return { width: size(shown.width, frame.width), height: size(shown.height, frame.height) }
}

/** The picture in the film's frame, in 4:2:0. */
function fitFilters(look: Look, shown: Size, frame: Size, fit: Fit): string[] {
  const { width, height } = frame
  const scale = (size: Size, flags = 'bicubic'): string[] => [
    `scale=${size.width}:${size.height}:flags=${flags}+accurate_rnd:out_range=tv:out_color_matrix=bt709${inputMatrix(look)}`,
    'setsar=1',
    'format=yuv420p',
  ]
  const isAlike = Math.abs((shown.width * height) / (shown.height * width) - 1) <= cropTolerance
  if (isAlike || fit === 'crop') return [...scale(scaledSize(shown, frame, 'max')), `crop=${width}:${height}`]
  const whole = scale(scaledSize(shown, frame, 'min'))
  if (fit === 'letterbox') return [...whole, `pad=${width}:${height}:-1:-1`]
  // Blurred at a small size, as behind a photograph.
  const small = { width: 2 * Math.round(width / 32), height: 2 * Math.round(height / 32) }
  const under = [
    ...scale(scaledSize(shown, small, 'max'), 'area'),
    `crop=${small.width}:${small.height}`,
    'gblur=sigma=4',
    'eq=brightness=-0.08:saturation=0.9',
    `scale=${width}:${height}:flags=bicubic`,
    'setsar=1',
  ]
  return [
    `split[all][whole];[all]${under.join(',')}[under];[whole]${whole.join(',')}[over];[under][over]overlay=(W-w)/2:(H-h)/2:format=yuv420`,
  ]
}

// Numbers of ITU-T H.273.
const unspecified = 2
const bt709 = 1
const bt2020 = { primaries: 9, matrix: 9, constantLuminance: 10 } as const
const smpte170m = 6
const hdrTransfers: ReadonlySet<number> = new Set([16, 18])
/** Curves, such as linear or logarithmic ones, that no player shows without conversion. */
const otherTransfers: ReadonlySet<number> = new Set([8, 9, 10, 17])
/** YCgCo, constant luminance, derived from the primaries, ICtCp: the scaler does not support them. */
const oddMatrices: ReadonlySet<number> = new Set([8, 10, 12, 13, 14])

/** Luminance of white graphics and paper in HDR, in cd/m2 (ITU-R BT.2408); it becomes nearly white in SDR. */
const whiteNits = 203

/**
 * Converts to BT.709 with its usual contrast; no filters if the picture has it. SDR keeps its numbers if only the named
 * curve differs, as in players. HDR is unchanged up to 0.8 of white; brighter light is compressed into the rest.
 */
function colourFilters(look: Look, shown: Size, frame: Size): string[] {
  const { transfer, isFullRange } = look
  const matrix = matrixOf(look)
  const primaries = primariesOf(look)
  const isHdr = hdrTransfers.has(transfer)
  if (!isHdr && !otherTransfers.has(transfer) && primaries === bt709 && !oddMatrices.has(matrix)) return []
  const curve = isHdr || otherTransfers.has(transfer) ? transfer : bt709
  const size = scaledSize(shown, frame, 'max')
  const from = `min=${matrix}:pin=${primaries}:tin=${curve}:rin=${isFullRange || matrix === 0 ? 'full' : 'limited'}`
  const to = 'matrix=709:transfer=709:range=limited'
  return [
    // First, since what follows costs much for each pixel, and needs even sides.
    `scale=${size.width}:${size.height}:flags=bicubic`,
    ...(isHdr
      ? [
          `zscale=${from}:transfer=linear:primaries=709:npl=${whiteNits}`,
          'format=gbrpf32le',
          'tonemap=mobius:param=0.8:peak=10:desat=0',
          `zscale=${to}`,
        ]
      : [`zscale=${from}:primaries=709:${to}`]),
    'format=yuv420p',
  ]
}

/** If a clip does not say, the choice is that of players: BT.2020 for HDR, BT.709 for HD, BT.601 for the rest. */
function matrixOf({ matrix, primaries, transfer, height }: Look): number {
  if (matrix !== unspecified) return matrix
  if (hdrTransfers.has(transfer) || primaries === bt2020.primaries) return bt2020.matrix
  return height >= hdHeight ? bt709 : smpte170m
}

function primariesOf({ matrix, primaries, transfer }: Look): number {
  if (primaries !== unspecified && primaries !== 0) return primaries
  const isWide = hdrTransfers.has(transfer) || matrix === bt2020.matrix || matrix === bt2020.constantLuminance
  return isWide ? bt2020.primaries : bt709
}

const hdHeight = 720

/** If a clip does not give its colour matrix, players assume BT.709 for HD; FFmpeg would assume BT.601. */
function inputMatrix({ matrix, height }: Look): string {
  return matrix === unspecified && height >= hdHeight ? ':in_color_matrix=bt709' : ''
}
