/** What happens by the clock: jobs whose time has come are queued, jobs whose deadline has passed fail and stop spending. */
import type { Host } from '../host.ts'
import { type Log, logLine } from '../log.ts'
import type { Database, Transaction } from '../store/database.ts'
import { findJobState, listOverdue, listScheduled, nextJobTimeAt } from '../store/jobs.ts'
import type { Ending } from './ending.ts'
import type { Starting } from './starting.ts'

export interface Timetable {
  start(): void
  /** A job's times have changed: looks again, soon. */
  lookSoon(): void
  stop(): Promise<void>
}

export interface TimetableOptions {
  readonly database: Database
  readonly host: Host
  readonly log: Log
  readonly starting: Starting
  readonly ending: Ending
}

/** Jobs seen to in one transaction. */
const atOnce = 50

/** How long to wait before asking a database again that refused. */
const refusedMs = 3000

/** Looked at least so often: a clock may be put right. */
const longestMs = 60_000

export function createTimetable({ database, host, log, starting, ending }: TimetableOptions): Timetable {
  const stopped = new AbortController()
  let wake = new AbortController()
  let asked = false

  /** Whether there may be more. */
  const keep = async (tx: Transaction, now: number): Promise<boolean> => {
    const due = await listScheduled(tx, now, atOnce)
    for (const id of due) await starting.rejoin(tx, id)
    const overdue = await listOverdue(tx, now, atOnce)
    for (const id of overdue) {
      const job = (await findJobState(tx, id))!
      const by = new Date(job.deadlineAt!).toISOString()
      await ending.giveUp(tx, job, {
        code: 'deadline_passed',
        reason: `It had not ended by its deadline, ${by}`,
      })
    }
    return due.length === atOnce || overdue.length === atOnce
  }

  const look = async (): Promise<number> => {
    // The same moment for what is due and what is to come: a job between two would be neither.
    let now = host.now()
    while (!stopped.signal.aborted && (await database.transaction((tx) => keep(tx, now)))) now = host.now()
    const next = await nextJobTimeAt(database, now)
    return Math.min(longestMs, next === undefined ? longestMs : next - host.now())
  }

  const run = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      asked = false
      wake = new AbortController()
      const ms = await look().catch((error: unknown) => {
        logLine.cannotKeepTimes(log, error)
        return refusedMs
      })
      if (!asked && !stopped.signal.aborted) await host.sleep(Math.max(0, ms), wake.signal)
    }
  }

  let running: Promise<void> | undefined
  return {
    start() {
      running ??= run()
    },
    lookSoon() {
      asked = true
      wake.abort()
    },
    async stop() {
      stopped.abort()
      wake.abort()
      await running
    },
  }
}
