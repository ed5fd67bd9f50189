import type { Asset } from '../../job/asset.ts'
import {
  type FieldProblem,
  RefusedError,
  invalid,
  invalidField,
  jobNotFound,
  scopeMissing,
  transitionRefused,
} from '../../job/errors.ts'
import { type Asked, differences } from '../../job/event.ts'
import type { FilmManifest, Job, Storyboard } from '../../job/job.ts'
import { type Progress, completed, created, risen } from '../../job/progress.ts'
import { type JobStatus, jobVerbs } from '../../job/lifecycle.ts'
import { type Actor, mayApprove, seenBy } from '../../job/reach.ts'
import { renderKey } from '../../job/render-key.ts'
import { type JobRequest, freeMembers, parseJobRequest } from '../../job/request.ts'
import { parseJobChange, parseWhy } from '../../job/control-request.ts'
import { defaultPriority } from '../../job/queue.ts'
import type { Failure } from '../../job/scene.ts'
import { fieldOf, planStoryboard } from '../../job/storyboard.ts'
import { logLine } from '../../log.ts'
import { findAsset, hasAsset, insertAsset, showAssetsTo } from '../../store/assets.ts'
import type { Database, Transaction } from '../../store/database.ts'
import { insertFilm } from '../../store/films.ts'
import {
  findJob,
  findJobState,
  insertJob,
  insertLabels,
  setCompleted,
  setJobPlan,
  setPaused,
  setProgress,
  setResumed,
} from '../../store/jobs.ts'
import { moneyOfJob } from '../../store/money.ts'
import { insertScene } from '../../store/scenes.ts'
import { recordFilm } from '../../store/timings.ts'
import { insertJobWebhook } from '../../webhooks/endpoint-rows.ts'
import { dependenciesOf, keepDependencies } from './dependents.ts'
import { stopWork, ended, cancel, fail } from './ending.ts'
import { type Quote, quoteFor } from './quote.ts'
import { doneBefore, once, whole } from '../../access/idempotency.ts'
import { keptJob } from './existing-job.ts'
import { rejoin } from '../scene/starting.ts'
import { refuseAddress } from '../../webhooks/endpoints.ts'
import type { Context } from '../context.ts'

/** A job as it would be, and what it would cost. */
export interface JobEstimate {
  readonly storyboard: Storyboard
  readonly quote: Quote
  readonly priceBook: string
  readonly priority: number
  /** Empty: nobody's. */
  readonly clientId: string
}

const clientOf = (request: JobRequest, actor: Actor | undefined): string =>
  actor?.clientId ?? freeMembers(request)['client_id'] ?? ''

const scenesOf = ({ rendererOf }: Context, request: JobRequest, { scenes, format, fit }: Storyboard) =>
  scenes.map((scene, position) => ({
    ...scene,
    position,
    renderer: rendererOf.get(scene.model)!,
    renderKey: renderKey({ ...scene, position }, format, fit),
    forced: request.force ?? false,
  }))

async function keepJob(
  context: Context,
  tx: Transaction,
  request: JobRequest,
  storyboard: Storyboard,
  asked: Asked | undefined,
): Promise<Job> {
  const { openJobs, host, catalogue, emit, wakeScheduler } = context
  const now = host.now()
  const times = timesOf(request, { runAt: null, deadlineAt: null }, now)
  const actor = asked?.actor
  const labels = freeMembers(request)
  const clientId = clientOf(request, actor)
  await openJobs.require(tx, clientId)
  const dependencies = await dependenciesOf(tx, request, { clientId, reach: seenBy(actor) })
  const scenes = scenesOf(context, request, storyboard)
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
      clientId,
      madeBy: actor?.id ?? null,
      ...times,
      retryPolicy: request.retry ?? null,
      unmet: dependencies.filter(({ isMet }) => !isMet).length,
    },
    now,
  )
  await keepDependencies(tx, job.id, dependencies)
  const { webhook_url: url, webhook_events: eventTypes } = request
  if (url !== undefined) await insertJobWebhook(tx, { id: host.id(), jobId: job.id, url, eventTypes }, now)
  for (const scene of scenes) await insertScene(tx, { ...scene, id: host.id(), jobId: job.id }, now)
  await insertLabels(tx, job.id, clientId === '' ? labels : { ...labels, client_id: clientId })
  await showAssetsTo(
    tx,
    clientId,
    storyboard.scenes.flatMap(({ asset_ids }) => asset_ids),
  )
  await emit(tx, {
    type: 'job_created',
    jobId: job.id,
    data: { type: job.type, video_name: job.videoName },
    asked,
  })
  if (job.deadlineAt !== null) tx.afterCommit(wakeScheduler)
  return job
}

async function plan(
  context: Context,
  input: unknown,
  actor: Actor | undefined,
): Promise<{ request: JobRequest; storyboard: Storyboard }> {
  const { catalogue, database } = context
  const request = parseJobRequest(input)
  if (actor && actor.clientId !== null) takeForClient(request, actor.clientId)
  if (request.webhook_url !== undefined)
    refuseAddress('webhook_url', request.webhook_url, context.webhookNetworks)
  const storyboard = planStoryboard(request, catalogue)
  const problems = await missingAssets(storyboard, database, request, actor?.clientId ?? undefined)
  if (problems.length > 0) throw invalid(problems)
  return { request, storyboard }
}

/** Checks, plans and keeps a job; nothing is rendered before it is approved. @throws {RefusedError} `invalid`, `too_many` */
export async function createJob(context: Context, input: unknown, asked?: Asked): Promise<Job> {
  const { database, room } = context
  const before = await doneBefore(database, asked, keptJob)
  if (before) return before
  const { request, storyboard } = await plan(context, input, asked?.actor)
  await room.require()
  return once(database, asked, keptJob, (tx) => keepJob(context, tx, request, storyboard, asked))
}

/** Plans a job and tells its cost, and keeps nothing. @throws {RefusedError} `invalid` */
export async function estimateJob(context: Context, input: unknown, asked?: Asked): Promise<JobEstimate> {
  const { database, catalogue } = context
  const { request, storyboard } = await plan(context, input, asked?.actor)
  const scenes = scenesOf(context, request, storyboard)
  const quote = await quoteFor(database, scenes)
  return {
    storyboard,
    quote,
    priceBook: catalogue.version,
    priority: request.priority ?? defaultPriority,
    clientId: clientOf(request, asked?.actor),
  }
}

/** Tells how far a processing job is; a lower percentage than before is not taken. @throws {RefusedError} */
export const updateProgress = (context: Context, jobId: number, progress: Progress): Promise<void> =>
  context.database.transaction(async (tx) => {
    const before = await findJobState(tx, jobId)
    const next = before && risen(before.progress, progress)
    if (!next || (await setProgress(tx, jobId, next, context.host.now())) === 0)
      throw await refused(tx, jobId, 'progress')
    await context.emit(tx, { type: 'job_progress', jobId, data: { ...next } })
  })

/**
 * Ends a processing job well, with a small result's bytes or a film in the artifact store. `revision`: of the storyboard
 * that the film was made from; one of an older storyboard is refused. @throws {RefusedError}
 */
export async function completeJob(
  context: Context,
  jobId: number,
  result: Uint8Array | FilmManifest,
  revision?: number,
): Promise<void> {
  const { database, host, emit, log } = context
  const bytes = result instanceof Uint8Array ? result : new TextEncoder().encode(JSON.stringify(result))
  const data = result instanceof Uint8Array ? {} : filmFacts(result)
  await database.transaction(async (tx) => {
    const now = host.now()
    if ((await setCompleted(tx, jobId, completed, bytes, revision ?? null, now)) === 0)
      throw await refused(tx, jobId, 'complete')
    const isFilm = !(result instanceof Uint8Array)
    const version = isFilm ? { version: await insertFilm(tx, jobId, result, now) } : {}
    if (isFilm) await recordFilm(tx, jobId, result, now)
    await emit(tx, { type: 'job_completed', jobId, data: { ...data, ...version } })
    // A program's own result may come while scenes are rendered still.
    if (!isFilm) await stopWork(context, tx, jobId, true)
    await ended(context, tx, jobId)
  })
  logLine.jobCompleted(log, jobId)
}

/** Ends a job that has not ended: what runs is stopped, at providers too. @throws {RefusedError} */
export const cancelJob = (context: Context, jobId: number, asked?: Asked): Promise<Job> =>
  once(context.database, asked, keptJob, async (tx) => {
    const job = await findJobState(tx, jobId)
    if (job && isOpen(job)) await checkMayEnd(tx, job, asked?.actor)
    if (!job || !(await cancel(context, tx, job, { error: null, asked })))
      throw await refused(tx, jobId, 'cancel')
    return (await findJob(tx, jobId))!
  })

/** Ends a processing job with a reason. @throws {RefusedError} */
export async function failJob(
  context: Context,
  jobId: number,
  failure: string | Failure,
  asked?: Asked,
): Promise<void> {
  const { database } = context
  const error: Failure = typeof failure === 'string' ? { code: 'failed', reason: failure } : failure
  await once(database, asked, whole(), async (tx) => {
    const job = await findJobState(tx, jobId)
    if (!job || !(await fail(context, tx, job, error, asked))) throw await refused(tx, jobId, 'fail')
  })
}

/** Changes a job that has not ended: its priority, name, start and deadline; the name also of one that has. @throws {RefusedError} */
export async function updateJob(
  context: Context,
  jobId: number,
  input: unknown,
  asked?: Asked,
): Promise<Job> {
  const { database, host, emit, wakeScheduler } = context
  const change = parseJobChange(input)
  return once(database, asked, keptJob, async (tx) => {
    const before = await findJob(tx, jobId)
    if (!before) throw jobNotFound(jobId)
    const now = host.now()
    const { priority, video_name, run_at, deadline_at } = change
    const times = timesOf({ run_at, deadline_at }, before, now)
    // Once it is approved, its approval was given for that time.
    if (run_at !== undefined && before.status !== 'pending' && !mayApprove(asked?.actor))
      throw scopeMissing(
        'approve',
        `Job ${jobId} is ${before.status}: to change when it begins takes a key with the scope approve`,
      )
    // A deadline ends it as a cancel does.
    if (typeof deadline_at === 'string' && isOpen(before)) await checkMayEnd(tx, before, asked?.actor)
    const after = {
      priority: priority ?? before.priority,
      videoName: video_name ?? before.videoName,
      ...times,
    }
    // What a film is called can be changed whatever has become of it.
    const isName = Object.keys(change).every((name) => name === 'video_name')
    if ((await setJobPlan(tx, jobId, after, isName, now)) === 0) throw await refused(tx, jobId, 'update')
    const data = { changed: change, ...differences(changeable(before), changeable(after)) }
    await emit(tx, { type: 'job_updated', jobId, data, asked })
    await rejoin(context, tx, jobId)
    tx.afterCommit(wakeScheduler)
    return (await findJob(tx, jobId))!
  })
}

/** Nothing new is started for the job until it is resumed; what runs, ends. One that is paused stays so. @throws {RefusedError} */
export async function pauseJob(
  context: Context,
  jobId: number,
  input: unknown = {},
  asked: Asked = {},
): Promise<Job> {
  const { database, host, emit, log } = context
  const { reason } = parseWhy(input)
  const job = await once(database, asked, keptJob, async (tx) => {
    const before = await findJobState(tx, jobId)
    if (before?.pausedAt != null) return (await findJob(tx, jobId))!
    if ((await setPaused(tx, jobId, reason ?? null, host.now())) === 0)
      throw await refused(tx, jobId, 'pause')
    await emit(tx, { type: 'job_paused', jobId, data: {}, asked: { ...asked, reason } })
    return (await findJob(tx, jobId))!
  })
  logLine.jobPaused(log, jobId, asked.by)
  return job
}

/** @throws {RefusedError} */
export async function resumeJob(context: Context, jobId: number, asked: Asked = {}): Promise<Job> {
  const { database, host, emit, engine, log } = context
  const job = await once(database, asked, keptJob, async (tx) => {
    if ((await setResumed(tx, jobId, host.now())) === 0) throw await refused(tx, jobId, 'resume')
    await emit(tx, { type: 'job_resumed', jobId, data: {}, asked })
    await rejoin(context, tx, jobId)
    tx.afterCommit(() => engine.wake())
    return (await findJob(tx, jobId))!
  })
  logLine.jobResumed(log, jobId, asked.by)
  return job
}

/** The keys that are bound to this client see the photograph from now on. */
export const letClientSee = (context: Context, clientId: string, assetId: string): Promise<void> =>
  context.database.transaction((tx) => showAssetsTo(tx, clientId, [assetId]))

/** Keeps what is known of an uploaded photograph; the same one twice is kept once. */
export const addAsset = (context: Context, asset: Omit<Asset, 'insertedAt'>): Promise<Asset> =>
  context.database.transaction(async (tx) => {
    await insertAsset(tx, { ...asset, insertedAt: context.host.now() })
    return (await findAsset(tx, asset.id))!
  })

const isOpen = ({ status }: Pick<Job, 'status'>): boolean =>
  (jobVerbs.cancel.from as readonly JobStatus[]).includes(status)

/** A key that is bound to a client makes jobs of that client. @throws {RefusedError} `invalid` */
function takeForClient({ parameters }: JobRequest, clientId: string): void {
  const given = parameters['client_id']
  if (given !== undefined && given !== clientId)
    throw invalidField(
      'parameters.client_id',
      `must be ${JSON.stringify(clientId)}, or left out: the key is bound to that client`,
    )
  parameters['client_id'] = clientId
}

/** What was paid for is ended by those who may spend, and by the key that made the job. @throws {RefusedError} `scope_missing` */
export async function checkMayEnd(
  tx: Transaction,
  { id, madeBy }: Pick<Job, 'id' | 'madeBy'>,
  actor: Actor | undefined,
): Promise<void> {
  if (!actor || mayApprove(actor) || madeBy === actor.id) return
  const { reservedMicros, spentMicros, unpriced } = await moneyOfJob(tx, id)
  if (reservedMicros + spentMicros + unpriced > 0)
    throw scopeMissing(
      'approve',
      `Job ${id} has renders that are paid for, and was made with another key: to end it takes a key with the scope approve`,
    )
}

/** Says why a guarded update found no row: no such job, or one in another state. */
async function refused(
  tx: Transaction,
  jobId: number,
  verb: Parameters<typeof transitionRefused>[1],
): Promise<RefusedError> {
  const job = await findJobState(tx, jobId)
  return job ? transitionRefused(job, verb) : jobNotFound(jobId)
}

/** What a person may change of a job, as it is told. */
const changeable = ({
  priority,
  videoName,
  runAt,
  deadlineAt,
}: Pick<Job, 'priority' | 'videoName' | 'runAt' | 'deadlineAt'>) => ({
  priority,
  video_name: videoName,
  run_at: runAt && new Date(runAt).toISOString(),
  deadline_at: deadlineAt && new Date(deadlineAt).toISOString(),
})

const time = (given: string | null | undefined, old: number | null): number | null =>
  given === undefined ? old : given === null ? null : Date.parse(given)

/** @throws {RefusedError} `invalid`, where the times can't be kept. */
function timesOf(
  {
    run_at,
    deadline_at,
  }: { readonly run_at?: string | null | undefined; readonly deadline_at?: string | null | undefined },
  before: Pick<Job, 'runAt' | 'deadlineAt'>,
  now: number,
): Pick<Job, 'runAt' | 'deadlineAt'> {
  const runAt = time(run_at, before.runAt)
  const deadlineAt = time(deadline_at, before.deadlineAt)
  if (typeof deadline_at === 'string' && deadlineAt !== null && deadlineAt <= now)
    throw invalidField('deadline_at', 'must not be past')
  if (runAt !== null && deadlineAt !== null && deadlineAt <= runAt)
    throw invalidField('deadline_at', 'must be after run_at')
  return { runAt, deadlineAt }
}

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
  clientId: string | undefined,
): Promise<FieldProblem[]> {
  const fields = new Map<string, string>()
  for (const [position, { asset_ids }] of scenes.entries())
    for (const id of asset_ids) if (!fields.has(id)) fields.set(id, fieldOf(request, position, 'asset_ids'))
  const problems: FieldProblem[] = []
  for (const [id, field] of fields)
    if (!(await hasAsset(database, id, clientId)))
      problems.push({ field, reason: `there is no asset ${id}: upload it first with POST /api/v3/assets` })
  return problems
}
