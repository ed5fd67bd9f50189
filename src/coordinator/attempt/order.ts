/**
 * The money protocol: everything learned of an attempt at a provider is committed before the next step.
 *
 * 1. `beginPost` commits that the one request may have been sent; only then it is sent, and never a second time.
 * 2. It has one of three outcomes: accepted (the provider's id is committed), refused (provably nothing was bought), unknown.
 * 3. Unknown is settled by a search: the render is found and adopted, or proven absent, or held for a person.
 * 4. After a charged attempt, only a person can start another.
 */
import type { Attempt } from '../../job/attempt.ts'
import type { Scene } from '../../job/scene.ts'
import { findAttempt, type Posting, setPosted, setPicturesFetched } from '../../store/attempts.ts'
import { findScene } from '../../store/scenes.ts'
import { gateNow } from '../admission/admission.ts'
import { limitsNow } from '../admission/limits.ts'
import { isPaced } from '../../job/queue.ts'
import { mayPostAt } from '../admission/rules.ts'
import type { Context } from '../context.ts'
import { emitRendering } from '../scene/settling.ts'

/** Whether the request may be sent. `over`: the attempt has ended, or the request was sent before. */
export type Post =
  | { readonly kind: 'go' }
  | { readonly kind: 'wait'; readonly until: number }
  | { readonly kind: 'over' }

/** Calls `wake` when an attempt may have changed; returns the unsubscribe function. */
export const onSignal = (context: Context, attemptId: string, wake: () => void): (() => void) =>
  context.signal.on(attemptId, wake)

export const getAttempt = (context: Context, attemptId: string): Promise<Attempt | undefined> =>
  findAttempt(context.database, attemptId)

/** The scene of an attempt about to be sent; emits that its job is rendering. Undefined if the scene was deleted. */
export const beginOrder = (context: Context, attemptId: string): Promise<Scene | undefined> =>
  context.database.transaction(async (tx) => {
    const attempt = await findAttempt(tx, attemptId)
    const scene = attempt && (await findScene(tx, attempt.sceneId))
    if (scene) await emitRendering(context, tx, scene.jobId)
    return scene
  })

/** Commits what is sent, and that it may have been sent from now on. */
export const beginPost = (context: Context, attemptId: string, posting: Posting): Promise<Post> =>
  context.database.transaction(async (tx): Promise<Post> => {
    const attempt = await findAttempt(tx, attemptId)
    const configured = attempt && context.limitOf.get(attempt.renderer)
    if (!configured || attempt.status !== 'intended') return { kind: 'over' }
    const limit = (await limitsNow(tx)).of(configured)
    const now = context.host.now()
    const until = mayPostAt(limit, await gateNow(tx, limit, now), now)
    if (until > now) return { kind: 'wait', until }
    if ((await setPosted(tx, attemptId, posting, now)) === 0) return { kind: 'over' }
    // With a delay between starts, few attempts are prepared ahead.
    if (isPaced(limit)) tx.afterCommit(context.wakeAdmission)
    return { kind: 'go' }
  })

/** The provider fetched a picture at this attempt's own URL, which proves that it has the request. */
export const picturesFetched = (context: Context, attemptId: string): Promise<void> =>
  context.database.transaction(async (tx) => {
    await setPicturesFetched(tx, attemptId, context.host.now())
  })
