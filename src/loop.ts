/**
 * The loop of every background process: looks for due work, sleeps until the next due time or a wake, backs off after a
 * failed look, and stops.
 */
import type { Host } from './host.ts'

export interface Loop {
  /** Starts the loop. Idempotent. */
  start(): void
  /** Requests a look soon; several calls before it cause one look. */
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
