import type { Task, TaskKind } from '../job/task.ts'
import type { Reader, Row, Transaction } from './database.ts'
import { number, numberOrNull, text } from './sql.ts'

/** A task as the embedded engine keeps it. */
export interface KeptTask extends Task {
  readonly id: number
  readonly runAt: number
  readonly tries: number
}

const taskOf = (row: Row): KeptTask => ({
  id: number(row, 'id'),
  kind: text(row, 'kind') as TaskKind,
  subject: text(row, 'subject'),
  jobId: number(row, 'job_id'),
  runAt: number(row, 'run_at'),
  tries: number(row, 'tries'),
})

const insert = `insert into tasks (kind, subject, job_id, run_at, tries) values ($1, $2, $3, $4, 0)
  on conflict (kind, subject) do nothing returning *`

/** Undefined where the task was already there. */
export async function insertTask(tx: Transaction, task: Task, runAt: number): Promise<KeptTask | undefined> {
  const row = await tx.get(insert, [task.kind, task.subject, task.jobId, runAt])
  return row && taskOf(row)
}

export const deleteTask = (tx: Transaction, id: number): Promise<number> =>
  tx.run('delete from tasks where id = $1', [id])

export const postponeTask = (tx: Transaction, id: number, runAt: number, tries: number): Promise<number> =>
  tx.run('update tasks set run_at = $2, tries = $3 where id = $1', [id, runAt, tries])

/** Tasks of a kind that are due, the longest due first. */
export const listDueTasks = async (
  reader: Reader,
  kind: TaskKind,
  now: number,
  limit: number,
): Promise<readonly KeptTask[]> =>
  (
    await reader.all('select * from tasks where kind = $1 and run_at <= $2 order by run_at, id limit $3', [
      kind,
      now,
      limit,
    ])
  ).map(taskOf)

/** When the next task after `now` is due; undefined where there is none. */
export async function nextTaskAt(reader: Reader, now: number): Promise<number | undefined> {
  const row = await reader.get('select min(run_at) as next from tasks where run_at > $1', [now])
  return (row && numberOrNull(row, 'next')) ?? undefined
}
