/** Manual resolution of a held or unknown attempt. */
import { once, whole } from '../../access/idempotency.ts'
import type { Attempt } from '../../job/attempt.ts'
import { type Resolution, parseResolution } from '../../job/control-request.ts'
import type { Actor } from '../../job/event.ts'
import type { Scene } from '../../job/scene.ts'
import { logLine } from '../../log.ts'
import { requireFiles } from '../../retention/retention.ts'
import { findUndecided, findAttemptOfRender, setHeld, setHinted } from '../../store/attempts.ts'
import type { Transaction } from '../../store/database.ts'
import { findOrphan, putOrphan } from '../../store/provider.ts'
import { refuseIn } from '../attempt/end.ts'
import type { Context } from '../context.ts'
import { sceneOf, refusedScene } from './edited.ts'

async function decide(
  context: Context,
  tx: Transaction,
  jobId: number,
  sceneId: string,
  resolution: Resolution,
  actor: Actor | undefined,
): Promise<void> {
  const { emit, log, host, engine, signal } = context
  const { scene } = await sceneOf(tx, jobId, sceneId)
  const refuse = (reason: string) => refusedScene('Scene cannot be resolved', scene, reason)
  const adopted = resolution.resolution === 'adopt' ? resolution.prediction_id : null
  const attempt = await findUndecided(tx, sceneId, adopted)
  if (!attempt) throw refuse('The scene has no held or unknown attempt to resolve')
  const isLookedAt = attempt.hintedId !== null && attempt.trouble === null
  if (attempt.status === 'held' && isLookedAt && attempt.hintedId !== adopted)
    throw refuse(
      `${attempt.hintedId} was named before and is still being checked: resolve the scene after that`,
    )
  if (adopted !== null) {
    const other = await findAttemptOfRender(tx, attempt.renderer, adopted)
    if (other)
      throw refuse(
        `${adopted} is the render of another attempt${other.clientId === attempt.clientId ? `, ${other.id}` : ''}`,
      )
  }
  await requireFiles(tx, jobId)
  await emit(tx, { type: 'scene_updated', jobId, sceneId, data: { ...resolution }, actor })
  tx.afterCommit(() => logLine.attemptResolved(log, attempt, resolution.resolution))
  // An id that is not among the candidates may be a mistake: it is checked at the provider first.
  if (adopted === null || attempt.candidates.some(({ id }) => id === adopted))
    await noteOrphans(context, tx, attempt, adopted)
  if (adopted === null) {
    await refuseIn(context, tx, attempt.id, {
      failure: { code: 'absent', reason: 'a person found that the provider never accepted it' },
      retry: true,
      countsAsTry: false,
      waitMs: null,
    })
    return
  }
  // Evidence beyond the render's own mark counts only from a person, and only for a held attempt.
  if (attempt.status === 'unknown') {
    const reason = `a person named ${adopted} as its render, and it is being checked`
    await setHeld(tx, attempt.id, { code: 'held', reason }, [], host.now())
  }
  await setHinted(tx, attempt.id, adopted, host.now())
  await engine.enqueue(tx, { kind: 'follow-render', subject: attempt.id, jobId })
  tx.afterCommit(() => signal.notify(attempt.id))
}

/** Reports candidates that are not the attempt's render as orphans: they may be charged, and nothing else reports them. */
async function noteOrphans(
  context: Context,
  tx: Transaction,
  attempt: Attempt,
  adopted: string | null,
): Promise<void> {
  const { host, log } = context
  const { renderer, id: attemptId, marks } = attempt
  for (const { id: providerId, state } of attempt.candidates) {
    if (providerId === adopted || (await findAttemptOfRender(tx, renderer, providerId))) continue
    if (await findOrphan(tx, renderer, providerId)) continue
    const orphan = {
      renderer,
      providerId,
      mark: marks[0] ?? '',
      attemptId,
      state,
      // Its owner, and so its charge, is unknown.
      chargedMicros: null,
      insertedAt: host.now(),
    }
    await putOrphan(tx, orphan)
    tx.afterCommit(() => logLine.refusedCandidate(log, orphan))
  }
}

/** Resolves a held or unknown attempt: the provider has it under an id, or never accepted it. @throws {RefusedError} likewise */
export async function resolveScene(
  context: Context,
  jobId: number,
  sceneId: string,
  input: unknown,
  actor?: Actor,
): Promise<Scene> {
  const { database } = context
  const resolution = parseResolution(input)
  return once(database, actor, whole<Scene>(), async (tx) => {
    await decide(context, tx, jobId, sceneId, resolution, actor)
    return (await sceneOf(tx, jobId, sceneId)).scene
  })
}
