/** A render that was found or named for an attempt, and is another attempt's: both are settled, and it is booked once. */
import { describe, expect, test } from 'vitest'
import { type Simulation, openSimulation } from '../harness/simulation.ts'
import { hour, minute, second } from '../harness/harness.ts'

const ledger = async (simulation: Simulation): Promise<readonly any[]> =>
  (await simulation.get('/ledger')).entries

/** More than this at one moment, or in a minute, is a loop without a pause. */
const manyRequests = 200

/**
 * Two attempts whose answers were lost: the first's request made nothing and is held, the second's made a render that the
 * list does not show yet. `requests`: of reads and lists so far.
 */
async function two() {
  const simulation = await openSimulation({
    isReached: false,
    fake: { plan: { 1: 'reset_before' }, renderMs: 5 * second },
  })
  const { fake, clock } = simulation
  const counted = { requests: 0 }
  const { handle } = fake
  fake.handle = (request) => {
    // What goes round without a pause would never end here.
    if (++counted.requests > 20_000) throw new Error('too many requests')
    return handle(request)
  }
  const first = (await simulation.job([0])).job_id as number
  await simulation.approve(first)
  await simulation.until(async () => (await ledger(simulation))[0]?.status === 'unknown')
  // Six hours without a list: it is held.
  fake.set({ token: 'r8_another' })
  await simulation.pass(7 * hour)
  fake.set({ token: 'r8_fake', plan: { 2: 'reset_after' }, listLagMs: 90 * second })
  const other = (await simulation.job([1])).job_id as number
  await simulation.approve(other)
  await simulation.until(() => simulation.posts().length === 2)
  await simulation.pass(second)
  const renderId = simulation.posts()[1]!.prediction!
  const statuses = async (): Promise<readonly unknown[]> =>
    (await ledger(simulation)).map(({ job_id, status, prediction_id }) => [job_id, status, prediction_id])
  expect(await statuses()).toEqual([
    [other, 'unknown', null],
    [first, 'held', null],
  ])
  const [scene] = await simulation.scenes(first)
  return {
    simulation,
    clock,
    counted,
    first,
    second: other,
    renderId,
    statuses,
    adopt: () =>
      simulation.ask('POST', `/jobs/${first}/scenes/${scene.id}/resolve`, {
        resolution: 'adopt',
        prediction_id: renderId,
      }),
    [Symbol.asyncDispose]: simulation[Symbol.asyncDispose],
  }
}

describe('a render that is looked for by one attempt', () => {
  test('and named for another one by a person goes to the one whose mark it carries', async () => {
    await using both = await two()
    const { simulation, first, counted } = both
    expect((await both.adopt()).status).toBe(200)
    expect(await simulation.ended(both.second)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
    expect(await both.statuses()).toEqual([
      [both.second, 'succeeded', both.renderId],
      [first, 'held', null],
    ])
    expect((await simulation.scenes(first))[0].waiting).toMatchObject({
      code: 'held',
      reason: expect.stringMatching(
        new RegExp(`${both.renderId} is the render of another attempt, \\S+ of job 2`),
      ),
    })
    counted.requests = 0
    await simulation.pass(hour)
    expect((await simulation.get('/ledger')).totals).toEqual({ reserved: 0.4, spent: simulation.billedUsd() })
    // The comparison's own, each minute.
    expect(counted.requests).toBeLessThan(manyRequests)
  })

  test('and was adopted by another one before it is found is booked once; the one that looks is held, in peace', async () => {
    await using both = await two()
    const { simulation, counted } = both
    // As where nothing told whose it is.
    await simulation.database.transaction((tx) =>
      tx.run(
        `update attempts set status = 'submitted', provider_id = $1, hinted_id = null where status = 'held'`,
        [both.renderId],
      ),
    )
    await simulation.reborn(second)
    counted.requests = 0
    await simulation.pass(5 * minute)
    expect(counted.requests).toBeGreaterThan(10)
    expect(counted.requests).toBeLessThan(manyRequests)
    expect(await both.statuses()).toEqual([
      [both.second, 'held', null],
      [both.first, 'succeeded', both.renderId],
    ])
    expect((await simulation.scenes(both.second))[0].waiting.reason).toContain(both.renderId)
    expect((await simulation.get('/ledger')).totals).toEqual({ reserved: 0.4, spent: simulation.billedUsd() })
    expect(simulation.posts()).toHaveLength(2)
  })
})
