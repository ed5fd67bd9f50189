/**
 * Estimates when a film will be ready, from the durations of similar renders. Pure. A Monte Carlo simulation plays the
 * queue many times with durations drawn from the history, and reports the 50th and 90th percentile. Medians cannot
 * simply be added, because the last of several scenes ends later than any one of them is likely to.
 */
import { type FrameFormat, framesOf } from './format.ts'
import { type Pace, isPaced, pacedStartAt } from './queue.ts'
import type { RenderSettings } from './scene.ts'

/**
 * Stages with a duration. `render`: while a scene holds a slot at its renderer. `clip`: from the same start until its
 * clip is ready, including the fetch from a provider. `take`: reusing a stored clip for a scene. `stitch`: from the last
 * clip to the film.
 */
export const timedStages = ['render', 'clip', 'take', 'stitch'] as const
export type TimedStage = (typeof timedStages)[number]

/** One measured duration. `units`: the amount of work that it grows with. */
export interface Timing {
  readonly ms: number
  readonly units: number
}

/** Key of a history of similar durations: the model and, for a paid one, its settings. */
export const timedAs = (model: string, settings: RenderSettings | null): string =>
  settings ? `${model} ${settings.seconds}s ${settings.resolution}` : model

/** On this machine time grows with the pixels (in thousands); at a provider it depends on the settings alone. */
export const renderUnits = (
  duration: number,
  { width, height, fps }: FrameFormat,
  settings: RenderSettings | null,
): number => (settings ? 1 : filmUnits(framesOf(duration, fps), { width, height }))

export const filmUnits = (frames: number, { width, height }: Pick<FrameFormat, 'width' | 'height'>): number =>
  Math.max(1, Math.round((frames * width * height) / 1000))

/** Times in ms, ascending; at least one. */
export type Times = readonly number[]

const ascending = (one: number, other: number): number => one - other

/** Durations expected for `units` of work; undefined without a history. */
export const timesFor = (history: readonly Timing[], units: number): Times | undefined =>
  history.length === 0 ? undefined : history.map((one) => (one.ms * units) / one.units).toSorted(ascending)

/** Durations as measured, whatever their units; undefined without a history. */
export const timesOf = (history: readonly Timing[]): Times | undefined =>
  history.length === 0 ? undefined : history.map(({ ms }) => ms).toSorted(ascending)

/** The duration that the next one stays below with probability `share`, judged by the times from `first` on. */
function draw(times: Times, share: number, first = 0): number {
  const count = times.length - first
  // Of n values in order, the next is below the k-th with a chance of k / (n + 1).
  const place = Math.min(Math.max(share * (count + 1) - 1, 0), count - 1)
  const below = Math.floor(place)
  const lower = times[first + below]!
  const upper = times[Math.min(first + below + 1, times.length - 1)]!
  return lower + (upper - lower) * (place - below)
}

/** For one that already runs longer than any before: what is left, as shares of the time it has run. */
const overdue = { least: 0.05, most: 0.5 }

/** The time left after `ranMs`, judged by the durations that were longer; never negative. */
export function remaining(times: Times, ranMs: number, share: number): number {
  if (ranMs <= 0) return draw(times, share)
  const first = firstAbove(times, ranMs)
  return first === times.length
    ? ranMs * (overdue.least + (overdue.most - overdue.least) * share)
    : draw(times, share, first) - ranMs
}

function firstAbove(times: Times, ms: number): number {
  let [low, high] = [0, times.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (times[middle]! > ms) high = middle
    else low = middle + 1
  }
  return low
}

/** Work in progress, and how long it has run. */
export interface UnderWay {
  readonly times: Times
  readonly ranMs: number
}

/** A render that holds a slot. */
export interface RunningRender extends UnderWay {
  /** Durations until its clip is ready, counted from the same start; omitted for other jobs' renders. */
  readonly clip?: Times
}

/** A group of other jobs' scenes with equal durations. */
export interface Others {
  readonly times: Times
  readonly scenes: number
}

/** A scene of the film that waits for a slot. */
export interface WaitingRender {
  /** Other jobs' scenes that start between the previous scene and this one. */
  readonly ahead: readonly Others[]
  readonly times: Times
  readonly clip: Times
  /** It may not start sooner, ms from now. */
  readonly notBeforeMs: number
}

/** The queue at one renderer, as seen by the film. */
export interface Line {
  /** At least one. */
  readonly slots: number
  readonly pace: Pace
  /** Recent starts that the pace still counts, ms relative to now (negative), ascending. */
  readonly started: readonly number[]
  /** All renders that hold a slot, including the film's own. */
  readonly running: readonly RunningRender[]
  /** The film's scenes, in the order in which they start. */
  readonly waiting: readonly WaitingRender[]
}

/** The work that a film still needs. */
export interface FilmToCome {
  readonly lines: readonly Line[]
  /** Clips in progress that no longer hold a slot. */
  readonly coming: readonly UnderWay[]
  /** Stitching; it has run for a while if all clips are ready. */
  readonly stitch: UnderWay
}

/** The 50th and 90th percentile, in ms. */
export interface Span {
  readonly p50: number
  readonly p90: number
}

export interface Forecast {
  /** Until the last scene gets a slot. */
  readonly waiting: Span
  /** Everything after that. */
  readonly running: Span
  readonly total: Span
}

/** Number of simulated runs. A prime, so that each duration of a history is drawn about equally often. */
const plays = 101

/** Other jobs' scenes that are simulated one by one; further ones count with their average. */
const mostPlayed = 200

export function forecast(film: FilmToCome): Forecast {
  const waiting: number[] = []
  const running: number[] = []
  const total: number[] = []
  for (let play = 0; play < plays; play++) {
    const last = lastClip(film, play)
    const end = last.at + remaining(film.stitch.times, film.stitch.ranMs, chance(play, streams.stitch))
    waiting.push(last.waited)
    running.push(end - last.waited)
    total.push(end)
  }
  return { waiting: spanOf(waiting), running: spanOf(running), total: spanOf(total) }
}

const spanOf = (values: number[]): Span => {
  values.sort(ascending)
  return { p50: values[Math.floor(plays * 0.5)]!, p90: values[Math.floor(plays * 0.9)]! }
}

/** One stream of random numbers for each purpose, so that adding a scene changes no other's draws. */
const streams = {
  stitch: 1,
  coming: 1_000,
  running: 1_000_000,
  ahead: 2_000_000,
  waiting: 3_000_000,
} as const

/** A number in (0, 1): evenly distributed over the runs of a stream, in a different order for each stream. */
function chance(play: number, stream: number): number {
  let mixed = Math.imul(stream, 0x9e3779b1)
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x85ebca6b)
  mixed = (mixed ^ (mixed >>> 13)) >>> 0
  const step = 1 + (mixed % (plays - 1))
  const offset = Math.floor(mixed / plays) % plays
  return (((step * play + offset) % plays) + 0.5) / plays
}

interface Clip {
  readonly at: number
  readonly waited: number
}

/** The clip that is ready last in one run. */
function lastClip({ lines, coming }: FilmToCome, play: number): Clip {
  let last: Clip = { at: 0, waited: 0 }
  const arrives = (at: number, waited: number): void => {
    if (at >= last.at) last = { at, waited }
  }
  for (const [index, { times, ranMs }] of coming.entries())
    arrives(remaining(times, ranMs, chance(play, streams.coming + index)), 0)
  for (const [index, line] of lines.entries()) playLine(line, play, index, arrives)
  return last
}

/** Each scene starts as soon as a slot is free and the pace allows it. */
function playLine(
  line: Line,
  play: number,
  lineIndex: number,
  arrives: (at: number, waited: number) => void,
): void {
  const { slots, running, waiting } = line
  const drawn = (stream: number, index: number): number => chance(play, stream + lineIndex * 10_000 + index)
  const held: number[] = []
  for (const [index, { times, ranMs, clip }] of running.entries()) {
    const share = drawn(streams.running, index)
    held.push(remaining(times, ranMs, share))
    if (clip) arrives(remaining(clip, ranMs, share), 0)
  }
  if (waiting.length === 0) return
  const before = waiting.reduce((sum, { ahead }) => ahead.reduce((all, { scenes }) => all + scenes, sum), 0)
  const places = createPlaces(Math.min(slots, running.length + before + waiting.length), held, slots)
  const paced = createPaced(line)
  const start = (notBeforeMs: number, takes: number): number => {
    const at = paced.start(Math.max(places.firstFree(), notBeforeMs))
    places.take(at + takes)
    return at
  }

  let played = 0
  const startOthers = (ahead: readonly Others[]): void => {
    let restMs = 0
    let rest = 0
    for (const { times, scenes } of ahead) {
      const now = Math.min(scenes, mostPlayed - played)
      for (let index = 0; index < now; index++) start(0, draw(times, drawn(streams.ahead, played++)))
      rest += scenes - now
      restMs += ((scenes - now) * times.reduce((sum, ms) => sum + ms, 0)) / times.length
    }
    if (rest > 0) places.delay(Math.max(restMs / slots, paced.delay(rest)))
  }
  for (const [index, { ahead, times, clip, notBeforeMs }] of waiting.entries()) {
    startOthers(ahead)
    const share = drawn(streams.waiting, index)
    const at = start(notBeforeMs, draw(times, share))
    arrives(at + draw(clip, share), at)
  }
}

/** Simulates admission's pace, in ms from now. */
function createPaced({ pace, started }: Pick<Line, 'pace' | 'started'>) {
  if (!isPaced(pace)) return { start: (at: number): number => at, delay: (): number => 0 }
  const { startDelayMs, startsPerMinute } = pace
  let starts = [...started]
  return {
    /** Takes the first allowed start at or after `from`. */
    start(from: number): number {
      const lastPostedAt = starts.at(-1)
      const minuteBeganAt = startsPerMinute === undefined ? undefined : starts.at(-startsPerMinute)
      const at = pacedStartAt(pace, { lastPostedAt, minuteBeganAt }, Math.max(from, lastPostedAt ?? 0))
      starts.push(at)
      return at
    },
    /** The time that `count` other starts in between take, in ms. */
    delay(count: number): number {
      const ms = count * Math.max(startDelayMs, startsPerMinute === undefined ? 0 : 60_000 / startsPerMinute)
      starts = starts.map((at) => at + ms)
      return ms
    },
  }
}

/**
 * The times at which slots become free, as a heap. `held`: when the occupied slots become free. If more renders run than
 * there are slots, the first ones to end free none.
 */
function createPlaces(count: number, held: readonly number[], slots: number) {
  const taken = held.toSorted(ascending).slice(Math.max(0, held.length - slots))
  const free = Array.from({ length: Math.max(0, count - taken.length) }, () => 0)
  // Sorted ascending, which is a valid heap.
  const heap = [...free, ...taken]
  return {
    firstFree: (): number => heap[0]!,
    delay(ms: number): void {
      for (let index = 0; index < heap.length; index++) heap[index]! += ms
    },
    /** Occupies the first free slot until then. */
    take(until: number): void {
      let index = 0
      for (;;) {
        const left = 2 * index + 1
        const child = left + 1 < heap.length && heap[left + 1]! < heap[left]! ? left + 1 : left
        if (child >= heap.length || heap[child]! >= until) break
        heap[index] = heap[child]!
        index = child
      }
      heap[index] = until
    },
  }
}
