import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type FilmToCome,
  type Line,
  type Others,
  forecast,
  remaining,
  renderUnits,
  timedAs,
  timesFor,
  timesOf,
} from '../../src/job/eta.ts'

const second = 1000
const stitch = { times: [2 * second], ranMs: 0 }
const line = (members: Partial<Line> = {}): Line => ({
  slots: 2,
  pace: { startDelayMs: 0 },
  started: [],
  running: [],
  waiting: [],
  ...members,
})
const waiting = (times: readonly number[], notBeforeMs = 0, ahead: readonly Others[] = []) => ({
  ahead,
  times,
  clip: times,
  notBeforeMs,
})
const film = (lines: readonly Line[], members: Partial<FilmToCome> = {}): FilmToCome => ({
  lines,
  coming: [],
  stitch,
  ...members,
})

describe('how long something takes', () => {
  it('is not guessed without a history', () => {
    expect(timesFor([], 1)).toBeUndefined()
    expect(timesOf([])).toBeUndefined()
  })

  it('is what the one measured took, scaled to its size', () => {
    const times = timesFor([{ ms: 3000, units: 100 }], 250)!
    expect(remaining(times, 0, 0.5)).toBe(7500)
    expect(remaining(times, 0, 0.9)).toBe(7500)
  })

  it('is below the k-th of n with a chance of k in n + 1', () => {
    const times = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => n * second)
    expect(remaining(times, 0, 0.5)).toBe(5 * second)
    expect(remaining(times, 0, 0.9)).toBe(9 * second)
    expect(remaining(times, 0, 0.25)).toBe(2.5 * second)
  })

  it('has one history for a model, and for what a paid one is asked for', () => {
    expect(timedAs('local', null)).toBe('local')
    const settings = { seconds: 8, resolution: '720p', aspect_ratio: '16:9', audio: false }
    expect(timedAs('google/veo-3.1-fast', settings)).toBe('google/veo-3.1-fast 8s 720p')
    expect(renderUnits(8, { width: 1280, height: 720, fps: 24 }, settings)).toBe(1)
    const one = renderUnits(2, { width: 640, height: 360, fps: 24 }, null)
    expect(renderUnits(4, { width: 1280, height: 720, fps: 24 }, null) / one).toBeCloseTo(8, 2)
  })

  it('is, of one that runs, what those took that were longer', () => {
    const times = [10, 20, 30, 40].map((n) => n * second)
    expect(remaining(times, 25 * second, 0.5)).toBe(10 * second)
    // Longer than any: a share of what it has run, and nothing is over yet.
    expect(remaining(times, 60 * second, 0.5)).toBeGreaterThan(second)
  })
})

describe('when a film is there', () => {
  it('is its renders side by side, and its joining', () => {
    const {
      waiting: wait,
      running,
      total,
    } = forecast(film([line({ waiting: [waiting([10 * second]), waiting([10 * second])] })]))
    expect(wait).toEqual({ p50: 0, p90: 0 })
    expect(running).toEqual({ p50: 12 * second, p90: 12 * second })
    expect(total).toEqual(running)
  })

  it('tells waiting apart from running', () => {
    const told = forecast(
      film([
        line({
          slots: 1,
          running: [{ times: [30 * second], ranMs: 10 * second }],
          waiting: [waiting([10 * second], 0, [{ times: [5 * second], scenes: 3 }])],
        }),
      ]),
    )
    expect(told.waiting).toEqual({ p50: 35 * second, p90: 35 * second })
    expect(told.running.p50).toBe(12 * second)
    expect(told.total.p50).toBe(47 * second)
  })

  it('keeps the least time between two starts', () => {
    const scenes = [waiting([second]), waiting([second]), waiting([second])]
    const told = forecast(film([line({ slots: 10, pace: { startDelayMs: 4 * second }, waiting: scenes })]))
    expect(told.total.p50).toBe(8 * second + second + 2 * second)
  })

  it('starts as many at once as a minute allows, and counts those that started before', () => {
    const scenes = Array.from({ length: 4 }, () => waiting([second]))
    const paced = { slots: 10, pace: { startDelayMs: 0, startsPerMinute: 3 }, waiting: scenes }
    expect(forecast(film([line(paced)])).waiting.p50).toBe(60 * second)
    const told = forecast(film([line({ ...paced, started: [-20 * second, -10 * second] })]))
    expect(told.waiting.p50).toBe(60 * second)
    expect(forecast(film([line({ ...paced, started: [-20 * second, 0, 0] })])).waiting.p50).toBe(100 * second)
  })

  it('waits for a pause to end', () => {
    const told = forecast(film([line({ waiting: [waiting([second], 60 * second)] })]))
    expect(told.total.p50).toBe(63 * second)
  })

  it('has no place for the first to end where more run than may', () => {
    const running = [1, 2, 3].map((n) => ({ times: [n * 10 * second], ranMs: 0 }))
    const told = forecast(film([line({ slots: 1, running, waiting: [waiting([second])] })]))
    expect(told.waiting.p50).toBe(30 * second)
  })

  it('is later than the median of any one scene where there are many', () => {
    const times = Array.from({ length: 99 }, (_, index) => (index + 1) * second)
    const many = Array.from({ length: 8 }, () => waiting(times))
    const told = forecast(film([line({ slots: 8, waiting: many })]))
    // The greatest of eight is below 91.7 s half of the times.
    expect(told.total.p50).toBeGreaterThan(85 * second)
    expect(told.total.p50).toBeLessThan(99 * second)
  })

  it('counts what is behind the first two hundred ahead as what it takes on average', () => {
    const times = [second, 3 * second]
    const told = forecast(film([line({ slots: 4, waiting: [waiting(times, 0, [{ times, scenes: 4000 }])] })]))
    expect(told.waiting.p50 / (2000 * second)).toBeCloseTo(1, 1)
  })
})

const someTimes = fc
  .array(fc.integer({ min: 0, max: 600_000 }), { minLength: 1, maxLength: 30 })
  .map((times) => times.toSorted((one, other) => one - other))
const underWay = fc.record({ times: someTimes, ranMs: fc.integer({ min: 0, max: 2_000_000 }) })
const someOthers = fc.array(fc.record({ times: someTimes, scenes: fc.integer({ min: 0, max: 50 }) }), {
  maxLength: 2,
})
const someLine: fc.Arbitrary<Line> = fc.record({
  slots: fc.integer({ min: 1, max: 6 }),
  pace: fc.record({ startDelayMs: fc.integer({ min: 0, max: 5000 }) }),
  started: fc.constant([]),
  running: fc.array(
    fc.tuple(underWay, fc.boolean()).map(([one, isOwn]) => ({ ...one, ...(isOwn && { clip: one.times }) })),
    { maxLength: 8 },
  ),
  waiting: fc
    .array(fc.tuple(someTimes, fc.integer({ min: 0, max: 60_000 }), someOthers), { maxLength: 6 })
    .map((scenes) =>
      scenes
        .toSorted(([, one], [, other]) => one - other)
        .map(([times, notBeforeMs, ahead]) => waiting(times, notBeforeMs, ahead)),
    ),
})
const someFilm: fc.Arbitrary<FilmToCome> = fc.record({
  lines: fc.array(someLine, { minLength: 1, maxLength: 2 }),
  coming: fc.array(underWay, { maxLength: 3 }),
  stitch: underWay,
})
const runs = { numRuns: 60 }

describe('whatever there is to come', () => {
  it('no time is negative, nine in ten take no less than half of them, and the same is told twice', () => {
    fc.assert(
      fc.property(someFilm, (given) => {
        const told = forecast(given)
        for (const { p50, p90 } of [told.waiting, told.running, told.total]) {
          expect(p50).toBeGreaterThanOrEqual(0)
          expect(p90).toBeGreaterThanOrEqual(p50)
        }
        expect(forecast(given)).toEqual(told)
      }),
      runs,
    )
  })

  it('more places make it no later', () => {
    fc.assert(
      fc.property(someFilm, (given) => {
        const more = given.lines.map((one) => ({ ...one, slots: one.slots + 1 }))
        const [before, after] = [forecast(given), forecast({ ...given, lines: more })]
        expect(after.total.p50).toBeLessThanOrEqual(before.total.p50 + 1e-6)
        expect(after.total.p90).toBeLessThanOrEqual(before.total.p90 + 1e-6)
      }),
      runs,
    )
  })

  it('more scenes ahead make it no earlier', () => {
    fc.assert(
      fc.property(someFilm, someTimes, fc.integer({ min: 1, max: 300 }), (given, times, scenes) => {
        const more = given.lines.map((one) => ({
          ...one,
          waiting: one.waiting.map((scene, index) =>
            index < one.waiting.length - 1 ? scene : { ...scene, ahead: [...scene.ahead, { times, scenes }] },
          ),
        }))
        const [before, after] = [forecast(given), forecast({ ...given, lines: more })]
        expect(after.total.p50).toBeGreaterThanOrEqual(before.total.p50 - 1e-6)
        expect(after.total.p90).toBeGreaterThanOrEqual(before.total.p90 - 1e-6)
      }),
      runs,
    )
  })

  it('what runs is not over', () => {
    fc.assert(
      fc.property(
        someTimes,
        fc.integer({ min: 1, max: 2_000_000 }),
        fc.double({ min: 0.01, max: 0.99, noNaN: true }),
        (times, ranMs, share) => {
          expect(remaining(times, ranMs, share)).toBeGreaterThan(0)
        },
      ),
    )
  })
})
