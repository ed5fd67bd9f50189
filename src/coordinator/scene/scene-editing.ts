/**
 * What people do to a job's scenes: change, render anew, delete, decide. The film follows the storyboard: what a change
 * makes old is rendered again, after an approval where that costs more than was allowed.
 */
import type { Attempt } from '../../job/attempt.ts'
import type { Catalogue } from '../../job/catalogue.ts'
import { RefusedError, invalid, invalidField, sceneNotFound } from '../../job/errors.ts'
import { type Asked, differences } from '../../job/event.ts'
import type { Job } from '../../job/job.ts'
import { spokenMoney } from '../../job/price.ts'
import { mayApprove } from '../../job/reach.ts'
import { renderKey } from '../../job/render-key.ts'
import {
  type Resolution,
  type SceneChange,
  parseNewScene,
  parseResolution,
  parseSceneChange,
} from '../../job/control-request.ts'
import type { Scene } from '../../job/scene.ts'
import { maxScenes } from '../../job/request.ts'
import { boardOf, settleScene, wishOf } from '../../job/storyboard.ts'
import { logLine } from '../../log.ts'
import { hasAsset, showAssetsTo } from '../../store/assets.ts'
import { findAttempt, findAttemptOfRender, findUndecided, setHeld, setHinted } from '../../store/attempts.ts'
import type { Reader, Transaction } from '../../store/database.ts'
import { findJob, forgetFailure, setEdited, setRejected, setStoryboard } from '../../store/jobs.ts'
import { findStray, putStray } from '../../store/provider.ts'
import {
  deleteSceneRows,
  findScene,
  insertScene,
  listScenes,
  makeRoom,
  moveScene,
  setSceneAnew,
  setScenePlan,
  setSceneUnapproved,
} from '../../store/scenes.ts'
import { neededFor, reopen, timeOrNull, whyNotAgain } from '../job/approve-job.ts'
import { refuseIn } from '../attempt/attempt-verbs.ts'
import { requireFiles } from '../../retention/retention.ts'
import { existingJob, keptJob } from '../job/existing-job.ts'
import { type Kept, once, whole } from '../../access/idempotency.ts'
import { quoteFor } from '../job/quote.ts'
import { settleJob } from './settling.ts'
import { startJob, serveJob } from './starting.ts'
import type { Context } from '../context.ts'

/** A changed job, and what its change costs beyond what was allowed. */
export interface Edited {
  readonly job: Job
  /** Undefined where the scene was deleted. */
  readonly scene: Scene | undefined
  /** Millionths of a US dollar to approve before anything of it is rendered; 0: nothing; null: an unknown price. */
  readonly toApproveMicros: number | null
}

/** The job's storyboard and cost say again what its scenes are. */
async function rewrite(context: Context, tx: Transaction, job: Job): Promise<Job> {
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

/** Goes on with a job whose scenes have changed, unless its cost has to be approved first. `isFilmOld`: a finished job has to make another film. */
async function goOn(
  context: Context,
  tx: Transaction,
  job: Job,
  scene: Scene | undefined,
  isFilmOld: boolean,
  asked: Asked | undefined,
): Promise<Edited> {
  const { host, emit } = context
  const scenes = await listScenes(tx, job.id)
  const { quote, isMore, toApproveMicros } = await neededFor(tx, job, scenes)
  const now = host.now()
  const mayGoOn =
    job.status === 'completed' || (job.status === 'failed' && (await whyNotAgain(tx, job, now)) === undefined)
  // Who may not approve begins nothing that costs, though it was approved when it was to be rendered.
  const mayBegin = mayApprove(asked?.actor) || quote.scenesToPay === 0
  const isReopened = mayGoOn && !isMore && isFilmOld && mayBegin
  // There is nothing left that was rejected.
  if (job.rejected && job.status !== 'pending' && !isMore) {
    await setRejected(tx, job.id, null, now)
    await emit(tx, { type: 'job_submitted', jobId: job.id, data: {}, asked })
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
    await emit(tx, { type: 'job_retried', jobId: job.id, data, asked })
  }
  // Nothing is left that would begin it.
  const isWhole = scenes.every(({ status }) => status === 'completed')
  if (isWhole && (isReopened || job.status === 'approved')) await startJob(context, tx, job.id)
  await serveJob(context, tx, job.id)
  await settleJob(context, tx, job.id)
  tx.afterCommit(context.wakeAdmission)
  const after = scene && (await findScene(tx, scene.id))
  return { job: (await findJob(tx, job.id))!, scene: after, toApproveMicros }
}

async function renderAnew(context: Context, tx: Transaction, scene: Scene, forced: boolean): Promise<void> {
  const { host } = context
  await setSceneAnew(tx, scene.id, forced, host.now())
  // Its job may be about to fail because of it.
  if (scene.status === 'failed') await forgetFailure(tx, scene.jobId, host.now())
}

/** A scene's plan as it will be. Whether that is another picture, which is rendered anew. */
async function replan(
  context: Context,
  tx: Transaction,
  { job, scene, position }: { readonly job: Job; readonly scene: Scene; readonly position: number },
  change: SceneChange,
  asked: Asked | undefined,
): Promise<boolean> {
  const { catalogue, host } = context
  const { plan, renderer } = await changed(tx, job, scene, change, {
    catalogue,
    rendererOf: context.rendererOf,
    asked,
  })
  const key = renderKey({ ...plan, position }, job.storyboard.format, job.storyboard.fit)
  const isOther = key !== scene.renderKey
  if (isOther && scene.status === 'processing')
    throw refusedScene(
      'Scene cannot be updated',
      scene,
      `Scene is currently processing: what changes its picture (${pictureMembers(change)}) cannot be changed now`,
    )
  await setScenePlan(tx, scene.id, { ...plan, renderer, renderKey: key }, host.now())
  await showAssetsTo(tx, job.clientId, plan.asset_ids)
  if (isOther) await leaveUnapproved(tx, job, scene.id, asked)
  // A cancelled scene without a clip is rendered by a retry anyhow.
  if (isOther && (job.status !== 'cancelled' || scene.status === 'completed'))
    await renderAnew(context, tx, scene, false)
  return isOther
}

async function decide(
  context: Context,
  tx: Transaction,
  jobId: number,
  sceneId: string,
  resolution: Resolution,
  asked: Asked | undefined,
): Promise<void> {
  const { emit, log, host, engine, signal } = context
  const { scene } = await sceneOf(tx, jobId, sceneId)
  const refuse = (reason: string) => refusedScene('Scene cannot be resolved', scene, reason)
  const adopted = resolution.resolution === 'adopt' ? resolution.prediction_id : null
  const attempt = await findUndecided(tx, sceneId, adopted)
  if (!attempt) throw refuse('It has no held attempt to decide')
  const isLookedAt = attempt.hintedId !== null && attempt.trouble === null
  if (attempt.status === 'held' && isLookedAt && attempt.hintedId !== adopted)
    throw refuse(`${attempt.hintedId} was named for it before, and is looked at: decide when that is done`)
  if (adopted !== null) {
    const other = await findAttemptOfRender(tx, attempt.renderer, adopted)
    if (other)
      throw refuse(
        `${adopted} is the render of another attempt${other.clientId === attempt.clientId ? `, ${other.id}` : ''}`,
      )
  }
  await requireFiles(tx, jobId)
  await emit(tx, { type: 'scene_updated', jobId, sceneId, data: { ...resolution }, asked })
  tx.afterCommit(() => logLine.attemptResolved(log, attempt, resolution.resolution))
  // A name that is none of them may be a mistake, and is looked at first.
  if (adopted === null || attempt.candidates.some(({ id }) => id === adopted))
    await orphan(context, tx, attempt, adopted)
  if (adopted === null) {
    await refuseIn(context, tx, attempt.id, {
      failure: { code: 'absent', reason: 'a person found that the provider never accepted it' },
      retry: true,
      countsAsTry: false,
      waitMs: null,
    })
    return
  }
  // Beyond what a render carries only a person is believed, and only about one that is held.
  if (attempt.status === 'unknown') {
    const reason = `a person named ${adopted} for it, and it is looked at`
    await setHeld(tx, attempt.id, { code: 'held', reason }, [], host.now())
  }
  await setHinted(tx, attempt.id, adopted, host.now())
  await engine.enqueue(tx, { kind: 'follow-render', subject: attempt.id, jobId })
  tx.afterCommit(() => signal.notify(attempt.id))
}

/** What was taken into consideration for an attempt, and is not its render: somebody pays for it, and nobody else tells of it. */
async function orphan(
  context: Context,
  tx: Transaction,
  attempt: Attempt,
  adopted: string | null,
): Promise<void> {
  const { host, log } = context
  const { renderer, id: attemptId, marks } = attempt
  for (const { id: providerId, state } of attempt.candidates) {
    if (providerId === adopted || (await findAttemptOfRender(tx, renderer, providerId))) continue
    if (await findStray(tx, renderer, providerId)) continue
    const stray = {
      renderer,
      providerId,
      mark: marks[0] ?? '',
      attemptId,
      state,
      // Whose it is, and so who is charged, is not known.
      chargedMicros: null,
      insertedAt: host.now(),
    }
    await putStray(tx, stray)
    tx.afterCommit(() => logLine.refusedCandidate(log, stray))
  }
}

/** Another scene, at a place in the film or at its end. @throws {RefusedError} `job_not_found`, `job_refused`, `invalid` */
export async function addScene(
  context: Context,
  jobId: number,
  input: unknown,
  asked?: Asked,
): Promise<Edited> {
  const { database, catalogue, host, emit } = context
  const { position: wanted, ...request } = parseNewScene(input)
  return once(database, asked, keptEdit, async (tx) => {
    const job = await existingJob(tx, jobId)
    const before = await listScenes(tx, jobId)
    const position = wanted ?? before.length
    checkAdding(job, before.length, position)
    const wish = wishOf(request, job.parameters)
    const { format, fit } = job.storyboard
    const settled = settleScene(wish, format, catalogue)
    if (!('scene' in settled)) throw invalid([{ field: settled.member, reason: settled.reason }])
    const { scene: plan } = settled
    await checkAssets(tx, plan.asset_ids, asked)
    const now = host.now()
    await makeRoom(tx, jobId, position, now)
    const renderer = context.rendererOf.get(plan.model)!
    const key = renderKey({ ...plan, position }, format, fit)
    const added = { ...plan, id: host.id(), jobId, position, renderer, renderKey: key, forced: false }
    await insertScene(tx, added, now)
    await rekey(tx, job, position, now)
    await showAssetsTo(tx, job.clientId, plan.asset_ids)
    await leaveUnapproved(tx, job, added.id, asked)
    await requireFiles(tx, jobId)
    await emit(tx, { type: 'scene_added', jobId, sceneId: added.id, data: { position }, asked })
    const isFilmOld = before.every(({ status }) => status === 'completed' || status === 'pending')
    return goOn(context, tx, await rewrite(context, tx, job), await findScene(tx, added.id), isFilmOld, asked)
  })
}

/** @throws {RefusedError} `job_not_found`, `scene_not_found`, `scene_of_another_job`, `scene_refused`, `invalid` */
export async function updateScene(
  context: Context,
  jobId: number,
  sceneId: string,
  input: unknown,
  asked?: Asked,
): Promise<Edited> {
  const { database, host, emit } = context
  const change = parseSceneChange(input)
  return once(database, asked, keptEdit, async (tx) => {
    const { job, scene } = await sceneOf(tx, jobId, sceneId)
    const { position = scene.position, ...members } = change
    const isMoved = position !== scene.position
    if (isMoved) await checkMoving(tx, job, scene, position)
    // One that only gets another place keeps its clip.
    const isOther =
      isMoved && Object.keys(members).length === 0
        ? false
        : await replan(context, tx, { job, scene, position }, members, asked)
    if (isMoved) {
      await moveScene(tx, scene, position, host.now())
      await rekey(tx, job, Math.min(scene.position, position), host.now())
    }
    const after = (await findScene(tx, sceneId))!
    await requireFiles(tx, jobId)
    await emit(tx, {
      type: 'scene_updated',
      jobId,
      sceneId,
      data: { changed: Object.keys(change), ...differences(membersOf(scene), membersOf(after)) },
      asked,
    })
    // A finished job's scene may wait for approval, and need none as it is now.
    const isFilmOld = isOther
      ? scene.status !== 'pending' || job.status === 'completed'
      : (isMoved || after.transition !== scene.transition) && job.status === 'completed'
    return goOn(context, tx, await rewrite(context, tx, job), scene, isFilmOld, asked)
  })
}

/** A finished scene is rendered again, although its clip is kept. @throws {RefusedError} likewise */
export const regenerateScene = (
  context: Context,
  jobId: number,
  sceneId: string,
  asked?: Asked,
): Promise<Edited> =>
  once(context.database, asked, keptEdit, async (tx) => {
    const { job, scene } = await sceneOf(tx, jobId, sceneId)
    if (scene.status !== 'completed' && scene.status !== 'failed')
      throw refusedScene('Scene cannot be regenerated', scene, `Scene is currently ${scene.status}`)
    if (job.status === 'cancelled')
      throw refusedScene('Scene cannot be regenerated', scene, 'Its job is cancelled')
    await leaveUnapproved(tx, job, scene.id, asked)
    // Another render is wanted than the one that was paid for; a failed scene may have none yet.
    const attempt = scene.attemptId === null ? undefined : await findAttempt(tx, scene.attemptId)
    await renderAnew(context, tx, scene, scene.status === 'completed' || attempt?.fetched != null)
    await context.emit(tx, { type: 'scene_updated', jobId, sceneId, data: { regenerate: true }, asked })
    return goOn(context, tx, await rewrite(context, tx, job), scene, true, asked)
  })

/** @throws {RefusedError} likewise */
export const deleteScene = (
  context: Context,
  jobId: number,
  sceneId: string,
  asked?: Asked,
): Promise<Edited> =>
  once(context.database, asked, keptEdit, async (tx) => {
    const { job, scene } = await sceneOf(tx, jobId, sceneId)
    const refuse = (reason: string) => refusedScene('Scene cannot be deleted', scene, reason)
    if (job.status === 'processing')
      throw refuse(`Cannot delete scene while job is processing${await approvalFirst(tx, job)}`)
    if (job.storyboard.scenes.length === 1) throw refuse('A film has at least one scene')
    await deleteSceneRows(tx, scene, context.host.now())
    await rekey(tx, job, scene.position, context.host.now())
    const { position, title } = scene
    const data = { position, ...(title !== null && { title }) }
    await context.emit(tx, { type: 'scene_deleted', jobId, sceneId, data, asked })
    const left = await listScenes(tx, jobId)
    const isFilmOld = left.every(({ status }) => status === 'completed' || status === 'pending')
    return goOn(context, tx, await rewrite(context, tx, job), undefined, isFilmOld, asked)
  })

/** Decides a held or unknown attempt: the provider has it under an id, or never accepted it. @throws {RefusedError} likewise */
export async function resolveScene(
  context: Context,
  jobId: number,
  sceneId: string,
  input: unknown,
  asked?: Asked,
): Promise<Scene> {
  const { database } = context
  const resolution = parseResolution(input)
  return once(database, asked, whole<Scene>(), async (tx) => {
    await decide(context, tx, jobId, sceneId, resolution, asked)
    return (await sceneOf(tx, jobId, sceneId)).scene
  })
}

const keptEdit: Kept<Edited> = {
  keep: ({ job, scene, toApproveMicros }) => ({ jobId: job.id, scene, toApproveMicros }),
  async again(tx, kept) {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as it was kept
    const { jobId, scene, toApproveMicros } = kept as Omit<Edited, 'job'> & { readonly jobId: number }
    return { job: await keptJob.again(tx, jobId), scene, toApproveMicros }
  },
}

/** What is to be rendered is not what was approved. */
async function leaveUnapproved(
  tx: Transaction,
  job: Job,
  sceneId: string,
  asked: Asked | undefined,
): Promise<void> {
  if (job.status !== 'pending' && !mayApprove(asked?.actor)) await setSceneUnapproved(tx, sceneId)
}

/** @throws {RefusedError} `job_refused`, `invalid` */
function checkAdding({ id, status }: Job, scenes: number, position: number): void {
  const refuse = (reason: string) =>
    new RefusedError('Scene cannot be added', {
      code: 'job_refused',
      jobId: id,
      currentStatus: status,
      reason,
    })
  if (status === 'processing')
    throw refuse('Cannot add a scene while job is processing: wait until it has ended, or cancel it')
  if (scenes >= maxScenes) throw refuse(`A film has at most ${maxScenes} scenes`)
  if (position > scenes) throw invalidField('position', `must be at most ${scenes}, which is the end`)
}

/** That a job which is processing waits for an approval: waiting would not end that. Empty where it needs none. */
async function approvalFirst(reader: Reader, job: Job): Promise<string> {
  const { isMore, toApproveMicros } = await neededFor(reader, job, await listScenes(reader, job.id))
  if (!isMore) return ''
  const sum = toApproveMicros === null ? 'an unknown sum' : spokenMoney(toApproveMicros)
  return `: it needs ${sum} more than was approved; approve that, or cancel it`
}

/** @throws {RefusedError} `scene_refused`, `invalid` */
async function checkMoving(reader: Reader, job: Job, scene: Scene, position: number): Promise<void> {
  if (job.status === 'processing')
    throw refusedScene(
      'Scene cannot be updated',
      scene,
      `Cannot move scene while job is processing${(await approvalFirst(reader, job)) || ': wait until it has ended, or cancel it'}`,
    )
  const last = job.storyboard.scenes.length - 1
  if (position > last) throw invalidField('position', `must be at most ${last}, which is the last place`)
}

/** What a person may change of a scene, as it is told. */
const membersOf = ({ title, prompt, duration, asset_ids, transition, model, render, position }: Scene) => ({
  title,
  prompt,
  duration,
  asset_ids,
  transition,
  model,
  audio: render?.audio ?? false,
  position,
})

/** The scene and its job. @throws {RefusedError} where either is not there, or they don't belong together. */
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

const planOf = ({
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

/** The scene as it will be: settled anew with its model, its pictures there. @throws {RefusedError} `invalid` */
async function changed(
  reader: Reader,
  job: Job,
  scene: Scene,
  change: SceneChange,
  {
    catalogue,
    rendererOf,
    asked,
  }: {
    readonly catalogue: Catalogue
    readonly rendererOf: ReadonlyMap<string, string>
    readonly asked: Asked | undefined
  },
) {
  const audio = change.audio ?? scene.render?.audio ?? job.parameters.audio === true
  const settled = settleScene(
    { ...planOf(scene), ...definedOf(change), audio },
    job.storyboard.format,
    catalogue,
  )
  if (!('scene' in settled)) throw invalid([{ field: settled.member, reason: settled.reason }])
  await checkAssets(reader, change.asset_ids ?? [], asked)
  return { plan: settled.scene, renderer: rendererOf.get(settled.scene.model)! }
}

/** @throws {RefusedError} `invalid`, where the asker sees no such photograph. */
async function checkAssets(
  reader: Reader,
  assetIds: readonly string[],
  asked: Asked | undefined,
): Promise<void> {
  for (const id of assetIds)
    if (!(await hasAsset(reader, id, asked?.actor?.clientId ?? undefined)))
      throw invalidField('asset_ids', `there is no asset ${id}: upload it first with POST /api/v3/assets`)
}

function definedOf(change: SceneChange) {
  const { title, prompt, duration, asset_ids, transition, model } = change
  return {
    ...(title !== undefined && { title }),
    ...(prompt !== undefined && { prompt }),
    ...(duration !== undefined && { duration }),
    ...(asset_ids !== undefined && { asset_ids }),
    ...(transition !== undefined && { transition }),
    ...(model !== undefined && { model }),
  }
}

const pictureMembers = (change: SceneChange): string => Object.keys(change).join(', ')

/** The scenes that moved up are rendered in another place: what is still to be rendered is known by that. */
async function rekey(tx: Transaction, job: Job, from: number, now: number): Promise<void> {
  const { format, fit } = job.storyboard
  for (const scene of await listScenes(tx, job.id)) {
    if (scene.position < from || scene.status !== 'pending') continue
    const key = renderKey(scene, format, fit)
    if (key !== scene.renderKey) await setScenePlan(tx, scene.id, { ...scene, renderKey: key }, now)
  }
}

const refusedScene = (message: string, { id, jobId }: Scene, reason: string): RefusedError =>
  new RefusedError(message, { code: 'scene_refused', sceneId: id, jobId, reason })
