import { expect, it } from 'vitest'
import { fuzz } from './fuzz.ts'

it('answers 2,000 odd requests as documented, and none with a 5xx', async () => {
  const { byStatus, neverSucceeded, operations, wrong } = await fuzz(2000, 20_261_125)
  expect(wrong).toEqual([])
  expect(Object.keys(byStatus).filter((status) => Number(status) >= 500)).toEqual([])
  // Else most of them would have been refused at the door.
  expect(neverSucceeded.length).toBeLessThan(operations / 4)
})
