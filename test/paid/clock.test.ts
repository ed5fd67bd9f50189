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
