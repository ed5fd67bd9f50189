import type { Dependency, OnFailure } from '../job/job.ts'
import type { JobStatus } from '../job/lifecycle.ts'
import type { Reader, Row, Transaction } from './database.ts'
import { number, text, textOrNull } from './sql.ts'

const dependencyOf = (row: Row): Dependency => ({
  onJobId: number(row, 'on_job_id'),
  onFailure: text(row, 'on_failure') as OnFailure,
  isMet: number(row, 'met') !== 0,
  status: textOrNull(row, 'status') as JobStatus | null,
})

export const insertDependency = (
  tx: Transaction,
  jobId: number,
  { onJobId, onFailure, isMet }: Omit<Dependency, 'status'>,
): Promise<void> =>
  tx.write('insert into dependencies (job_id, on_job_id, on_failure, met) values ($1, $2, $3, $4)', [
    jobId,
    onJobId,
    onFailure,
    isMet ? 1 : 0,
  ])

export const listDependencies = async (reader: Reader, jobId: number): Promise<readonly Dependency[]> =>
  (
    await reader.all(
      `select dependencies.*, jobs.status from dependencies left join jobs on jobs.id = dependencies.on_job_id
       where job_id = $1 order by on_job_id`,
      [jobId],
    )
  ).map(dependencyOf)

/** Whether unended jobs depend on this one. */
export const hasDependents = async (reader: Reader, onJobId: number): Promise<boolean> =>
  (await reader.get('select 1 as found from dependencies where on_job_id = $1 and met = 0 limit 1', [
    onJobId,
  ])) !== undefined

/** A job that depends on another. */
export interface Dependent {
  readonly jobId: number
  readonly onFailure: OnFailure
}

/** Unended jobs that depend on a job, by id after `after`. */
export const listDependents = async (
  reader: Reader,
  onJobId: number,
  after: number,
  limit: number,
): Promise<readonly Dependent[]> =>
  (
    await reader.all(
      `select job_id, on_failure from dependencies join jobs on jobs.id = dependencies.job_id
       where on_job_id = $1 and met = 0 and job_id > $2 and jobs.ended_at is null order by job_id limit $3`,
      [onJobId, after, limit],
    )
  ).map((row) => ({ jobId: number(row, 'job_id'), onFailure: text(row, 'on_failure') as OnFailure }))

/** Ended jobs that unended ones still depend on, except failed ones whose retry these wait for. */
export const listUnsettled = async (reader: Reader): Promise<readonly number[]> =>
  (
    await reader.all(
      `select distinct on_job_id from dependencies join jobs as waiting on waiting.id = dependencies.job_id
         join jobs as awaited on awaited.id = dependencies.on_job_id
       where met = 0 and waiting.ended_at is null and awaited.ended_at is not null
         and (awaited.status = 'completed' or on_failure <> 'wait') order by on_job_id`,
    )
  ).map((row) => number(row, 'on_job_id'))

/** Marks a dependency as met. The count of unmet ones is computed from the rows, so that it can't drift. */
export async function setMet(tx: Transaction, jobId: number, onJobId: number): Promise<void> {
  await tx.run('update dependencies set met = 1 where job_id = $1 and on_job_id = $2', [jobId, onJobId])
  await tx.run(
    `update jobs set unmet = (select count(*) from dependencies where job_id = $1 and met = 0) where id = $1`,
    [jobId],
  )
}
