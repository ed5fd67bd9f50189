/** Lets somebody without a key see a film until a time: recorded here, signed by the server that answers. */
import { once, whole } from '../../access/idempotency.ts'
import { parseLink } from '../../job/control-request.ts'
import { RefusedError } from '../../job/errors.ts'
import type { Actor } from '../../job/event.ts'
import { wasRemoved } from '../../retention/retention.ts'
import { findFilm, newestFilm } from '../../store/films.ts'
import type { Context } from '../context.ts'
import { existingJob } from './existing-job.ts'

export interface FilmLink {
  /** The version that it shows; null: the film that the job shows when the link is opened. */
  readonly version: number | null
  /** ms since the epoch, a whole second. */
  readonly expiresAt: number
}

/** @throws {RefusedError} `job_not_found`, `not_ready`, `removed`, `invalid` */
export function shareFilm(
  context: Context,
  jobId: number,
  input: unknown = {},
  actor?: Actor,
): Promise<FilmLink> {
  const { version = null, expires_in_seconds: seconds } = parseLink(input)
  return once(context.database, actor, whole<FilmLink>(), async (tx) => {
    const { status } = await existingJob(tx, jobId)
    const film = await findFilm(tx, jobId, version ?? (await newestFilm(tx, jobId)))
    if (!film)
      throw new RefusedError('Film is not ready', {
        code: 'not_ready',
        jobId,
        currentStatus: status,
        reason: version === null ? 'Job must be completed first' : `There is no version ${version} of it`,
      })
    if (film.removedAt !== null) throw wasRemoved('film', film.removedAt)
    const expiresAt = Math.ceil(context.host.now() / 1000 + seconds) * 1000
    await context.emit(tx, {
      type: 'job_shared',
      jobId,
      data: { version, expires_at: new Date(expiresAt).toISOString() },
      actor,
    })
    return { version, expiresAt }
  })
}
