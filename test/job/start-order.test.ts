import { expect, it } from 'vitest'
import { type ClientQueue, othersBefore } from '../../src/job/start-order.ts'

const queue = (clientId: string, scenes: number, members: Partial<ClientQueue<string>> = {}) => ({
  waiter: { clientId, inFlight: 0, lastTurn: 0, queueAt: 0 },
  scenes: scenes === 0 ? [] : [{ kind: clientId, scenes }],
  isOwn: false,
  ...members,
})
const own = (scenes = 0, members: Partial<ClientQueue<string>> = {}) =>
  queue('own', scenes, { isOwn: true, ...members })

it('all of its own client that comes first starts before the first scene', () => {
  expect(othersBefore([own(7)], [], 2, 3)).toEqual([[{ kind: 'own', scenes: 7 }], [], []])
})

it('clients take turns, however many scenes one of them has', () => {
  const turns = othersBefore([own(), queue('large', 1000), queue('small', 1)], [], 1, 3)
  const others = turns.map((ahead) => ahead.reduce((sum, { scenes }) => sum + scenes, 0))
  expect(others[0]).toBeLessThanOrEqual(2)
  expect(others.reduce((sum, scenes) => sum + scenes, 0)).toBeLessThanOrEqual(4)
})

it('the client with the fewest scenes in flight comes first', () => {
  const waiter = { clientId: 'own', inFlight: 2, lastTurn: 0, queueAt: 0 }
  expect(othersBefore([own(0, { waiter }), queue('other', 9)], ['own', 'own'], 3, 1)).toEqual([
    [{ kind: 'other', scenes: 1 }],
  ])
})
