/**
 * Cuts the power in the moment in which an artifact is kept, and says what is wrong then. To be run in a namespace of
 * mounts of its own.
 */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openDiskArtifacts } from '../../src/artifact/disk.ts'
import { sha256 } from '../harness/ask.ts'
import { createPowerDisk } from './disk.ts'

const disk = await createPowerDisk()
const data = join(disk.directory, 'data')
mkdirSync(data)

/** `meanwhile` is done when the bytes are synced, and not named yet. */
async function adopted(text: string, meanwhile: (target: string) => void): Promise<void> {
  const bytes = Buffer.from(text)
  const id = sha256(bytes)
  const folder = join(data, 'artifacts', id.slice(0, 2))
  mkdirSync(folder, { recursive: true })
  let isDone = false
  const artifacts = await openDiskArtifacts(data, {
    // Read for the time of the last use.
    now: () => {
      if (!isDone) meanwhile(join(folder, id))
      isDone = true
      return Date.now()
    },
  })
  const path = join(data, 'work', 'file')
  writeFileSync(path, bytes)
  await artifacts.adopt(path)
  await disk.cut()
  await disk.restore()
  const found = await (await openDiskArtifacts(data)).stat(id)
  if (found?.size !== bytes.length) console.log(`lost: ${text}`)
}

const another = 'bytes that somebody else has named, and has not synced their folder'
const prepared = join(data, 'another')
writeFileSync(prepared, another, { flush: true })

await adopted('bytes that nobody else has', () => undefined)
await adopted(another, (target) => renameSync(prepared, target))
await disk.remove()
