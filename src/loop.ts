/**
 * The one loop of what runs beside requests: it looks for what is due, sleeps until the next time or a wake, backs off
 * where a look fails, and stops.
 */
import type { Host } from './host.ts'

export interface Loop {
  /** Begins to look; once. */
  start(): void
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
  let isDue = false
  let alarm = new AbortController()
  let running: Promise<void> | undefined

  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      isDue = false
      alarm = new AbortController()
      try {
        const ms = await look(signal)
        if (!isDue && !signal.aborted) await sleep(host, ms, alarm.signal)
      } catch (error) {
        if (signal.aborted) return
        onError(error)
        await host.sleep(waitMs, signal)
      }
    }
  }

  return {
    start() {
      running ??= run()
    },
    wake() {
      isDue = true
      alarm.abort()
    },
    async stop() {
      stopped.abort(new Error('the program is stopping'))
      alarm.abort()
      await running
    },
  }
}

/** Until `signal` fires, or `ms` have passed. */
const sleep = (host: Pick<Host, 'sleep'>, ms: number, signal: AbortSignal): Promise<void> =>
  ms === Number.POSITIVE_INFINITY
    ? new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    : host.sleep(Math.max(0, ms), signal)
