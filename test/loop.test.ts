import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { createLoop } from '../src/loop.ts'
import { createClock } from './clock.ts'

/** A loop whose looks are counted, and end as `look` says. */
function openLoop(look: (n: number) => number | Promise<number>) {
  const clock = createClock()
  const errors: unknown[] = []
  let looks = 0
  const loop = createLoop({
    host: clock,
    look: async () => look(++looks),
    onError: (error) => errors.push(error),
    backOffMs: 3000,
  })
  const settle = async (): Promise<number> => {
    for (let turn = 0; turn < 5; turn++) await setImmediate()
    return looks
  }
  return {
    loop,
    errors,
    settle,
    async pass(ms: number): Promise<number> {
      clock.advance(ms)
      return settle()
    },
  }
}

describe('a loop', () => {
  it('looks at once, and again when the time has come that a look names', async () => {
    const { loop, pass, settle } = openLoop(() => 1000)
    loop.start()
    expect([await settle(), await pass(999), await pass(1)]).toEqual([1, 1, 2])
  })

  it('looks first after the time it is started with', async () => {
    const { loop, pass, settle } = openLoop(() => Number.POSITIVE_INFINITY)
    loop.start(500)
    expect([await settle(), await pass(500), await pass(1e9)]).toEqual([0, 1, 1])
  })

  it('looks once for several wakes before a look, and again for one that comes while it looks', async () => {
    const gate = Promise.withResolvers<number>()
    const { loop, settle } = openLoop((n) => (n === 2 ? gate.promise : Number.POSITIVE_INFINITY))
    loop.start()
    await settle()
    for (let n = 0; n < 3; n++) loop.wake()
    expect(await settle()).toBe(2)
    loop.wake()
    gate.resolve(Number.POSITIVE_INFINITY)
    expect(await settle()).toBe(3)
  })

  it('hears no wake while it backs off from a look that failed', async () => {
    const { loop, errors, pass, settle } = openLoop((n) => {
      if (n === 1) throw new Error('no database')
      return Number.POSITIVE_INFINITY
    })
    loop.start()
    await settle()
    loop.wake()
    expect([await pass(2999), errors.length, await pass(1)]).toEqual([1, 1, 2])
  })

  it('stops when the look that runs has ended, and looks no more', async () => {
    const gate = Promise.withResolvers<number>()
    const { loop, settle } = openLoop(() => gate.promise)
    loop.start()
    let hasStopped = false
    const stopped = loop.stop().then(() => (hasStopped = true))
    await settle()
    expect(hasStopped).toBe(false)
    gate.resolve(0)
    await stopped
    loop.wake()
    expect(await settle()).toBe(1)
  })
})
