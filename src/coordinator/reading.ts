import type { Engine } from '../engine/engine.ts'
import type { Asset } from '../job/asset.ts'
import { assetNotFound, jobNotFound, RefusedError, sceneNotFound } from '../job/errors.ts'
import type { FilmManifest, Job } from '../job/job.ts'
import type { JobStatus } from '../job/lifecycle.ts'
import type { Progress } from '../job/progress.ts'
import type { Scene } from '../job/scene.ts'
import type { Task } from '../job/task.ts'
import { findAsset } from '../store/assets.ts'
import type { Database } from '../store/database.ts'
import { findJob, listActiveJobs, listJobs, readResult } from '../store/jobs.ts'
import { findScene, listScenes } from '../store/scenes.ts'

export interface JobFilter {
  readonly status?: JobStatus | undefined
  readonly type?: string | undefined
  /** Free members of `parameters`, such as campaign_id, that must be equal (as text). */
  readonly labels?: Readonly<Record<string, string>> | undefined
  /** 1 to 200. */
  readonly limit: number
  /** Only jobs older than the one with this id: the last id of the page before. */
  readonly before?: number | undefined
}

export interface Reading {
  /** @throws {RefusedError} `job_not_found` */
  job(jobId: number): Promise<Job>
  /** Newest first. `nextBefore` is what to pass as `before` for the next page; null at the end. */
  jobs(filter: JobFilter): Promise<{ readonly jobs: readonly Job[]; readonly nextBefore: number | null }>
  /** In the storyboard's order. @throws {RefusedError} `job_not_found` */
  scenes(jobId: number): Promise<readonly Scene[]>
  /** @throws {RefusedError} `job_not_found`, `scene_not_found`, `scene_of_another_job` */
  scene(jobId: number, sceneId: string): Promise<Scene>
  /** @throws {RefusedError} `job_not_found`, `not_ready` */
  film(jobId: number): Promise<FilmManifest>
  /** What `completeJob` was given, as bytes; undefined before. @throws {RefusedError} `job_not_found` */
  result(jobId: number): Promise<Uint8Array | undefined>
  /** @throws {RefusedError} `asset_not_found` */
  asset(assetId: string): Promise<Asset>
  /** Jobs that are approved or processing, oldest approval first. Read from the rows, so true at any time. */
  activeJobs(): Promise<
    readonly { readonly job_id: number; readonly status: JobStatus; readonly progress: Progress }[]
  >
  /** The tasks that run in this process now. */
  processingTasks(): readonly Task[]
}

export interface ReadingOptions {
  readonly database: Database
  readonly engine: Engine
}

export function createReading({ database, engine }: ReadingOptions): Reading {
  const existing = async (jobId: number): Promise<Job> => {
    const job = await findJob(database, jobId)
    if (!job) throw jobNotFound(jobId)
    return job
  }

  return {
    job: existing,

    async jobs(filter) {
      const rows = await listJobs(database, { ...filter, limit: filter.limit + 1 })
      const jobs = rows.slice(0, filter.limit)
      return { jobs, nextBefore: rows.length > jobs.length ? jobs.at(-1)!.id : null }
    },

    async scenes(jobId) {
      await existing(jobId)
      return listScenes(database, jobId)
    },

    async scene(jobId, sceneId) {
      await existing(jobId)
      const scene = await findScene(database, sceneId)
      if (!scene) throw sceneNotFound(sceneId)
      if (scene.jobId !== jobId)
        throw new RefusedError('Scene does not belong to this job', {
          code: 'scene_of_another_job',
          sceneId,
          jobId,
        })
      return scene
    },

    film: async (jobId) => filmOf(await existing(jobId)),

    async result(jobId) {
      await existing(jobId)
      return readResult(database, jobId)
    },

    async asset(assetId) {
      const asset = await findAsset(database, assetId)
      if (!asset) throw assetNotFound(assetId)
      return asset
    },

    async activeJobs() {
      const jobs = await listActiveJobs(database)
      return jobs.map(({ id, status, progress }) => ({ job_id: id, status, progress }))
    },

    processingTasks: () => engine.running(),
  }
}

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
