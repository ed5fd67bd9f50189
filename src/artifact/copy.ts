/** Copies all artifacts from one store to another. */
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { ArtifactError, type ArtifactStore, artifactPrefixes, type ListedArtifact } from './artifact.ts'

export interface Stored {
  readonly files: number
  readonly bytes: number
}

export interface CopiedArtifacts {
  readonly source: Stored
  /** Those of the source that the target lists with the same size. */
  readonly target: Stored
  /** Those that were not in the target before. */
  readonly copied: Stored
}

/** Artifacts copied at once: a store at a distance answers late. */
const atOnce = 4

/**
 * Copies what the target does not have. Nothing is removed in either. Calls `onFound` with the id of each artifact of the
 * target.
 * @throws {ArtifactError} `missing`, if an artifact of the source is damaged
 */
export async function copyArtifacts(
  source: ArtifactStore,
  target: ArtifactStore,
  onFound: (id: string) => void = () => {},
): Promise<CopiedArtifacts> {
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
    const listed = await source.list(prefix)
    const before = await sizesIn(target, prefix)
    const missing = listed.filter(({ id, size }) => before.get(id) !== size)
    const waiting = [...missing]
    const work = async (): Promise<void> => {
      for (let one = waiting.pop(); one; one = waiting.pop()) {
        await copy(one, source, target)
        count('copied', one)
      }
    }
    await Promise.all(Array.from({ length: atOnce }, work))
    const after = missing.length === 0 ? before : await sizesIn(target, prefix)
    for (const one of listed) {
      count('source', one)
      if (after.get(one.id) === one.size) count('target', one)
    }
    for (const id of after.keys()) onFound(id)
  }
  return tally
}

const sizesIn = async (store: ArtifactStore, prefix: string): Promise<ReadonlyMap<string, number>> =>
  new Map((await store.list(prefix)).map(({ id, size }) => [id, size]))

async function copy({ id }: ListedArtifact, source: ArtifactStore, target: ArtifactStore): Promise<void> {
  const workspace = await target.workspace()
  try {
    const path = join(workspace.directory, id)
    await pipeline(await source.read(id), createWriteStream(path))
    const stored = await target.adopt(path)
    if (stored.id !== id)
      throw new ArtifactError(
        'missing',
        `The artifact ${id} is damaged: its bytes have the SHA-256 ${stored.id}. Restore it from a backup, or remove it`,
      )
  } finally {
    await workspace.remove()
  }
}
