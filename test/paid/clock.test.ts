/** A clock that somebody puts back or forward, while the server runs or between two runs of it: nothing that waits waits longer. */
import { describe, expect, test } from 'vitest'
import { openSimulation, type Simulation, type SimulationOptions } from '../harness/simulation.ts'
import { hour, minute, second } from '../harness/harness.ts'

/** What makes a render wait in each way there is, by a time that is kept. */
const waits: Readonly<Record<string, () => SimulationOptions>> = {
  'for what a provider asked for': () => ({ fake: { plan: { 1: 'throttle_header' } } }),
  'for credit': () => ({ fake: { plan: { 1: 'no_credit' } } }),
  'for its turn': () => ({ startDelayMs: 40 * second }),
  'for another try': () => ({ fake: { plan: { 1: 'fails_transient', 2: 'fails_transient' } } }),
  'to be found': () => ({ fake: { plan: { 1: 'error_after' } }, isReached: false }),
  'for FFmpeg': () => {
    let left = 3
    return {
      onFfmpeg: () => {
        if (left-- > 0) throw new Error('FFmpeg has a bad day')
      },
    }
  },
}

const steps = {
  'back by 4 minutes': 4 * minute,
  'back by 3 hours': 3 * hour,
  'back by 400 days': 400 * 24 * hour,
  'forward by 3 hours': -3 * hour,
}

/** How long a film of three scenes takes, whatever the wall clock says. */
async function madeIn(
  options: SimulationOptions,
  when?: { readonly afterMs: number; put(simulation: Simulation): Promise<void> },
) {
  await using simulation = await openSimulation(options)
  const { clock } = simulation
  const { job_id } = await simulation.job([0, 1, 2])
  const begun = clock.monotonic()
  await simulation.approve(job_id)
  if (when) {
    await simulation.pass(when.afterMs)
    await when.put(simulation)
  }
  const { status, error } = await simulation.ended(job_id)
  expect({ status, error }).toEqual({ status: 'completed', error: null })
  return { ms: clock.monotonic() - begun, posts: simulation.posts().length, usd: simulation.billedUsd() }
}

describe('a clock that is put wrong while it is not known whether the provider has a render', () => {
  const statusOf = async (simulation: Simulation): Promise<string> =>
    (await simulation.get('/ledger')).entries[0]?.status
  const unknown = async (simulation: Simulation, picture: number) => {
    const { job_id } = await simulation.job([picture])
    await simulation.approve(job_id)
    await simulation.until(async () => (await statusOf(simulation)) === 'unknown')
    const [{ id }] = await simulation.scenes(job_id)
    return (resolution: object) => simulation.ask('POST', `/jobs/${job_id}/scenes/${id}/resolve`, resolution)
  }

  test('forward by an hour between two runs does not hide what may be its render', async () => {
    await using simulation = await openSimulation({
      isReached: false,
      fake: { plan: { 1: 'reset_after' }, shows: 'seedless' },
    })
    await unknown(simulation, 0)
    simulation.life.kill()
    simulation.clock.putBack(-hour)
    await simulation.reborn(second)
    await simulation.until(async () => (await statusOf(simulation)) === 'held', 20 * minute)
    expect(simulation.posts()).toHaveLength(1)
  })

  test('back over midnight, and a render that was nobody’s is adopted: each day has what was spent', async () => {
    await using simulation = await openSimulation({
      isReached: false,
      fake: { plan: { 1: 'reset_after', 2: 'reset_before' }, renderMs: 3 * second, listLagMs: 90 * second },
    })
    const resolve = await unknown(simulation, 0)
    const orphan = simulation.posts()[0]!.prediction
    await simulation.ask('POST', '/jobs/1/cancel')
    await resolve({ resolution: 'absent' })
    await simulation.pass(5 * minute)
    simulation.clock.putBack(3 * hour)
    await simulation.pass(minute)
    const resolveOther = await unknown(simulation, 1)
    await resolveOther({ resolution: 'adopt', prediction_id: orphan })
    await simulation.pass(minute)
    const days = await simulation.database.all('select day, micros from spendings where micros <> 0')
    expect(days.map(({ day, micros }) => [day, Number(micros)])).toEqual([['2025-12-31', 400_000]])
    expect((await simulation.get('/ledger')).totals.spent).toBe(simulation.billedUsd())
  })
})

describe.each(Object.entries(waits))('a render that waits %s', (_, options) => {
  test.each(Object.entries(steps))('goes on when the clock is put %s', async (_step, ms) => {
    const undisturbed = await madeIn(options())
    for (const afterMs of [3 * second, 20 * second]) {
      const running = await madeIn(options(), {
        afterMs,
        put: async (simulation) => simulation.clock.putBack(ms),
      })
      expect(running.ms, `while it runs, after ${afterMs} ms`).toBeLessThan(undisturbed.ms + 30 * second)
      expect(running).toMatchObject({ posts: undisturbed.posts, usd: undisturbed.usd })
      const restarted = await madeIn(options(), {
        afterMs,
        async put(simulation) {
          simulation.life.kill()
          simulation.clock.putBack(ms)
          await simulation.reborn(second)
        },
      })
      expect(restarted.ms, `over a restart, after ${afterMs} ms`).toBeLessThan(undisturbed.ms + 90 * second)
      expect(restarted).toMatchObject({ posts: undisturbed.posts, usd: undisturbed.usd })
    }
  })
})
