import type { Host } from '../host.ts'
import { createChildMedia } from './child.ts'
import type { Media } from './media.ts'

export interface CommandMediaOptions {
  /** Absolute path of an FFmpeg program, 5.1 or later with libx264. */
  readonly ffmpegPath: string
  readonly host: Host
  /** What the program sees of an environment, such as LIBVA_DRIVER_NAME; nothing by default. */
  readonly environment?: Readonly<Record<string, string>>
}

/**
 * The FFmpeg program somebody chose. A small Node process stands between it and us, because FFmpeg by itself
 * outlives a parent that was killed.
 */
export function createCommandMedia({ ffmpegPath, host, environment = {} }: CommandMediaOptions): Media {
  return createChildMedia({
    kind: 'command',
    module: 'command-child',
    program: ffmpegPath,
    environment,
    host,
  })
}
