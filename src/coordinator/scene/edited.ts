/**
 * Shared by every change of a job's scenes. The film follows the storyboard: outdated scenes are rendered again, after a
 * further approval if that costs more than the approved sum.
 */
import type { Kept } from '../../access/idempotency.ts'
import { sceneNotFound, RefusedError, invalidField } from '../../job/errors.ts'
import { type Actor, differences } from '../../job/event.ts'
import type { Job } from '../../job/job.ts'
import { spokenMoney } from '../../job/price.ts'
import { mayApprove } from '../../job/reach.ts'
import { renderKey } from '../../job/render-key.ts'
import type { Scene } from '../../job/scene.ts'
import { boardOf } from '../../job/storyboard.ts'
import { requireFiles } from '../../retention/retention.ts'
import { hasAsset } from '../../store/assets.ts'
import type { Transaction, Reader } from '../../store/database.ts'
import { setStoryboard, setEdited, findJob, setRejected, forgetFailure } from '../../store/jobs.ts'
import { listScenes, findScene, setSceneAnew, setSceneUnapproved, setScenePlan } from '../../store/scenes.ts'
import type { Context } from '../context.ts'
import { whyNotAgain } from '../job/approval-checks.ts'
import { keptJob, existingJob } from '../job/existing-job.ts'
import { neededFor } from '../job/needed.ts'
import { quoteFor } from '../job/quote.ts'
import { reopen, timeOrNull } from '../job/reopen.ts'
import { settleJob } from './settling.ts'
import { startJob, serveJob } from './starting.ts'

/** A changed job, and the cost of its change beyond the approved sum. */
export interface Edited {
  readonly job: Job
  /** Undefined if the scene was deleted. */
  readonly scene: Scene | undefined
  /** Millionths of a US dollar to approve before rendering continues; 0: none; null: an unknown price. */
  readonly toApproveMicros: number | null
}

/** Rewrites the job's storyboard and estimate from its scenes. */
export async function rewrite(context: Context, tx: Transaction, job: Job): Promise<Job> {
  const { host } = context
  const scenes = await listScenes(tx, job.id)
  const { format, fit } = job.storyboard
  const storyboard = boardOf({ scenes: scenes.map(planOf), format, fit }, 'duration')
  const open = scenes.filter(({ status }) => status === 'pending')
  const estimatedMicros = job.status === 'pending' ? (await quoteFor(tx, open)).micros : job.estimatedMicros
  await setStoryboard(tx, job.id, { storyboard, estimatedMicros, priceBook: job.priceBook }, host.now())
  await setEdited(tx, job.id)
  return (await findJob(tx, job.id))!
}

/** A changed job. */
export interface Change {
  readonly job: Job
  /** Undefined where it was deleted. */
  readonly scene: Scene | undefined
  /** Whether a finished job has to make another film. */
  readonly isFilmOld: boolean
}

/** Goes on with a job whose scenes have changed, unless its cost has to be approved first. */
export async function goOn(
  context: Context,
  tx: Transaction,
  { job, scene, isFilmOld }: Change,
  actor: Actor | undefined,
): Promise<Edited> {
  const { host, emit } = context
  const scenes = await listScenes(tx, job.id)
  const { quote, isMore, toApproveMicros } = await neededFor(tx, job, scenes)
  const now = host.now()
  const mayGoOn =
    job.status === 'completed' || (job.status === 'failed' && (await whyNotAgain(tx, job, now)) === undefined)
  // A key without the scope approve starts no paid render, even within an approved sum.
  const mayBegin = mayApprove(actor?.rights) || quote.scenesToPay === 0
  const isReopened = mayGoOn && !isMore && isFilmOld && mayBegin
  // No cost is left to approve, so the rejection no longer applies.
  if (job.rejected && job.status !== 'pending' && !isMore) {
    await setRejected(tx, job.id, null, now)
    await emit(tx, { type: 'job_submitted', jobId: job.id, data: {}, actor })
  }
  if (isReopened) {
    const deadlineAt = await reopen(tx, job, 'change', now)
    const data = {
      was: job.status,
      reopened: true,
      estimated_micros: quote.micros,
      authorised_micros: job.authorisedMicros,
      ...differences({ deadline_at: timeOrNull(job.deadlineAt) }, { deadline_at: timeOrNull(deadlineAt) }),
    }
    await requireFiles(tx, job.id)
    await emit(tx, { type: 'job_retried', jobId: job.id, data, actor })
  }
  // All clips exist, so no scene would start the job.
  const isWhole = scenes.every(({ status }) => status === 'completed')
  if (isWhole && (isReopened || job.status === 'approved')) await startJob(context, tx, job.id)
  await serveJob(context, tx, job.id)
  await settleJob(context, tx, job.id)
  tx.afterCommit(context.wakeAdmission)
  const after = scene && (await findScene(tx, scene.id))
  return { job: (await findJob(tx, job.id))!, scene: after, toApproveMicros }
}

export async function renderAnew(
  context: Context,
  tx: Transaction,
  scene: Scene,
  { forced }: { readonly forced: boolean },
): Promise<void> {
  const { host } = context
  await setSceneAnew(tx, scene.id, { forced, now: host.now() })
  // Its job may be about to fail because of it.
  if (scene.status === 'failed') await forgetFailure(tx, scene.jobId, host.now())
}

export const keptEdit: Kept<Edited> = {
  keep: ({ job, scene, toApproveMicros }) => ({ jobId: job.id, scene, toApproveMicros }),
  async again(tx, kept) {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the value that `keep` stored
    const { jobId, scene, toApproveMicros } = kept as Omit<Edited, 'job'> & { readonly jobId: number }
    return { job: await keptJob.again(tx, jobId), scene, toApproveMicros }
  },
}

/** Marks a scene changed by a key without the scope approve: the earlier approval does not cover its new plan. */
export async function leaveUnapproved(
  tx: Transaction,
  job: Job,
  sceneId: string,
  actor: Actor | undefined,
): Promise<void> {
  if (job.status !== 'pending' && !mayApprove(actor?.rights)) await setSceneUnapproved(tx, sceneId)
}

/** The part of a refusal that names a missing approval, since waiting would not help. Empty if none is missing. */
export async function approvalFirst(reader: Reader, job: Job): Promise<string> {
  const { isMore, toApproveMicros } = await neededFor(reader, job, await listScenes(reader, job.id))
  if (!isMore) return ''
  const sum = toApproveMicros === null ? 'an unknown sum' : spokenMoney(toApproveMicros)
  return `: the job needs ${sum} more than was approved; approve that, or cancel the job`
}

/** What two people edit at once: the second one has seen another storyboard. @throws {RefusedError} `job_refused` */
export function checkRevision({ id, status, revision }: Job, seen: number | undefined): void {
  if (seen === undefined || seen === revision) return
  throw new RefusedError('Storyboard has changed', {
    code: 'job_refused',
    jobId: id,
    currentStatus: status,
    reason: `Somebody else has changed the storyboard: this is revision ${revision}, not ${seen}. Read the job again`,
    revision,
  })
}

/** The scene and its job. @throws {RefusedError} if either does not exist, or the scene is of another job. */
export async function sceneOf(
  reader: Reader,
  jobId: number,
  sceneId: string,
): Promise<{ readonly job: Job; readonly scene: Scene }> {
  const job = await existingJob(reader, jobId)
  const scene = await findScene(reader, sceneId)
  if (!scene) throw sceneNotFound(sceneId)
  if (scene.jobId !== jobId)
    throw new RefusedError('Scene does not belong to this job', {
      code: 'scene_of_another_job',
      sceneId,
      jobId,
    })
  return { job, scene }
}

export const planOf = ({
  title,
  prompt,
  duration,
  asset_ids,
  transition,
  model,
  render,
  price_micros,
  notes,
}: Scene) => ({ title, prompt, duration, asset_ids, transition, model, render, price_micros, notes })

/** @throws {RefusedError} `invalid`, if the actor's key cannot see such a photograph. */
export async function checkAssets(
  reader: Reader,
  assetIds: readonly string[],
  actor: Actor | undefined,
): Promise<void> {
  for (const id of assetIds)
    if (!(await hasAsset(reader, id, actor?.rights?.clientId ?? undefined)))
      throw invalidField('asset_ids', `there is no asset ${id}: upload it first with POST /api/v3/assets`)
}

/** Recomputes the render keys of the scenes that moved, since a key depends on the position. */
export async function rekey(tx: Transaction, job: Job, from: number, now: number): Promise<void> {
  const { format, fit } = job.storyboard
  for (const scene of await listScenes(tx, job.id)) {
    if (scene.position < from || scene.status !== 'pending') continue
    const key = renderKey(scene, format, fit)
    if (key !== scene.renderKey) await setScenePlan(tx, scene.id, { ...scene, renderKey: key }, now)
  }
}

export const refusedScene = (message: string, { id, jobId }: Scene, reason: string): RefusedError =>
  new RefusedError(message, { code: 'scene_refused', sceneId: id, jobId, reason })
