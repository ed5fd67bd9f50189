/**
 * Stories of faults and kills, each held against the provider's ledger (`scenario.ts`). A seed that fails is told again
 * by `npx node test/paid/run.ts 1 <seed>`; more of them by `npx node test/paid/run.ts 10000`.
 */
import { describe, expect, it } from 'vitest'
import { killedEverywhere, storyOf, tell } from './scenario.ts'

const longMs = 20 * 60_000

describe('a process that is killed', () => {
  it.each([
    ['told by webhooks', true, 0],
    ['polling alone, and down for two minutes', false, 120_000],
  ] as const)(
    'at any await of the paid path, before or after what it asked for, %s, pays for each render once',
    async (_how, isReached, downMs) => {
      const outcomes = await Array.fromAsync(killedEverywhere(isReached, downMs))
      expect(outcomes.length).toBeGreaterThan(200)
      expect(outcomes.flatMap(({ wrong }) => wrong)).toEqual([])
    },
    longMs,
  )
})

describe('of a hundred seeded stories of faults and kills', () => {
  it.each([0, 25, 50, 75])(
    'those from seed %i on post each attempt at most once, spend what was billed, lose nothing and end',
    async (first) => {
      const wrong: string[] = []
      for (let seed = first + 1; seed <= first + 25; seed++) {
        const outcome = await tell(storyOf(seed))
        if (outcome.wrong.length > 0) wrong.push(`seed ${seed}: ${outcome.wrong.join('; ')}`)
      }
      expect(wrong).toEqual([])
    },
    longMs,
  )
})
