/**
 * The port to everything that decodes, probes, verifies or encodes bytes of others. Each call is one operation in a media
 * process (`pool.ts`), which has limits and no secrets: a file that brings a decoder down takes nothing else along.
 */
import type { MediaJob, MediaLimits, MediaResult } from './ffmpeg.ts'
import type { Operations } from './operations.ts'

export interface MediaRunOptions {
  readonly signal?: AbortSignal
  /** Frames written so far; only rises. */
  readonly onProgress?: (frames: number) => void
}

export interface MediaDescription {
  readonly kind: 'packaged' | 'command'
  /** As FFmpeg gives it, such as `8.1`. */
  readonly version: string
}

/** What `operations.ts` lists but for what is told apart below; requests and results cross as copies. */
type Named = Omit<Operations, 'describe' | 'run'>

export type Media = {
  /**
   * @throws {MediaError} Where no result came of it: refused by FFmpeg, over a limit, crashed, cancelled, no room.
   * @throws {Error} What else the operation throws, with its message and code.
   */
  readonly [Name in keyof Named]: (
    request: Parameters<Named[Name]>[1] & { readonly limits: MediaLimits },
    options?: MediaRunOptions,
  ) => ReturnType<Named[Name]>
} & {
  describe(): Promise<MediaDescription>
  /**
   * Runs one graph.
   * @throws {MediaError}
   */
  run(job: MediaJob, options?: MediaRunOptions): Promise<MediaResult>
  /** Kills every media process and refuses more. */
  close(): Promise<void>
}
