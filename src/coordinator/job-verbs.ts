import type { Host } from '../host.ts'
import type { Asset } from '../job/asset.ts'
import { type FieldProblem, RefusedError, invalid, jobNotFound } from '../job/errors.ts'
import type { FilmManifest, Job, Storyboard } from '../job/job.ts'
import { refusalReason } from '../job/lifecycle.ts'
import { type PriceBook, estimate } from '../job/price.ts'
import { type Progress, completed, created, risen } from '../job/progress.ts'
import { type JobRequest, freeMembers, parseJobRequest } from '../job/request.ts'
import type { Failure } from '../job/scene.ts'
import { planStoryboard } from '../job/storyboard.ts'
import { type Log, logLine } from '../log.ts'
import { findAsset, hasAsset, insertAsset } from '../store/assets.ts'
import type { Database, Transaction } from '../store/database.ts'
import {
  findJob,
  findJobState,
  insertJob,
  insertLabels,
  setApproved,
  setCompleted,
  setFailed,
  setProgress,
} from '../store/jobs.ts'
import { insertScene } from '../store/scenes.ts'
import type { RendererLimit } from './admission.ts'
import type { Tell } from './tell.ts'

export interface JobVerbs {
  /** Checks, plans and keeps a job; nothing is rendered before it is approved. @throws {RefusedError} `invalid` */
  createJob(request: unknown): Promise<Job>
  /** The job may spend from now on. On disk when this resolves. @throws {RefusedError} `job_not_found`, `transition_refused` */
  approveJob(jobId: number): Promise<Job>
  /** Tells how far a processing job is; a lower percentage than before is not taken. @throws {RefusedError} */
  updateProgress(jobId: number, progress: Progress): Promise<void>
  /** Ends a processing job well, with a small result's bytes or a film in the artifact store. @throws {RefusedError} */
  completeJob(jobId: number, result: Uint8Array | FilmManifest): Promise<void>
  /** Ends a processing job with a reason. @throws {RefusedError} */
  failJob(jobId: number, failure: string | Failure): Promise<void>
  /** Keeps what is known of an uploaded photograph; the same one twice is kept once. */
  addAsset(asset: Omit<Asset, 'insertedAt'>): Promise<Asset>
}

export interface JobVerbsOptions {
  readonly database: Database
  readonly host: Host
  readonly log: Log
  readonly renderers: readonly RendererLimit[]
  readonly priceBook: PriceBook
  readonly tell: Tell
}

const defaultPriority = 50

export function createJobVerbs(options: JobVerbsOptions): JobVerbs {
  const { database, host, log, priceBook, tell } = options
  const rendererOf = new Map(
    options.renderers.flatMap(({ name, models }) => models.map((model) => [model, name])),
  )

  const keepJob = async (tx: Transaction, request: JobRequest, storyboard: Storyboard): Promise<Job> => {
    const now = host.now()
    const { totalMicros, priceBook: version } = estimate(priceBook, storyboard.scenes)
    const job = await insertJob(
      tx,
      {
        type: request.type,
        videoName: request.video_name ?? request.parameters.title ?? 'Untitled film',
        priority: request.priority ?? defaultPriority,
        parameters: request.parameters,
        storyboard,
        progress: created,
        estimatedMicros: totalMicros,
        priceBook: version,
      },
      now,
    )
    for (const [position, scene] of storyboard.scenes.entries()) {
      const renderer = rendererOf.get(scene.model)!
      await insertScene(tx, { ...scene, id: host.id(), jobId: job.id, position, renderer }, now)
    }
    await insertLabels(tx, job.id, freeMembers(request))
    await tell(tx, {
      type: 'job_created',
      jobId: job.id,
      data: { type: job.type, video_name: job.videoName },
    })
    return job
  }

  return {
    async createJob(input) {
      const request = parseJobRequest(input)
      const storyboard = planStoryboard(request)
      const problems = [
        ...unknownModels(storyboard, rendererOf, request),
        ...(await missingAssets(storyboard, database, request)),
      ]
      if (problems.length > 0) throw invalid(problems)
      return database.transaction((tx) => keepJob(tx, request, storyboard))
    },

    async approveJob(jobId) {
      const job = await database.transaction(async (tx) => {
        if ((await setApproved(tx, jobId, { ...created, stage: 'approved' }, host.now())) === 0)
          throw await refused(tx, jobId, 'approve')
        const approved = (await findJob(tx, jobId))!
        await tell(tx, {
          type: 'job_approved',
          jobId,
          data: { estimated_micros: approved.estimatedMicros, price_book: approved.priceBook },
        })
        return approved
      })
      logLine.jobApproved(log, jobId)
      return job
    },

    updateProgress: (jobId, progress) =>
      database.transaction(async (tx) => {
        const before = await findJobState(tx, jobId)
        const next = before && risen(before.progress, progress)
        if (!next || (await setProgress(tx, jobId, next, host.now())) === 0)
          throw await refused(tx, jobId, 'progress')
        await tell(tx, { type: 'job_progress', jobId, data: { ...next } })
      }),

    async completeJob(jobId, result) {
      const bytes = result instanceof Uint8Array ? result : new TextEncoder().encode(JSON.stringify(result))
      const data = result instanceof Uint8Array ? {} : filmFacts(result)
      await database.transaction(async (tx) => {
        if ((await setCompleted(tx, jobId, completed, bytes, host.now())) === 0)
          throw await refused(tx, jobId, 'complete')
        await tell(tx, { type: 'job_completed', jobId, data })
      })
      logLine.jobCompleted(log, jobId)
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
async function refused(
  tx: Transaction,
  jobId: number,
  verb: keyof typeof refusalReason,
): Promise<RefusedError> {
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

const pastTense = { approve: 'approved', progress: 'updated', complete: 'completed', fail: 'failed' } as const

const filmFacts = ({ film, durationMs, frames }: FilmManifest): Record<string, unknown> => ({
  film: film.id,
  size: film.size,
  duration_ms: durationMs,
  frames,
})

/** Where in the request a scene's model is named. */
const modelField = ({ storyboard }: JobRequest, position: number): string =>
  storyboard?.scenes[position]?.model === undefined
    ? 'parameters.model'
    : `storyboard.scenes[${position}].model`

/** Where in the request a scene's pictures are named. */
function picturesField(request: JobRequest, position: number): string {
  if (request.storyboard) return `storyboard.scenes[${position}].asset_ids`
  if (request.type === 'property_photos') return 'parameters.photos'
  return request.parameters.pairs ? `parameters.pairs[${position}]` : 'parameters.images'
}

function unknownModels(
  { scenes }: Storyboard,
  rendererOf: ReadonlyMap<string, string>,
  request: JobRequest,
): FieldProblem[] {
  const fields = new Map<string, string>()
  for (const [position, { model }] of scenes.entries())
    if (!rendererOf.has(model)) fields.set(modelField(request, position), model)
  return [...fields].map(([field, model]) => ({
    field,
    reason: `no renderer here offers ${JSON.stringify(model)}; there is ${[...rendererOf.keys()].join(', ')}`,
  }))
}

async function missingAssets(
  { scenes }: Storyboard,
  database: Database,
  request: JobRequest,
): Promise<FieldProblem[]> {
  const fields = new Map<string, string>()
  for (const [position, { asset_ids }] of scenes.entries())
    for (const id of asset_ids) if (!fields.has(id)) fields.set(id, picturesField(request, position))
  const problems: FieldProblem[] = []
  for (const [id, field] of fields)
    if (!(await hasAsset(database, id)))
      problems.push({ field, reason: `there is no asset ${id}: upload it first with POST /api/v3/assets` })
  return problems
}
