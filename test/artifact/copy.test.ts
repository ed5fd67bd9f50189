/** What moves with a history: all artifacts of one store, to another. */
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { ArtifactStore } from '../../src/artifact/artifact.ts'
import { copyArtifacts } from '../../src/artifact/copy.ts'
import { openDiskArtifacts } from '../../src/artifact/disk.ts'
import { openSharedArtifacts } from '../../src/artifact/shared.ts'

let folder: string
let source: ArtifactStore
let target: ArtifactStore

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'copy-'))
  source = await openDiskArtifacts(join(folder, 'source'))
  target = await openSharedArtifacts({ directory: join(folder, 'target'), scratch: join(folder, 'scratch') })
})
afterEach(() => rm(folder, { recursive: true }))

const put = async (store: ArtifactStore, bytes: string): Promise<string> => {
  const { directory, remove } = await store.workspace()
  const path = join(directory, 'file')
  await writeFile(path, bytes)
  const { id } = await store.adopt(path)
  await remove()
  return id
}

it('copies what is missing, and tells what is there', async () => {
  const ids = [await put(source, 'a'), await put(source, 'clip'), await put(source, 'film')]
  const before = [await put(target, 'clip'), await put(target, 'of another history')]
  const found = new Set<string>()
  expect(await copyArtifacts(source, target, (id) => found.add(id))).toEqual({
    source: { files: 3, bytes: 9 },
    target: { files: 3, bytes: 9 },
    copied: { files: 2, bytes: 5 },
  })
  expect(found).toEqual(new Set([...ids, ...before]))
  expect(await copyArtifacts(source, target)).toMatchObject({ copied: { files: 0, bytes: 0 } })
})

it('replaces what was cut short in the target, and refuses what is damaged in the source', async () => {
  const id = await put(source, 'a film')
  await put(target, 'a film')
  const pathIn = (name: string): string => join(folder, name, 'artifacts', id.slice(0, 2), id)
  await truncate(pathIn('target'), 3)
  expect(await copyArtifacts(source, target)).toMatchObject({
    target: { files: 1, bytes: 6 },
    copied: { files: 1, bytes: 6 },
  })
  await rm(pathIn('target'))
  await writeFile(pathIn('source'), 'A film')
  await expect(copyArtifacts(source, target)).rejects.toThrow(
    new RegExp(`^The artifact ${id} is damaged: its bytes have the SHA-256 [0-9a-f]{64}\\.`),
  )
})
