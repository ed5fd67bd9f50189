import type { Engine } from '../engine/engine.ts'
import { assetNotFound, jobNotFound, RefusedError, sceneNotFound } from '../job/errors.ts'
import type { Job } from '../job/job.ts'
import { findAsset } from '../store/assets.ts'
import type { Database } from '../store/database.ts'
import { findJob, listActiveJobs, listJobs, readResult } from '../store/jobs.ts'
import { findScene, listScenes } from '../store/scenes.ts'
import type { Reading } from './coordinator.ts'

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

    async film(jobId) {
      const { film, status } = await existing(jobId)
      if (!film)
        throw new RefusedError('Film is not ready', {
          code: 'not_ready',
          jobId,
          currentStatus: status,
          reason:
            status === 'completed' ? 'This job was completed without a film' : 'Job must be completed first',
        })
      return film
    },

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
