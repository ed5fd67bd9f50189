import type { Task, TaskKind } from '../job/task.ts'
import type { Reader, Row, Transaction } from './database.ts'
import { number, numberOrNull, text } from './sql.ts'

/** A task as the embedded engine keeps it. */
export interface KeptTask extends Task {
  readonly tries: number
}

const taskOf = (row: Row): KeptTask => ({
  kind: text(row, 'kind') as TaskKind,
  subject: text(row, 'subject'),
  jobId: number(row, 'job_id'),
  tries: number(row, 'tries'),
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
  tx.run('update tasks set run_at = $3, tries = $4 where kind = $1 and subject = $2', [
    kind,
    subject,
    runAt,
    tries,
  ])

/** Tasks of a kind that are due, the longest due first. */
export const listDueTasks = async (
  reader: Reader,
  kind: TaskKind,
  now: number,
  limit: number,
): Promise<readonly KeptTask[]> =>
  (
    await reader.all(
      'select * from tasks where kind = $1 and run_at <= $2 order by run_at, subject limit $3',
      [kind, now, limit],
    )
  ).map(taskOf)

/** When the next task after `now` is due; undefined where there is none. */
export async function nextTaskAt(reader: Reader, now: number): Promise<number | undefined> {
  const row = await reader.get('select min(run_at) as next from tasks where run_at > $1', [now])
  return (row && numberOrNull(row, 'next')) ?? undefined
}
