/** Ends an attempt at a provider, and settles its scene and the ledger. */
import { type Attempt, type RenderEnd, isCharged } from '../../job/attempt.ts'
import { renderedShare } from '../../job/progress.ts'
import type { Failure, Scene } from '../../job/scene.ts'
import { logLine } from '../../log.ts'
import {
  setRefused,
  findAttempt,
  setSucceeded,
  setAttemptCancelled,
  setAttemptFailed,
} from '../../store/attempts.ts'
import type { Transaction } from '../../store/database.ts'
import { extendCooldown } from '../../store/money.ts'
import { setSceneProgress, findScene } from '../../store/scenes.ts'
import { recordRender } from '../../store/timings.ts'
import { book } from '../admission/budget-snapshot.ts'
import type { Context } from '../context.ts'
import { type SceneEnd, sceneEnded, settleJob } from '../scene/settling.ts'
import { serveJob } from '../scene/starting.ts'
import { noteOutage } from './cooldown.ts'

export interface Refusal extends SceneEnd {
  /** Cooldown of the provider for all attempts, in ms; null: none. */
  readonly waitMs: number | null
  /** The provider was unreachable: other attempts wait as for a provider that does not answer. */
  readonly isSilent?: boolean
}

/** Ends a scene with its attempt, unless the scene has a newer attempt. */
export async function endScene(
  context: Context,
  tx: Transaction,
  attempt: Attempt,
  end: SceneEnd,
): Promise<void> {
  const scene = await ofAttempt(tx, attempt)
  if (scene) await sceneEnded(context, tx, scene, end)
}

async function settled(context: Context, tx: Transaction, attempt: Attempt): Promise<void> {
  const { wakeAdmission } = context
  await book(tx, attempt)
  tx.afterCommit(wakeAdmission)
}

/** As `renderRefused`, in the caller's transaction. Resolves to whether the attempt was open. */
export async function refuseIn(
  context: Context,
  tx: Transaction,
  attemptId: string,
  { waitMs, isSilent = false, ...end }: Refusal,
): Promise<boolean> {
  const { host, log, signal } = context
  const now = host.now()
  const attempt = await setRefused(tx, attemptId, end.failure, now)
  if (!attempt) return false
  const { reason } = end.failure
  if (isSilent) await noteOutage(tx, log, attempt, reason, now)
  else if (waitMs !== null) {
    await extendCooldown(tx, attempt.renderer, { until: now + waitMs, reason })
    tx.afterCommit(() => logLine.providerPaused(log, attempt.renderer, waitMs, reason))
  }
  await endScene(context, tx, attempt, end)
  await settled(context, tx, attempt)
  tx.afterCommit(() => signal.notify(attemptId))
  return true
}

/** Ends an attempt for which provably nothing was bought. */
export const renderRefused = (context: Context, attemptId: string, end: Refusal): Promise<void> =>
  context.database.transaction(async (tx) => {
    await refuseIn(context, tx, attemptId, end)
  })

/** Ends an attempt whose render is over, and settles its cost. `failure`: why there is no clip. */
export const renderEnded = (
  context: Context,
  attemptId: string,
  end: RenderEnd,
  {
    failure,
    retry,
    outputUrl,
  }: {
    readonly failure: Failure
    readonly retry: boolean
    /** The URL of its clip. */
    readonly outputUrl: string | null
  },
): Promise<void> =>
  context.database.transaction(async (tx) => {
    const now = context.host.now()
    const before = await findAttempt(tx, attemptId)
    const charged = isCharged(end) ? (before?.costMicros ?? null) : 0
    if (end === 'succeeded') {
      const attempt = await setSucceeded(
        tx,
        attemptId,
        { chargedMicros: charged, clip: null, outputUrl },
        now,
      )
      if (!attempt) return
      await recordRender(tx, attempt, 1, now)
      const { jobId, sceneId } = attempt
      const data = { attempt_id: attemptId, charged_micros: charged }
      await context.emit(tx, { type: 'scene_rendered', jobId, sceneId, data })
      await settled(context, tx, attempt)
      const scene = await ofAttempt(tx, attempt)
      // The job was retried meanwhile: the scene uses the clip it has paid for.
      if (scene?.status === 'pending') await serveJob(context, tx, jobId)
      else if (scene && (await setSceneProgress(tx, sceneId, renderedShare, now)) > 0)
        await settleJob(context, tx, jobId)
      return
    }
    const wasCancelled = end === 'cancelled' || before?.cancelRequestedAt !== null
    const set = wasCancelled ? setAttemptCancelled : setAttemptFailed
    const attempt = await set(tx, attemptId, charged, failure, now)
    if (!attempt) return
    await endScene(context, tx, attempt, { failure, retry: retry && !isCharged(end), countsAsTry: true })
    await settled(context, tx, attempt)
  })

/** The scene of an attempt, unless it has a newer attempt. */
export async function ofAttempt(tx: Transaction, { id, sceneId }: Attempt): Promise<Scene | undefined> {
  const scene = await findScene(tx, sceneId)
  return scene?.attemptId === id ? scene : undefined
}
