// Draws all six in full size: two seconds.
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { expect, it } from 'vitest'
import { roomRank } from '../../src/job/room.ts'
import { readImage } from '../../src/media/image.ts'
import { makeSamplePhotographs } from '../../src/sample/sample.ts'

it('makes pictures that are taken as photographs, of rooms that are known by name, the same each time', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sample-'))
  try {
    const drawn: string[] = []
    const paths = await makeSamplePhotographs(join(directory, 'one'), ({ file, number, of }) =>
      drawn.push(`${file} ${number} of ${of}`),
    )
    expect(paths).toHaveLength(6)
    expect(drawn).toEqual(paths.map((path, index) => `${basename(path)} ${index + 1} of 6`))
    const found = await Promise.all(paths.map((path) => readImage({ path })))
    expect(found.every((one) => one.kind === 'image')).toBe(true)
    const types = found.map((one) => (one.kind === 'image' ? one.contentType : ''))
    expect(new Set(types)).toEqual(new Set(['image/jpeg', 'image/png', 'image/webp']))
    expect(found.filter((one) => one.kind === 'image' && one.height > one.width)).toHaveLength(1)
    const known = paths.map((path) => roomRank(basename(path).split('.')[0]))
    expect(known).not.toContain(roomRank(undefined))

    for (const path of paths) expect((await stat(path)).mode & 0o777).toBe(0o600)

    const again = await makeSamplePhotographs(join(directory, 'two'))
    const [first, second] = await Promise.all([paths[0], again[0]].map((path) => readFile(path ?? '')))
    expect(first?.equals(second ?? Buffer.alloc(0))).toBe(true)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}, 60_000)
