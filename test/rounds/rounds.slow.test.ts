/** A round of `run.ts`: the real server, killed again and again, against the provider written from documentation alone. */
import { expect, it } from 'vitest'
import { makeClip } from './clip.ts'
import { playRound } from './round.ts'

it('what a provider made and billed is what was wanted and booked, whatever was killed', async () => {
  const clip = await makeClip()
  const { broken, made, kills } = await playRound(11, clip)
  expect(broken).toEqual([])
  expect(made).toBeGreaterThan(0)
  expect(kills).toBeGreaterThan(0)
}, 900_000)
