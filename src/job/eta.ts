/**
 * When a film will be there, from how long renders like its own have taken, pure. The queue is played through many times
 * with times drawn from the history, and told is what half of the plays and nine in ten of them come to: medians can't
 * just be added up, because the last of several scenes is later than any one of them is likely to be.
 */
import { type FrameFormat, framesOf } from './format.ts'
import { type Pace, isPaced, pacedStartAt } from './queue.ts'
import type { RenderSettings } from './scene.ts'

/**
 * What takes its time: `render`, while a scene holds a place at its renderer; `clip`, from the same moment until its clip
 * is there, where a provider's has to be fetched first; `take`, making a kept clip a scene's own; `stitch`, from the last
 * clip to the film.
 */
export const timedStages = ['render', 'clip', 'take', 'stitch'] as const
export type TimedStage = (typeof timedStages)[number]

/** How long one took. `units`: what its time grows with. */
export interface Timing {
  readonly ms: number
  readonly units: number
}

/** What is like enough to have one history: a model, and what a paid one is asked for. */
export const timedAs = (model: string, settings: RenderSettings | null): string =>
  settings ? `${model} ${settings.seconds}s ${settings.resolution}` : model

/** This machine's time grows with the pixels it makes (here in thousands); a provider's hardly with anything but its settings. */
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

/** How long something of so many units takes; undefined without a history. */
export const timesFor = (history: readonly Timing[], units: number): Times | undefined =>
  history.length === 0 ? undefined : history.map((one) => (one.ms * units) / one.units).toSorted(ascending)

/** How long those took that there were, whatever their units; undefined without a history. */
export const timesOf = (history: readonly Timing[]): Times | undefined =>
  history.length === 0 ? undefined : history.map(({ ms }) => ms).toSorted(ascending)

/** The time below which the next one is with a chance of `share`, as far as the times from `first` on tell. */
function draw(times: Times, share: number, first = 0): number {
  const count = times.length - first
  // Of n values in order, the next is below the k-th with a chance of k / (n + 1).
  const place = Math.min(Math.max(share * (count + 1) - 1, 0), count - 1)
  const below = Math.floor(place)
  const lower = times[first + below]!
  const upper = times[Math.min(first + below + 1, times.length - 1)]!
  return lower + (upper - lower) * (place - below)
}

/** Of one that took longer than any before, nobody knows more than that it lasts: of how long it has run, these shares more. */
const overdue = { least: 0.05, most: 0.5 }

/** What is left of one that has run for `ranMs`, by those that took longer: never less than nothing. */
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

/** What is under way, and for how long. */
export interface UnderWay {
  readonly times: Times
  readonly ranMs: number
}

/** A render that holds a place. */
export interface RunningRender extends UnderWay {
  /** Until its clip is there, counted from the same moment; left out for another job's. */
  readonly clip?: Times
}

/** Others' scenes that take as long as one another. */
export interface Others {
  readonly times: Times
  readonly scenes: number
}

/** A scene of the film that waits for a slot. */
export interface WaitingRender {
  /** Others' scenes that start between the one before it and this one. */
  readonly ahead: readonly Others[]
  readonly times: Times
  readonly clip: Times
  /** It may not start sooner, ms from now. */
  readonly notBeforeMs: number
}

/** A renderer as the film's scenes find it. */
export interface Line {
  /** At least one. */
  readonly slots: number
  readonly pace: Pace
  /** The starts that the pace still counts, ms before now and so negative, ascending. */
  readonly started: readonly number[]
  /** All that hold a slot, the film's own among them. */
  readonly running: readonly RunningRender[]
  /** The film's scenes, in the order in which they start. */
  readonly waiting: readonly WaitingRender[]
}

/** What a film still needs. */
export interface FilmToCome {
  readonly lines: readonly Line[]
  /** Clips on their way that hold no place any more. */
  readonly coming: readonly UnderWay[]
  /** Its joining; it has run where all clips are there. */
  readonly stitch: UnderWay
}

/** Half of the times it takes at most `p50`, nine times in ten at most `p90`. In ms. */
export interface Span {
  readonly p50: number
  readonly p90: number
}

export interface Forecast {
  /** Of the scene that is last: until it has a place. */
  readonly waiting: Span
  /** All the rest. */
  readonly running: Span
  readonly total: Span
}

/** A prime, so that each time of a history is drawn as evenly as it can be. */
const plays = 101

/** Others' scenes that are played one by one; further ones count as what they take on average. */
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

/** Which chance is whose: adding a scene changes no other's. */
const streams = {
  stitch: 1,
  coming: 1_000,
  running: 1_000_000,
  ahead: 2_000_000,
  waiting: 3_000_000,
} as const

/** In (0, 1): over all plays of one stream evenly, and each stream in an order of its own. */
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

/** Of all the film's clips in one play, the one that is there last. */
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

/** Each starts as soon as one before it has left a slot, and the pace allows. */
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

/** Admission's pace, played: in ms from now. */
function createPaced({ pace, started }: Pick<Line, 'pace' | 'started'>) {
  if (!isPaced(pace)) return { start: (at: number): number => at, delay: (): number => 0 }
  const { startDelayMs, startsPerMinute } = pace
  let starts = [...started]
  return {
    /** The first time from `from` on that is allowed; it counts from now on. */
    start(from: number): number {
      const lastPostedAt = starts.at(-1)
      const minuteBeganAt = startsPerMinute === undefined ? undefined : starts.at(-startsPerMinute)
      const at = pacedStartAt(pace, { lastPostedAt, minuteBeganAt }, Math.max(from, lastPostedAt ?? 0))
      starts.push(at)
      return at
    },
    /** So many start in between: how long they take to, ms. */
    delay(count: number): number {
      const ms = count * Math.max(startDelayMs, startsPerMinute === undefined ? 0 : 60_000 / startsPerMinute)
      starts = starts.map((at) => at + ms)
      return ms
    },
  }
}

/**
 * The times at which slots come free, as a heap. `held`: when those come free that are taken now; where they are more than
 * there are slots, the first that end free none.
 */
function createPlaces(count: number, held: readonly number[], slots: number) {
  const taken = held.toSorted(ascending).slice(Math.max(0, held.length - slots))
  const free = Array.from({ length: Math.max(0, count - taken.length) }, () => 0)
  // Ascending, and so a heap.
  const heap = [...free, ...taken]
  return {
    firstFree: (): number => heap[0]!,
    delay(ms: number): void {
      for (let index = 0; index < heap.length; index++) heap[index]! += ms
    },
    /** The first free place is taken until then. */
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
