/** A host whose time stands until the test moves it, and whose chance comes from a seed. */
import type { Host } from '../src/host.ts'

export interface Clock extends Host {
  /** Puts the wall clock back, or forward by a negative number; sleepers sleep on. */
  putBack(ms: number): void
  /** Moves the time on, and wakes whoever has slept long enough. */
  advance(ms: number): void
  /** When the next sleeper wakes; undefined where nobody sleeps. */
  nextWakeAt(): number | undefined
}

export function createClock(seed = 1): Clock {
  let now = Date.UTC(2026, 0, 1)
  /** How far the wall clock is behind. */
  let back = 0
  let state = seed
  let ids = 0
  const sleepers = new Set<{ readonly at: number; readonly wake: () => void }>()
  const random = (): number => {
    // mulberry32
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    // Whole, as the system's is: a sleeper may have asked for less.
    now: () => Math.floor(now - back),
    monotonic: () => now,
    random,
    secret: (bytes) =>
      Array.from({ length: bytes * 2 }, () => Math.floor(random() * 16).toString(16)).join(''),
    id: () => `00000000-0000-4000-8000-${(++ids + seed * 2 ** 32).toString(16).padStart(12, '0')}`,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted || ms <= 0) return resolve()
        const sleeper = {
          at: now + ms,
          wake: () => {
            sleepers.delete(sleeper)
            resolve()
          },
        }
        sleepers.add(sleeper)
        signal?.addEventListener('abort', sleeper.wake, { once: true })
      }),
    nextWakeAt() {
      let next: number | undefined
      for (const { at } of sleepers) if (next === undefined || at < next) next = at
      return next === undefined ? undefined : next - back
    },
    putBack(ms) {
      back += ms
    },
    advance(ms) {
      now += ms
      for (const sleeper of sleepers) if (sleeper.at <= now) sleeper.wake()
    },
  }
}
