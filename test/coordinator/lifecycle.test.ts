import { expect, it } from 'vitest'
import { type Counted, counted } from '../../bench/counted.ts'
import { openBenchHarness } from '../../bench/harness.ts'
import { beginLives } from '../../bench/lives.ts'

/** To be lowered with each statement that is saved; `node bench/lifecycle.ts --statements` lists them. */
const atMost = { transactions: 11, statements: 49 }
const jobs = 20

it('takes a job from request to completed in no more transactions and statements than it did', async () => {
  let observed: Counted | undefined
  const harness = await openBenchHarness(1, (database) => (observed = counted(database)).database)
  const lives = await beginLives(harness, 1)
  await lives.work(1, 1)
  observed!.reset()
  await lives.work(jobs, 1)
  await harness.close()
  const statements = [...observed!.statements.values()].reduce((sum, times) => sum + times, 0)
  // Rounded down: what is done once in a while, by the clock, is no part of a lifecycle.
  expect(Math.floor(statements / jobs)).toBeLessThanOrEqual(atMost.statements)
  expect(Math.floor(observed!.transactions / jobs)).toBeLessThanOrEqual(atMost.transactions)
})
