/**
 * What all work with FFmpeg's libraries shares: errors from return codes, and the wrappers that a run holds.
 *
 * A wrapper frees what it owns when it is garbage-collected, even if FFmpeg still uses that through another wrapper: a
 * graph's sink does not keep the graph alive. So a run holds every owning wrapper until its end, and frees all of them
 * then, because the process lives on.
 */
import type { AVPixelFormat, AVSampleFormat } from 'node-av/constants'
import { Dictionary, FFmpegError } from 'node-av/lib'
import { failureCode, joinWords, MediaError } from './ffmpeg.ts'
import type { AvOptions } from './plan.ts'

/** What a run holds until its end; freed in reverse order of creation. */
export type Held = AsyncDisposableStack

export interface Progress {
  frames: number
  readonly report: (frames: number) => void
}

export function needed<Value>(value: Value | null): Value {
  if (value === null) throw failure('the filter graph cannot be built')
  return value
}

// FFmpeg stores pixel and sample formats in one int; the stream's kind decides which one it is.

export function pixelFormat(format: AVPixelFormat | AVSampleFormat): AVPixelFormat {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return format as AVPixelFormat
}

export function sampleFormat(format: AVPixelFormat | AVSampleFormat): AVSampleFormat {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return format as AVSampleFormat
}

export function dictionary(options: AvOptions, held: Held): Dictionary {
  return held.use(Dictionary.fromObject(options))
}

export function check(code: number, what: string): void {
  if (code < 0) throw failure(what, FFmpegError.strerror(code))
}

export function failure(what: string, reason = ''): MediaError {
  const words = [what, reason]
  return new MediaError(failureCode(words), joinWords(words))
}
