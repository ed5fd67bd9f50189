/** Films, paid clips, and the pictures they are made from. */
import type { Asset } from '../../job/asset.ts'
import { RefusedError, assetNotFound } from '../../job/errors.ts'
import type { FilmManifest, Job } from '../../job/job.ts'
import type { Scene } from '../../job/scene.ts'
import { findAsset, hasAsset } from '../../store/assets.ts'
import { findAttempt } from '../../store/attempts.ts'
import { type FilmVersion, findFilm, listFilms } from '../../store/films.ts'
import type { Context } from '../context.ts'
import { existingJob } from '../job/existing-job.ts'

/** The job's film versions, newest first, at most 200. @throws {RefusedError} `job_not_found` */
export async function getFilms(context: Context, jobId: number): Promise<readonly FilmVersion[]> {
  const { database } = context
  await existingJob(database, jobId)
  return listFilms(database, jobId)
}

/** @throws {RefusedError} `job_not_found`, `not_ready` */
export async function getFilmVersion(context: Context, jobId: number, version: number): Promise<FilmVersion> {
  const { database } = context
  const job = await existingJob(database, jobId)
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
  filmOf(await existingJob(context.database, jobId))

/** @throws {RefusedError} `not_ready`, while the job has no film */
export function filmOf({ id, status, film }: Job): FilmManifest {
  if (film) return film
  throw new RefusedError('Film is not ready', {
    code: 'not_ready',
    jobId: id,
    currentStatus: status,
    reason: status === 'completed' ? 'This job was completed without a film' : 'Job must be completed first',
  })
}

/** The artifact of the scene's own paid clip, as received from the provider; null where there is none. */
export const getPaidClip = async (context: Context, { attemptId }: Scene): Promise<string | null> =>
  (attemptId === null ? undefined : await findAttempt(context.database, attemptId))?.fetched ?? null

/** `clientId`: limits the look-up to this client's assets. @throws {RefusedError} `asset_not_found` */
export async function getAsset(context: Context, assetId: string, clientId?: string): Promise<Asset> {
  const { database } = context
  const asset = await findAsset(database, assetId)
  if (!asset || (clientId !== undefined && !(await hasAsset(database, assetId, clientId))))
    throw assetNotFound(assetId)
  return asset
}
