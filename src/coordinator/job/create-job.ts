/** Plans, prices and stores a job. Nothing is rendered before its approval. */
import { doneBefore, once } from '../../access/idempotency.ts'
import { invalid, invalidField, type FieldProblem } from '../../job/errors.ts'
import type { Actor } from '../../job/event.ts'
import type { Storyboard, Job } from '../../job/job.ts'
import { created } from '../../job/progress.ts'
import { defaultPriority } from '../../job/queue.ts'
import { seenBy, type Rights } from '../../job/reach.ts'
import { renderKey } from '../../job/render-key.ts'
import { type JobRequest, freeMembers, parseJobRequest } from '../../job/request.ts'
import { planStoryboard, fieldOf } from '../../job/storyboard.ts'
import { showAssetsTo, hasAsset } from '../../store/assets.ts'
import type { Transaction, Database } from '../../store/database.ts'
import { insertJob, insertLabels } from '../../store/jobs.ts'
import { insertScene } from '../../store/scenes.ts'
import { addJobEndpoint, refuseAddress } from '../../webhooks/endpoints.ts'
import type { Context } from '../context.ts'
import { dependenciesOf, keepDependencies } from './dependents.ts'
import { keptJob } from './existing-job.ts'
import { type Quote, quoteFor } from './quote.ts'
import { timesOf } from './times.ts'

/** The planned storyboard of a job and its cost, before the job exists. */
export interface JobEstimate {
  readonly storyboard: Storyboard
  readonly quote: Quote
  readonly priceBook: string
  readonly priority: number
  /** Empty: nobody's. */
  readonly clientId: string
}

const clientOf = (request: JobRequest, rights: Rights | undefined): string =>
  rights?.clientId ?? freeMembers(request)['client_id'] ?? ''

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
  actor: Actor | undefined,
): Promise<Job> {
  const { openJobs, host, catalogue, emit, wakeScheduler } = context
  const now = host.now()
  const times = timesOf(request, { runAt: null, deadlineAt: null }, now)
  const rights = actor?.rights
  const labels = freeMembers(request)
  const clientId = clientOf(request, rights)
  await openJobs.require(tx, clientId)
  const dependencies = await dependenciesOf(tx, request, { clientId, reach: seenBy(rights) })
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
      madeBy: rights?.id ?? null,
      ...times,
      retryPolicy: request.retry ?? null,
      unmet: dependencies.filter(({ isMet }) => !isMet).length,
    },
    now,
  )
  await keepDependencies(tx, job.id, dependencies)
  const { webhook_url: url, webhook_events: eventTypes } = request
  if (url !== undefined) await addJobEndpoint(tx, { id: host.id(), jobId: job.id, url, eventTypes }, now)
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
    actor,
  })
  if (job.deadlineAt !== null) tx.afterCommit(wakeScheduler)
  return job
}

async function plan(
  context: Context,
  input: unknown,
  rights: Rights | undefined,
): Promise<{ request: JobRequest; storyboard: Storyboard }> {
  const { catalogue, database } = context
  const request = parseJobRequest(input)
  if (rights && rights.clientId !== null) takeForClient(request, rights.clientId)
  if (request.webhook_url !== undefined)
    refuseAddress('webhook_url', request.webhook_url, context.webhookNetworks)
  const storyboard = planStoryboard(request, catalogue)
  const problems = await missingAssets(storyboard, database, request, rights?.clientId ?? undefined)
  if (problems.length > 0) throw invalid(problems)
  return { request, storyboard }
}

/** Validates, plans and stores a job; it then waits for approval. @throws {RefusedError} `invalid`, `too_many` */
export async function createJob(context: Context, input: unknown, actor?: Actor): Promise<Job> {
  const { database, room } = context
  const before = await doneBefore(database, actor, keptJob)
  if (before) return before
  const { request, storyboard } = await plan(context, input, actor?.rights)
  await room.require()
  return once(database, actor, keptJob, (tx) => keepJob(context, tx, request, storyboard, actor))
}

/** Plans a job and computes its cost; stores nothing. @throws {RefusedError} `invalid` */
export async function estimateJob(context: Context, input: unknown, actor?: Actor): Promise<JobEstimate> {
  const { database, catalogue } = context
  const { request, storyboard } = await plan(context, input, actor?.rights)
  const scenes = scenesOf(context, request, storyboard)
  const quote = await quoteFor(database, scenes)
  return {
    storyboard,
    quote,
    priceBook: catalogue.version,
    priority: request.priority ?? defaultPriority,
    clientId: clientOf(request, actor?.rights),
  }
}

/** A key bound to a client creates jobs for that client only. @throws {RefusedError} `invalid` */
function takeForClient({ parameters }: JobRequest, clientId: string): void {
  const given = parameters['client_id']
  if (given !== undefined && given !== clientId)
    throw invalidField(
      'parameters.client_id',
      `must be ${JSON.stringify(clientId)}, or be omitted: the key is bound to that client`,
    )
  parameters['client_id'] = clientId
}

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
  const ids = [...fields.keys()]
  const known = await Promise.all(ids.map((id) => hasAsset(database, id, clientId)))
  for (const [index, [id, field]] of [...fields].entries())
    if (!known[index])
      problems.push({ field, reason: `there is no asset ${id}: upload it first with POST /api/v3/assets` })
  return problems
}
