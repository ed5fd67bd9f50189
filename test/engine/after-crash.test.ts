import { array, assert, double, integer, property } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { longestWaitMs, waitsAfterCrash } from '../../src/engine/after-crash.ts'

const firstMs = 500
const deaths = array(integer({ min: 1, max: 60 }), { maxLength: 80 })
const chance = double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
const settle = (crashes: readonly number[], share: number) =>
  waitsAfterCrash(
    crashes.map((count) => ({ crashes: count })),
    { firstMs, random: () => share },
  )

describe('what ran when the process died', () => {
  it('begins again at once the first time, and loses none', () => {
    assert(
      property(deaths, chance, (crashes, share) => {
        const settled = settle(crashes, share)
        expect(settled.map(({ task }) => task.crashes)).toEqual(crashes)
        for (const { task, waitMs } of settled) if (task.crashes === 1) expect(waitMs).toBe(0)
      }),
      { seed: 8 },
    )
  })

  it('waits twice as long with each further death, and never longer than the longest wait', () => {
    assert(
      property(deaths, chance, (crashes, share) => {
        for (const { task, waitMs } of settle(crashes, share)) {
          if (waitMs === 0) continue
          const most = Math.min(longestWaitMs, firstMs * 2 ** (task.crashes - 2))
          expect(waitMs).toBeGreaterThanOrEqual(most / 2)
          expect(waitMs).toBeLessThanOrEqual(most)
        }
      }),
      { seed: 8 },
    )
  })

  it('never waits all together where it is several, and those that died least often go first', () => {
    assert(
      property(deaths, chance, (crashes, share) => {
        const settled = settle(crashes, share).filter(({ task }) => task.crashes > 1)
        const [now, later] = [true, false].map((isNow) =>
          settled.filter(({ waitMs }) => (waitMs === 0) === isNow).map(({ task }) => task.crashes),
        )
        expect(now).toHaveLength(Math.floor(settled.length / 2))
        expect(Math.max(0, ...now!)).toBeLessThanOrEqual(Math.min(Number.POSITIVE_INFINITY, ...later!))
      }),
      { seed: 8 },
    )
  })
})
