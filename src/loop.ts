/**
 * The one loop of what runs beside requests: it looks for what is due, sleeps until the next time or a wake, backs off
 * where a look fails, and stops.
 */
import type { Host } from './host.ts'

export interface Loop {
  /** Begins to look, `afterMs` from now; once. */
  start(afterMs?: number): void
  /** Looks again, soon: several calls before a look are one look. */
  wake(): void
  /** Looks no more; resolves when a look that runs has ended. */
  stop(): Promise<void>
}

export interface LoopOptions {
  readonly host: Pick<Host, 'sleep'>
  /**
   * Does what is due now. Resolves to in how many ms to look again; `Infinity`: only at a wake. `stopped` fires when the
   * loop is to end.
   */
  readonly look: (stopped: AbortSignal) => Promise<number>
  /** A look rejected. The next one comes `backOffMs` later, and no wake is heard before. */
  readonly onError: (error: unknown) => void
  readonly backOffMs?: number
}

/** Short beside a person's patience, long beside a try: of a database that refuses, or a full disk. */
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
      rung.abort()
    },
    async sleep(ms, signal) {
      const early = signal ? AbortSignal.any([rung.signal, signal]) : rung.signal
      if (early.aborted) return
      if (ms < Number.POSITIVE_INFINITY) return host.sleep(Math.max(0, ms), early)
      await new Promise<void>((resolve) => early.addEventListener('abort', () => resolve(), { once: true }))
    },
  }
}
