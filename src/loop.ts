/**
 * The loop of every background process: looks for due work, sleeps until the next due time or a wake, backs off after a
 * failed look, and stops.
 */
import type { Host } from './host.ts'

export interface Loop {
  /** Begins to look, `afterMs` from now; once. */
  start(afterMs?: number): void
  /** Looks again, soon: several calls before a look are one look. */
  wake(): void
  /** Stops the loop; resolves when a running look has ended. */
  stop(): Promise<void>
}

export interface LoopOptions {
  readonly host: Pick<Host, 'sleep'>
  /**
   * Does the due work. Resolves to the ms until the next look; `Infinity`: only after a wake. `stopped` aborts when the
   * loop stops.
   */
  readonly look: (stopped: AbortSignal) => Promise<number>
  /** Called when a look rejects. The next look comes `backOffMs` later; wakes do not shorten the wait. */
  readonly onError: (error: unknown) => void
  readonly backOffMs?: number
}

/** For a failing database or a full disk: far longer than a try costs, yet short for a person who waits. */
export const backOffMs = 3000

export function createLoop({ host, look, onError, backOffMs: waitMs = backOffMs }: LoopOptions): Loop {
  const stopped = new AbortController()
  const { signal } = stopped
  const alarm = createAlarm(host)
  let running: Promise<void> | undefined

  const run = async (afterMs: number): Promise<void> => {
    if (afterMs > 0) await alarm.sleep(afterMs)
    while (!signal.aborted) {
      alarm.set()
      try {
        await alarm.sleep(await look(signal))
      } catch (error) {
        if (signal.aborted) return
        onError(error)
        await host.sleep(waitMs, signal)
      }
    }
  }

  return {
    start(afterMs = 0) {
      running ??= run(afterMs)
    },
    wake: alarm.ring,
    async stop() {
      stopped.abort(new Error('the program is stopping'))
      alarm.ring()
      await running
    },
  }
}

/** Runs something on one node at a time, from the engine's start on (`Engine.lead`). */
export type Lead = (name: string, run: (signal: AbortSignal) => Promise<void>) => void

/** A loop that runs on one node at a time: it begins anew wherever it is led. */
export interface LedLoop {
  /** Looks until `signal` fires. */
  run(signal: AbortSignal): Promise<void>
  /** Looks again, soon, if the loop runs here. */
  wake(): void
}

export function createLedLoop({
  firstAfterMs = 0,
  ...options
}: LoopOptions & { readonly firstAfterMs?: number }): LedLoop {
  let current: Loop | undefined
  return {
    async run(signal) {
      const loop = createLoop(options)
      current = loop
      loop.start(firstAfterMs)
      if (!signal.aborted)
        await new Promise<void>((resolve) =>
          signal.addEventListener('abort', () => resolve(), { once: true }),
        )
      await loop.stop()
    },
    wake: () => current?.wake(),
  }
}

/** Ends a sleep early. A ring between `set` and the sleep ends that at once: none is missed. */
export interface Alarm {
  /** Forgets the rings before. */
  set(): void
  ring(): void
  /** Until `ms` have passed, it has rung, or `signal` fires. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

export function createAlarm(host: Pick<Host, 'sleep'>): Alarm {
  let rung = new AbortController()
  return {
    set() {
      rung = new AbortController()
    },
    ring() {
      // With a reason: the one that is made otherwise costs more than the wake.
      rung.abort('rung')
    },
    async sleep(ms, signal) {
      const early = signal ? AbortSignal.any([rung.signal, signal]) : rung.signal
      if (early.aborted) return
      if (ms < Number.POSITIVE_INFINITY) return host.sleep(Math.max(0, ms), early)
      await new Promise<void>((resolve) => early.addEventListener('abort', () => resolve(), { once: true }))
    },
  }
}
