/** A short story of `run.ts`: three nodes, with at least one fault of each kind. */
import { expect, it } from 'vitest'
import { makeClip } from '../rounds/clip.ts'
import { nodeFaults, sharedFaults } from './faults.ts'
import { play } from './story.ts'

it('three nodes on one database make every film once, whatever is killed, stopped, cut off or restarted', async () => {
  const { broken, faults, figures } = await play({
    jobs: 12,
    scenes: 3,
    seconds: 60,
    seed: 7,
    clip: await makeClip(),
    spread: 0.9,
    everyMs: 3000,
    restartEveryMs: 15_000,
    longestMs: 8000,
  })
  expect(broken).toEqual([])
  expect([...faults.keys()].toSorted()).toEqual([...nodeFaults, ...sharedFaults].toSorted())
  expect(figures['jobs']).toBe(12)
}, 600_000)
