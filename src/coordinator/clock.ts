/**
 * What waits is due when its wait is over, whatever somebody does to the clock. Rows hold times of the wall clock, so that
 * a wait goes on over a restart; where that clock is put back, they are put back with it.
 */
import type { Host } from '../host.ts'
import { type Log, logLine } from '../log.ts'
import { createLoop } from '../loop.ts'
import type { Database } from '../store/database.ts'
import { latestMoment, putBack, setSeen } from '../store/clock.ts'

export interface ClockWatch {
  /** Puts right what an earlier process wrote by a clock that has been put back since, and watches from then on. */
  start(): Promise<void>
  stop(): Promise<void>
}

export interface ClockWatchOptions {
  readonly database: Database
  readonly host: Host
  readonly log: Log
  /** Rows are due earlier now: whoever sleeps until then has to look again. */
  readonly onPutBack: () => void
}

/** A clock that is kept right by small steps is left alone. */
const leastMs = 1000
const lookEveryMs = 10_000
/** So far a start may take the last moment of the process before for earlier than it was. */
const notedEveryMs = 60_000

export function createClockWatch({ database, host, log, onPutBack }: ClockWatchOptions): ClockWatch {
  /** By both clocks. */
  let last = { wall: host.now(), monotonic: host.monotonic() }
  let notedAt = Number.NEGATIVE_INFINITY

  const note = async (byMs: number): Promise<void> => {
    await database.transaction(async (tx) => {
      const now = host.now()
      if (byMs >= leastMs) await putBack(tx, now, byMs)
      await setSeen(tx, now)
    })
    notedAt = host.monotonic()
    if (byMs < leastMs) return
    logLine.clockPutBack(log, byMs)
    onPutBack()
  }

  const look = async (): Promise<void> => {
    const moment = { wall: host.now(), monotonic: host.monotonic() }
    const byMs = Math.round(last.wall + moment.monotonic - last.monotonic - moment.wall)
    if (byMs < leastMs && moment.monotonic - notedAt < notedEveryMs) {
      last = moment
      return
    }
    await note(byMs)
    last = moment
  }

  const { start, stop } = createLoop({
    host,
    async look() {
      await look()
      return lookEveryMs
    },
    // The next look tells the same.
    onError: (error) => logLine.cannotKeepTimes(log, error),
  })
  return {
    async start() {
      await note((await latestMoment(database)) - host.now())
      last = { wall: host.now(), monotonic: host.monotonic() }
      start(lookEveryMs)
    },
    stop,
  }
}
