/**
 * Waits last as long as intended when the wall clock is set back. Rows hold wall-clock times, so that a wait survives a
 * restart; when the clock is set back, they are moved by the same amount.
 */
import type { Host } from '../host.ts'
import { type Log, logLine } from '../log.ts'
import { createLedLoop } from '../loop.ts'
import type { Database, Transaction } from '../store/database.ts'
import { latestMoment, putBack, setSeen } from '../store/clock.ts'

export interface ClockWatch {
  /** Corrects the rows if the clock was set back since the last process looked at it. */
  correct(): Promise<void>
  /** Corrects, then watches the clock until `signal` fires: on one node at a time, since each step is corrected once. */
  run(signal: AbortSignal): Promise<void>
}

export interface ClockWatchOptions {
  readonly database: Database
  readonly host: Host
  readonly log: Log
  /** Rows are due earlier now: wakes the loops that sleep until a row is due. */
  readonly onPutBack: () => void
}

/** Smaller steps, such as those of time synchronisation, are ignored. */
const leastMs = 1000
const lookEveryMs = 10_000
/** The last moment of a process is noted this often, so a start may underestimate it by as much. */
const notedEveryMs = 60_000

export function createClockWatch({ database, host, log, onPutBack }: ClockWatchOptions): ClockWatch {
  /** The last reading of both clocks. */
  let last = { wall: host.now(), monotonic: host.monotonic() }
  let notedAt = Number.NEGATIVE_INFINITY

  /** `stepMs`: how far the clock was set back, found out in the transaction so that no two nodes correct one step. */
  const note = async (stepMs: (tx: Transaction, now: number) => number | Promise<number>): Promise<void> => {
    const byMs = await database.transaction(async (tx) => {
      const now = host.now()
      const step = await stepMs(tx, now)
      if (step >= leastMs) await putBack(tx, now, step)
      await setSeen(tx, now)
      return step
    })
    notedAt = host.monotonic()
    if (byMs < leastMs) return
    logLine.clockPutBack(log, byMs)
    onPutBack()
  }

  const correct = async (): Promise<void> => {
    await note(async (tx, now) => (await latestMoment(tx)) - now)
    last = { wall: host.now(), monotonic: host.monotonic() }
  }

  const look = async (): Promise<void> => {
    const moment = { wall: host.now(), monotonic: host.monotonic() }
    const byMs = Math.round(last.wall + moment.monotonic - last.monotonic - moment.wall)
    if (byMs < leastMs && moment.monotonic - notedAt < notedEveryMs) {
      last = moment
      return
    }
    await note(() => byMs)
    last = moment
  }

  const watch = createLedLoop({
    host,
    firstAfterMs: lookEveryMs,
    async look() {
      await look()
      return lookEveryMs
    },
    // `last` is unchanged, so the next look finds the same step.
    onError: (error) => logLine.cannotKeepTimes(log, error),
  })
  return {
    correct,
    async run(signal) {
      await correct()
      await watch.run(signal)
    },
  }
}
