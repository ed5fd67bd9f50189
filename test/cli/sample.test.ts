import { basename } from 'node:path'
import { expect, it } from 'vitest'
import { samplePhotos } from '../../src/cli/sample.ts'
import { roomRank } from '../../src/job/room.ts'
import { readImage } from '../../src/media/image.ts'

it('has sample pictures that are accepted as photographs, of rooms that are known by name', async () => {
  expect(samplePhotos).toHaveLength(6)
  const found = await Promise.all(samplePhotos.map((path) => readImage({ path })))
  expect(found.every((one) => one.kind === 'image')).toBe(true)
  const types = found.map((one) => (one.kind === 'image' ? one.contentType : ''))
  expect(new Set(types)).toEqual(new Set(['image/jpeg', 'image/webp']))
  expect(found.filter((one) => one.kind === 'image' && one.height > one.width)).toHaveLength(1)
  const known = samplePhotos.map((path) => roomRank(basename(path).split('.')[0]))
  expect(known).not.toContain(roomRank(undefined))
})
