/** Reports of the work on a job: its progress, and how it ended. */
import { once, whole } from '../../access/idempotency.ts'
import { chaptersOf } from '../../job/chapter.ts'
import type { Actor } from '../../job/event.ts'
import type { FilmManifest } from '../../job/job.ts'
import { type Progress, completed } from '../../job/progress.ts'
import type { Failure } from '../../job/scene.ts'
import { logLine } from '../../log.ts'
import { insertFilmVersion, newestFilm } from '../../store/films.ts'
import { setCompleted, findJobState } from '../../store/jobs.ts'
import { listScenes } from '../../store/scenes.ts'
import { recordFilm, stitchBegunAt } from '../../store/timings.ts'
import type { Context } from '../context.ts'
import { advanceJob } from './advance.ts'
import { stopWork, ended, fail } from './ending.ts'
import { refused } from './existing-job.ts'

/** Records a processing job's progress; ignores a lower percentage. @throws {RefusedError} */
export const updateProgress = (context: Context, jobId: number, progress: Progress): Promise<void> =>
  context.database.transaction(async (tx) => {
    if (!(await advanceJob(context, tx, jobId, progress))) throw await refused(tx, jobId, 'progress')
  })

/**
 * Completes a processing job with a small result's bytes or a film in the artifact store. `revision`: of the storyboard
 * that the film was made from; an older one is refused. @throws {RefusedError}
 */
export async function completeJob(
  context: Context,
  jobId: number,
  result: Uint8Array | FilmManifest,
  revision?: number,
): Promise<void> {
  const { database, engine, host, emit, log } = context
  const bytes = result instanceof Uint8Array ? result : new TextEncoder().encode(JSON.stringify(result))
  const isFilm = !(result instanceof Uint8Array)
  await database.transaction(async (tx) => {
    const now = host.now()
    const [changed, newest, begunAt, scenes] = await Promise.all([
      setCompleted(tx, jobId, completed, bytes, revision ?? null, now),
      isFilm ? newestFilm(tx, jobId) : 0,
      isFilm ? stitchBegunAt(tx, jobId) : undefined,
      isFilm ? listScenes(tx, jobId) : [],
      isFilm ? engine.finish(tx, { kind: 'stitch-film', subject: String(jobId) }) : undefined,
    ])
    if (changed === 0) throw await refused(tx, jobId, 'complete')
    const version = newest + 1
    if (isFilm) {
      const chapters = chaptersOf(scenes, result.format.fps)
      await insertFilmVersion(tx, { jobId, version }, { manifest: result, chapters }, now)
    }
    if (isFilm && begunAt !== undefined) await recordFilm(tx, begunAt, result, now)
    const facts = isFilm ? { ...filmFacts(result), version } : {}
    await emit(tx, { type: 'job_completed', jobId, data: facts })
    // A program may report its own result while scenes still render.
    await Promise.all([
      isFilm ? undefined : stopWork(context, tx, jobId, { waitingToo: true }),
      ended(context, tx, jobId),
    ])
  })
  logLine.jobCompleted(log, jobId)
}

/** Fails a processing job with a reason. @throws {RefusedError} */
export async function failJob(
  context: Context,
  jobId: number,
  failure: string | Failure,
  actor?: Actor,
): Promise<void> {
  const { database } = context
  const error: Failure = typeof failure === 'string' ? { code: 'failed', reason: failure } : failure
  await once(database, actor, whole(), async (tx) => {
    const job = await findJobState(tx, jobId)
    if (!job || !(await fail(context, tx, job, error, actor))) throw await refused(tx, jobId, 'fail')
  })
}

const filmFacts = ({ film, durationMs, frames }: FilmManifest): Record<string, unknown> => ({
  film: film.id,
  size: film.size,
  duration_ms: durationMs,
  frames,
})
