/**
 * Artifacts as files of a folder: `artifacts/ab/abcdef...`, and `work/` for what isn't finished. When a file was last used
 * is its time of modification.
 *
 * One may be adopted anew in the moment in which it is removed. So adopting first notes the use and then looks whether the
 * file is there; removing first takes it aside, into `removing/`, then looks when it was used, and puts it back if that is
 * too new. Whichever comes first, the bytes are there when `adopt` resolves.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, mkdtemp, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isDiskFull } from '../disk-full.ts'
import { type Host, systemHost } from '../host.ts'
import { ownerFile, ownerFolder } from '../owner-only.ts'
import { ArtifactError, type ArtifactStore, type ListedArtifact, type StoredArtifact } from './artifact.ts'

interface Adopted {
  readonly stored: StoredArtifact
  readonly isNew: boolean
}

const artifactId = /^[0-9a-f]{64}$/
const chunkBytes = 1 << 20
/** Clocks of a file system and of this process differ a little. */
const clockStepMs = 60_000

/** Opens the store in `directory`, made if it isn't there. Unfinished files of an earlier process are removed. */
export async function openDiskArtifacts(
  directory: string,
  host: Pick<Host, 'now'> = systemHost,
): Promise<ArtifactStore> {
  const artifacts = join(directory, 'artifacts')
  const work = join(directory, 'work')
  const aside = join(directory, 'removing')
  await rm(work, { recursive: true, force: true })
  for (const folder of [artifacts, work, aside]) await mkdir(folder, { recursive: true, mode: ownerFolder })
  await syncDirectory(directory)

  const pathOf = (id: string): string => {
    if (!artifactId.test(id))
      throw new ArtifactError('missing', `${JSON.stringify(id)} is not an artifact's id`)
    return join(artifacts, id.slice(0, 2), id)
  }

  /** Whether it is there. */
  const noteUse = (path: string): Promise<boolean> => {
    const now = host.now() / 1000
    return utimes(path, now, now).then(() => true, absent(false))
  }

  /** One that was used in time to come was so before the clock was put back: it ages from now on. */
  const seen = async (path: string) => {
    const found = await statOf(path)
    if (!found || found.mtimeMs <= host.now() + clockStepMs) return found
    await noteUse(path)
    return statOf(path)
  }

  // Whether they are still needed nobody knows: they are as they were.
  for (const id of await readdir(aside)) await rename(join(aside, id), pathOf(id))

  /** Gives a synced file its name. Renaming is atomic, so a file under an id is always whole. */
  const publish = async (path: string, stored: StoredArtifact): Promise<Adopted> => {
    const target = pathOf(stored.id)
    const isNew = !(await noteUse(target)) || (await sizeOf(target)) !== stored.size
    if (isNew) {
      await noteUse(path)
      await mkdir(dirname(target), { recursive: true, mode: ownerFolder })
      await rename(path, target)
    } else await rm(path)
    // Also where it was there: whoever named it may not have come to this yet.
    await syncDirectory(dirname(target))
    await syncDirectory(artifacts)
    return { stored, isNew }
  }

  const adopt = (path: string): Promise<Adopted> =>
    saidClearly(async () => {
      await using file = await open(path, 'r+')
      // Whoever wrote it may have given it other rights; some file systems know none.
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
      return publish(path, { id: hash.digest('hex'), size })
    })

  const adoptFor: ArtifactStore['adoptFor'] = async (paths, use) => {
    const adopted: Adopted[] = []
    try {
      for (const path of paths) adopted.push(await adopt(path))
      return await use(adopted.map(({ stored }) => stored))
    } catch (error) {
      // After another error it may not be certain that nothing names them.
      if (isDiskFull(error))
        for (const { stored, isNew } of adopted) if (isNew) await rm(pathOf(stored.id), { force: true })
      throw error
    }
  }
  let before: Promise<unknown> = Promise.resolve()

  return {
    adopt: async (path) => (await adopt(path)).stored,

    adoptFor(paths, use) {
      const turn = before.then(() => adoptFor(paths, use))
      before = turn.catch(() => undefined)
      return turn
    },

    async stat(id) {
      const found = artifactId.test(id) ? await seen(pathOf(id)) : undefined
      return found && { id, size: found.size, usedAt: found.mtimeMs }
    },

    async read(id, range) {
      const path = pathOf(id)
      if ((await sizeOf(path)) === undefined) throw missing(id)
      return createReadStream(path, { ...range, highWaterMark: 1 << 18 })
    },

    async localPath(id) {
      const path = pathOf(id)
      if (!(await noteUse(path))) throw missing(id)
      return path
    },

    workspace: () =>
      saidClearly(async () => {
        const folder = await mkdtemp(join(work, 'task-'))
        return { directory: folder, remove: () => rm(folder, { recursive: true, force: true }) }
      }),

    async list(prefix) {
      const names = await readdir(join(artifacts, prefix)).catch(absent<string[]>([]))
      const listed: ListedArtifact[] = []
      for (const id of names) {
        const found = artifactId.test(id) ? await seen(pathOf(id)) : undefined
        if (found) listed.push({ id, size: found.size, usedAt: found.mtimeMs })
      }
      return listed
    },

    async remove(id, unusedSince) {
      const path = pathOf(id)
      const found = await seen(path)
      if (!found || found.mtimeMs >= unusedSince) return 0
      const taken = join(aside, id)
      if (!(await rename(path, taken).then(() => true, absent(false)))) return 0
      if ((await stat(taken)).mtimeMs >= unusedSince) {
        await rename(taken, path)
        return 0
      }
      await rm(taken)
      return found.size
    },
  }
}

const missing = (id: string): ArtifactError =>
  new ArtifactError('missing', `artifact ${id} is not in the store`)

/** What stands for a file that isn't there. */
const absent =
  <T>(value: T) =>
  (error: unknown): T => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return value
    throw error
  }

const statOf = (path: string) => stat(path).catch(absent(undefined))

const sizeOf = async (path: string): Promise<number | undefined> => (await statOf(path))?.size

/** A rename is on disk only when its folder is. */
async function syncDirectory(path: string): Promise<void> {
  await using folder = await open(path, 'r')
  await folder.sync()
}

async function saidClearly<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (isDiskFull(error))
      throw new ArtifactError('disk_full', 'no room left on the disk that holds the artifacts', {
        cause: error,
      })
    throw error
  }
}
