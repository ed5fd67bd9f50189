import { array, assert, asyncProperty, constantFrom, infiniteStream, integer, nat, tuple } from 'fast-check'
import { expect, it } from 'vitest'
import { createFairSemaphore, createSemaphore } from '../../src/pipeline/semaphore.ts'

/** A clock whose sleepers wake when the test says so. */
function createClock() {
  const sleepers = new Set<() => void>()
  return {
    host: {
      sleep: (_ms: number, signal?: AbortSignal) =>
        new Promise<void>((resolve) => {
          sleepers.add(resolve)
          signal?.addEventListener('abort', () => resolve(), { once: true })
        }),
    },
    async pass() {
      for (const wake of sleepers) wake()
      sleepers.clear()
      await settled()
    },
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function open(over: Partial<Parameters<typeof createFairSemaphore>[0]> = {}) {
  const clock = createClock()
  const turns = createFairSemaphore({ quick: 2, all: 4, bytes: 100, host: clock.host, ...over })
  const running: string[] = []
  const begun: string[] = []
  const ends = new Map<string, () => void>()
  const ask = (name: string, bytes = 10): void => {
    void turns(name[0]!, bytes, async () => {
      running.push(name)
      begun.push(name)
      await new Promise<void>((resolve) => ends.set(name, resolve))
      running.splice(running.indexOf(name), 1)
    })
  }
  const end = async (name: string): Promise<void> => {
    ends.get(name)!()
    await settled()
  }
  return { ask, end, running, begun, pass: clock.pass }
}

it('gives the next turn to who has the fewest, however many another one asked for before', async () => {
  const { ask, end, begun } = open({ quick: 1, all: 1 })
  for (const name of ['a1', 'a2', 'a3', 'b1', 'c1']) ask(name)
  await settled()
  for (const name of ['a1', 'a2', 'a3', 'b1']) if (begun.includes(name)) await end(name)
  expect(begun[0]).toBe('a1')
  expect(begun).toContain('a2')
})

it('lets others pass by works that take long, and not those of the same owner', async () => {
  const { ask, running, pass } = open()
  for (const name of ['a1', 'a2', 'a3', 'b1', 'b2', 'c1']) ask(name)
  await settled()
  expect(running).toEqual(['a1', 'a2'])
  await pass()
  expect(running).toEqual(['a1', 'a2', 'b1', 'c1'])
  await pass()
  expect(running).toHaveLength(4)
})

it('lets a small work begin beside a large one, and a second large one wait', async () => {
  const { ask, end, running } = open()
  ask('a1', 80)
  ask('b1', 80)
  ask('c1', 15)
  await settled()
  expect(running).toEqual(['a1', 'c1'])
  await end('a1')
  expect(running).toEqual(['c1', 'b1'])
})

it('never begins what nobody waits for any more, and keeps no place for it', async () => {
  const turns = createFairSemaphore({ quick: 1, all: 1, bytes: 100, host: createClock().host })
  const gone = new AbortController()
  const begun: string[] = []
  const first = Promise.withResolvers<void>()
  const work = (name: string, until?: Promise<void>) => async (): Promise<void> => {
    begun.push(name)
    await until
  }
  const running = turns('a', 1, work('first', first.promise))
  const left = turns('a', 1, work('left'), gone.signal)
  const last = turns('b', 1, work('last'))
  gone.abort(new Error('the client went away'))
  await expect(left).rejects.toThrow('the client went away')
  first.resolve()
  await Promise.all([running, last])
  expect(begun).toEqual(['first', 'last'])
})

it('runs what takes more than there is alone', async () => {
  const { ask, end, running } = open()
  ask('a1', 500)
  ask('b1', 10)
  await settled()
  expect(running).toEqual(['a1'])
  await end('a1')
  expect(running).toEqual(['b1'])
})

it('keeps its bounds and lets every work come to its end, in any order', async () => {
  const works = array(tuple(constantFrom('a', 'b', 'c'), integer({ min: 1, max: 100 })), {
    minLength: 1,
    maxLength: 30,
  })
  await assert(
    asyncProperty(works, infiniteStream(nat()), async (asked, chance) => {
      const { ask, end, running, begun, pass } = open()
      for (const [index, [owner, bytes]] of asked.entries()) ask(`${owner}${index}`, bytes)
      await settled()
      while (running.length > 0) {
        const bytes = running.reduce((sum, name) => sum + asked[Number(name.slice(1))]![1], 0)
        expect(bytes).toBeLessThanOrEqual(100)
        expect(running.length).toBeLessThanOrEqual(4)
        for (const owner of ['a', 'b', 'c'])
          expect(running.filter((name) => name.startsWith(owner)).length).toBeLessThanOrEqual(2)
        const next = chance.next().value
        if (next % 3 === 0) await pass()
        await end(running[next % running.length]!)
      }
      expect(begun).toHaveLength(asked.length)
    }),
    { seed: 7, numRuns: 100 },
  )
})

it('a semaphore follows its number of slots while it works', async () => {
  let slots = 1
  const semaphore = createSemaphore(() => slots)
  const ends: (() => void)[] = []
  const ask = (): void => void semaphore(() => new Promise<void>((resolve) => ends.push(resolve)))
  ask()
  ask()
  ask()
  await settled()
  expect(ends).toHaveLength(1)
  slots = 3
  ask()
  await settled()
  expect(ends).toHaveLength(3)
  slots = 1
  for (const end of ends.splice(0)) end()
  await settled()
  expect(ends).toHaveLength(1)
})
