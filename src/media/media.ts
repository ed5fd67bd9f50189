/**
 * The port to everything that decodes, probes, verifies or encodes untrusted bytes. Each call is one operation in a media
 * process (`pool.ts`), which has limits and no secrets: a file that crashes a decoder affects nothing else.
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
  /** As FFmpeg reports it, such as `8.1`. */
  readonly version: string
}

/** The operations of `operations.ts` without those declared below; requests and results are copied between processes. */
type Named = Omit<Operations, 'describe' | 'run'>

export type Media = {
  /**
   * @throws {MediaError} If there is no result: refused by FFmpeg, over a limit, crashed, cancelled, disk full.
   * @throws {Error} Anything else that the operation throws, with its message and code.
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
