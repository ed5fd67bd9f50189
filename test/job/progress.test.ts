import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { completed, created, rendering, risen, stitching } from '../../src/job/progress.ts'

describe('progress', () => {
  it('only rises, stays whole, and reaches 100 with the film alone', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -1000, max: 1000, noNaN: true })), (readings) => {
        let before = created
        for (const percentage of readings) {
          const now = risen(before, { percentage, stage: 'rendering' })
          expect(now.percentage).toBeGreaterThanOrEqual(before.percentage)
          expect(now.percentage).toBeLessThan(100)
          expect(Number.isInteger(now.percentage)).toBe(true)
          before = now
        }
        expect(risen(before, completed).percentage).toBe(100)
      }),
      { seed: 1 },
    )
  })

  it('counts each scene by its length', () => {
    expect(
      rendering([
        { duration: 9, progress: 1 },
        { duration: 1, progress: 0 },
      ]),
    ).toEqual({ percentage: 86, stage: 'rendering' })
    expect(
      rendering([
        { duration: 9, progress: 0 },
        { duration: 1, progress: 1 },
      ]),
    ).toEqual({ percentage: 14, stage: 'rendering' })
    expect(rendering([{ duration: 2, progress: 1 }]).percentage).toBe(stitching.percentage)
    expect(rendering([]).percentage).toBe(5)
  })
})
