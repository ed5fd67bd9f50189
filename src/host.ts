/**
 * All that is not deterministic: the time, ids, chance and waiting. Code takes a `Host` and never asks the
 * platform itself, so a test can move the clock and repeat a run from its seed.
 */
import { randomUUID } from 'node:crypto'

export interface Host {
  /** Milliseconds since the epoch, UTC. */
  now(): number
  /** A monotonic reading in milliseconds, for measuring how long something took. */
  monotonic(): number
  /** A new UUID. */
  id(): string
  /** A number in [0, 1). */
  random(): number
  /** Resolves after `ms`, or at once (never rejects) when `signal` fires. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** The longest delay a timer takes: above 2^31-1 ms `setTimeout` fires at once. */
const longestTimerMs = 2 ** 31 - 1

export const systemHost: Host = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  id: () => randomUUID(),
  random: () => Math.random(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const end = (): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', end)
        resolve()
      }
      const timer = setTimeout(end, Math.min(ms, longestTimerMs))
      signal?.addEventListener('abort', end, { once: true })
    }),
}
