/**
 * Artifacts as files in a folder, `artifacts/ab/abcdef...`, of this process alone or of several nodes. A file's modification
 * time is the time of its last use.
 *
 * Adopting and removing the same artifact may race. So `adopt` first notes the use and then checks that the file exists;
 * `remove` first moves it to `removing/`, then checks its last use, and moves it back if that is too recent. Who misses a
 * file looks in `removing/` and moves it back: a removal that finds its file gone has removed nothing. In any order, the
 * bytes exist when `adopt` resolves.
 */
import { createReadStream } from 'node:fs'
import { mkdir, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Host, systemHost } from '../host.ts'
import { ownerFolder } from '../owner-only.ts'
import {
  type ArtifactStore,
  type ListedArtifact,
  type StoredArtifact,
  isArtifactId,
  missingArtifact,
} from './artifact.ts'
import { type Adopted, adoptingInTurn } from './in-turn.ts'
import { type Scratch, absent, saidClearly } from './scratch.ts'

/** Tolerance between the clocks of a file system and of this process. */
const clockStepMs = 60_000

export interface FolderOptions {
  readonly directory: string
  readonly host: Pick<Host, 'now'>
  readonly scratch: Scratch
  /** Makes a finished file ready to be renamed into the folder: synced, on its file system. */
  bring(path: string): Promise<{ readonly path: string; readonly stored: StoredArtifact }>
  /** Whether other nodes use the folder, which may rely on a file that this one has just stored. */
  readonly isShared: boolean
}

/** It is long because its parts share the paths. */
export async function openFolder(options: FolderOptions): Promise<ArtifactStore> {
  const { directory, host, scratch, isShared } = options
  const artifacts = join(directory, 'artifacts')
  const aside = join(directory, 'removing')
  for (const folder of [artifacts, aside]) await mkdir(folder, { recursive: true, mode: ownerFolder })
  await syncDirectory(directory)

  const pathOf = (id: string): string => {
    if (!isArtifactId(id)) throw missingArtifact(id)
    return join(artifacts, id.slice(0, 2), id)
  }

  const noted = (path: string): Promise<boolean> => {
    const now = host.now() / 1000
    return utimes(path, now, now).then(() => true, absent(false))
  }

  /** Takes the file back from removals that are under way, or were interrupted. */
  const broughtBack = async (id: string): Promise<boolean> => {
    let isBack = false
    for (const name of await readdir(aside))
      if (name.startsWith(id)) isBack = (await moved(join(aside, name), pathOf(id))) || isBack
    return isBack
  }

  /** Resolves to whether the artifact exists. */
  const noteUse = async (id: string): Promise<boolean> =>
    (await noted(pathOf(id))) || ((await broughtBack(id)) && noted(pathOf(id)))

  const found = async (id: string) => {
    const there = await statOf(pathOf(id))
    return there ?? ((await broughtBack(id)) ? statOf(pathOf(id)) : undefined)
  }

  /** A last use in the future means that the clock was set back since: the file's age counts from now. */
  const seen = async (id: string) => {
    const there = await found(id)
    if (!there || there.mtimeMs <= host.now() + clockStepMs) return there
    await noteUse(id)
    return statOf(pathOf(id))
  }

  /** Moves a synced file to its id. Renaming is atomic, so a file under an id is always complete. */
  const publish = async (path: string, stored: StoredArtifact): Promise<Adopted> => {
    const target = pathOf(stored.id)
    const isNew = !(await noteUse(stored.id)) || (await found(stored.id))?.size !== stored.size
    if (isNew) {
      await noted(path)
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
      const brought = await options.bring(path)
      return publish(brought.path, brought.stored)
    })

  const localPath = async (id: string): Promise<string> => {
    if (!(await noteUse(id))) throw missingArtifact(id)
    return pathOf(id)
  }

  // A crash interrupted their removal; they may still be needed, so they are restored. Others restore what they miss.
  if (!isShared)
    for (const name of await readdir(aside)) {
      const id = name.slice(0, idLength)
      if (isArtifactId(id)) await broughtBack(id)
    }

  return {
    adopt: async (path) => (await adopt(path)).stored,

    adoptFor: adoptingInTurn(adopt, async (id) => {
      if (!isShared) await rm(pathOf(id), { force: true })
    }),

    async stat(id) {
      const there = isArtifactId(id) ? await seen(id) : undefined
      return there && { id, size: there.size, usedAt: there.mtimeMs }
    },

    async read(id, range) {
      if (!(await found(id))) throw missingArtifact(id)
      return createReadStream(pathOf(id), { ...range, highWaterMark: 1 << 18 })
    },

    use: async (id) => isArtifactId(id) && noteUse(id),

    async workspace() {
      const folder = await scratch.folder()
      return { directory: folder, localPath, remove: () => rm(folder, { recursive: true, force: true }) }
    },

    async list(prefix) {
      const names = await readdir(join(artifacts, prefix)).catch(absent<string[]>([]))
      const listed: ListedArtifact[] = []
      for (const id of names) {
        const there = isArtifactId(id) ? await seen(id) : undefined
        if (there) listed.push({ id, size: there.size, usedAt: there.mtimeMs })
      }
      return listed
    },

    async remove(id, unusedSince) {
      const path = pathOf(id)
      const there = await seen(id)
      if (!there || there.mtimeMs >= unusedSince) return 0
      // Its own name: else one removal could end what another has to move back.
      const taken = join(aside, `${id}.${systemHost.id()}`)
      if (!(await moved(path, taken))) return 0
      const usedAt = await freshUse(taken)
      if (usedAt === undefined || usedAt >= unusedSince) {
        await moved(taken, path)
        return 0
      }
      return rm(taken).then(() => there.size, absent(0))
    },
  }
}

const idLength = 64

const moved = (from: string, to: string): Promise<boolean> => rename(from, to).then(() => true, absent(false))

const statOf = (path: string) => stat(path).catch(absent(undefined))

/** A network's file system may remember a file's times; it reads them anew when the file is opened. */
async function freshUse(path: string): Promise<number | undefined> {
  const file = await open(path, 'r').catch(absent(undefined))
  try {
    return (await file?.stat())?.mtimeMs
  } finally {
    await file?.close()
  }
}

/** A rename is durable only when its folder is synced. */
async function syncDirectory(path: string): Promise<void> {
  await using folder = await open(path, 'r')
  await folder.sync()
}
