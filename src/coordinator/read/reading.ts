import type { Asset } from '../../job/asset.ts'
import type { Attempt } from '../../job/attempt.ts'
import { assetNotFound, invalidField, jobNotFound, RefusedError } from '../../job/errors.ts'
import {
  type Dependency,
  type FilmManifest,
  type Job,
  type ListedJob,
  listed,
  needsApproval,
} from '../../job/job.ts'
import type { JobStatus } from '../../job/lifecycle.ts'
import { type Money, type SpendRow, noMoney } from '../../job/price.ts'
import type { Progress } from '../../job/progress.ts'
import type { Owner } from '../../job/reach.ts'
import type { Scene } from '../../job/scene.ts'
import type { Task } from '../../job/task.ts'
import { findAsset, hasAsset } from '../../store/assets.ts'
import { type LedgerFilter, type LedgerQuery, findAttempt, listPaid } from '../../store/attempts.ts'
import type { Reader } from '../../store/database.ts'
import { listDependencies } from '../../store/dependencies.ts'
import { type FilmVersion, findFilm, listFilms } from '../../store/films.ts'
import { type JobQuery, idRangeOf, listJobs } from '../../store/job-lists.ts'
import { listActiveJobs, listOwners, readResult } from '../../store/jobs.ts'
import {
  type SpendQuery,
  listSpend,
  moneyOfJobs,
  moneyOfLedger,
  moneyOfScenes,
  spentOnStrays,
} from '../../store/money.ts'
import { type Stray, listStrays } from '../../store/provider.ts'
import { listScenes, listUnpaid } from '../../store/scenes.ts'
import { existingJob } from '../job/existing-job.ts'
import type { WaitingSince } from '../admission/rules.ts'
import { type Needed, neededFor, neededOf } from '../job/needed.ts'
import { sceneOf } from '../scene/edited.ts'
import { listedWait } from './waiting.ts'
import type { Context } from '../context.ts'

/**
 * `statuses`: in one of them. `labels`: free members of `parameters`, such as campaign_id, that must be equal (as text).
 * `needsApproval`: those alone that wait for one. `limit`: 1 to 200. `before`: only jobs older than the one with this id, the last of the page before.
 */
export type JobFilter = JobQuery

/** What lists tell of a job beside its own row. */
export interface Standing extends Pick<Needed, 'quote' | 'money' | 'toApproveMicros'> {
  /** As far as that is told without a look at its scenes. */
  readonly waiting: WaitingSince | undefined
}

/** Where a job's money is. */
export interface JobCosts extends Money {
  /** Left to pay for the scenes that wait; null where a price is unknown. */
  readonly toPayMicros: number | null
  readonly scenesToPay: number
  /** To be approved before it goes on; 0: nothing; null: an unknown price. */
  readonly toApproveMicros: number | null
  readonly scenes: readonly SceneCosts[]
}

export interface SceneCosts extends Money {
  readonly sceneId: string
  /** What the scene costs, once; 0 where it takes a kept clip; null where its price is unknown. */
  readonly estimatedMicros: number | null
}

const mostStrays = 100
const mostSpendRows = 10_000

/** Jobs that are read in one go where no index leads to those that are wanted. */
const stretchSize = 5000

/** Jobs that are read at once: each may have 200 kB of parameters. */
const rowsAtOnce = 51
/** A page with so many characters of parameters has no further job. */
const mostPageCharacters = 1_000_000

/** One query where an index leads along what is wanted; where filters are put together, one stretch of ids after the other. */
async function stretchesOf(
  reader: Reader,
  filter: JobFilter,
): Promise<Iterable<{ readonly before?: number | undefined; readonly from?: number }>> {
  const { statuses = [], type, clientId, labels = {}, insertedFrom, insertedBefore, text, reach } = filter
  const filters = [
    statuses[0],
    type,
    clientId,
    reach?.clientId,
    reach?.madeBy,
    ...Object.keys(labels),
  ].filter((one) => one !== undefined)
  const isIndexed =
    filters.length <= 1 &&
    statuses.length <= 1 &&
    insertedFrom === undefined &&
    insertedBefore === undefined &&
    text === undefined &&
    !filter.needsApproval
  if (isIndexed) return [{ before: filter.before }]
  const { lowest, highest } = await idRangeOf(reader, filter)
  return stretchesDown(lowest, highest)
}

function* stretchesDown(lowest: number, highest: number): Generator<{ before: number; from: number }> {
  for (let before = highest + 1; before > lowest; before -= stretchSize)
    yield { before, from: Math.max(lowest, before - stretchSize) }
}

/** @throws {RefusedError} `job_not_found` */
export const getJob = (context: Context, jobId: number): Promise<Job> => existingJob(context.database, jobId)

/** What has become of each job's money, and what each still waits for, by its id. */
export async function getStandings(
  context: Context,
  jobs: readonly ListedJob[],
): Promise<ReadonlyMap<number, Standing>> {
  const { database, host } = context
  const ids = jobs.map(({ id }) => id)
  const money = await moneyOfJobs(database, ids)
  const unpaid = Map.groupBy(await listUnpaid(database, ids), ({ jobId }) => jobId)
  const now = host.now()
  return new Map(
    jobs.map((job) => {
      const needed = neededOf(job, unpaid.get(job.id) ?? [], money.get(job.id) ?? noMoney)
      return [job.id, { ...needed, waiting: listedWait(job, needed.toApproveMicros, now) }]
    }),
  )
}

/** Whose a job is. @throws {RefusedError} `job_not_found` */
export async function getOwner(context: Context, jobId: number): Promise<Owner> {
  const { database } = context
  const owner = (await listOwners(database, [jobId])).get(jobId)
  if (!owner) throw jobNotFound(jobId)
  return owner
}

/** Newest first; fewer than `limit` where they are long. `nextBefore` is what to pass as `before` for the next page; null at the end. */
export async function searchJobs(
  context: Context,
  filter: JobFilter,
): Promise<{ readonly jobs: readonly ListedJob[]; readonly nextBefore: number | null }> {
  const { database, host } = context
  const jobs: ListedJob[] = []
  let characters = 0
  for (const stretch of await stretchesOf(database, filter)) {
    let { before } = stretch
    for (let isRead = false; !isRead;) {
      const limit = filter.needsApproval ? rowsAtOnce : Math.min(rowsAtOnce, filter.limit + 1 - jobs.length)
      const rows = await listJobs(database, { ...filter, ...stretch, before, limit })
      const page = rows.map(listed)
      const standing = filter.needsApproval
        ? await getStandings(
            context,
            page.map(({ job }) => job),
          )
        : undefined
      for (const one of page) {
        if (standing && !needsApproval(one.job, standing.get(one.job.id)!.toApproveMicros)) continue
        if (jobs.length === filter.limit || characters > mostPageCharacters)
          return { jobs, nextBefore: jobs.at(-1)!.id }
        jobs.push(one.job)
        characters += one.characters
      }
      isRead = rows.length < limit
      before = rows.at(-1)?.id
      // Nobody else waits while a rare job is looked for among many.
      if (!isRead || stretch.from !== undefined) await host.sleep(0)
    }
  }
  return { jobs, nextBefore: null }
}

/** In the storyboard's order. @throws {RefusedError} `job_not_found` */
export async function getScenes(context: Context, jobId: number): Promise<readonly Scene[]> {
  const { database } = context
  await getJob(context, jobId)
  return listScenes(database, jobId)
}

/** @throws {RefusedError} `job_not_found`, `scene_not_found`, `scene_of_another_job` */
export const getScene = async (context: Context, jobId: number, sceneId: string): Promise<Scene> =>
  (await sceneOf(context.database, jobId, sceneId)).scene

/** A job's costs, scene by scene. @throws {RefusedError} `job_not_found` */
export async function getCosts(context: Context, jobId: number): Promise<JobCosts> {
  const { database } = context
  const job = await getJob(context, jobId)
  const scenes = await listScenes(database, jobId)
  const spent = await moneyOfScenes(database, jobId)
  const { quote, money, toApproveMicros } = await neededFor(database, job, scenes)
  const waiting = scenes.filter(({ status }) => status === 'pending')
  const open = new Map(waiting.map(({ id }, index) => [id, quote.byScene[index]!]))
  return {
    ...money,
    toPayMicros: quote.micros,
    scenesToPay: quote.scenesToPay,
    toApproveMicros,
    scenes: scenes.map(({ id, price_micros }) => ({
      sceneId: id,
      estimatedMicros: open.has(id) ? open.get(id)! : price_micros,
      ...(spent.get(id) ?? noMoney),
    })),
  }
}

/** What was, or may be, paid for, newest first. `next`: what to pass as `before` for the next page; null at the end. */
export async function getLedger(
  context: Context,
  query: LedgerQuery,
): Promise<{
  readonly entries: readonly Attempt[]
  readonly next: { readonly insertedAt: number; readonly id: string } | null
  /** Renders at a provider that no attempt accounts for. */
  readonly strays: readonly Stray[]
}> {
  const { database } = context
  const rows = await listPaid(database, { ...query, limit: query.limit + 1 })
  const entries = rows.slice(0, query.limit)
  const last = entries.at(-1)
  const next = rows.length > entries.length && last ? { insertedAt: last.insertedAt, id: last.id } : null
  return { entries, next, strays: await listStrays(database, mostStrays) }
}

/** What all that the filter finds has cost, or may. */
/** What was spent, by month and client. `strayMicros`: of it, for renders that no attempt accounts for; 0 where anything is filtered. @throws {RefusedError} `invalid`, where that would be too many rows */
export async function getSpend(
  context: Context,
  query: Omit<SpendQuery, 'limit'>,
): Promise<{ readonly rows: readonly SpendRow[]; readonly strayMicros: number }> {
  const { database } = context
  const rows = await listSpend(database, { ...query, limit: mostSpendRows + 1 })
  if (rows.length > mostSpendRows)
    throw invalidField(
      'from',
      `there are more than ${mostSpendRows} rows: ask for fewer months with from and to, or for one client_id`,
    )
  const { clientId, boundTo, from, to } = query
  const isOfAll = [clientId, boundTo, from, to].every((filter) => filter === undefined)
  return { rows, strayMicros: isOfAll ? await spentOnStrays(database) : 0 }
}

export const getLedgerTotals = (context: Context, filter: LedgerFilter): Promise<Money> =>
  moneyOfLedger(context.database, filter)

/** The films that the job has had, newest first; at most 200. @throws {RefusedError} `job_not_found` */
export async function getFilms(context: Context, jobId: number): Promise<readonly FilmVersion[]> {
  const { database } = context
  await getJob(context, jobId)
  return listFilms(database, jobId)
}

/** @throws {RefusedError} `job_not_found`, `not_ready` */
export async function getFilmVersion(context: Context, jobId: number, version: number): Promise<FilmVersion> {
  const { database } = context
  const job = await getJob(context, jobId)
  const film = await findFilm(database, jobId, version)
  if (film) return film
  throw new RefusedError('Film is not ready', {
    code: 'not_ready',
    jobId,
    currentStatus: job.status,
    reason: `There is no version ${version} of it`,
  })
}

/** @throws {RefusedError} `job_not_found`, `not_ready` */
export const getFilm = async (context: Context, jobId: number): Promise<FilmManifest> =>
  filmOf(await getJob(context, jobId))

/** What a job waits for before it begins. */
export const getDependencies = (context: Context, jobId: number): Promise<readonly Dependency[]> =>
  listDependencies(context.database, jobId)

/** What `completeJob` was given, as bytes; undefined before. @throws {RefusedError} `job_not_found` */
export async function getResult(context: Context, jobId: number): Promise<Uint8Array | undefined> {
  const { database } = context
  await getJob(context, jobId)
  return readResult(database, jobId)
}

/** The artifact of the clip that a scene's own render was paid for, as it came; null where there is none. */
export const getPaidClip = async (context: Context, { attemptId }: Scene): Promise<string | null> =>
  (attemptId === null ? undefined : await findAttempt(context.database, attemptId))?.fetched ?? null

/** `clientId`: as this client sees it. @throws {RefusedError} `asset_not_found` */
export async function getAsset(context: Context, assetId: string, clientId?: string): Promise<Asset> {
  const { database } = context
  const asset = await findAsset(database, assetId)
  if (!asset || (clientId !== undefined && !(await hasAsset(database, assetId, clientId))))
    throw assetNotFound(assetId)
  return asset
}

/** Jobs that are approved or processing, oldest approval first. Read from the rows, so true at any time. */
export async function getActiveJobs(
  context: Context,
): Promise<readonly { readonly job_id: number; readonly status: JobStatus; readonly progress: Progress }[]> {
  const { database } = context
  const jobs = await listActiveJobs(database)
  return jobs.map(({ id, status, progress }) => ({ job_id: id, status, progress }))
}

/** The tasks that run in this process now. */
export const getRunningTasks = (context: Context): readonly Task[] => context.engine.running()

/** @throws {RefusedError} `not_ready`, where the job has no film (yet). */
export function filmOf({ id, status, film }: Job): FilmManifest {
  if (film) return film
  throw new RefusedError('Film is not ready', {
    code: 'not_ready',
    jobId: id,
    currentStatus: status,
    reason: status === 'completed' ? 'This job was completed without a film' : 'Job must be completed first',
  })
}
