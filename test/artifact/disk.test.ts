import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ArtifactStore } from '../../src/artifact/artifact.ts'
import { openDiskArtifacts } from '../../src/artifact/disk.ts'
import { createClock } from '../clock.ts'
import { sha256 } from '../harness/ask.ts'

const hour = 3_600_000
const clock = createClock()
let directory: string
let artifacts: ArtifactStore
let files = 0

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'disk-'))
  artifacts = await openDiskArtifacts(directory, clock)
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const bytes = Buffer.from('the same bytes')
const id = sha256(bytes)
const adopt = async (): Promise<void> => {
  const path = join(directory, 'work', `file ${files++}`)
  await writeFile(path, bytes)
  await artifacts.adopt(path)
}
const isThere = async (): Promise<boolean> => (await artifacts.stat(id)) !== undefined

describe('an artifact that is to be removed', () => {
  it('ages from now on where the clock was put back since it was used', async () => {
    await adopt()
    clock.putBack(1000 * hour)
    expect(await artifacts.remove(id, clock.now() - hour)).toBe(0)
    expect((await artifacts.stat(id))!.usedAt).toBeLessThanOrEqual(clock.now())
    clock.advance(2 * hour)
    expect(await artifacts.remove(id, clock.now() - hour)).toBe(bytes.length)
    clock.putBack(-1000 * hour)
  })

  it('goes when nobody has used it since, and tells its bytes', async () => {
    await adopt()
    clock.advance(2 * hour)
    expect(await artifacts.remove(id, clock.now() - hour)).toBe(bytes.length)
    expect(await isThere()).toBe(false)
    expect(await artifacts.remove(id, clock.now())).toBe(0)
    expect(await readdir(join(directory, 'removing'))).toEqual([])
  })

  it.each([
    ['adopted again', adopt],
    ['asked for as a file', () => artifacts.use(id)],
  ])('stays where it was %s', async (_what, use) => {
    await adopt()
    clock.advance(2 * hour)
    await use()
    expect(await artifacts.remove(id, clock.now() - hour)).toBe(0)
    expect(await isThere()).toBe(true)
    expect((await artifacts.list(id.slice(0, 2)))[0]).toEqual({
      id,
      size: bytes.length,
      usedAt: clock.now(),
    })
  })

  it('is there after it was adopted, however that falls together with its removal', async () => {
    for (let round = 0; round < 60; round++) {
      await adopt()
      clock.advance(2 * hour)
      const since = clock.now() - hour
      const removed = artifacts.remove(id, since)
      // Each round another step of the one meets another step of the other.
      for (let turn = 0; turn < round % 20; turn++) await Promise.resolve()
      if (round % 3 === 0) await new Promise((resolve) => setImmediate(resolve))
      const adopted = adopt()
      await Promise.all([removed, adopted])
      expect(await isThere()).toBe(true)
      expect(await readdir(join(directory, 'removing'))).toEqual([])
    }
  })

  it('is as it was where the process died in between', async () => {
    await adopt()
    const kept = join(directory, 'artifacts', id.slice(0, 2), id)
    await mkdir(join(directory, 'removing'), { recursive: true })
    await rename(kept, join(directory, 'removing', id))
    const after = await openDiskArtifacts(directory, clock)
    expect(await after.stat(id)).toMatchObject({ size: bytes.length })
  })
})
