/** Verbs for ended jobs: publish another version of the film, or delete the job and keep its ledger entries. */
import { RefusedError, jobNotFound, transitionRefused } from '../../job/errors.ts'
import type { Actor } from '../../job/event.ts'
import type { Job } from '../../job/job.ts'
import { type JobStatus, finalJobStatuses } from '../../job/lifecycle.ts'
import { logLine } from '../../log.ts'
import { listJobUnfinished } from '../../store/attempts.ts'
import type { Transaction } from '../../store/database.ts'
import { listDependents } from '../../store/dependencies.ts'
import { findFilm, insertFilm, listFilms, mostVersions } from '../../store/films.ts'
import { deleteJobRows, findJobState, setFilm } from '../../store/jobs.ts'
import { listJobTasks } from '../../store/tasks.ts'
import { pendingEndpointOf } from '../../webhooks/endpoints.ts'
import { existingJob } from './existing-job.ts'
import { once, whole } from '../../access/idempotency.ts'
import { checkMayEnd } from './cancel-job.ts'
import { clipsOfJob, forgetClips, wasRemoved } from '../../retention/retention.ts'
import type { Context } from '../context.ts'

const hasEnded = (status: JobStatus): boolean => (finalJobStatuses as readonly JobStatus[]).includes(status)

/**
 * Publishes an earlier film again, as the job's newest version. Resolves to that version; does nothing if that film is
 * the current one. @throws {RefusedError} `job_not_found`, `not_ready`, `job_refused`, `removed`
 */
export const showFilm = (context: Context, jobId: number, version: number, actor?: Actor): Promise<number> =>
  once(context.database, actor, whole<number>(), async (tx) => {
    const job = await findJobState(tx, jobId)
    if (!job) throw jobNotFound(jobId)
    const film = await findFilm(tx, jobId, version)
    if (!film)
      throw new RefusedError('Version not found', {
        code: 'not_ready',
        jobId,
        currentStatus: job.status,
        reason: `The job has no version ${version}`,
      })
    if (!hasEnded(job.status))
      throw new RefusedError('Film cannot be shown', {
        code: 'job_refused',
        jobId,
        currentStatus: job.status,
        reason: 'Another version is being made: wait for it, or cancel the job',
      })
    if (film.removedAt !== null) throw wasRemoved('film', film.removedAt)
    const newest = (await listFilms(tx, jobId))[0]!
    if (newest.manifest.film.id === film.manifest.film.id) return newest.version
    if (newest.version >= mostVersions)
      throw new RefusedError('Film cannot be shown', {
        code: 'job_refused',
        jobId,
        currentStatus: job.status,
        reason: `The job has reached the limit of ${newest.version} versions: fetch this version at /api/v3/videos/${jobId}/versions/${version}/combined`,
      })
    const now = context.host.now()
    await setFilm(tx, jobId, film.manifest, now)
    const current = await insertFilm(tx, jobId, film, now)
    await context.emit(tx, {
      type: 'job_updated',
      jobId,
      data: {
        changed: { film_version: version },
        old: { film_version: newest.version },
        new: { film_version: version },
        version: current,
      },
      actor,
    })
    return current
  })

/**
 * Deletes an ended job, with its scenes and films. Its costs stay in the ledger and the totals; its files are removed
 * when nothing else references them. @throws {RefusedError} `job_not_found`, `transition_refused`, `job_refused`, `scope_missing`
 */
export const deleteJob = (context: Context, jobId: number, actor?: Actor): Promise<void> =>
  once(context.database, actor, whole<void>(), async (tx) => {
    const job = await existingJob(tx, jobId)
    if (!hasEnded(job.status)) throw transitionRefused(job, 'delete')
    await checkMayEnd(tx, job, actor?.rights)
    await checkSettled(tx, job)
    for (const task of await listJobTasks(tx, jobId)) await context.engine.cancel(tx, task)
    const clips = await clipsOfJob(tx, jobId)
    await context.emit(tx, {
      type: 'job_deleted',
      jobId,
      data: { type: job.type, video_name: job.videoName, status: job.status },
      actor,
    })
    await deleteJobRows(tx, jobId)
    await forgetClips(tx, clips, context.host.now() + 1)
    tx.afterCommit(() => logLine.jobDeleted(context.log, jobId, actor?.by))
  })

const mostNamed = 5

/** Nothing may still need the job: no followed render, no pending delivery, no job that waits for it. @throws {RefusedError} `job_refused` */
async function checkSettled(tx: Transaction, { id, status }: Job): Promise<void> {
  const refuse = (reason: string) =>
    new RefusedError('Job cannot be deleted', {
      code: 'job_refused',
      jobId: id,
      currentStatus: status,
      reason,
    })
  const unfinished = await listJobUnfinished(tx, id)
  const held = unfinished.find((attempt) => attempt.status === 'held')
  if (held)
    throw refuse(
      `Whether the provider accepted a render of this job is unknown: resolve scene ${held.sceneId} first`,
    )
  if (unfinished.length > 0)
    throw refuse(
      'Renders of this job are still being ended or fetched: delete it when its reserved cost is 0',
    )
  const untold = await pendingEndpointOf(tx, id)
  if (untold !== undefined)
    throw refuse(
      `Webhook deliveries of this job are pending: wait for them, or drop them with PATCH /api/v3/webhooks/endpoints/${untold} {"status":"disabled"}`,
    )
  const waiting = await listDependents(tx, id, 0, mostNamed + 1)
  if (waiting.length > 0) {
    const named = waiting.slice(0, mostNamed).map(({ jobId }) => jobId)
    const more = waiting.length > mostNamed ? ' and others' : ''
    throw refuse(
      `Other jobs wait for this job (${named.join(', ')}${more}): cancel them first, or retry this job`,
    )
  }
}
