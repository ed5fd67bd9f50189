/**
 * Stories of faults and kills, each held against the provider's ledger (`scenario.ts`). A seed that fails is told again
 * by `npx node test/paid/run.ts 1 <seed>`; more of them by `npx node test/paid/run.ts 10000`.
 */
import { describe, expect, it } from 'vitest'
import { type Story, storyOf, tell } from './scenario.ts'

const longMs = 20 * 60_000

/** Three renders for two jobs, two of which are the same, over a provider that behaves. */
const plain: Story = {
  seed: 1,
  jobs: [
    [0, 1],
    [1, 2],
  ],
  rates: {},
  kills: [],
  maxConcurrency: 2,
  startDelayMs: 1000,
  isReached: true,
  listLagMs: [0, 60_000],
  renderMs: [1000, 5000],
  cancel: undefined,
  dayBudgetUsd: undefined,
  skewMs: 0,
}

describe('a process that is killed', () => {
  it.each([
    ['told by webhooks', true, 0],
    ['polling alone, and down for two minutes', false, 120_000],
  ] as const)(
    'at any await of the paid path, before or after what it asked for, %s, pays for each render once',
    async (_how, isReached, downMs) => {
      const { awaits } = await tell({ ...plain, isReached })
      expect(awaits).toBeGreaterThan(100)
      const wrong: string[] = []
      for (let at = 1; at <= awaits; at++)
        for (const when of ['before', 'after'] as const) {
          const outcome = await tell({ ...plain, isReached, kills: [{ at, when, downMs }] })
          wrong.push(...outcome.wrong.map((sentence) => `killed ${when} await ${at}: ${sentence}`))
          if (outcome.rendersBilled !== 3)
            wrong.push(`killed ${when} await ${at}: ${outcome.rendersBilled} billed`)
        }
      expect(wrong).toEqual([])
    },
    longMs,
  )
})

describe('of two thousand seeded stories of faults and kills', () => {
  it.each([0, 500, 1000, 1500])(
    'those from seed %i on post each attempt at most once, spend what was billed, lose nothing and end',
    async (first) => {
      const wrong: string[] = []
      for (let seed = first + 1; seed <= first + 500; seed++) {
        const outcome = await tell(storyOf(seed))
        if (outcome.wrong.length > 0) wrong.push(`seed ${seed}: ${outcome.wrong.join('; ')}`)
      }
      expect(wrong).toEqual([])
    },
    longMs,
  )
})
