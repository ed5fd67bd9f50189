/** Artifacts in a folder of this process alone, with `work/` for unfinished files on the same file system. */
import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { type Host, systemHost } from '../host.ts'
import { ownerFile } from '../owner-only.ts'
import type { ArtifactStore, StoredArtifact } from './artifact.ts'
import { openFolder } from './folder.ts'
import { openScratch } from './scratch.ts'

const chunkBytes = 1 << 20

/** Opens the store in `directory`, which is created if missing. Removes unfinished files of an earlier process. */
export async function openDiskArtifacts(
  directory: string,
  host: Pick<Host, 'now'> = systemHost,
): Promise<ArtifactStore> {
  const scratch = await openScratch(join(directory, 'work'))
  return openFolder({ directory, host, scratch, bring: synced, isShared: false })
}

async function synced(path: string): Promise<{ path: string; stored: StoredArtifact }> {
  await using file = await open(path, 'r+')
  // Its writer may have set other permissions; some file systems have none, so a failure is ignored.
  await file.chmod(ownerFile).catch(() => {})
  const hash = createHash('sha256')
  let size = 0
  const bytes: AsyncIterable<Uint8Array> = file.createReadStream({
    autoClose: false,
    highWaterMark: chunkBytes,
  })
  for await (const chunk of bytes) {
    hash.update(chunk)
    size += chunk.length
  }
  await file.sync()
  return { path, stored: { id: hash.digest('hex'), size } }
}
