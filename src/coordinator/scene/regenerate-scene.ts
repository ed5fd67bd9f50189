/** A finished scene is rendered again. */
import { requireFiles } from '../../retention/retention.ts'
import { once } from '../../access/idempotency.ts'
import { parseSeen } from '../../job/control-request.ts'
import type { Actor } from '../../job/event.ts'
import { findAttempt } from '../../store/attempts.ts'
import type { Context } from '../context.ts'
import {
  type Edited,
  checkRevision,
  keptEdit,
  sceneOf,
  refusedScene,
  leaveUnapproved,
  renderAnew,
  goOn,
  rewrite,
} from './edited.ts'

/** Renders a finished scene again, although its clip is stored. @throws {RefusedError} likewise */
export async function regenerateScene(
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
    if (scene.status !== 'completed' && scene.status !== 'failed')
      throw refusedScene('Scene cannot be regenerated', scene, `Scene is currently ${scene.status}`)
    if (job.status === 'cancelled')
      throw refusedScene('Scene cannot be regenerated', scene, 'Its job is cancelled')
    await leaveUnapproved(tx, job, scene.id, actor)
    // Forced: the scene must not reuse the clip it paid for. A failed scene may have no such clip.
    const attempt = scene.attemptId === null ? undefined : await findAttempt(tx, scene.attemptId)
    await renderAnew(context, tx, scene, {
      forced: scene.status === 'completed' || attempt?.fetched != null,
    })
    await requireFiles(tx, jobId)
    await context.emit(tx, { type: 'scene_updated', jobId, sceneId, data: { regenerate: true }, actor })
    return goOn(context, tx, { job: await rewrite(context, tx, job), scene, isFilmOld: true }, actor)
  })
}
