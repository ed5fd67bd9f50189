/**
 * The money protocol: each thing that is learnt of an attempt at a provider, committed before anything else is done.
 *
 * 1. `beginPost` commits that the one request may have been sent; only then it is sent, and never again.
 * 2. What came of it is one of three: accepted (the provider's id is committed), refused (provably nothing was bought), unknown.
 * 3. Unknown is settled by looking: the render is found and adopted, or proven absent, or held for a person.
 * 4. Who was charged is never followed by another attempt unasked.
 */
import {
  type Attempt,
  type Candidate,
  type RenderEnd,
  isCharged,
  mostTakes,
  shortClipCode,
  takeAgainAt,
  triedWords,
} from '../../job/attempt.ts'
import { dayOf, spokenMoney } from '../../job/price.ts'
import { renderedShare } from '../../job/progress.ts'
import type { Failure, Scene } from '../../job/scene.ts'
import { logLine } from '../../log.ts'
import {
  type Posting,
  endTrouble,
  findAttempt,
  findAttemptOfRender,
  forgetHint,
  knownRenders as listKnownRenders,
  listUnmatched,
  noteUnknown,
  setAdopted,
  setAttemptCancelled,
  setAttemptFailed,
  setClip,
  setFetched,
  setHeld,
  setHinted,
  setPicturesFetched,
  setPosted,
  setRefused,
  setSucceeded,
  setTakeFailed,
  setTrouble,
  setUnknown,
} from '../../store/attempts.ts'
import type { Transaction } from '../../store/database.ts'
import { addSpending, extendPause } from '../../store/money.ts'
import { findStray, forgetStray, insertWebhook } from '../../store/provider.ts'
import { keepRender } from '../../store/renders.ts'
import { findScene, setSceneProgress } from '../../store/scenes.ts'
import { recordRender } from '../../store/timings.ts'
import { isPaced } from '../../job/queue.ts'
import { mayPostAt } from '../admission/rules.ts'
import { gateNow } from '../admission/admission.ts'
import { limitsNow } from '../admission/limits.ts'
import { noteOutage, providerAnswers } from './cooldown.ts'
import { type SceneEnd, sceneEnded, emitRendering, settleJob, emitTakenAgain } from '../scene/settling.ts'
import { serveJob, serveRender } from '../scene/starting.ts'
import { book } from '../admission/budget-snapshot.ts'
import type { Context } from '../context.ts'

/** May the request be sent? `over`: the attempt has been decided otherwise, or the request was sent before. */
export type Post =
  | { readonly kind: 'go' }
  | { readonly kind: 'wait'; readonly until: number }
  | { readonly kind: 'over' }

export interface Refusal extends SceneEnd {
  /** Nobody may start anything at this provider for so long. */
  readonly waitMs: number | null
  /** The provider could not be reached at all: others wait as for one that does not answer. */
  readonly isSilent?: boolean
}

/** Providers tell for an hour what was sent: longer ago no mark can be found. */
const marksToldMs = 2 * 3_600_000

/** Ends a scene with its attempt, unless another one has it by now. */
async function endScene(context: Context, tx: Transaction, attempt: Attempt, end: SceneEnd): Promise<void> {
  const scene = await ofAttempt(tx, attempt)
  if (scene) await sceneEnded(context, tx, scene, end)
}

async function giveUp(context: Context, tx: Transaction, attempt: Attempt, failure: Failure): Promise<void> {
  const { host, wakeAdmission } = context
  const told = attempt.fetched === null ? failure : withKeptClip(attempt, failure)
  if ((await setClip(tx, attempt.id, 'lost', told, host.now())) === 0) return
  await endScene(context, tx, attempt, { failure: told, retry: false, countsAsTry: true })
  // Others may have waited for the same.
  tx.afterCommit(wakeAdmission)
}

async function hold(
  context: Context,
  tx: Transaction,
  attemptId: string,
  reason: string,
  candidates: readonly Candidate[],
): Promise<void> {
  const { host, emit, log, wakeAdmission } = context
  const attempt = await setHeld(tx, attemptId, { code: 'held', reason }, candidates, host.now())
  if (!attempt) return
  const { jobId, sceneId } = attempt
  await emit(tx, {
    type: 'scene_held',
    jobId,
    sceneId,
    data: { attempt_id: attemptId, reason, reserved_micros: attempt.costMicros },
  })
  tx.afterCommit(() => logLine.attemptHeld(log, attempt, reason))
  tx.afterCommit(wakeAdmission)
}

async function doubt(context: Context, tx: Transaction, attemptId: string, reason: string): Promise<void> {
  const { host, log, wakeAdmission } = context
  const attempt = await setUnknown(tx, attemptId, { code: 'unknown', reason }, host.now())
  if (!attempt) return
  tx.afterCommit(() => logLine.attemptUnknown(log, attempt, reason))
  tx.afterCommit(wakeAdmission)
}

/** The attempt that has a render, or whose mark is in what was sent for it. */
async function ownerOf(
  context: Context,
  tx: Transaction,
  { id, renderer, marks }: Attempt,
  renderId: string,
  inputText: string | null,
): Promise<Attempt | undefined> {
  const { host } = context
  const known = await findAttemptOfRender(tx, renderer, renderId)
  if (known || inputText === null) return known
  const isIn = (mark: string): boolean => inputText.includes(mark)
  if (marks.some(isIn)) return undefined
  const unmatched = await listUnmatched(tx, renderer, host.now() - marksToldMs)
  return unmatched.find(
    (other) =>
      other.id !== id && (other.status === 'unknown' || other.status === 'held') && other.marks.some(isIn),
  )
}

/** A render that was found or named for an attempt is another one's: neither is left to look for it for ever. */
async function notItsOwn(
  context: Context,
  tx: Transaction,
  attempt: Attempt,
  renderId: string,
  owner: Attempt,
): Promise<void> {
  const { host, engine, signal } = context
  const which = owner.clientId === attempt.clientId ? `, ${owner.id} of job ${owner.jobId}` : ''
  const reason = `${renderId} is the render of another attempt${which}`
  if (attempt.status === 'intended') await doubt(context, tx, attempt.id, reason)
  else if (attempt.status === 'unknown') await hold(context, tx, attempt.id, reason, [])
  else if (attempt.status === 'held')
    await forgetHint(tx, attempt.id, renderId, { code: 'held', reason }, host.now())
  if ((await setHinted(tx, owner.id, renderId, host.now())) === 0) return
  await engine.enqueue(tx, { kind: 'follow-render', subject: owner.id, jobId: owner.jobId })
  tx.afterCommit(() => signal.notify(owner.id))
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

/** Calls `wake` when there is something new of an attempt; returns a function that ends that. */
export const onSignal = (context: Context, attemptId: string, wake: () => void): (() => void) =>
  context.signal.on(attemptId, wake)

/** The attempt as it is now. */
export const getAttempt = (context: Context, attemptId: string): Promise<Attempt | undefined> =>
  findAttempt(context.database, attemptId)

/** The scene of an attempt that is to be sent, its job told to be rendering; undefined where it is gone. */
export const beginOrder = (context: Context, attemptId: string): Promise<Scene | undefined> =>
  context.database.transaction(async (tx) => {
    const attempt = await findAttempt(tx, attemptId)
    const scene = attempt && (await findScene(tx, attempt.sceneId))
    if (scene) await emitRendering(context, tx, scene.jobId)
    return scene
  })

/** Of these renders at a provider, those that attempts account for. */
export const knownRenders = (
  context: Context,
  renderer: string,
  renderIds: readonly string[],
): Promise<ReadonlySet<string>> => listKnownRenders(context.database, renderer, renderIds)

/** The renderer's turn: commits what is sent, and that it may have been sent from now on. */
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
    // With a delay between starts, few are made ready ahead of their turn.
    if (isPaced(limit)) tx.afterCommit(context.wakeAdmission)
    return { kind: 'go' }
  })

/**
 * The provider has it under this id. Where the render is another attempt's, that one keeps it, and this one is settled
 * otherwise: looked for, or held. `inputText`: what was sent for it, in which another attempt's mark may be found.
 */
export const renderAccepted = (
  context: Context,
  attemptId: string,
  renderId: string,
  inputText: string | null = null,
): Promise<void> =>
  context.database.transaction(async (tx) => {
    const attempt = await findAttempt(tx, attemptId)
    if (!attempt) return
    const owner = await ownerOf(context, tx, attempt, renderId, inputText)
    if (owner?.id === attemptId) return
    if (owner) return notItsOwn(context, tx, attempt, renderId, owner)
    if (!(await setAdopted(tx, attemptId, renderId, context.host.now()))) return
    await providerAnswers(tx, context.log, attempt.renderer)
    await takeFromStrays(tx, attempt.renderer, renderId)
    tx.afterCommit(() => context.signal.notify(attemptId))
    tx.afterCommit(context.wakeAdmission)
  })

/** Provably nothing was bought. */
export const renderRefused = (context: Context, attemptId: string, end: Refusal): Promise<void> =>
  context.database.transaction(async (tx) => {
    await refuseIn(context, tx, attemptId, end)
  })

/** `isSilent`: the provider gave no answer that can be trusted; this process did not end before one could come. */
export const renderUnknown = (
  context: Context,
  attemptId: string,
  reason: string,
  isSilent: boolean,
): Promise<void> =>
  context.database.transaction(async (tx) => {
    const now = context.host.now()
    const attempt = await setUnknown(tx, attemptId, { code: 'unknown', reason }, now)
    if (!attempt) return
    tx.afterCommit(() => logLine.attemptUnknown(context.log, attempt, reason))
    // It is no longer waited for: the next one may be tried.
    tx.afterCommit(context.wakeAdmission)
    if (isSilent) await noteOutage(tx, context.log, attempt, reason, now)
  })

/** Why it is still unknown. */
export const renderStillUnknown = (context: Context, attemptId: string, reason: string): Promise<void> =>
  context.database.transaction(async (tx) => {
    await noteUnknown(tx, attemptId, { code: 'unknown', reason })
  })

/** The provider fetched a picture at this attempt's own address: it has the request. */
export const picturesFetched = (context: Context, attemptId: string): Promise<void> =>
  context.database.transaction(async (tx) => {
    await setPicturesFetched(tx, attemptId, context.host.now())
  })

/** Neither found nor proven absent: a person decides. `candidates`: what it may be. */
export const renderHeld = (
  context: Context,
  attemptId: string,
  reason: string,
  candidates: readonly Candidate[],
): Promise<void> => context.database.transaction((tx) => hold(context, tx, attemptId, reason, candidates))

/** The render that was named for a held attempt is not its own: a person decides again. */
export const hintRefused = (context: Context, attemptId: string, renderId: string): Promise<void> =>
  context.database.transaction(async (tx) => {
    const reason = `the provider has no render ${renderId} that could be it`
    await forgetHint(tx, attemptId, renderId, { code: 'held', reason }, context.host.now())
  })

/** Nothing can be learnt of it at its provider, since then. */
export const cannotRead = (
  context: Context,
  attemptId: string,
  trouble: Failure,
  since: number,
): Promise<void> =>
  context.database.transaction(async (tx) => {
    const before = await findAttempt(tx, attemptId)
    if (!before || (await setTrouble(tx, attemptId, trouble, since)) === 0) return
    if (before.troubleSince === null)
      tx.afterCommit(() => logLine.attemptUnreadable(context.log, before, trouble.reason))
  })

/** It can be read again. */
export const canRead = (context: Context, attemptId: string): Promise<void> =>
  context.database.transaction(async (tx) => {
    const before = await findAttempt(tx, attemptId)
    if (before && (await endTrouble(tx, attemptId)) > 0)
      tx.afterCommit(() => logLine.attemptReadable(context.log, before))
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
      await recordRender(tx, attempt, undefined, now)
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

/** What was paid for is here, as it came: nothing has looked at it yet. `artifact`: null where the one before is gone. */
export const clipFetched = (context: Context, attemptId: string, artifact: string | null): Promise<void> =>
  context.database.transaction(async (tx) => {
    await setFetched(tx, attemptId, artifact, context.host.now())
  })

/** The fetched clip is verified: for this scene, and for all that want the same. `short`: how it is less than was paid for. */
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

/** FFmpeg failed on the fetched clip, which may be its own fault: it is tried again later, up to `mostTakes` times. */
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

/** It was paid for, and its clip can't be used: the scene fails, and nothing is bought instead. */
export const clipLost = (context: Context, attemptId: string, failure: Failure): Promise<void> =>
  context.database.transaction(async (tx) => {
    const attempt = await findAttempt(tx, attemptId)
    if (attempt) await giveUp(context, tx, attempt, failure)
  })

/** A message of the provider, committed; it has its effect once. */
export const webhookReceived = (
  context: Context,
  {
    id,
    attemptId,
    renderId,
  }: {
    readonly id: string
    readonly attemptId: string
    readonly renderId: string
  },
): Promise<'new' | 'known' | 'no such attempt'> =>
  context.database.transaction(async (tx) => {
    const attempt = await findAttempt(tx, attemptId)
    if (!attempt) return 'no such attempt'
    if ((await insertWebhook(tx, id, attemptId, context.host.now())) === 0) return 'known'
    // Whoever follows it looks; of one that is held nobody does any more.
    if ((await setHinted(tx, attemptId, renderId, context.host.now())) > 0)
      await context.engine.enqueue(tx, { kind: 'follow-render', subject: attemptId, jobId: attempt.jobId })
    tx.afterCommit(() => context.signal.notify(attemptId))
    return 'new'
  })

/** What was booked for a render that no attempt accounted for is booked by the attempt that has adopted it. */
async function takeFromStrays(tx: Transaction, renderer: string, renderId: string): Promise<void> {
  const stray = await findStray(tx, renderer, renderId)
  if (!stray) return
  await forgetStray(tx, renderer, renderId)
  const owner = stray.attemptId === null ? undefined : await findAttempt(tx, stray.attemptId)
  if (stray.chargedMicros)
    await addSpending(tx, dayOf(stray.insertedAt), owner?.clientId ?? '', -stray.chargedMicros)
}

/** The scene that an attempt is for, unless another one has it by now. */
async function ofAttempt(tx: Transaction, { id, sceneId }: Attempt): Promise<Scene | undefined> {
  const scene = await findScene(tx, sceneId)
  return scene?.attemptId === id ? scene : undefined
}

/** What a person needs to know who has paid for a clip that can't be used. */
export const withKeptClip = (
  { jobId, sceneId, chargedMicros }: Pick<Attempt, 'jobId' | 'sceneId' | 'chargedMicros'>,
  { code, reason }: Failure,
): Failure => ({
  code,
  reason: `${reason}. ${chargedMicros === null ? 'An unknown sum' : spokenMoney(chargedMicros)} was paid and the clip is kept: GET /api/v3/videos/${jobId}/clips/${sceneId} gives it as it came, and a retry of the job takes it ${code === shortClipCode ? 'as it is' : 'again'} for nothing`,
})
