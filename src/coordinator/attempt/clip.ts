/** The clip of a paid attempt: fetched, verified, or lost. */
import { type Attempt, mostTakes, triedWords, takeAgainAt, shortClipCode } from '../../job/attempt.ts'
import { spokenMoney } from '../../job/price.ts'
import type { Failure } from '../../job/scene.ts'
import { logLine } from '../../log.ts'
import { setClip, setFetched, findAttempt, setTakeFailed } from '../../store/attempts.ts'
import type { Transaction } from '../../store/database.ts'
import { keepRender } from '../../store/renders.ts'
import type { Context } from '../context.ts'
import { emitTakenAgain } from '../scene/settling.ts'
import { serveRender } from '../scene/starting.ts'
import { endScene, ofAttempt } from './end.ts'

async function giveUp(context: Context, tx: Transaction, attempt: Attempt, failure: Failure): Promise<void> {
  const { host, wakeAdmission } = context
  const told = attempt.fetched === null ? failure : withKeptClip(attempt, failure)
  if ((await setClip(tx, attempt.id, 'lost', told, host.now())) === 0) return
  await endScene(context, tx, attempt, { failure: told, retry: false, countsAsTry: true })
  // Other scenes may wait for the same render.
  tx.afterCommit(wakeAdmission)
}

/** Records the downloaded clip, unmodified and not yet verified. `artifact`: null if the earlier download is gone. */
export const clipFetched = (context: Context, attemptId: string, artifact: string | null): Promise<void> =>
  context.database.transaction(async (tx) => {
    await setFetched(tx, attemptId, artifact, context.host.now())
  })

/** Records the verified clip for this scene and all scenes with the same render key. `short`: by how much it is too short. */
export const clipKept = (context: Context, attemptId: string, short: string | null): Promise<void> =>
  context.database.transaction(async (tx) => {
    const now = context.host.now()
    const attempt = await findAttempt(tx, attemptId)
    const { fetched = null } = attempt ?? {}
    if (!attempt || fetched === null || (await setClip(tx, attemptId, 'kept', null, now)) === 0) return
    await keepRender(tx, attempt.renderKey, { artifact: fetched, attemptId }, now)
    const { sceneId: subject, jobId } = attempt
    if (short !== null) {
      const data = { attempt_id: attemptId, reason: short }
      await context.emit(tx, { type: 'scene_short', jobId, sceneId: subject, data })
      tx.afterCommit(() => logLine.clipShort(context.log, attempt, short))
    }
    await context.engine.enqueue(tx, { kind: 'take-clip', subject, jobId })
    await serveRender(context, tx, attempt.renderKey)
  })

/** FFmpeg failed on the fetched clip, which may be FFmpeg's fault: retries later, up to `mostTakes` times. */
export const takeFailed = (context: Context, attemptId: string, failure: Failure): Promise<void> =>
  context.database.transaction(async (tx) => {
    const attempt = await setTakeFailed(tx, attemptId, failure, context.host.now())
    if (!attempt) return
    const { takeTries: tries } = attempt
    if (tries >= mostTakes)
      return giveUp(context, tx, attempt, { ...failure, reason: triedWords(failure, tries) })
    const scene = await ofAttempt(tx, attempt)
    if (scene) await emitTakenAgain(context, tx, scene, failure, { tries, until: takeAgainAt(attempt) })
  })

/** The paid clip is unusable: the scene fails, and nothing is bought instead. */
export const clipLost = (context: Context, attemptId: string, failure: Failure): Promise<void> =>
  context.database.transaction(async (tx) => {
    const attempt = await findAttempt(tx, attemptId)
    if (attempt) await giveUp(context, tx, attempt, failure)
  })

/** Adds the cost of an unusable clip, and where to download it, to a failure. */
export const withKeptClip = (
  { jobId, sceneId, chargedMicros }: Pick<Attempt, 'jobId' | 'sceneId' | 'chargedMicros'>,
  { code, reason }: Failure,
): Failure => ({
  code,
  reason: `${reason}. ${chargedMicros === null ? 'An unknown sum' : spokenMoney(chargedMicros)} was paid and the clip is stored: GET /api/v3/videos/${jobId}/clips/${sceneId} returns it unmodified, and a retry of the job uses it ${code === shortClipCode ? 'despite its length' : 'again'} at no further cost`,
})
