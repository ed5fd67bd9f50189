/** Timed changes: a job whose start time has come enters the queue, and a job past its deadline fails and stops spending. */
import { type LedLoop, createLedLoop } from '../../loop.ts'
import { logLine } from '../../log.ts'
import type { Transaction } from '../../store/database.ts'
import { hasManyEvents } from '../../store/events.ts'
import { findJobState, listOverdue, listScheduled, nextJobTimeAt } from '../../store/jobs.ts'
import type { Context } from '../context.ts'
import { giveUp } from '../job/ending.ts'
import { rejoin } from '../scene/starting.ts'

/** Jobs in one transaction. */
const atOnce = 50

/** The longest sleep, since the clock may be set forward. */
const longestMs = 60_000

export function createScheduler(context: Context): LedLoop {
  const { database, host, log } = context

  const look = async (stopped: AbortSignal): Promise<number> => {
    // One moment for due and future rows: a job between two moments would be neither.
    let now = host.now()
    while (!stopped.aborted && (await database.transaction((tx) => keepTimes(context, tx, now))))
      now = host.now()
    const next = await nextJobTimeAt(database, now)
    return Math.min(longestMs, next === undefined ? longestMs : next - host.now())
  }

  return createLedLoop({ host, look, onError: (error) => logLine.cannotKeepTimes(log, error) })
}

/** Resolves to whether more may be due. */
async function keepTimes(context: Context, tx: Transaction, now: number): Promise<boolean> {
  const due = await listScheduled(tx, now, atOnce)
  for (const id of due) {
    await rejoin(context, tx, id)
    if (hasManyEvents(tx)) return true
  }
  const overdue = await listOverdue(tx, now, atOnce)
  for (const id of overdue) {
    const job = (await findJobState(tx, id))!
    const by = new Date(job.deadlineAt!).toISOString()
    await giveUp(context, tx, job, {
      code: 'deadline_passed',
      reason: `The job had not ended by its deadline, ${by}`,
    })
    if (hasManyEvents(tx)) return true
  }
  return due.length === atOnce || overdue.length === atOnce
}
