import type { Engine } from '../engine/engine.ts'
import type { Host } from '../host.ts'
import type { Asset } from '../job/asset.ts'
import type { Catalogue } from '../job/catalogue.ts'
import { type FieldProblem, RefusedError, invalid, jobNotFound } from '../job/errors.ts'
import type { FilmManifest, Job, Storyboard } from '../job/job.ts'
import { refusalReason } from '../job/lifecycle.ts'
import { type Progress, completed, created, risen } from '../job/progress.ts'
import { renderKey } from '../job/render-key.ts'
import { type JobRequest, freeMembers, parseJobRequest } from '../job/request.ts'
import type { Failure } from '../job/scene.ts'
import { fieldOf, planStoryboard } from '../job/storyboard.ts'
import { type Log, logLine } from '../log.ts'
import { findAsset, hasAsset, insertAsset } from '../store/assets.ts'
import { listJobInFlight, requestCancel, setAttemptCancelled } from '../store/attempts.ts'
import type { Database, Transaction } from '../store/database.ts'
import { insertFilm } from '../store/films.ts'
import {
  findJob,
  findJobState,
  insertJob,
  insertLabels,
  setCancelled,
  setCompleted,
  setFailed,
  setProgress,
} from '../store/jobs.ts'
import { cancelScenes, insertScene, listScenes } from '../store/scenes.ts'
import type { RendererLimit } from './admission-rules.ts'
import type { News } from './attempt-verbs.ts'
import { type Quote, quoteFor } from './quote.ts'
import type { Tell } from './tell.ts'

export interface JobVerbs {
  /** Checks, plans and keeps a job; nothing is rendered before it is approved. @throws {RefusedError} `invalid` */
  createJob(request: unknown): Promise<Job>
  /**
   * The job may spend from now on: what it was estimated to cost, or `max_cost`. Also allows what a changed scene costs
   * more. On disk when this resolves.
   * @throws {RefusedError} `job_not_found`, `transition_refused`, `approval_refused`, `invalid`
   */
  approveJob(jobId: number, approval?: unknown): Promise<Job>
  /** Plans a job and tells its cost, and keeps nothing. @throws {RefusedError} `invalid` */
  estimateJob(request: unknown): Promise<JobEstimate>
  /** Ends a job that has not ended: what runs is stopped, at providers too. @throws {RefusedError} */
  cancelJob(jobId: number): Promise<Job>
  /** Tells how far a processing job is; a lower percentage than before is not taken. @throws {RefusedError} */
  updateProgress(jobId: number, progress: Progress): Promise<void>
  /**
   * Ends a processing job well, with a small result's bytes or a film in the artifact store. `revision`: of the storyboard
   * that the film was made from; one of an older storyboard is refused. @throws {RefusedError}
   */
  completeJob(jobId: number, result: Uint8Array | FilmManifest, revision?: number): Promise<void>
  /** Ends a processing job with a reason. @throws {RefusedError} */
  failJob(jobId: number, failure: string | Failure): Promise<void>
  /** Keeps what is known of an uploaded photograph; the same one twice is kept once. */
  addAsset(asset: Omit<Asset, 'insertedAt'>): Promise<Asset>
}

export interface JobVerbsOptions {
  readonly database: Database
  readonly engine: Engine
  readonly host: Host
  readonly log: Log
  readonly renderers: readonly RendererLimit[]
  readonly catalogue: Catalogue
  readonly news: News
  readonly admitSoon: () => void
  readonly tell: Tell
}

/** A job as it would be, and what it would cost. */
export interface JobEstimate {
  readonly storyboard: Storyboard
  readonly quote: Quote
  readonly priceBook: string
}

/** Who renders a model, and the task that sees to it. */
export const offers = (renderers: readonly RendererLimit[]) => ({
  rendererOf: new Map(renderers.flatMap(({ name, models }) => models.map((model) => [model, name]))),
  taskOf: new Map(renderers.map(({ name, task }) => [name, task])),
})

const defaultPriority = 50

export function createJobVerbs(options: JobVerbsOptions): Omit<JobVerbs, 'approveJob'> {
  const { database, engine, host, log, catalogue, news, admitSoon, tell } = options
  const { rendererOf, taskOf } = offers(options.renderers)

  const scenesOf = (request: JobRequest, { scenes, format, fit }: Storyboard) =>
    scenes.map((scene, position) => ({
      ...scene,
      position,
      renderer: rendererOf.get(scene.model)!,
      renderKey: renderKey({ ...scene, position }, format, fit),
      forced: request.force ?? false,
    }))

  const keepJob = async (tx: Transaction, request: JobRequest, storyboard: Storyboard): Promise<Job> => {
    const now = host.now()
    const scenes = scenesOf(request, storyboard)
    const labels = freeMembers(request)
    const job = await insertJob(
      tx,
      {
        type: request.type,
        videoName: request.video_name ?? request.parameters.title ?? 'Untitled film',
        priority: request.priority ?? defaultPriority,
        parameters: request.parameters,
        storyboard,
        progress: created,
        estimatedMicros: (await quoteFor(tx, scenes)).micros,
        priceBook: catalogue.version,
        clientId: labels['client_id'] ?? '',
      },
      now,
    )
    for (const scene of scenes) await insertScene(tx, { ...scene, id: host.id(), jobId: job.id }, now)
    await insertLabels(tx, job.id, labels)
    await tell(tx, {
      type: 'job_created',
      jobId: job.id,
      data: { type: job.type, video_name: job.videoName },
    })
    return job
  }

  const plan = async (input: unknown): Promise<{ request: JobRequest; storyboard: Storyboard }> => {
    const request = parseJobRequest(input)
    const storyboard = planStoryboard(request, catalogue)
    const problems = await missingAssets(storyboard, database, request)
    if (problems.length > 0) throw invalid(problems)
    return { request, storyboard }
  }

  /** What runs for a job is stopped; what was sent to a provider is ended there by who follows it. */
  const stopWork = async (tx: Transaction, jobId: number): Promise<void> => {
    const now = host.now()
    for (const scene of await listScenes(tx, jobId)) {
      if (scene.status !== 'pending' && scene.status !== 'processing') continue
      if (scene.status === 'processing') await engine.cancel(tx, { kind: 'take-clip', subject: scene.id })
      await tell(tx, { type: 'scene_cancelled', jobId, sceneId: scene.id, data: {} })
    }
    await cancelScenes(tx, jobId, now)
    const cancelled: Failure = { code: 'cancelled', reason: 'The job was cancelled' }
    for (const attempt of await listJobInFlight(tx, jobId)) {
      const task = { kind: taskOf.get(attempt.renderer) ?? 'follow-render', subject: attempt.id }
      const isUnsent = attempt.status === 'intended' && attempt.postedAt === null
      if (task.kind === 'render-scene' || isUnsent) {
        await setAttemptCancelled(tx, attempt.id, 0, cancelled, now)
        await engine.cancel(tx, task)
      } else {
        await requestCancel(tx, attempt.id, now)
        tx.afterCommit(() => news.of(attempt.id))
      }
    }
    await engine.cancel(tx, { kind: 'stitch-film', subject: String(jobId) })
    tx.afterCommit(admitSoon)
  }

  return {
    async createJob(input) {
      const { request, storyboard } = await plan(input)
      return database.transaction((tx) => keepJob(tx, request, storyboard))
    },

    async estimateJob(input) {
      const { request, storyboard } = await plan(input)
      const scenes = scenesOf(request, storyboard)
      const quote = await quoteFor(database, scenes)
      return { storyboard, quote, priceBook: catalogue.version }
    },

    updateProgress: (jobId, progress) =>
      database.transaction(async (tx) => {
        const before = await findJobState(tx, jobId)
        const next = before && risen(before.progress, progress)
        if (!next || (await setProgress(tx, jobId, next, host.now())) === 0)
          throw await refused(tx, jobId, 'progress')
        await tell(tx, { type: 'job_progress', jobId, data: { ...next } })
      }),

    async completeJob(jobId, result, revision) {
      const bytes = result instanceof Uint8Array ? result : new TextEncoder().encode(JSON.stringify(result))
      const data = result instanceof Uint8Array ? {} : filmFacts(result)
      await database.transaction(async (tx) => {
        const now = host.now()
        if ((await setCompleted(tx, jobId, completed, bytes, revision ?? null, now)) === 0)
          throw await refused(tx, jobId, 'complete')
        const version =
          result instanceof Uint8Array ? {} : { version: await insertFilm(tx, jobId, result, now) }
        await tell(tx, { type: 'job_completed', jobId, data: { ...data, ...version } })
      })
      logLine.jobCompleted(log, jobId)
    },

    async cancelJob(jobId) {
      const job = await database.transaction(async (tx) => {
        const before = await findJobState(tx, jobId)
        const progress = { percentage: before?.progress.percentage ?? 0, stage: 'cancelled' }
        if ((await setCancelled(tx, jobId, progress, host.now())) === 0)
          throw await refused(tx, jobId, 'cancel')
        await tell(tx, { type: 'job_cancelled', jobId, data: {} })
        await stopWork(tx, jobId)
        return (await findJob(tx, jobId))!
      })
      logLine.jobCancelled(log, jobId)
      return job
    },

    async failJob(jobId, failure) {
      const error: Failure = typeof failure === 'string' ? { code: 'failed', reason: failure } : failure
      await database.transaction(async (tx) => {
        const before = await findJobState(tx, jobId)
        const progress = { percentage: before?.progress.percentage ?? 0, stage: 'failed' }
        if ((await setFailed(tx, jobId, progress, error, host.now())) === 0)
          throw await refused(tx, jobId, 'fail')
        await tell(tx, { type: 'job_failed', jobId, data: { ...error } })
      })
      logLine.jobFailed(log, jobId, error.reason)
    },

    addAsset: (asset) =>
      database.transaction(async (tx) => {
        await insertAsset(tx, { ...asset, insertedAt: host.now() })
        return (await findAsset(tx, asset.id))!
      }),
  }
}

/** Says why a guarded update found no row: no such job, or one in another state. */
async function refused(tx: Transaction, jobId: number, verb: keyof typeof pastTense): Promise<RefusedError> {
  const job = await findJobState(tx, jobId)
  if (!job) return jobNotFound(jobId)
  return new RefusedError(`Job cannot be ${pastTense[verb]}`, {
    code: 'transition_refused',
    jobId,
    verb,
    currentStatus: job.status,
    reason: refusalReason[verb],
  })
}

const pastTense = {
  progress: 'updated',
  complete: 'completed',
  fail: 'failed',
  cancel: 'cancelled',
} as const

const filmFacts = ({ film, durationMs, frames }: FilmManifest): Record<string, unknown> => ({
  film: film.id,
  size: film.size,
  duration_ms: durationMs,
  frames,
})

async function missingAssets(
  { scenes }: Storyboard,
  database: Database,
  request: JobRequest,
): Promise<FieldProblem[]> {
  const fields = new Map<string, string>()
  for (const [position, { asset_ids }] of scenes.entries())
    for (const id of asset_ids) if (!fields.has(id)) fields.set(id, fieldOf(request, position, 'asset_ids'))
  const problems: FieldProblem[] = []
  for (const [id, field] of fields)
    if (!(await hasAsset(database, id)))
      problems.push({ field, reason: `there is no asset ${id}: upload it first with POST /api/v3/assets` })
  return problems
}
