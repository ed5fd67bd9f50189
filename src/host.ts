/**
 * Everything that is not deterministic: time, ids, randomness and waiting. Code uses a `Host`, never the platform, so
 * that a test can move the clock and repeat a run from its seed.
 */
import { randomBytes, randomUUID } from 'node:crypto'

export interface Host {
  /** Milliseconds since the epoch, UTC. */
  now(): number
  /** A monotonic clock in milliseconds, for measuring durations. */
  monotonic(): number
  /** A new UUID of version 7, which sorts after earlier ones, so that rows inserted together are stored together. */
  id(): string
  /** A number in [0, 1). */
  random(): number
  /** Cryptographically random bytes, as hex digits. */
  secret(bytes: number): string
  /** Resolves after `ms`, or at once (never rejects) when `signal` fires. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** The longest delay of a timer: above 2^31-1 ms `setTimeout` fires at once. */
const longestTimerMs = 2 ** 31 - 1

export const systemHost: Host = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  id: () => timedUuid(Date.now()),
  random: () => Math.random(),
  secret: (bytes) => randomBytes(bytes).toString('hex'),
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

/** A host with another clock: of the database that several nodes share. */
export const withClock = (host: Host, now: () => number): Host => ({ ...host, now })

/** Resolves when `work` has settled, or after `ms`. */
export async function atMost(host: Pick<Host, 'sleep'>, ms: number, work: Promise<unknown>): Promise<void> {
  const settled = new AbortController()
  const end = (): void => settled.abort()
  work.then(end, end)
  await host.sleep(ms, settled.signal)
}

/** RFC 9562, version 7: 48 bits of milliseconds, then the chance of a version 4, of which Node makes many at once. */
function timedUuid(now: number): string {
  const time = now.toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`
}
