/** Reads a job's rows once: its costs, waits and ETA derive from them. */
import type { Attempt } from '../../job/attempt.ts'
import type { Dependency, Job } from '../../job/job.ts'
import { type Money, addMoney, noMoney } from '../../job/price.ts'
import type { Scene } from '../../job/scene.ts'
import type { Task } from '../../job/task.ts'
import { listCurrentAttempts } from '../../store/attempts.ts'
import type { Reader } from '../../store/database.ts'
import { listDependencies } from '../../store/dependencies.ts'
import { moneyOfScenes } from '../../store/money.ts'
import { type PendingScene, listPending, listScenes } from '../../store/scenes.ts'
import { type CrashedTask, listCrashed } from '../../store/tasks.ts'
import { type LimitsNow, limitsNow } from '../admission/limits.ts'
import { type Needed, neededOf } from '../job/needed.ts'
import { existingJob } from '../job/existing-job.ts'
import type { Context } from '../context.ts'

export interface JobRows {
  readonly job: Job
  readonly scenes: readonly Scene[]
  /** The waiting scenes by id, with whether each needs a render. */
  readonly pending: ReadonlyMap<string, PendingScene>
  /** Unfinished attempts, and those of processing scenes. */
  readonly attempts: readonly Attempt[]
  /** By scene id, including deleted scenes. */
  readonly moneyOf: ReadonlyMap<string, Money>
  readonly needed: Needed
  readonly dependencies: readonly Dependency[]
  readonly crashed: readonly CrashedTask[]
  /** Its tasks that run now, on any node. */
  readonly running: readonly Task[]
  readonly limits: LimitsNow
}

/** `reader`: a snapshot, so that the rows agree. @throws {RefusedError} `job_not_found` */
export async function readJobRows(
  { engine }: Pick<Context, 'engine'>,
  reader: Reader,
  jobId: number,
): Promise<JobRows> {
  const job = await existingJob(reader, jobId)
  const [scenes, pending, attempts, moneyOf, dependencies, crashed, running, limits] = await Promise.all([
    listScenes(reader, jobId),
    listPending(reader, jobId),
    listCurrentAttempts(reader, jobId),
    moneyOfScenes(reader, jobId),
    listDependencies(reader, jobId),
    listCrashed(reader, jobId),
    engine.runningOf(reader, jobId),
    limitsNow(reader),
  ])
  const money = [...moneyOf.values()].reduce(addMoney, noMoney)
  const waiting = scenes
    .filter(({ status }) => status === 'pending')
    .map((scene) => ({ ...scene, isServed: pending.get(scene.id)!.isServed }))
  const needed = neededOf(job, waiting, money)
  return { job, scenes, pending, attempts, moneyOf, needed, dependencies, crashed, running, limits }
}
