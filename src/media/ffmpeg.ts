/**
 * The port to FFmpeg within a media process: runs one filter graph over some files and writes one file. It has two
 * adapters: `packaged-ffmpeg.ts` (FFmpeg's libraries, as npm installed them) and `command-ffmpeg.ts` (the program at
 * FFMPEG_PATH). Both run the same graphs and pass the same tests.
 */
import type { Container } from '../job/file-kind.ts'
import { maxPackets } from './mp4-tables.ts'

/** A file that FFmpeg may open. Its format is given, never guessed: a playlist disguised as a clip must not be followed. */
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
   * 0.979, 0.06 px), 5 % more bytes, a quarter less processor time. Other content keeps the preset's own search.
   */
  readonly content?: 'photographs'
}

export type MediaOutput =
  /**
   * H.264 (High, yuv420p, BT.709 limited) in MP4 with timescale 90000 and faststart. The graph provides `[v]` in these
   * colours (labelled so, not converted) and at the constant frame rate: its frames are numbered in order of arrival,
   * whatever their timestamps.
   */
  | { readonly kind: 'video'; readonly path: string; readonly video: VideoEncoding }
  /** AAC-LC 48 kHz stereo in MP4; the graph provides `[a]`. */
  | { readonly kind: 'audio'; readonly path: string; readonly bitrate: number }
  /** One JPEG picture; the graph provides `[v]` with a single frame. */
  | { readonly kind: 'picture'; readonly path: string }
  /**
   * Nothing is written and the graph is not used (pass ''): every stream of the only input is decoded to its end.
   * A packet that does not decode, or a frame that its decoder marks as damaged, fails the run; a parser's warning does
   * not. The result has the frame count of the first picture stream, and what was seen. Decoding ends early if the input
   * exceeds the limits of a clip (`exceeds`). Cover pictures do not count.
   */
  | {
      readonly kind: 'nothing'
      /** Still reads all bits and finds all errors, a fifth faster; only the pictures, which are discarded, are rougher. */
      readonly deblocking?: 'skipped'
    }

/** Enforced by the server from outside: a media process that exceeds a limit is killed. */
export interface MediaLimits {
  /** Longest duration of the whole operation. */
  readonly wallMs: number
  /** An operation without a new frame for this long counts as hung. */
  readonly stallMs: number
  /** Resident memory of the media process and of the FFmpeg program that it runs. */
  readonly memoryBytes: number
  /** Processor time, where the system reports it (Linux): unlike `wallMs`, it excludes waiting on a busy machine. */
  readonly cpuMs?: number
}

export interface MediaJob {
  readonly inputs: readonly MediaInput[]
  /**
   * In FFmpeg's -filter_complex language. Inputs are `[0:v]`, `[1:v]`, `[0:a]`, ... each named at most once
   * (`split` for more). Timestamps of each input start at 0. A file's rotation is not applied.
   */
  readonly graph: string
  readonly output: MediaOutput
  readonly limits: MediaLimits
}

export interface MediaResult {
  /** Frames written, or decoded if nothing is written. For sound: AAC frames, exact to within two. */
  readonly frames: number
  /** If nothing is written: what the first frames show about the input. */
  readonly seen?: Seen
  /** If nothing is written and decoding ended early: a sentence that says which limit was exceeded. */
  readonly exceeds?: string
}

/** What decoders report about a file. Times are in seconds from its beginning. */
export interface Seen {
  /** Null if there is none. */
  readonly picture: SeenPicture | null
  readonly sound: SeenSound | null
  /** When picture and sound end according to the header; null if it does not say, or includes subtitles. */
  readonly promisedSeconds: number | null
  /** When the last frame of picture or sound ends. */
  readonly endSeconds: number
}

/** Colours are numbers of ITU-T H.273; 2 if the file does not say. */
export interface SeenPicture {
  /** Pixels as coded. */
  readonly width: number
  readonly height: number
  /** Whether its pixels may be transparent. */
  readonly hasAlpha: boolean
  /** Width of a pixel divided by its height. */
  readonly pixelAspect: number
  /** Clockwise degrees by which a player turns it. */
  readonly rotation: Rotation
  readonly matrix: number
  readonly primaries: number
  readonly transfer: number
  readonly isFullRange: boolean
  readonly startSeconds: number
  /** Frames a second on average; null if unknown. */
  readonly frameRate: number | null
}

export type Rotation = 0 | 90 | 180 | 270

export interface SeenSound {
  readonly channels: number
  readonly startSeconds: number
}

/** Eight minutes of 4K: a small file can hold more than a processor decodes in hours. */
const mostPixels = 1e11

/** A sentence that says which limit of a clip is exceeded; null if none is. `pixels`: sum over all frames. */
export function excess(frames: number, pixels: number): string | null {
  if (frames > maxPackets) return `more than ${maxPackets} pictures are no clip`
  return pixels > mostPixels ? `pictures of more than ${mostPixels / 1e9} billion pixels are no clip` : null
}

/** The header gives the end of the last packet; times here count from the first packet. */
export const promisedFrom = (endSeconds: number, startSeconds: number): number =>
  endSeconds - Math.max(0, startSeconds)

/** `pixels`: FFmpeg's name of the pixel format. */
export const hasAlpha = (pixels: string): boolean =>
  /^(?:yuva|gbrap|rgba|argb|abgr|bgra|ya\d|pal8|ayuv|vuya|y\d+a)/.test(pixels)

/** The nearest quarter turn. */
export function quarterTurn(clockwiseDegrees: number): Rotation {
  const turns: readonly Rotation[] = [0, 90, 180, 270]
  return turns[((Math.round(clockwiseDegrees / 90) % 4) + 4) % 4]!
}

/** `killed`: the process crashed, or was killed from outside, such as by the system when memory ran out. */
export type MediaErrorCode =
  | 'failed'
  | 'killed'
  | 'hung'
  | 'too_long'
  | 'cancelled'
  | 'disk_full'
  | 'unusable'

/** Why a run ended without its output. `message` ends with FFmpeg's last log lines. */
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
   * Runs one graph. The output file is complete when this resolves; after a rejection it may exist in part and must not be
   * used. The caller enforces the limits.
   * @throws {MediaError}
   */
  run(job: MediaJob): Promise<MediaResult>
}

/** The error code for FFmpeg's log lines: a full disk is temporary, and no fault of the files. */
export function failureCode(lines: readonly string[]): MediaErrorCode {
  return lines.some((line) => fullDisk.test(line)) ? 'disk_full' : 'failed'
}

const fullDisk = /No space left on device|Disk quota exceeded/

/** Joins several lines into one, without repetitions. */
export function joinWords(lines: readonly string[]): string {
  return [...new Set(lines.map((line) => line.trim()).filter((line) => line !== ''))].join('; ')
}
