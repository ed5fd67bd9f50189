/**
 * Artifacts as files in a folder: `artifacts/ab/abcdef...`, and `work/` for unfinished files. A file's modification time is
 * the time of its last use.
 *
 * Adopting and removing the same artifact may race. So `adopt` first notes the use and then checks that the file exists;
 * `remove` first moves it to `removing/`, then checks its last use, and moves it back if that is too recent. In either
 * order, the bytes exist when `adopt` resolves.
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
/** Tolerance between the clocks of a file system and of this process. */
const clockStepMs = 60_000

/** Opens the store in `directory`, which is created if missing. Removes unfinished files of an earlier process. */
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

  /** Resolves to whether the file exists. */
  const noteUse = (path: string): Promise<boolean> => {
    const now = host.now() / 1000
    return utimes(path, now, now).then(() => true, absent(false))
  }

  /** A last use in the future means that the clock was set back since: the file's age counts from now. */
  const seen = async (path: string) => {
    const found = await statOf(path)
    if (!found || found.mtimeMs <= host.now() + clockStepMs) return found
    await noteUse(path)
    return statOf(path)
  }

  // A crash interrupted their removal; they may still be needed, so they are restored.
  for (const id of await readdir(aside)) await rename(join(aside, id), pathOf(id))

  /** Moves a synced file to its id. Renaming is atomic, so a file under an id is always complete. */
  const publish = async (path: string, stored: StoredArtifact): Promise<Adopted> => {
    const target = pathOf(stored.id)
    const isNew = !(await noteUse(target)) || (await sizeOf(target)) !== stored.size
    if (isNew) {
      await noteUse(path)
      await mkdir(dirname(target), { recursive: true, mode: ownerFolder })
      await rename(path, target)
    } else await rm(path)
    // Also for an existing file: the call that stored it may not have synced the folders yet.
    await syncDirectory(dirname(target))
    await syncDirectory(artifacts)
    return { stored, isNew }
  }

  const adopt = (path: string): Promise<Adopted> =>
    saidClearly(async () => {
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
      return publish(path, { id: hash.digest('hex'), size })
    })

  const adoptFor: ArtifactStore['adoptFor'] = async (paths, use) => {
    const adopted: Adopted[] = []
    try {
      for (const path of paths) adopted.push(await adopt(path))
      return await use(adopted.map(({ stored }) => stored))
    } catch (error) {
      // After any other error, a row may reference them.
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

/** Replaces the error of a missing file with a value. */
const absent =
  <T>(value: T) =>
  (error: unknown): T => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return value
    throw error
  }

const statOf = (path: string) => stat(path).catch(absent(undefined))

const sizeOf = async (path: string): Promise<number | undefined> => (await statOf(path))?.size

/** A rename is durable only when its folder is synced. */
async function syncDirectory(path: string): Promise<void> {
  await using folder = await open(path, 'r')
  await folder.sync()
}

async function saidClearly<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (isDiskFull(error))
      throw new ArtifactError('disk_full', 'no space left on the disk of the artifacts', {
        cause: error,
      })
    throw error
  }
}
