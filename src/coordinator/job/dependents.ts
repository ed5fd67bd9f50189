/** Dependencies between jobs: what a job waits for, and what happens when that ends. */
import { type FieldProblem, invalid } from '../../job/errors.ts'
import type { Dependency, OnFailure } from '../../job/job.ts'
import { type Reach, isWithin } from '../../job/reach.ts'
import type { JobRequest } from '../../job/request.ts'
import type { Reader, Transaction } from '../../store/database.ts'
import { hasManyEvents } from '../../store/events.ts'
import { type Dependent, insertDependency, listDependents, setMet } from '../../store/dependencies.ts'
import { type JobState, findJobState } from '../../store/jobs.ts'
import { giveUp } from './ending.ts'
import { rejoin } from '../scene/starting.ts'
import type { Context } from '../context.ts'

/** Dependents settled in one transaction; a dependent that ends settles its own in another. */
const atOnce = 50

/** The requested dependencies with their current status. @throws {RefusedError} `invalid`, if the job could never begin. */
export async function dependenciesOf(
  reader: Reader,
  { depends_on = [] }: JobRequest,
  { clientId, reach }: { readonly clientId: string; readonly reach: Reach },
): Promise<readonly Omit<Dependency, 'status'>[]> {
  const problems: FieldProblem[] = []
  const wantedJobs = new Map<number, Omit<Dependency, 'status'>>()
  for (const [index, wanted] of depends_on.entries()) {
    const { job_id: onJobId, on_failure: onFailure = 'fail' } =
      typeof wanted === 'number' ? { job_id: wanted } : wanted
    const field = `depends_on[${index}]`
    const found = await findJobState(reader, onJobId)
    const job = found && isWithin(reach, found) ? found : undefined
    const reason = wantedJobs.has(onJobId)
      ? `names job ${onJobId} a second time`
      : !job
        ? `there is no job ${onJobId}: a job can wait only for jobs that exist`
        : clientId !== '' && job.clientId !== clientId
          ? `job ${onJobId} is not of client ${clientId}: a client's job can wait only for that client's jobs`
          : hasFailed(job) && onFailure === 'fail'
            ? `job ${onJobId} is ${job.status}, so this one could never begin: retry it first, or set on_failure`
            : undefined
    if (reason !== undefined) problems.push({ field, reason })
    else wantedJobs.set(onJobId, { onJobId, onFailure, isMet: isMet(job!, onFailure) })
  }
  if (problems.length > 0) throw invalid(problems)
  return [...wantedJobs.values()]
}

export async function keepDependencies(
  tx: Transaction,
  jobId: number,
  dependencies: readonly Omit<Dependency, 'status'>[],
): Promise<void> {
  for (const dependency of dependencies) await insertDependency(tx, jobId, dependency)
}

const hasFailed = ({ status }: JobState): boolean => status === 'failed' || status === 'cancelled'

const isMet = (job: JobState, onFailure: OnFailure): boolean =>
  job.status === 'completed' || (hasFailed(job) && onFailure === 'ignore')

async function settle(
  context: Context,
  tx: Transaction,
  job: JobState,
  { jobId, onFailure }: Dependent,
): Promise<void> {
  const { emit } = context
  if (isMet(job, onFailure)) {
    await setMet(tx, jobId, job.id)
    await emit(tx, { type: 'job_updated', jobId, data: { dependency: job.id, status: job.status } })
    await rejoin(context, tx, jobId)
  } else if (hasFailed(job) && onFailure === 'fail') {
    const dependent = await findJobState(tx, jobId)
    const error = {
      code: 'dependency_failed',
      reason: `Job ${job.id}, which this job waited for, is ${job.status}`,
    }
    if (dependent) await giveUp(context, tx, dependent, error)
  }
}

/** Settles the jobs that wait for an ended one: each continues, fails with it, or waits for its retry. */
export async function settleDependents(context: Context, jobId: number): Promise<void> {
  const { database } = context
  for (let after: number | undefined = 0; after !== undefined;) {
    const from: number = after
    after = await database.transaction(async (tx) => {
      const job = await findJobState(tx, jobId)
      if (!job) return undefined
      const dependents = await listDependents(tx, jobId, from, atOnce)
      for (const dependent of dependents) {
        await settle(context, tx, job, dependent)
        if (hasManyEvents(tx)) return dependent.jobId
      }
      return dependents.length === atOnce ? dependents.at(-1)!.jobId : undefined
    })
  }
}
