import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { type Source, Later, createAnswers } from '../../page/src/server/answers.ts'
import { merge } from '../../page/src/server/merge.ts'
import type { JobEvent } from '../../src/job/event.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

type Shown = { readonly value: number }

/** A source that counts its readings, and what the server would answer now. */
function counted({ tookMs = 0 }: { readonly tookMs?: number } = {}) {
  const server = { value: 0, readings: 0, failure: undefined as Error | undefined }
  const source: Source<Shown> = {
    name: 'counted',
    async load() {
      server.readings++
      const { value } = server
      await new Promise((resolve) => setTimeout(resolve, tookMs))
      if (server.failure) throw server.failure
      return { value }
    },
    on: ({ type, data: { value } }, data) =>
      type === 'job_updated' ? 'again' : type === 'job_progress' ? new Later({ value: Number(value) }) : data,
  }
  return { server, source: source }
}

let isHidden = false
const open = () => {
  isHidden = false
  return createAnswers({ isHidden: () => isHidden, isPassing: () => true })
}
const event = (type: JobEvent['type'], value?: number) =>
  ({ id: 1, type, job_id: 1, data: { value } }) as unknown as JobEvent
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)

it('reads an answer again at most four times a second, with however many events', async () => {
  const answers = open()
  const { server, source } = counted()
  answers.watch(source, () => {})
  for (let ms = 0; ms < 10_000; ms += 5) {
    answers.apply([event('job_updated')])
    await pass(5)
  }
  expect(server.readings).toBeGreaterThan(20)
  expect(server.readings).toBeLessThanOrEqual(41)
})

it('spends at most half of the time on an answer that takes long, and a tenth on what may be read later', async () => {
  for (const [type, most] of [
    ['job_updated', 52],
    ['job_progress', 14],
  ] as const) {
    const answers = open()
    const { server, source } = counted({ tookMs: 400 })
    const leave = answers.watch(source, () => {})
    for (let ms = 0; ms < 40_000; ms += 50) {
      answers.apply([event(type, 1)])
      await pass(50)
    }
    expect(server.readings).toBeGreaterThan(most / 2)
    expect(server.readings).toBeLessThanOrEqual(most)
    leave()
  }
})

it('reads nothing that nobody shows, and reads it once it is shown again', async () => {
  const answers = open()
  const { server, source } = counted()
  const leave = answers.watch(source, () => {})
  await pass(300)
  leave()
  server.value = 7
  answers.apply([event('job_updated')])
  answers.readAll()
  await pass(10_000)
  expect(server.readings).toBe(1)
  answers.watch(source, () => {})
  await pass(300)
  expect(answers.shown(source).data).toEqual({ value: 7 })
})

it('rests in a hidden tab, and reads what has changed once it is seen', async () => {
  const answers = open()
  const { server, source } = counted()
  answers.watch(source, () => {})
  await pass(300)
  isHidden = true
  for (let ms = 0; ms < 20_000; ms += 100) {
    answers.apply([event('job_updated')])
    await pass(100)
  }
  expect(server.readings).toBeLessThanOrEqual(5)
  server.value = 9
  answers.apply([event('job_updated')])
  isHidden = false
  answers.hurry()
  await pass(400)
  expect(answers.shown(source).data).toEqual({ value: 9 })
})

it('repeats a failed reading less and less often, shows why, and heals at once when the server is back', async () => {
  const answers = open()
  const { server, source } = counted()
  answers.watch(source, () => {})
  await pass(300)
  server.failure = new Error('away')
  answers.apply([event('job_updated')])
  await pass(120_000)
  expect(answers.shown(source)).toMatchObject({ data: { value: 0 }, error: server.failure })
  expect(server.readings).toBeLessThan(12)
  server.failure = undefined
  server.value = 3
  answers.hurry()
  await pass(200)
  expect(answers.shown(source)).toMatchObject({ data: { value: 3 }, error: undefined })
})

it('applies events that arrive while it reads, in their order', async () => {
  const answers = open()
  const { source } = counted({ tookMs: 100 })
  answers.watch(source, () => {})
  await pass(50)
  answers.apply([event('job_progress', 40), event('job_progress', 50)])
  await pass(60)
  expect(answers.shown(source).data).toEqual({ value: 50 })
})

it('keeps the parts of an answer that have not changed, wherever they have moved in a list', () => {
  const before = {
    job: { costs: { spent: 1 } },
    scenes: [
      { id: 'a', notes: [] },
      { id: 'b', notes: ['x'] },
    ],
  }
  expect(merge(before, structuredClone(before))).toBe(before)
  const now = {
    ...structuredClone(before),
    scenes: [
      { id: 'c', notes: [] },
      { id: 'a', notes: [] },
      { id: 'b', notes: ['y'] },
    ],
  }
  const merged = merge(before, now)
  expect(merged).toEqual(now)
  expect(merged.job).toBe(before.job)
  expect(merged.scenes[1]).toBe(before.scenes[0])
  expect(merged.scenes[2]).not.toBe(before.scenes[1])
})
