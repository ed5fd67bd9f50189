import { expect, test } from 'vitest'
import { createDiskRoom } from '../../src/disk-full.ts'
import { openTill } from './till.ts'
import { minute, second } from './world.ts'

test('with only the reserve left, clips that are paid for are fetched and kept, and none is bought', async () => {
  let free = 600e6
  const room = createDiskRoom({ reserveBytes: 512e6, freeBytes: () => Promise.resolve(free) })
  await using till = await openTill({ room, maxConcurrency: 2, startDelayMs: second })
  const { job_id } = await till.job([0, 1, 2, 3])
  await till.approve(job_id)
  await till.until(() => till.posts().length === 2)
  free = 500e6
  await till.pass(10 * minute)
  expect(till.posts()).toHaveLength(2)
  expect((await till.scenes(job_id)).map(({ status, waiting }) => [status, waiting?.code])).toEqual([
    ['completed', undefined],
    ['completed', undefined],
    ['pending', 'disk'],
    ['pending', 'disk'],
  ])
  expect((await till.get(`/jobs/${job_id}`)).costs).toMatchObject({ spent: 0.8, reserved: 0 })
  free = 600e6
  expect(await till.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 1.6 } })
  expect(till.posts()).toHaveLength(4)
})

test('a render that was admitted before the room went is not sent, and says why', async () => {
  let isScarce = false
  let looks = 0
  const room = createDiskRoom({
    reserveBytes: 512e6,
    // The job is read and its scene is started; then the room goes.
    freeBytes: () => Promise.resolve(isScarce && ++looks > 2 ? 500e6 : 600e6),
  })
  await using till = await openTill({ room })
  const { job_id } = await till.job([0])
  isScarce = true
  await till.approve(job_id)
  await till.pass(10 * minute)
  expect(till.posts()).toEqual([])
  expect(await till.scenes(job_id)).toMatchObject([{ status: 'processing', waiting: { code: 'disk' } }])
  expect((await till.get(`/jobs/${job_id}`)).costs).toMatchObject({ spent: 0, reserved: 0.4 })
  isScarce = false
  expect(await till.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
  expect(till.posts()).toHaveLength(1)
})
