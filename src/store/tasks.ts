import type { Task, TaskKind } from '../job/task.ts'
import type { Reader, Row, Transaction } from './database.ts'
import { number, text } from './sql.ts'

/** A task as stored by the embedded engine. */
export interface KeptTask extends Task {
  readonly tries: number
  /** When the task is due, ms since the epoch. */
  readonly runAt: number
  /** How often the process crashed while it ran. */
  readonly crashes: number
}

const taskOf = (row: Row): KeptTask => ({
  kind: text(row, 'kind') as TaskKind,
  subject: text(row, 'subject'),
  jobId: number(row, 'job_id'),
  tries: number(row, 'tries'),
  runAt: number(row, 'run_at'),
  crashes: number(row, 'crashes'),
})

const insert = `insert into tasks (kind, subject, job_id, run_at, tries) values ($1, $2, $3, $4, 0)
  on conflict (kind, subject) do nothing`

/** Returns the number of rows: 0 if the task already exists. */
export const insertTask = (tx: Transaction, { kind, subject, jobId }: Task, runAt: number): Promise<number> =>
  tx.run(insert, [kind, subject, jobId, runAt])

export const deleteTask = (
  tx: Transaction,
  { kind, subject }: Pick<Task, 'kind' | 'subject'>,
): Promise<void> => tx.write('delete from tasks where kind = $1 and subject = $2', [kind, subject])

export const postponeTask = (
  tx: Transaction,
  { kind, subject }: Task,
  runAt: number,
  tries: number,
): Promise<void> =>
  tx.write(
    'update tasks set run_at = $3, tries = $4, running = 0, crashed_at = null where kind = $1 and subject = $2',
    [kind, subject, runAt, tries],
  )

// A manual pause keeps it from restarting: of everything, its renderer, or its job.
const isPaused = `(
  exists (select 1 from jobs where jobs.id = tasks.job_id and jobs.paused_at is not null)
  or exists (select 1 from stops where scope = 'all' or scope =
    (select 'renderer:' || renderer from attempts where attempts.id = tasks.subject)))`

/**
 * The first tasks of a kind by due time, including running ones. Excludes tasks that wait after a crash while they are
 * paused.
 */
export const listFirstTasks = async (
  reader: Reader,
  kind: TaskKind,
  limit: number,
): Promise<readonly KeptTask[]> =>
  (
    await reader.all(
      `select * from tasks where kind = $1 and (crashed_at is null or not ${isPaused})
       order by run_at, subject limit $2`,
      [kind, limit],
    )
  ).map(taskOf)

/** Whether a manual pause keeps a task from restarting after a crash. */
export async function isTaskPaused(reader: Reader, { subject, jobId }: Task): Promise<boolean> {
  const row = await reader.get(
    `select (exists (select 1 from jobs where id = $1 and paused_at is not null)
       or exists (select 1 from stops where scope = 'all' or scope =
         (select 'renderer:' || renderer from attempts where id = $2))) as paused`,
    [jobId, subject],
  )
  return number(row!, 'paused') === 1
}

/** Records that a task starts or stops: one that is still running at the next start was cut off by a crash. */
export const setTaskRunning = (
  tx: Transaction,
  { kind, subject }: Pick<Task, 'kind' | 'subject'>,
  { isRunning }: { readonly isRunning: boolean },
): Promise<number> =>
  tx.run('update tasks set running = $3, crashed_at = null where kind = $1 and subject = $2', [
    kind,
    subject,
    isRunning ? 1 : 0,
  ])

/** Tasks that ran when the process crashed, oldest first. */
export const listCutOff = async (reader: Reader): Promise<readonly KeptTask[]> =>
  (await reader.all('select * from tasks where running = 1 order by run_at, kind, subject')).map(taskOf)

/** Counts another crash; the task restarts at `runAt`. */
export const setCrashed = (
  tx: Transaction,
  { kind, subject, crashes, runAt }: KeptTask,
  now: number,
): Promise<number> =>
  tx.run(
    `update tasks set running = 0, crashes = $3, run_at = $4, crashed_at = $5 where kind = $1 and subject = $2`,
    [kind, subject, crashes, runAt, now],
  )

/** All tasks that wait or run. */
export const listTasks = async (reader: Reader): Promise<readonly Pick<Task, 'kind' | 'subject'>[]> =>
  (await reader.all('select * from tasks')).map(taskOf)

/** The tasks of a job. */
export const listJobTasks = async (reader: Reader, jobId: number): Promise<readonly Task[]> =>
  (await reader.all('select * from tasks where job_id = $1', [jobId])).map(taskOf)

/** The tasks of a job that run on any node. Right where the distributed engine keeps them. */
export const listRunningTasks = async (reader: Reader, jobId: number): Promise<readonly Task[]> =>
  (await reader.all('select * from tasks where job_id = $1 and running = 1', [jobId])).map(taskOf)

/** A task that was cut off by a crash and has not restarted. */
export interface CrashedTask extends KeptTask {
  /** When the crash was detected, ms since the epoch. */
  readonly crashedAt: number
}

/** A job's tasks that wait to restart after a crash. */
export const listCrashed = async (reader: Reader, jobId: number): Promise<readonly CrashedTask[]> =>
  (await reader.all('select * from tasks where job_id = $1 and crashed_at is not null', [jobId])).map(
    (row) => ({
      ...taskOf(row),
      crashedAt: number(row, 'crashed_at'),
    }),
  )
