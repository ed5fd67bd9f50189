/**
 * A life is one process of a simulation. It can be killed at any await of what lies outside it (database, provider, clock,
 * files): from then on nothing that it waits for ever comes, and what it had asked for happens or not, as it was.
 */
import type { Host } from '../../src/host.ts'
import type { Database } from '../../src/store/database.ts'
import type { Clock } from '../clock.ts'
import { delegating } from './data.ts'
import { type ProviderHarness, type ProviderOptions, createProviderHarness } from './provider.ts'

export interface Life extends ProviderHarness {
  /** Awaits of the outside so far. */
  readonly awaits: () => number
  readonly isDead: () => boolean
  /** As kill -9. */
  kill(): void
}

/** It dies at that await, before or after what it asked for has happened. */
export interface Kill {
  readonly at: number
  readonly when: 'before' | 'after'
}

interface Birth {
  readonly options: ProviderOptions
  readonly clock: Clock
  readonly database: Database
  readonly kept: Map<string, Uint8Array>
  readonly fetch: typeof fetch
  readonly kill: Kill | undefined
  readonly onActivity: () => void
  /** What a database is asked takes its time, in which nothing else may be moved on. */
  readonly onAsked: (by: 1 | -1) => void
}

export function beginLife({
  options,
  clock,
  database: shared,
  kept,
  fetch: sharedFetch,
  kill,
  onActivity,
  onAsked,
}: Birth) {
  let awaits = 0
  let dead = false
  const never = new Promise<never>(() => undefined)

  /** An await of something outside: the process may die before it is asked for, or after it has happened. */
  const outsideOf = async <T>(ask: () => Promise<T>): Promise<T> => {
    if (dead) return never
    onActivity()
    const mine = ++awaits
    if (kill?.at === mine && kill.when === 'before') dead = true
    if (dead) return never
    try {
      const answer = await ask()
      if (kill?.at === mine) dead = true
      return dead ? await never : answer
    } catch (error) {
      if (dead) return await never
      throw error
    } finally {
      onActivity()
    }
  }

  const listening = new Set<() => void>()
  /** Sleeps as the clock does; the signals that would have woken a dead process let go of it. */
  const sleep = async (ms: number, signal?: AbortSignal): Promise<void> => {
    if (!signal || signal.aborted) return clock.sleep(ms, signal)
    const own = new AbortController()
    const wake = (): void => own.abort()
    const forget = (): void => {
      signal.removeEventListener('abort', wake)
      listening.delete(forget)
    }
    signal.addEventListener('abort', wake)
    listening.add(forget)
    await clock.sleep(ms, own.signal)
    forget()
  }
  const host: Host = { ...clock, sleep: (ms, signal) => outsideOf(() => sleep(ms, signal)) }
  const asking = <T>(ask: () => Promise<T>): Promise<T> =>
    outsideOf(async () => {
      onAsked(1)
      try {
        return await ask()
      } finally {
        onAsked(-1)
      }
    })
  const database: Database = {
    ...delegating(shared),
    all: (...query) => asking(() => shared.all(...query)),
    get: (...query) => asking(() => shared.get(...query)),
    transaction: (work) => asking(() => shared.transaction(work)),
    snapshot: (work) => asking(() => shared.snapshot(work)),
  }
  const fetch: typeof sharedFetch = (...request) => outsideOf(() => sharedFetch(...request))

  const harness = createProviderHarness({
    ...options,
    clock: host,
    database,
    kept,
    fetch,
    api: 'https://api.replicate.test',
    outside: 'https://coordinator.test',
    through: outsideOf,
  })
  const started = harness.start()
  const life: Life = {
    ...harness,
    awaits: () => awaits,
    isDead: () => dead,
    kill: () => void (dead = true),
    async stop() {
      await harness.stop()
      dead = true
    },
  }
  return {
    life,
    started,
    /** Node keeps signals that somebody listens to, and with them a life that has ended. */
    forget: (): void => listening.forEach((end) => end()),
  }
}
