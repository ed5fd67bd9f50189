/** Copies all artifacts from one store to another. */
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { type ArtifactStore, artifactPrefixes, type ListedArtifact } from './artifact.ts'

export interface Stored {
  readonly files: number
  readonly bytes: number
}

export interface CopiedArtifacts {
  readonly source: Stored
  /** Those of the source that the target has, by its own answer. */
  readonly target: Stored
  /** Those that were not in the target before. */
  readonly copied: Stored
}

/** Artifacts copied at once: a store at a distance answers late. */
const atOnce = 4

/**
 * Copies what the target does not have. Nothing is removed in either.
 * @throws if an artifact of the source is damaged
 */
export async function copyArtifacts(source: ArtifactStore, target: ArtifactStore): Promise<CopiedArtifacts> {
  const tally = {
    source: { files: 0, bytes: 0 },
    target: { files: 0, bytes: 0 },
    copied: { files: 0, bytes: 0 },
  }
  const count = (side: keyof typeof tally, { size }: { readonly size: number }): void => {
    tally[side].files++
    tally[side].bytes += size
  }
  for (const prefix of artifactPrefixes) {
    const waiting = [...(await source.list(prefix))]
    const work = async (): Promise<void> => {
      for (let one = waiting.pop(); one; one = waiting.pop()) {
        count('source', one)
        if ((await target.stat(one.id))?.size !== one.size) {
          await copy(one, source, target)
          count('copied', one)
        }
        const there = await target.stat(one.id)
        if (there) count('target', there)
      }
    }
    await Promise.all(Array.from({ length: atOnce }, work))
  }
  return tally
}

async function copy({ id }: ListedArtifact, source: ArtifactStore, target: ArtifactStore): Promise<void> {
  const workspace = await target.workspace()
  try {
    const path = join(workspace.directory, id)
    await pipeline(await source.read(id), createWriteStream(path))
    const stored = await target.adopt(path)
    if (stored.id !== id)
      throw new Error(`The artifact ${id} is damaged: its bytes have the SHA-256 ${stored.id}`)
  } finally {
    await workspace.remove()
  }
}
