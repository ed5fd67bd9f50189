/**
 * Copies of remote artifacts on this machine's disk, for FFmpeg. Callers share them; together they are bounded, the longest
 * unused go first, and none goes while it is in use.
 */
import { rename, rm, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { isDiskFull } from '../disk-full.ts'
import { ArtifactError } from './artifact.ts'

export interface Cache {
  /** The path of a file with the bytes, which stays until `release()`. `fetch` writes the file if there is none. */
  lease(id: string, fetch: (path: string) => Promise<void>): Promise<Lease>
  /** Takes a finished file over. */
  keep(id: string, path: string): Promise<void>
  forget(id: string): Promise<void>
}

export interface Lease {
  readonly path: string
  release(): void
}

interface Copy {
  /** Its own: the file of an earlier copy may be on its way out. */
  readonly path: string
  readonly ready: Promise<void>
  bytes: number
  leases: number
}

/** The default bound: this many bytes, or this share of the free space, if that is less. */
const mostBytes = 10 * 2 ** 30
const mostShare = 1 / 4

export async function boundOf(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory)
  return Math.min(mostBytes, bavail * bsize * mostShare)
}

export function createCache(directory: string, boundBytes: number): Cache {
  /** The longest unused first. */
  const copies = new Map<string, Copy>()
  let made = 0
  let bytes = 0

  const drop = async (id: string, copy: Copy): Promise<void> => {
    bytes -= copy.bytes
    copies.delete(id)
    await rm(copy.path, { force: true })
  }

  const shrinkTo = async (bound: number): Promise<void> => {
    for (const [id, copy] of copies) {
      if (bytes <= bound) return
      if (copy.leases === 0 && copy.bytes > 0) await drop(id, copy)
    }
  }

  const count = async (copy: Copy): Promise<void> => {
    copy.bytes = (await stat(copy.path)).size
    bytes += copy.bytes
  }

  /** On a full disk, the copies that nobody uses make room. */
  const withRoom = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work().catch(async (error: unknown) => {
        if (!isDiskFull(error)) throw error
        await shrinkTo(0)
        await work()
      })
    } catch (error) {
      if (!isDiskFull(error)) throw error
      throw new ArtifactError('disk_full', 'no space left on this disk for a copy of an artifact', {
        cause: error,
      })
    }
  }

  const begin = (id: string, write: (path: string) => Promise<void>): Copy => {
    const path = join(directory, `${id}-${made++}`)
    const ready = withRoom(() => write(path)).then(() => count(copy))
    const copy: Copy = { path, ready, bytes: 0, leases: 0 }
    copies.set(id, copy)
    copy.ready.catch(() => {
      if (copies.get(id) === copy) copies.delete(id)
    })
    return copy
  }

  return {
    async lease(id, fetch) {
      const copy = copies.get(id) ?? begin(id, fetch)
      copy.leases++
      try {
        await copy.ready
      } catch (error) {
        copy.leases--
        throw error
      }
      if (copies.get(id) === copy) {
        copies.delete(id)
        copies.set(id, copy)
      }
      await shrinkTo(boundBytes)
      let isHeld = true
      return {
        path: copy.path,
        release() {
          if (isHeld) copy.leases--
          isHeld = false
          // What was in use may have exceeded the bound.
          void shrinkTo(boundBytes).catch(() => undefined)
        },
      }
    },

    async keep(id, path) {
      if (copies.has(id)) return rm(path, { force: true })
      const copy = begin(id, (target) => rename(path, target))
      // A file on another disk is not moved: the copy is fetched when it is needed.
      await copy.ready.then(() => shrinkTo(boundBytes)).catch(() => rm(path, { force: true }))
    },

    async forget(id) {
      const copy = copies.get(id)
      if (copy && copy.leases === 0 && copy.bytes > 0) await drop(id, copy)
    },
  }
}
