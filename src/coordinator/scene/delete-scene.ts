/** A scene is taken out of the film. */
import { requireFiles } from '../../retention/retention.ts'
import { once } from '../../access/idempotency.ts'
import { parseSeen } from '../../job/control-request.ts'
import type { Actor } from '../../job/event.ts'
import { deleteSceneRows, listScenes } from '../../store/scenes.ts'
import type { Context } from '../context.ts'
import {
  type Edited,
  checkRevision,
  keptEdit,
  sceneOf,
  refusedScene,
  approvalFirst,
  rekey,
  goOn,
  rewrite,
} from './edited.ts'

/** @throws {RefusedError} likewise */
export async function deleteScene(
  context: Context,
  jobId: number,
  sceneId: string,
  input: unknown = {},
  actor?: Actor,
): Promise<Edited> {
  const { revision } = parseSeen(input)
  return once(context.database, actor, keptEdit, async (tx) => {
    const { job, scene } = await sceneOf(tx, jobId, sceneId)
    checkRevision(job, revision)
    const refuse = (reason: string) => refusedScene('Scene cannot be deleted', scene, reason)
    if (job.status === 'processing')
      throw refuse(`Cannot delete scene while job is processing${await approvalFirst(tx, job)}`)
    if (job.storyboard.scenes.length === 1) throw refuse('A film has at least one scene')
    await deleteSceneRows(tx, scene, context.host.now())
    await rekey(tx, job, scene.position, context.host.now())
    const { position, title } = scene
    const data = { position, ...(title !== null && { title }) }
    await requireFiles(tx, jobId)
    await context.emit(tx, { type: 'scene_deleted', jobId, sceneId, data, actor })
    const left = await listScenes(tx, jobId)
    const isFilmOld = left.every(({ status }) => status === 'completed' || status === 'pending')
    return goOn(context, tx, { job: await rewrite(context, tx, job), scene: undefined, isFilmOld }, actor)
  })
}
