/** Two rounds of `run.ts`: the real server, killed again and again, against the provider written from documentation alone. */
import { expect, it } from 'vitest'
import { makeClip } from './clip.ts'
import { playRound } from './round.ts'

it('what a provider made and billed is what was wanted and booked, whatever was killed', async () => {
  const clip = await makeClip()
  const reports = await Promise.all([11, 12].map((seed) => playRound(seed, clip)))
  for (const { seed, broken, made, kills } of reports) {
    expect([seed, broken]).toEqual([seed, []])
    expect(made).toBeGreaterThan(0)
    expect(kills).toBeGreaterThan(0)
  }
}, 900_000)
