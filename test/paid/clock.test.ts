/** A clock that somebody puts back or forward, while the server runs or between two runs of it: nothing that waits waits longer. */
import { describe, expect, test } from 'vitest'
import { type Till, openTill } from './till.ts'
import { type WorldOptions, hour, minute, second } from './world.ts'

/** What makes a render wait in each way there is, by a time that is kept. */
const waits: Readonly<Record<string, () => WorldOptions>> = {
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
  options: WorldOptions,
  when?: { readonly afterMs: number; put(till: Till): Promise<void> },
) {
  await using till = await openTill(options)
  const { clock } = till.world
  const { job_id } = await till.job([0, 1, 2])
  const begun = clock.monotonic()
  await till.approve(job_id)
  if (when) {
    await till.pass(when.afterMs)
    await when.put(till)
  }
  const { status, error } = await till.ended(job_id)
  expect({ status, error }).toEqual({ status: 'completed', error: null })
  return { ms: clock.monotonic() - begun, posts: till.posts().length, usd: till.billedUsd() }
}

describe('a clock that is put wrong while it is not known whether the provider has a render', () => {
  const statusOf = async (till: Till): Promise<string> => (await till.get('/ledger')).entries[0]?.status
  const unknown = async (till: Till, picture: number) => {
    const { job_id } = await till.job([picture])
    await till.approve(job_id)
    await till.until(async () => (await statusOf(till)) === 'unknown')
    const [{ id }] = await till.scenes(job_id)
    return (resolution: object) => till.ask('POST', `/jobs/${job_id}/scenes/${id}/resolve`, resolution)
  }

  test('forward by an hour between two runs does not hide what may be its render', async () => {
    await using till = await openTill({
      isReached: false,
      fake: { plan: { 1: 'reset_after' }, shows: 'seedless' },
    })
    await unknown(till, 0)
    till.world.life!.kill()
    till.world.clock.putBack(-hour)
    await till.reborn(second)
    await till.until(async () => (await statusOf(till)) === 'held', 20 * minute)
    expect(till.posts()).toHaveLength(1)
  })

  test('back over midnight, and a render that was nobody’s is adopted: each day has what was spent', async () => {
    await using till = await openTill({
      isReached: false,
      fake: { plan: { 1: 'reset_after', 2: 'reset_before' }, renderMs: 3 * second, listLagMs: 90 * second },
    })
    const resolve = await unknown(till, 0)
    const stray = till.posts()[0]!.prediction
    await till.ask('POST', '/jobs/1/cancel')
    await resolve({ resolution: 'absent' })
    await till.pass(5 * minute)
    till.world.clock.putBack(3 * hour)
    await till.pass(minute)
    const resolveOther = await unknown(till, 1)
    await resolveOther({ resolution: 'adopt', prediction_id: stray })
    await till.pass(minute)
    const days = await till.world.database.all('select day, micros from spendings where micros <> 0')
    expect(days.map(({ day, micros }) => [day, Number(micros)])).toEqual([['2025-12-31', 400_000]])
    expect((await till.get('/ledger')).totals.spent).toBe(till.billedUsd())
  })
})

describe.each(Object.entries(waits))('a render that waits %s', (_, options) => {
  test.each(Object.entries(steps))('goes on when the clock is put %s', async (_step, ms) => {
    const undisturbed = await madeIn(options())
    for (const afterMs of [3 * second, 20 * second]) {
      const running = await madeIn(options(), { afterMs, put: async (till) => till.world.clock.putBack(ms) })
      expect(running.ms, `while it runs, after ${afterMs} ms`).toBeLessThan(undisturbed.ms + 30 * second)
      expect(running).toMatchObject({ posts: undisturbed.posts, usd: undisturbed.usd })
      const restarted = await madeIn(options(), {
        afterMs,
        async put(till) {
          till.world.life!.kill()
          till.world.clock.putBack(ms)
          await till.reborn(second)
        },
      })
      expect(restarted.ms, `over a restart, after ${afterMs} ms`).toBeLessThan(undisturbed.ms + 90 * second)
      expect(restarted).toMatchObject({ posts: undisturbed.posts, usd: undisturbed.usd })
    }
  })
})
