/**
 * All that is not deterministic: the time, ids, chance and waiting. Code takes a `Host` and never asks the
 * platform itself, so a test can move the clock and repeat a run from its seed.
 */
import { randomBytes } from 'node:crypto'

export interface Host {
  /** Milliseconds since the epoch, UTC. */
  now(): number
  /** A monotonic reading in milliseconds, for measuring how long something took. */
  monotonic(): number
  /** A new UUID that sorts after earlier ones (version 7), so that rows made together lie together. */
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
  id: () => timedUuid(Date.now()),
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

/** RFC 9562, version 7: 48 bits of milliseconds, then 74 of chance. */
function timedUuid(now: number): string {
  const bytes = randomBytes(16)
  bytes.writeUIntBE(now, 0, 6)
  bytes[6] = 0x70 | (bytes[6]! & 0x0f)
  bytes[8] = 0x80 | (bytes[8]! & 0x3f)
  const hex = bytes.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
