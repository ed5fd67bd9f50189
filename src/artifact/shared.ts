/**
 * Artifacts in a folder that several nodes mount. Each node's unfinished files are on its own disk: finished ones are copied
 * to `incoming/`, synced, and renamed into place.
 */
import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { access, mkdir, open, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Host, systemHost } from '../host.ts'
import { ownerFile, ownerFolder } from '../owner-only.ts'
import type { ArtifactStore, StoredArtifact } from './artifact.ts'
import { openFolder } from './folder.ts'
import { absent, openScratch } from './scratch.ts'

const chunkBytes = 1 << 20
/** A copy takes less than a day: an older one belongs to a node that has died. */
const abandonedMs = 86_400_000

export interface SharedOptions {
  readonly directory: string
  /** A folder of this process alone, on its own disk. It is emptied. */
  readonly scratch: string
}

export async function openSharedArtifacts(
  { directory, scratch }: SharedOptions,
  host: Pick<Host, 'now' | 'id'> = systemHost,
): Promise<ArtifactStore> {
  const incoming = join(directory, 'incoming')
  await mkdir(incoming, { recursive: true, mode: ownerFolder })
  await removeAbandoned(incoming, host)
  const copied = async (path: string): Promise<{ path: string; stored: StoredArtifact }> => {
    const target = join(incoming, host.id())
    try {
      const stored = await copy(path, target)
      await rm(path)
      return { path: target, stored }
    } catch (error) {
      await rm(target, { force: true })
      throw error
    }
  }
  const folder = await openFolder({
    directory,
    host,
    scratch: await openScratch(join(scratch, 'work')),
    bring: copied,
    isShared: true,
  })
  return {
    ...folder,
    async check(signal) {
      // A mount whose server has gone does not answer at all.
      const late = new Promise<never>((_, reject) => {
        signal.addEventListener('abort', () => reject(new Error('The shared folder does not answer')), {
          once: true,
        })
      })
      await Promise.race([access(incoming, constants.W_OK), late])
      return `a shared folder, ${directory}`
    },
  }
}

/** Hashes the bytes that it writes, and syncs them. */
async function copy(from: string, to: string): Promise<StoredArtifact> {
  await using source = await open(from, 'r')
  await using target = await open(to, 'wx', ownerFile)
  const hash = createHash('sha256')
  let size = 0
  const bytes: AsyncIterable<Uint8Array> = source.createReadStream({
    autoClose: false,
    highWaterMark: chunkBytes,
  })
  for await (const chunk of bytes) {
    hash.update(chunk)
    await target.writeFile(chunk)
    size += chunk.length
  }
  await target.sync()
  return { id: hash.digest('hex'), size }
}

async function removeAbandoned(incoming: string, host: Pick<Host, 'now'>): Promise<void> {
  for (const name of await readdir(incoming)) {
    const path = join(incoming, name)
    const found = await stat(path).catch(absent(undefined))
    if (found && found.mtimeMs < host.now() - abandonedMs) await rm(path, { force: true })
  }
}
