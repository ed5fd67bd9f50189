/**
 * This machine's folder for unfinished files, beside artifacts that are kept elsewhere: `work/` of the tasks. Nothing in it
 * outlives the process.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isDiskFull } from '../disk-full.ts'
import { ownerFolder } from '../owner-only.ts'
import { ArtifactError } from './artifact.ts'

export interface Scratch {
  /** An empty folder; the caller removes it. */
  folder(): Promise<string>
}

/** Removes what an earlier process left in `directory`. */
export async function openScratch(directory: string): Promise<Scratch> {
  await rm(directory, { recursive: true, force: true })
  await mkdir(directory, { recursive: true, mode: ownerFolder })
  return { folder: () => saidClearly(() => mkdtemp(join(directory, 'task-'))) }
}

/** @throws {ArtifactError} `disk_full` instead of the error of a full disk. */
export async function saidClearly<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (isDiskFull(error))
      throw new ArtifactError('disk_full', 'no space left on the disk of the artifacts', { cause: error })
    throw error
  }
}

/** Replaces the error of a missing file with a value. */
export const absent =
  <T>(value: T) =>
  (error: unknown): T => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return value
    throw error
  }
