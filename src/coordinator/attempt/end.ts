/** How an attempt at a provider ends, and what follows for its scene and the books. */
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
import { extendPause } from '../../store/money.ts'
import { setSceneProgress, findScene } from '../../store/scenes.ts'
import { recordRender } from '../../store/timings.ts'
import { book } from '../admission/budget-snapshot.ts'
import type { Context } from '../context.ts'
import { type SceneEnd, sceneEnded, settleJob } from '../scene/settling.ts'
import { serveJob } from '../scene/starting.ts'
import { noteOutage } from './cooldown.ts'

export interface Refusal extends SceneEnd {
  /** Nobody may start anything at this provider for so long. */
  readonly waitMs: number | null
  /** The provider could not be reached at all: others wait as for one that does not answer. */
  readonly isSilent?: boolean
}

/** Ends a scene with its attempt, unless another one has it by now. */
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

/** As above, in a transaction of others; tells whether it was decided here. */
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
    await extendPause(tx, attempt.renderer, { until: now + waitMs, reason })
    tx.afterCommit(() => logLine.providerPaused(log, attempt.renderer, waitMs, reason))
  }
  await endScene(context, tx, attempt, end)
  await settled(context, tx, attempt)
  tx.afterCommit(() => signal.notify(attemptId))
  return true
}

/** Provably nothing was bought. */
export const renderRefused = (context: Context, attemptId: string, end: Refusal): Promise<void> =>
  context.database.transaction(async (tx) => {
    await refuseIn(context, tx, attemptId, end)
  })

/** The render is over, and its money settled. `failure`: why there is no clip. */
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
    /** Where its clip is. */
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
      // Its job was retried meanwhile: it takes what it has paid for.
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

/** The scene that an attempt is for, unless another one has it by now. */
export async function ofAttempt(tx: Transaction, { id, sceneId }: Attempt): Promise<Scene | undefined> {
  const scene = await findScene(tx, sceneId)
  return scene?.attemptId === id ? scene : undefined
}
