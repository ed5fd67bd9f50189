/** A disk of a few megabytes that really runs full, where this machine lets a test mount one. */
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  rmSync,
  rmdirSync,
  statfsSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface SmallDisk {
  readonly directory: string
  /** Takes all the room but `leaveBytes`, in whole pages. */
  fill(leaveBytes?: number): void
  /** Gives the room back. */
  empty(): void
  /** From now on nobody writes to it, root neither. */
  protect(): void
  remove(): void
}

const run = (program: string, ...args: string[]): void =>
  void execFileSync(program, args, { stdio: 'ignore' })

/** Mounting is for root, on Linux, and not in every container. */
export function canMountSmallDisk(): boolean {
  try {
    mountSmallDisk(1).remove()
    return true
  } catch {
    return false
  }
}

export function mountSmallDisk(megabytes: number): SmallDisk {
  const directory = mkdtempSync(join(tmpdir(), 'small-disk-'))
  try {
    run('mount', '-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', directory)
  } catch (error) {
    rmdirSync(directory)
    throw error
  }
  const ballast = join(directory, 'ballast')
  return {
    directory,
    fill(leaveBytes = 0) {
      const file = openSync(ballast, 'a')
      try {
        for (const piece of [Buffer.alloc(1 << 20), Buffer.alloc(1 << 12)])
          while (freeBytes(directory) - leaveBytes >= piece.length) writeSync(file, piece)
      } finally {
        closeSync(file)
      }
    },
    protect: () => run('mount', '-o', 'remount,ro', directory),
    empty() {
      const file = openSync(ballast, 'a')
      ftruncateSync(file, 0)
      closeSync(file)
    },
    remove() {
      run('umount', '--lazy', directory)
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

function freeBytes(directory: string): number {
  const { bavail, bsize } = statfsSync(directory)
  return bavail * bsize
}
