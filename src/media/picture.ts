/**
 * Whether a clip's picture can be copied into a film as it is, and the graph that makes it so where it can't.
 * All pure.
 */
import type { FilmFormat } from './film-format.ts'
import { type Packet, sameBytes } from './mp4.ts'
import type { ProbedVideo } from './probe.ts'

/** Files whose clock ticks in milliseconds round each frame's time by up to half of one, twice. */
const roundingSeconds = 0.0011

/** Which frame of a constant rate each packet is, in decoding order; -1 where it is none. */
export function frameNumbers(video: ProbedVideo, fps: number): number[] {
  return video.packets.map(({ timestamp }) => {
    const seconds = timestamp - video.startSeconds
    const frame = Math.round(seconds * fps)
    return Math.abs(seconds - frame / fps) <= roundingSeconds ? frame : -1
  })
}

/**
 * Why the first `frames` pictures of a clip can't be copied into a film of this format; none: they can.
 * `keyframes` are the frames at which it must be cuttable.
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
  // The bytes can only be judged as ours once the configuration is.
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

/** Each of 0, 1, ... n - 1 once. */
function isWhole(numbers: readonly number[]): boolean {
  const seen = new Set(numbers)
  return seen.size === numbers.length && numbers.every((number) => number >= 0 && number < numbers.length)
}

/** No picture that is decoded before a key frame is shown after it, nor the other way round. */
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

/** Shapes this close are made equal by cropping a little; others keep theirs, with bars. */
const cropTolerance = 0.03

/** From the clip's first picture on: upright, square pixels, the film's size and rate, exactly `frames`. */
export function canonicalGraph(video: ProbedVideo, format: FilmFormat, frames: number): string {
  const { width, height, fps } = format
  const upright = video.rotation % 180 === 0
  const shown = {
    width: upright ? video.shownWidth : video.shownHeight,
    height: upright ? video.shownHeight : video.shownWidth,
  }
  const ratio = shown.width / shown.height / (width / height)
  const crops = Math.abs(ratio - 1) <= cropTolerance
  const scale = crops
    ? Math.max(width / shown.width, height / shown.height)
    : Math.min(width / shown.width, height / shown.height)
  const size = (length: number, limit: number): number => {
    const even = Math.max(2, 2 * Math.round((length * scale) / 2))
    return crops ? Math.max(limit, even) : Math.min(limit, even)
  }
  const scaled = { width: size(shown.width, width), height: size(shown.height, height) }
  return [
    '[0:v]setpts=PTS-STARTPTS',
    ...uprightFilters(video),
    `scale=${scaled.width}:${scaled.height}:flags=bicubic:out_range=tv:out_color_matrix=bt709${inputMatrix(video)}`,
    'setsar=1',
    'format=yuv420p',
    crops ? `crop=${width}:${height}` : `pad=${width}:${height}:-1:-1`,
    `fps=${fps}`,
    `tpad=stop=${frames}:stop_mode=clone`,
    `trim=end_frame=${frames}[v]`,
  ].join(',')
}

function uprightFilters({ rotation, mirrored }: ProbedVideo): string[] {
  const turned = { 0: [], 90: ['transpose=clock'], 180: ['hflip', 'vflip'], 270: ['transpose=cclock'] }[
    rotation
  ]
  return mirrored ? [...turned, 'hflip'] : turned
}

/** Where a clip doesn't say its colour matrix, players take HD for BT.709; FFmpeg would take BT.601. */
function inputMatrix({ colourMatrix, height }: ProbedVideo): string {
  return colourMatrix === null && height >= 720 ? ':in_color_matrix=bt709' : ''
}
