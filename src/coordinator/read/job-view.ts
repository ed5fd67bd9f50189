/** One job as answers show it. Each verb reads it once, in one snapshot. */
import { jobNotFound } from '../../job/errors.ts'
import type { Dependency, Job } from '../../job/job.ts'
import { type Money, noMoney } from '../../job/price.ts'
import type { Owner } from '../../job/reach.ts'
import type { Scene } from '../../job/scene.ts'
import { namesOfKeys } from '../../access/keys.ts'
import { listDependencies } from '../../store/dependencies.ts'
import { listOwners, readResult } from '../../store/jobs.ts'
import { listScenes } from '../../store/scenes.ts'
import type { WaitingSince } from '../admission/rules.ts'
import type { Context } from '../context.ts'
import { existingJob } from '../job/existing-job.ts'
import { sceneOf } from '../scene/edited.ts'
import { type Eta, etaOf } from './eta.ts'
import { type JobRows, readJobRows } from './job-rows.ts'
import { type JobWaiting, diskWait, waitsOf } from './waiting.ts'

/** A job's costs. */
export interface JobCosts extends Money {
  /** Left to pay for the waiting scenes; null where a price is unknown. */
  readonly toPayMicros: number | null
  readonly scenesToPay: number
  /** The sum to approve before it continues: 0 for nothing, null for an unknown price. */
  readonly toApproveMicros: number | null
  readonly scenes: readonly SceneCosts[]
}

export interface SceneCosts extends Money {
  readonly sceneId: string
  /** The cost of one render of the scene; 0 with a kept clip, null where the price is unknown. */
  readonly estimatedMicros: number | null
}

/** A job with everything derived from its rows. */
export interface JobView {
  readonly job: Job
  /** In the film's order. */
  readonly scenes: readonly Scene[]
  readonly costs: JobCosts
  readonly dependencies: readonly Dependency[]
  readonly waiting: JobWaiting
}

/** @throws {RefusedError} `job_not_found` */
export async function getJobView(context: Context, jobId: number): Promise<JobView> {
  const ofDisk = await diskWait(context)
  return context.database.snapshot(async (reader) => {
    const rows = await readJobRows(context, reader, jobId)
    return viewOf(rows, await waitsOf(context, reader, rows, ofDisk))
  })
}

/**
 * `eta`: undefined for a job that has ended or is about to end. `createdBy`: the name of the key; null: created without one.
 * @throws {RefusedError} `job_not_found`
 */
export async function getJobWithEta(
  context: Context,
  jobId: number,
): Promise<JobView & { readonly eta: Eta | undefined; readonly createdBy: string | null }> {
  const ofDisk = await diskWait(context)
  return context.database.snapshot(async (reader) => {
    const rows = await readJobRows(context, reader, jobId)
    const waiting = await waitsOf(context, reader, rows, ofDisk)
    const { madeBy } = rows.job
    const createdBy = madeBy === null ? null : ((await namesOfKeys(reader, [madeBy])).get(madeBy) ?? null)
    return { ...viewOf(rows, waiting), eta: await etaOf(context, reader, rows, waiting.scenes), createdBy }
  })
}

/** @throws {RefusedError} `job_not_found`, `scene_not_found`, `scene_of_another_job` */
export async function getSceneView(
  context: Context,
  jobId: number,
  sceneId: string,
): Promise<{ readonly scene: Scene; readonly waiting: WaitingSince | undefined }> {
  const ofDisk = await diskWait(context)
  return context.database.snapshot(async (reader) => {
    const { scene } = await sceneOf(reader, jobId, sceneId)
    const rows = await readJobRows(context, reader, jobId)
    return { scene, waiting: (await waitsOf(context, reader, rows, ofDisk)).scenes.get(sceneId) }
  })
}

const viewOf = (rows: JobRows, waiting: JobWaiting): JobView => ({
  job: rows.job,
  scenes: rows.scenes,
  costs: costsOf(rows),
  dependencies: rows.dependencies,
  waiting,
})

/** Why the job and its scenes wait. @throws {RefusedError} `job_not_found` */
export const getWaiting = async (context: Context, jobId: number): Promise<JobWaiting> =>
  (await getJobView(context, jobId)).waiting

/** Undefined for a job that has ended or is about to end. @throws {RefusedError} `job_not_found` */
export const getEta = async (context: Context, jobId: number): Promise<Eta | undefined> =>
  (await getJobWithEta(context, jobId)).eta

/** A job's costs, with those of each scene. @throws {RefusedError} `job_not_found` */
export const getCosts = (context: Context, jobId: number): Promise<JobCosts> =>
  context.database.snapshot(async (reader) => costsOf(await readJobRows(context, reader, jobId)))

function costsOf({ scenes, pending, moneyOf, needed }: JobRows): JobCosts {
  const { quote, money, toApproveMicros } = needed
  const open = new Map([...pending.keys()].map((id, index) => [id, quote.byScene[index]!]))
  return {
    ...money,
    toPayMicros: quote.micros,
    scenesToPay: quote.scenesToPay,
    toApproveMicros,
    scenes: scenes.map(({ id, price_micros }) => ({
      sceneId: id,
      estimatedMicros: open.has(id) ? open.get(id)! : price_micros,
      ...(moneyOf.get(id) ?? noMoney),
    })),
  }
}

/** @throws {RefusedError} `job_not_found` */
export const getJob = (context: Context, jobId: number): Promise<Job> => existingJob(context.database, jobId)

/** The job's owner. @throws {RefusedError} `job_not_found` */
export async function getOwner(context: Context, jobId: number): Promise<Owner> {
  const owner = (await listOwners(context.database, [jobId])).get(jobId)
  if (!owner) throw jobNotFound(jobId)
  return owner
}

/** In the storyboard's order. @throws {RefusedError} `job_not_found` */
export async function getScenes({ database }: Context, jobId: number): Promise<readonly Scene[]> {
  await existingJob(database, jobId)
  return listScenes(database, jobId)
}

/** @throws {RefusedError} `job_not_found`, `scene_not_found`, `scene_of_another_job` */
export const getScene = async (context: Context, jobId: number, sceneId: string): Promise<Scene> =>
  (await sceneOf(context.database, jobId, sceneId)).scene

/** The jobs that this one waits for before it starts. */
export const getDependencies = (context: Context, jobId: number): Promise<readonly Dependency[]> =>
  listDependencies(context.database, jobId)

/**
 * The result passed to `completeJob`, as bytes; undefined before that.
 * @throws {RefusedError} `job_not_found`
 */
export async function getResult({ database }: Context, jobId: number): Promise<Uint8Array | undefined> {
  await existingJob(database, jobId)
  return readResult(database, jobId)
}
