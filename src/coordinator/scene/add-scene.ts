/** Adds a scene, at a position in the film or at its end. */
import { once } from '../../access/idempotency.ts'
import { parseNewScene } from '../../job/control-request.ts'
import { invalid, RefusedError, invalidField } from '../../job/errors.ts'
import type { Actor } from '../../job/event.ts'
import type { Job } from '../../job/job.ts'
import { renderKey } from '../../job/render-key.ts'
import { maxScenes } from '../../job/request.ts'
import { wishOf, settleScene } from '../../job/storyboard.ts'
import { requireFiles } from '../../retention/retention.ts'
import { showAssetsTo } from '../../store/assets.ts'
import { listScenes, makeRoom, insertScene, findScene } from '../../store/scenes.ts'
import type { Context } from '../context.ts'
import { existingJob } from '../job/existing-job.ts'
import {
  type Edited,
  keptEdit,
  checkAssets,
  checkRevision,
  rekey,
  leaveUnapproved,
  goOn,
  rewrite,
} from './edited.ts'

/** Adds a scene, at `position` or at the end. @throws {RefusedError} `job_not_found`, `job_refused`, `invalid` */
export async function addScene(
  context: Context,
  jobId: number,
  input: unknown,
  actor?: Actor,
): Promise<Edited> {
  const { database, catalogue, host, emit } = context
  const { position: wanted, revision, ...request } = parseNewScene(input)
  return once(database, actor, keptEdit, async (tx) => {
    const job = await existingJob(tx, jobId)
    checkRevision(job, revision)
    const before = await listScenes(tx, jobId)
    const position = wanted ?? before.length
    checkAdding(job, before.length, position)
    const wish = wishOf(request, job.parameters)
    const { format, fit } = job.storyboard
    const settled = settleScene(wish, format, catalogue)
    if (!('scene' in settled)) throw invalid([{ field: settled.member, reason: settled.reason }])
    const { scene: plan } = settled
    await checkAssets(tx, plan.asset_ids, actor)
    const now = host.now()
    await makeRoom(tx, jobId, position, now)
    const renderer = context.rendererOf.get(plan.model)!
    const key = renderKey({ ...plan, position }, format, fit)
    const added = { ...plan, id: host.id(), jobId, position, renderer, renderKey: key, forced: false }
    await insertScene(tx, added, now)
    await rekey(tx, job, position, now)
    await showAssetsTo(tx, job.clientId, plan.asset_ids)
    await leaveUnapproved(tx, job, added.id, actor)
    await requireFiles(tx, jobId)
    await emit(tx, { type: 'scene_added', jobId, sceneId: added.id, data: { position }, actor })
    const isFilmOld = before.every(({ status }) => status === 'completed' || status === 'pending')
    const scene = await findScene(tx, added.id)
    return goOn(context, tx, { job: await rewrite(context, tx, job), scene, isFilmOld }, actor)
  })
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
    throw refuse('Cannot add a scene while job is processing: wait until it ends, or cancel it')
  if (scenes >= maxScenes) throw refuse(`A film has at most ${maxScenes} scenes`)
  if (position > scenes) throw invalidField('position', `must be at most ${scenes}, which is the end`)
}
