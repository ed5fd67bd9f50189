import type { Task, TaskKind } from '../job/task.ts'
import type { Reader, Row, Transaction } from './database.ts'
import { number, numberOrNull, text } from './sql.ts'

/** A task as the embedded engine keeps it. */
export interface KeptTask extends Task {
  readonly tries: number
  /** How often the process died while this ran. */
  readonly crashes: number
}

const taskOf = (row: Row): KeptTask => ({
  kind: text(row, 'kind') as TaskKind,
  subject: text(row, 'subject'),
  jobId: number(row, 'job_id'),
  tries: number(row, 'tries'),
  crashes: number(row, 'crashes'),
})

const insert = `insert into tasks (kind, subject, job_id, run_at, tries) values ($1, $2, $3, $4, 0)
  on conflict (kind, subject) do nothing`

/** How many rows it changed: none where the task was already there. */
export const insertTask = (tx: Transaction, { kind, subject, jobId }: Task, runAt: number): Promise<number> =>
  tx.run(insert, [kind, subject, jobId, runAt])

export const deleteTask = (
  tx: Transaction,
  { kind, subject }: Pick<Task, 'kind' | 'subject'>,
): Promise<number> => tx.run('delete from tasks where kind = $1 and subject = $2', [kind, subject])

export const postponeTask = (
  tx: Transaction,
  { kind, subject }: Task,
  runAt: number,
  tries: number,
): Promise<number> =>
  tx.run('update tasks set run_at = $3, tries = $4, running = 0 where kind = $1 and subject = $2', [
    kind,
    subject,
    runAt,
    tries,
  ])

/** Tasks of a kind that are due, the longest due first. `suspects`: also those during which the process has died. */
export const listDueTasks = async (
  reader: Reader,
  kind: TaskKind,
  { now, suspects }: { readonly now: number; readonly suspects: boolean },
  limit: number,
): Promise<readonly KeptTask[]> =>
  (
    await reader.all(
      `select * from tasks where kind = $1 and run_at <= $2 and crashes <= $3 order by run_at, subject limit $4`,
      [kind, now, suspects ? 1_000_000 : 0, limit],
    )
  ).map(taskOf)

/** When the next task after `now` is due; undefined where there is none. */
export async function nextTaskAt(reader: Reader, now: number): Promise<number | undefined> {
  const row = await reader.get('select min(run_at) as next from tasks where run_at > $1', [now])
  return (row && numberOrNull(row, 'next')) ?? undefined
}

/** Notes that a task runs, or doesn't any more: one that still does at the next start was cut off by a crash. */
export const setTaskRunning = (
  tx: Transaction,
  { kind, subject }: Pick<Task, 'kind' | 'subject'>,
  running: boolean,
): Promise<number> =>
  tx.run('update tasks set running = $3 where kind = $1 and subject = $2', [kind, subject, running ? 1 : 0])

/** The tasks that ran when the process died have one crash more. */
export const noteCrashes = (tx: Transaction): Promise<number> =>
  tx.run('update tasks set crashes = crashes + 1, running = 0 where running = 1')

/** Tasks during which the process has died so often. */
export const listCrashing = async (reader: Reader, crashes: number): Promise<readonly KeptTask[]> =>
  (await reader.all('select * from tasks where crashes >= $1 order by kind, subject', [crashes])).map(taskOf)
