/**
 * Artifacts in a bucket, `artifacts/ab/abcdef...`, that several nodes share. An object is visible only when it is whole, and
 * the server verifies what it receives; this program verifies what it reads. Objects with other names are ignored.
 */
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { type Host, systemHost } from '../host.ts'
import { ownerFile, ownerFolder } from '../owner-only.ts'
import { type ArtifactStore, type ListedArtifact, isArtifactId, missingArtifact } from './artifact.ts'
import { type Bucket, type BucketPlace, openBucket } from './bucket.ts'
import { type Cache, type Lease, boundOf, createCache } from './cache.ts'
import { type Adopted, adoptingInTurn } from './in-turn.ts'
import { type Notes, createNotes } from './notes.ts'
import { readObject } from './read-object.ts'
import { openScratch, saidClearly } from './scratch.ts'

export interface S3Options extends BucketPlace {
  /** A folder of this process alone, for unfinished files and copies. It is emptied. */
  readonly scratch: string
}

/** A note without an artifact is removed after this time: its adoption has failed, or the artifact was removed by hand. */
const strayMs = 86_400_000
/** Each upload holds some parts in memory. */
const uploadsAtOnce = 4
const chunkBytes = 1 << 20

/** Reaches for the bucket only when it is used, so that a node starts while the bucket cannot be reached. */
export async function openS3Artifacts(
  options: S3Options,
  host: Pick<Host, 'now' | 'id' | 'sleep'> = systemHost,
): Promise<ArtifactStore & { close(): Promise<void> }> {
  const bucket = await openBucket(options)
  const scratch = await openScratch(join(options.scratch, 'work'))
  const copies = join(options.scratch, 'copies')
  await rm(copies, { recursive: true, force: true })
  await mkdir(copies, { recursive: true, mode: ownerFolder })
  const cache = createCache(copies, await boundOf(copies))
  return {
    ...createS3Artifacts({ bucket, cache, notes: createNotes(bucket, host), host, scratch }),
    close: () => Promise.resolve(bucket.close()),
  }
}

interface Parts {
  readonly bucket: Bucket
  readonly cache: Cache
  readonly notes: Notes
  readonly host: Pick<Host, 'now'>
  readonly scratch: Awaited<ReturnType<typeof openScratch>>
}

const keyOf = (id: string): string => {
  if (!isArtifactId(id)) throw missingArtifact(id)
  return `artifacts/${id.slice(0, 2)}/${id}`
}

/** It is long because its methods share the notes and the copies. */
function createS3Artifacts({ bucket, cache, notes, host, scratch }: Parts): ArtifactStore {
  /** Objects whose bytes did not match their id: the next adoption replaces them. */
  const damaged = new Set<string>()
  const uploading = atOnce(uploadsAtOnce)

  const use = async (id: string): Promise<boolean> => {
    if (!isArtifactId(id)) return false
    if (notes.isRelied(id)) return true
    const find = async (): Promise<boolean> => (await bucket.head(keyOf(id))) !== undefined
    return (await find()) && notes.relyOn(id, find)
  }

  const adopt = (path: string): Promise<Adopted> =>
    saidClearly(async () => {
      const stored = await hashed(path)
      const { id, size } = stored
      let isNew = false
      const store = async (): Promise<boolean> => {
        isNew = damaged.has(id) || (await bucket.head(keyOf(id)))?.size !== size
        if (isNew) await uploading(() => bucket.upload(keyOf(id), { path, size, sha256: id }))
        damaged.delete(id)
        return true
      }
      await (notes.isRelied(id) ? store() : notes.relyOn(id, store))
      await cache.keep(id, path)
      return { stored, isNew }
    })

  const bytesOf: ArtifactStore['read'] = async (id, range) => {
    const bytes = await readObject(bucket, keyOf(id), {
      ...(range ? { range } : { sha256: id }),
      onDamage: () => damaged.add(id),
    })
    if (!bytes) throw missingArtifact(id)
    return bytes
  }

  const fetch = (id: string) => async (path: string) => {
    try {
      await pipeline(await bytesOf(id), createWriteStream(path, { mode: ownerFile }))
    } catch (error) {
      await rm(path, { force: true })
      throw error
    }
  }

  const lease = async (id: string): Promise<Lease> => {
    if (!(await use(id))) throw missingArtifact(id)
    return cache.lease(id, fetch(id))
  }

  return {
    adopt: async (path) => (await adopt(path)).stored,

    // Another node may rely on a new object already; retention removes it if none does.
    adoptFor: adoptingInTurn(adopt, () => Promise.resolve()),

    async stat(id) {
      if (!isArtifactId(id)) return undefined
      const [found, usedAt] = await Promise.all([bucket.head(keyOf(id)), notes.usedAt(id)])
      return found && { id, size: found.size, usedAt: usedAt ?? found.modifiedAt }
    },

    read: bytesOf,

    use,

    async workspace() {
      const directory = await scratch.folder()
      const leases: Lease[] = []
      return {
        directory,
        async localPath(id) {
          const leased = await lease(id)
          leases.push(leased)
          return leased.path
        },
        async remove() {
          for (const { release } of leases) release()
          await rm(directory, { recursive: true, force: true })
        },
      }
    },

    async list(prefix) {
      const [objects, uses] = await Promise.all([bucket.list(`artifacts/${prefix}/`), notes.list(prefix)])
      const listed = new Map<string, ListedArtifact>()
      for (const { key, size, modifiedAt } of objects) {
        const id = key.slice(key.lastIndexOf('/') + 1)
        if (isArtifactId(id) && key === keyOf(id))
          listed.set(id, { id, size, usedAt: uses.get(id) ?? modifiedAt })
      }
      for (const [id, usedAt] of uses)
        if (!listed.has(id) && usedAt < host.now() - strayMs) await notes.forget(id)
      return [...listed.values()]
    },

    async remove(id, unusedSince) {
      const key = keyOf(id)
      const [found, usedAt] = await Promise.all([bucket.head(key), notes.usedAt(id)])
      if (!found || (usedAt ?? found.modifiedAt) >= unusedSince) return 0
      const isRemoved = await notes.removing(id, unusedSince, (mayRemove) => bucket.remove(key, mayRemove))
      if (isRemoved) await cache.forget(id)
      return isRemoved ? found.size : 0
    },

    check: (signal) => bucket.check(signal),
  }
}

async function hashed(path: string): Promise<{ readonly id: string; readonly size: number }> {
  await using file = await open(path, 'r')
  await file.chmod(ownerFile).catch(() => {})
  const hash = createHash('sha256')
  let size = 0
  const bytes: AsyncIterable<Uint8Array> = createReadStream(path, { highWaterMark: chunkBytes })
  for await (const chunk of bytes) {
    hash.update(chunk)
    size += chunk.length
  }
  return { id: hash.digest('hex'), size }
}

function atOnce(most: number): <T>(work: () => Promise<T>) => Promise<T> {
  let running = 0
  const waiting: (() => void)[] = []
  return async (work) => {
    if (running === most) await new Promise<void>((resolve) => waiting.push(resolve))
    else running++
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next) next()
      else running--
    }
  }
}
