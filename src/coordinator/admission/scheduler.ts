/** What happens by the clock: jobs whose time has come are queued, jobs whose deadline has passed fail and stop spending. */
import { type Loop, createLoop } from '../../loop.ts'
import { logLine } from '../../log.ts'
import type { Transaction } from '../../store/database.ts'
import { findJobState, listOverdue, listScheduled, nextJobTimeAt } from '../../store/jobs.ts'
import type { Context } from '../context.ts'
import { giveUp } from '../job/ending.ts'
import { rejoin } from '../scene/starting.ts'

/** Jobs of one transaction. */
const atOnce = 50

/** Looked at least so often: a clock may be put right. */
const longestMs = 60_000

export function createTimetable(context: Context): Loop {
  const { database, host, log } = context

  const look = async (stopped: AbortSignal): Promise<number> => {
    // The same moment for what is due and what is to come: a job between two would be neither.
    let now = host.now()
    while (!stopped.aborted && (await database.transaction((tx) => keepTimes(context, tx, now))))
      now = host.now()
    const next = await nextJobTimeAt(database, now)
    return Math.min(longestMs, next === undefined ? longestMs : next - host.now())
  }

  return createLoop({ host, look, onError: (error) => logLine.cannotKeepTimes(log, error) })
}

/** Whether there may be more. */
async function keepTimes(context: Context, tx: Transaction, now: number): Promise<boolean> {
  const due = await listScheduled(tx, now, atOnce)
  for (const id of due) await rejoin(context, tx, id)
  const overdue = await listOverdue(tx, now, atOnce)
  for (const id of overdue) {
    const job = (await findJobState(tx, id))!
    const by = new Date(job.deadlineAt!).toISOString()
    await giveUp(context, tx, job, {
      code: 'deadline_passed',
      reason: `It had not ended by its deadline, ${by}`,
    })
  }
  return due.length === atOnce || overdue.length === atOnce
}
