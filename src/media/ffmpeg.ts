/**
 * The port to FFmpeg within a media process: run one filter graph over some files and write one file. Two ways stand
 * behind it, `packaged-ffmpeg.ts` (FFmpeg's libraries, as npm installed them) and `command-ffmpeg.ts` (the program at
 * FFMPEG_PATH). Both run the same graphs and pass the same suite.
 */
import type { Container } from '../job/file-kind.ts'
import { maxPackets } from './mp4-tables.ts'

/** A file FFmpeg may open. Its format is told, never guessed: a playlist dressed as a clip must not be followed. */
export interface MediaInput {
  /** Absolute path of a local file. */
  readonly path: string
  readonly format: Container | 'png' | 'jpeg' | 'wav'
}

export interface VideoEncoding {
  /** Frames a second, constant. */
  readonly fps: number
  /** Exactly how many frames the output has; another count is an error. */
  readonly frames: number
  /** x264 quality: lower is better. */
  readonly crf: number
  /** x264 preset. */
  readonly preset: 'ultrafast' | 'superfast' | 'veryfast' | 'faster' | 'fast' | 'medium'
  /** Frame numbers (0-based) that must be IDR frames, so that a copy may start or end there. */
  readonly keyframes: readonly number[]
  /**
   * `photographs`: still pictures under a slow camera. x264 then searches motion less finely: as sharp and as smooth (SSIM
   * 0.979, 0.06 px), 5 % more bytes, a quarter less processor time. Everything else keeps the preset's own search.
   */
  readonly content?: 'photographs'
}

export type MediaOutput =
  /**
   * H.264 (High, yuv420p, BT.709 limited) in MP4 with timescale 90000 and faststart. The graph gives `[v]` in
   * those colours (it is labelled so, not converted) and at the constant frame rate: its frames are numbered
   * in the order they come, whatever their timestamps.
   */
  | { readonly kind: 'video'; readonly path: string; readonly video: VideoEncoding }
  /** AAC-LC 48 kHz stereo in MP4; the graph gives `[a]`. */
  | { readonly kind: 'audio'; readonly path: string; readonly bitrate: number }
  /** One JPEG picture; the graph gives `[v]` with a single frame. */
  | { readonly kind: 'picture'; readonly path: string }
  /**
   * Nothing is written and the graph is not used (give ''): every stream of the one input is decoded to its end.
   * A packet that doesn't decode, and a frame that its decoder marks as damaged, fail the run; what a parser warns
   * of doesn't. The result counts the frames of the first picture, and tells what was seen. It ends early where there is
   * more than any clip has (`exceeds`). Covers are no pictures.
   */
  | {
      readonly kind: 'nothing'
      /** All bits are read and all errors found as ever, a fifth faster; only the pictures, which nobody sees, are rougher. */
      readonly deblocking?: 'skipped'
    }

/** Held by the server from outside; a media process that exceeds one is killed. */
export interface MediaLimits {
  /** The whole operation may take this long. */
  readonly wallMs: number
  /** With no new frame for this long the operation counts as hung. */
  readonly stallMs: number
  /** Resident memory of the media process and of the FFmpeg program that it runs. */
  readonly memoryBytes: number
  /** Processor time, where the system tells it (Linux): unlike `wallMs`, it doesn't count waiting for a busy machine. */
  readonly cpuMs?: number
}

export interface MediaJob {
  readonly inputs: readonly MediaInput[]
  /**
   * In FFmpeg's -filter_complex language; inputs are `[0:v]`, `[1:v]`, `[0:a]`, ... each named at most once
   * (`split` for more). Timestamps of each input start at 0. A rotation noted in a file is not applied.
   */
  readonly graph: string
  readonly output: MediaOutput
  readonly limits: MediaLimits
}

export interface MediaResult {
  /** Frames written (or decoded, where nothing is written); of sound, AAC frames, to within two. */
  readonly frames: number
  /** Where nothing is written: what the input is by its first frames. */
  readonly seen?: Seen
  /** Where nothing is written and not all was decoded: of what there is too much, as a sentence. */
  readonly exceeds?: string
}

/** What decoders tell of a file. Times are in seconds from its beginning. */
export interface Seen {
  /** Null where there is none. */
  readonly picture: SeenPicture | null
  readonly sound: SeenSound | null
  /** When picture and sound end by what the file says; null where it doesn't, or speaks of subtitles, too. */
  readonly promisedSeconds: number | null
  /** When the last frame of picture or sound ends. */
  readonly endSeconds: number
}

/** Colours are numbers of ITU-T H.273; 2 where the file doesn't say. */
export interface SeenPicture {
  /** Pixels as coded. */
  readonly width: number
  readonly height: number
  /** Whether its pixels may be transparent. */
  readonly hasAlpha: boolean
  /** Width of a pixel by its height. */
  readonly pixelAspect: number
  /** Clockwise degrees by which a player turns it. */
  readonly rotation: Rotation
  readonly matrix: number
  readonly primaries: number
  readonly transfer: number
  readonly isFullRange: boolean
  readonly startSeconds: number
  /** Frames a second on average; null where nothing tells. */
  readonly frameRate: number | null
}

export type Rotation = 0 | 90 | 180 | 270

export interface SeenSound {
  readonly channels: number
  readonly startSeconds: number
}

/** Eight minutes of 4K: a small file can promise more than a processor decodes in hours. */
const mostPixels = 1e11

/** Of what there is more than any clip has, as a sentence; null where there isn't. `pixels`: of all frames together. */
export function excess(frames: number, pixels: number): string | null {
  if (frames > maxPackets) return `more than ${maxPackets} pictures are no clip`
  return pixels > mostPixels ? `pictures of more than ${mostPixels / 1e9} billion pixels are no clip` : null
}

/** The header tells when the last packet ends; our times count from the first one. */
export const promisedFrom = (endSeconds: number, startSeconds: number): number =>
  endSeconds - Math.max(0, startSeconds)

/** By the name that FFmpeg gives the pixel format. */
export const hasAlpha = (pixels: string): boolean =>
  /^(?:yuva|gbrap|rgba|argb|abgr|bgra|ya\d|pal8|ayuv|vuya|y\d+a)/.test(pixels)

/** The nearest quarter turn. */
export function quarterTurn(clockwiseDegrees: number): Rotation {
  const turns: readonly Rotation[] = [0, 90, 180, 270]
  return turns[((Math.round(clockwiseDegrees / 90) % 4) + 4) % 4]!
}

/** `killed`: the process crashed, or somebody else killed it, such as the system when memory ran out. */
export type MediaErrorCode =
  | 'failed'
  | 'killed'
  | 'hung'
  | 'too_long'
  | 'cancelled'
  | 'disk_full'
  | 'unusable'

/** Why a run ended without its output. `message` ends with FFmpeg's own last words. */
export class MediaError extends Error {
  readonly code: MediaErrorCode
  constructor(code: MediaErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'MediaError'
    this.code = code
  }
}

export interface Ffmpeg {
  /**
   * Its version, such as `8.1`.
   * @throws {MediaError} `unusable`
   */
  describe(): Promise<string>
  /**
   * Runs one graph. The output file is whole when this resolves; after a rejection it may be there in part
   * and means nothing. Whoever runs it holds the limits.
   * @throws {MediaError}
   */
  run(job: MediaJob): Promise<MediaResult>
}

/** What went wrong, by FFmpeg's own lines: a full disk is nobody's fault and passes. */
export function failureCode(lines: readonly string[]): MediaErrorCode {
  return lines.some((line) => fullDisk.test(line)) ? 'disk_full' : 'failed'
}

const fullDisk = /No space left on device|Disk quota exceeded/

/** One line out of several, without what FFmpeg repeats. */
export function joinWords(lines: readonly string[]): string {
  return [...new Set(lines.map((line) => line.trim()).filter((line) => line !== ''))].join('; ')
}
