import type { Host } from '../host.ts'
import { createChildMedia } from './child.ts'
import type { Media } from './media.ts'

export interface PackagedMediaOptions {
  readonly host: Host
}

/** The FFmpeg that npm installed (node-av), each run in a Node process of its own. */
export function createPackagedMedia({ host }: PackagedMediaOptions): Media {
  return createChildMedia({
    kind: 'packaged',
    module: 'packaged-child',
    program: null,
    // glibc gives each thread an arena of its own; with FFmpeg's dozen that doubles resident memory.
    environment: { MALLOC_ARENA_MAX: '2' },
    host,
  })
}
