/** Changes a scene's picture, words, length, model or position. */
import { once } from '../../access/idempotency.ts'
import type { Catalogue } from '../../job/catalogue.ts'
import { type SceneChange, parseSceneChange } from '../../job/control-request.ts'
import { invalidField, invalid } from '../../job/errors.ts'
import { type Actor, differences } from '../../job/event.ts'
import type { Job } from '../../job/job.ts'
import { renderKey } from '../../job/render-key.ts'
import type { Scene } from '../../job/scene.ts'
import { settleScene } from '../../job/storyboard.ts'
import { requireFiles } from '../../retention/retention.ts'
import { showAssetsTo } from '../../store/assets.ts'
import type { Transaction, Reader } from '../../store/database.ts'
import { setScenePlan, moveScene, findScene } from '../../store/scenes.ts'
import type { Context } from '../context.ts'
import {
  refusedScene,
  leaveUnapproved,
  renderAnew,
  type Edited,
  keptEdit,
  sceneOf,
  rekey,
  goOn,
  rewrite,
  approvalFirst,
  planOf,
  checkAssets,
  checkRevision,
} from './edited.ts'

/** The scene's new plan, and whether its picture differs and so needs a new render. */
async function replan(
  context: Context,
  tx: Transaction,
  { job, scene, position }: { readonly job: Job; readonly scene: Scene; readonly position: number },
  change: SceneChange,
  actor: Actor | undefined,
): Promise<boolean> {
  const { catalogue, host } = context
  const { plan, renderer } = await changed(tx, job, scene, change, {
    catalogue,
    rendererOf: context.rendererOf,
    actor,
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
  if (isOther) await leaveUnapproved(tx, job, scene.id, actor)
  // A retry renders a cancelled scene without a clip in any case.
  if (isOther && (job.status !== 'cancelled' || scene.status === 'completed'))
    await renderAnew(context, tx, scene, { forced: false })
  return isOther
}

/** @throws {RefusedError} `job_not_found`, `scene_not_found`, `scene_of_another_job`, `scene_refused`, `invalid` */
export async function updateScene(
  context: Context,
  jobId: number,
  sceneId: string,
  input: unknown,
  actor?: Actor,
): Promise<Edited> {
  const { database, host, emit } = context
  const { revision, ...change } = parseSceneChange(input)
  return once(database, actor, keptEdit, async (tx) => {
    const { job, scene } = await sceneOf(tx, jobId, sceneId)
    checkRevision(job, revision)
    const { position = scene.position, ...members } = change
    const isMoved = position !== scene.position
    if (isMoved) await checkMoving(tx, job, scene, position)
    // A scene that only moves keeps its clip.
    const isOther =
      isMoved && Object.keys(members).length === 0
        ? false
        : await replan(context, tx, { job, scene, position }, members, actor)
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
      actor,
    })
    // A scene of a completed job may wait for an approval that this change makes unnecessary.
    const isFilmOld = isOther
      ? scene.status !== 'pending' || job.status === 'completed'
      : (isMoved || after.transition !== scene.transition) && job.status === 'completed'
    return goOn(context, tx, { job: await rewrite(context, tx, job), scene, isFilmOld }, actor)
  })
}

/** @throws {RefusedError} `scene_refused`, `invalid` */
async function checkMoving(reader: Reader, job: Job, scene: Scene, position: number): Promise<void> {
  if (job.status === 'processing')
    throw refusedScene(
      'Scene cannot be updated',
      scene,
      `Cannot move scene while job is processing${(await approvalFirst(reader, job)) || ': wait until it ends, or cancel it'}`,
    )
  const last = job.storyboard.scenes.length - 1
  if (position > last) throw invalidField('position', `must be at most ${last}, which is the last position`)
}

/** The changeable members of a scene, as the event lists them. */
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

/** The changed scene: planned again with its model, its pictures checked. @throws {RefusedError} `invalid` */
async function changed(
  reader: Reader,
  job: Job,
  scene: Scene,
  change: SceneChange,
  {
    catalogue,
    rendererOf,
    actor,
  }: {
    readonly catalogue: Catalogue
    readonly rendererOf: ReadonlyMap<string, string>
    readonly actor: Actor | undefined
  },
) {
  const audio = change.audio ?? scene.render?.audio ?? job.parameters.audio === true
  const settled = settleScene(
    { ...planOf(scene), ...definedOf(change), audio },
    job.storyboard.format,
    catalogue,
  )
  if (!('scene' in settled)) throw invalid([{ field: settled.member, reason: settled.reason }])
  await checkAssets(reader, change.asset_ids ?? [], actor)
  return { plan: settled.scene, renderer: rendererOf.get(settled.scene.model)! }
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
