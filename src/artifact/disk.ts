/** Artifacts as files of a folder: `artifacts/ab/abcdef...`, and `work/` for what isn't finished. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, mkdtemp, open, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isDiskFull } from '../disk-full.ts'
import { ArtifactError, type ArtifactStore, type StoredArtifact } from './artifact.ts'

interface Adopted {
  readonly stored: StoredArtifact
  readonly isNew: boolean
}

const artifactId = /^[0-9a-f]{64}$/
const chunkBytes = 1 << 20

/** Opens the store in `directory`, made if it isn't there. Unfinished files of an earlier process are removed. */
export async function openDiskArtifacts(directory: string): Promise<ArtifactStore> {
  const artifacts = join(directory, 'artifacts')
  const work = join(directory, 'work')
  await rm(work, { recursive: true, force: true })
  await mkdir(artifacts, { recursive: true })
  await mkdir(work, { recursive: true })

  const pathOf = (id: string): string => {
    if (!artifactId.test(id))
      throw new ArtifactError('missing', `${JSON.stringify(id)} is not an artifact's id`)
    return join(artifacts, id.slice(0, 2), id)
  }

  /** Gives a synced file its name. Renaming is atomic, so a file under an id is always whole. */
  const publish = async (path: string, stored: StoredArtifact): Promise<Adopted> => {
    const target = pathOf(stored.id)
    if ((await sizeOf(target)) === stored.size) {
      await rm(path)
      return { stored, isNew: false }
    }
    await mkdir(dirname(target), { recursive: true })
    await rename(path, target)
    await syncDirectory(dirname(target))
    await syncDirectory(artifacts)
    return { stored, isNew: true }
  }

  const adopt = (path: string): Promise<Adopted> =>
    saidClearly(async () => {
      await using file = await open(path, 'r+')
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

  const existing = async (id: string): Promise<string> => {
    const path = pathOf(id)
    if ((await sizeOf(path)) === undefined)
      throw new ArtifactError('missing', `artifact ${id} is not in the store`)
    return path
  }

  return {
    adopt: async (path) => (await adopt(path)).stored,

    adoptFor(paths, use) {
      const turn = before.then(() => adoptFor(paths, use))
      before = turn.catch(() => undefined)
      return turn
    },

    async stat(id) {
      if (!artifactId.test(id)) return undefined
      const size = await sizeOf(pathOf(id))
      return size === undefined ? undefined : { id, size }
    },

    async read(id, range) {
      return createReadStream(await existing(id), { ...range, highWaterMark: 1 << 18 })
    },

    localPath: existing,

    workspace: () =>
      saidClearly(async () => {
        const folder = await mkdtemp(join(work, 'task-'))
        return { directory: folder, remove: () => rm(folder, { recursive: true, force: true }) }
      }),
  }
}

const sizeOf = async (path: string): Promise<number | undefined> =>
  stat(path).then(
    ({ size }) => size,
    (error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
      throw error
    },
  )

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
