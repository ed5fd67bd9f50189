import { expect, test } from 'vitest'
import { createDiskRoom } from '../../src/disk-full.ts'
import { openSimulation } from '../harness/simulation.ts'
import { minute, second } from '../harness/harness.ts'

test('with only the reserve left, clips that are paid for are fetched and kept, and none is bought', async () => {
  let free = 600e6
  const room = createDiskRoom({ reserveBytes: 512e6, freeBytes: () => Promise.resolve(free) })
  await using simulation = await openSimulation({ room, maxConcurrency: 2, startDelayMs: second })
  const { job_id } = await simulation.job([0, 1, 2, 3])
  await simulation.approve(job_id)
  await simulation.until(() => simulation.posts().length === 2)
  free = 500e6
  await simulation.pass(10 * minute)
  expect(simulation.posts()).toHaveLength(2)
  expect((await simulation.scenes(job_id)).map(({ status, waiting }) => [status, waiting?.code])).toEqual([
    ['completed', undefined],
    ['completed', undefined],
    ['pending', 'disk'],
    ['pending', 'disk'],
  ])
  expect((await simulation.get(`/jobs/${job_id}`)).costs).toMatchObject({ spent: 0.8, reserved: 0 })
  free = 600e6
  expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 1.6 } })
  expect(simulation.posts()).toHaveLength(4)
})

test('a render that was admitted before the room went is not sent, and says why', async () => {
  let isScarce = false
  let looks = 0
  const room = createDiskRoom({
    reserveBytes: 512e6,
    // The job is read and its scene is started; then the room goes.
    freeBytes: () => Promise.resolve(isScarce && ++looks > 2 ? 500e6 : 600e6),
  })
  await using simulation = await openSimulation({ room })
  const { job_id } = await simulation.job([0])
  isScarce = true
  await simulation.approve(job_id)
  await simulation.pass(10 * minute)
  expect(simulation.posts()).toEqual([])
  expect(await simulation.scenes(job_id)).toMatchObject([{ status: 'processing', waiting: { code: 'disk' } }])
  expect((await simulation.get(`/jobs/${job_id}`)).costs).toMatchObject({ spent: 0, reserved: 0.4 })
  isScarce = false
  expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
  expect(simulation.posts()).toHaveLength(1)
})
