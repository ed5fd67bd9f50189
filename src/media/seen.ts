/** Parses what the FFmpeg program prints about a file and its frames (`showinfo`, `ashowinfo`). Pure. */
import { hasAlpha, promisedFrom, quarterTurn, type Seen, type SeenPicture, type SeenSound } from './ffmpeg.ts'

const promised = /^(?:\[info\])?\s*Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)(?:, start: (-?[\d.]+))?/
/** Streams with a duration that are neither picture nor sound. */
const otherStream = /Stream #0:\d+.*: (?:Subtitle|Data): /
const cover = /\(attached pic\)/
const turned = /displaymatrix: rotation of (-?[\d.]+) degrees/
const pictureLine = /showinfo.* pts_time:(\S+).* fmt:(\S+) .*sar:(\d+)\/(\d+) s:(\d+)x(\d+) /
const coloursLine = /showinfo.* color_range:(\S+) color_space:(\S+) color_primaries:(\S+) color_trc:(\S+)/
const soundLine = /ashowinfo.* pts_time:(\S+).* channels:(\d+)/
const rateText = /Video: .*, (\d+(?:\.\d+)?) fps/

/** Most of its output is user data of encoders, which may be long. */
export const isOfInterest = (line: string): boolean =>
  line.length < 1000 &&
  [/showinfo/, promised, otherStream, turned, rateText].some((pattern) => pattern.test(line))

const first = (lines: readonly string[], pattern: RegExp): RegExpExecArray | null => {
  for (const line of lines) {
    const match = pattern.exec(line)
    if (match) return match
  }
  return null
}

const secondsOf = (text: string | undefined): number => {
  const seconds = Number(text)
  return Number.isFinite(seconds) ? seconds : 0
}

/** `endSeconds`: when the last decoded frame ended. */
export function seenIn(lines: readonly string[], endSeconds: number): Seen {
  const [, hours, minutes, seconds, start] = first(lines, promised) ?? []
  const isAlone = first(lines, otherStream) === null
  return {
    picture: pictureIn(lines.filter((line) => !line.includes('ashowinfo') && !cover.test(line))),
    sound: soundIn(lines),
    promisedSeconds:
      hours === undefined || !isAlone
        ? null
        : promisedFrom(Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds), secondsOf(start)),
    endSeconds,
  }
}

function pictureIn(lines: readonly string[]): SeenPicture | null {
  const found = first(lines, pictureLine)
  if (found === null) return null
  const [, time, pixels = '', across, down, width, height] = found
  const [, range, space, primaries, transfer] = first(lines, coloursLine) ?? []
  const aspect = Number(across) / Number(down)
  return {
    width: Number(width),
    height: Number(height),
    hasAlpha: hasAlpha(pixels),
    pixelAspect: aspect > 0 && Number.isFinite(aspect) ? aspect : 1,
    // FFmpeg counts counter-clockwise.
    rotation: quarterTurn(-secondsOf(first(lines, turned)?.[1])),
    matrix: numberOf(matrices, space),
    primaries: numberOf(primariesNames, primaries),
    transfer: numberOf(transfers, transfer),
    isFullRange: range === 'pc',
    startSeconds: secondsOf(time),
    frameRate: secondsOf(first(lines, rateText)?.[1]) || null,
  }
}

function soundIn(lines: readonly string[]): SeenSound | null {
  const found = first(lines, soundLine)
  if (found === null) return null
  return { channels: Number(found[2]), startSeconds: secondsOf(found[1]) }
}

const unspecified = 2

const numberOf = (names: Readonly<Record<string, number>>, name: string | undefined): number =>
  (name === undefined ? undefined : names[name]) ?? unspecified

const matrices = {
  gbr: 0,
  bt709: 1,
  fcc: 4,
  bt470bg: 5,
  smpte170m: 6,
  smpte240m: 7,
  ycgco: 8,
  bt2020nc: 9,
  bt2020c: 10,
  'chroma-derived-nc': 12,
  'chroma-derived-c': 13,
  ictcp: 14,
}

const primariesNames = {
  bt709: 1,
  bt470m: 4,
  bt470bg: 5,
  smpte170m: 6,
  smpte240m: 7,
  film: 8,
  bt2020: 9,
  smpte428: 10,
  smpte431: 11,
  smpte432: 12,
  ebu3213: 22,
  'jedec-p22': 22,
}

const transfers = {
  bt709: 1,
  bt470m: 4,
  bt470bg: 5,
  smpte170m: 6,
  smpte240m: 7,
  linear: 8,
  log100: 9,
  log316: 10,
  'iec61966-2-4': 11,
  bt1361e: 12,
  'iec61966-2-1': 13,
  'bt2020-10': 14,
  'bt2020-12': 15,
  smpte2084: 16,
  smpte428: 17,
  'arib-std-b67': 18,
}
