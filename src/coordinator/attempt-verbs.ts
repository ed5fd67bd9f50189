/**
 * The money protocol: each thing that is learnt of an attempt at a provider, committed before anything else is done.
 *
 * 1. `beginPost` commits that the one request may have been sent; only then it is sent, and never again.
 * 2. What came of it is one of three: accepted (the provider's id is committed), refused (provably nothing was bought), unknown.
 * 3. Unknown is settled by looking: the render is found and adopted, or proven absent, or held for a person.
 * 4. Who was charged is never followed by another attempt unasked.
 */
import type { Engine } from '../engine/engine.ts'
import type { Host } from '../host.ts'
import {
  type Attempt,
  type Candidate,
  type RenderEnd,
  isCharged,
  mostTakes,
  shortClipCode,
  takeAgainAt,
  triedWords,
} from '../job/attempt.ts'
import { dayOf, spokenMoney } from '../job/price.ts'
import { renderedShare } from '../job/progress.ts'
import type { Failure, Scene } from '../job/scene.ts'
import { type Log, logLine } from '../log.ts'
import {
  type Posting,
  endTrouble,
  findAttempt,
  findAttemptOfRender,
  forgetHint,
  knownRenders,
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
} from '../store/attempts.ts'
import type { Database, Transaction } from '../store/database.ts'
import { addSpending, extendPause } from '../store/money.ts'
import { findStray, forgetStray, insertWebhook } from '../store/provider.ts'
import { keepRender } from '../store/renders.ts'
import { findScene, setSceneProgress } from '../store/scenes.ts'
import { recordRender } from '../store/timings.ts'
import { type RendererLimit, isPaced, mayPostAt } from './admission-rules.ts'
import { gateNow } from './admission.ts'
import { limitsNow } from './limits.ts'
import type { News } from './news.ts'
import { noteOutage, providerAnswers } from './outage.ts'
import type { SceneEnd, Settling } from './settling.ts'
import type { Starting } from './starting.ts'
import type { Tell } from './tell.ts'
import { book } from './treasury.ts'

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

export interface AttemptVerbs {
  /** The attempt as it is now. */
  attempt(attemptId: string): Promise<Attempt | undefined>
  /** The scene of an attempt that is to be sent, its job told to be rendering; undefined where it is gone. */
  beginOrder(attemptId: string): Promise<Scene | undefined>
  /** The renderer's turn: commits what is sent, and that it may have been sent from now on. */
  beginPost(attemptId: string, posting: Posting): Promise<Post>
  /** Of these renders at a provider, those that attempts account for. */
  knownRenders(renderer: string, renderIds: readonly string[]): Promise<ReadonlySet<string>>
  /**
   * The provider has it under this id. Where the render is another attempt's, that one keeps it, and this one is settled
   * otherwise: looked for, or held. `inputText`: what was sent for it, in which another attempt's mark may be found.
   */
  renderAccepted(attemptId: string, renderId: string, inputText?: string | null): Promise<void>
  /** Provably nothing was bought. */
  renderRefused(attemptId: string, end: Refusal): Promise<void>
  /** As above, in a transaction of others; tells whether it was decided here. */
  refuseIn(tx: Transaction, attemptId: string, end: Refusal): Promise<boolean>
  /** `isSilent`: the provider gave no answer that can be trusted; this process did not end before one could come. */
  renderUnknown(attemptId: string, reason: string, isSilent: boolean): Promise<void>
  /** Why it is still unknown. */
  renderStillUnknown(attemptId: string, reason: string): Promise<void>
  /** Neither found nor proven absent: a person decides. `candidates`: what it may be. */
  renderHeld(attemptId: string, reason: string, candidates: readonly Candidate[]): Promise<void>
  /** The provider fetched a picture at this attempt's own address: it has the request. */
  picturesFetched(attemptId: string): Promise<void>
  /** The render that was named for a held attempt is not its own: a person decides again. */
  hintRefused(attemptId: string, renderId: string): Promise<void>
  /** The render is over, and its money settled. `failure`: why there is no clip. */
  renderEnded(
    attemptId: string,
    end: RenderEnd,
    found: {
      readonly failure: Failure
      readonly retry: boolean
      /** Where its clip is. */
      readonly outputUrl: string | null
    },
  ): Promise<void>
  /** Nothing can be learnt of it at its provider, since then. */
  cannotRead(attemptId: string, trouble: Failure, since: number): Promise<void>
  /** It can be read again. */
  canRead(attemptId: string): Promise<void>
  /** What was paid for is here, as it came: nothing has looked at it yet. `artifact`: null where the one before is gone. */
  clipFetched(attemptId: string, artifact: string | null): Promise<void>
  /** The fetched clip is verified: for this scene, and for all that want the same. `short`: how it is less than was paid for. */
  clipKept(attemptId: string, short: string | null): Promise<void>
  /** FFmpeg failed on the fetched clip, which may be its own fault: it is tried again later, up to `mostTakes` times. */
  takeFailed(attemptId: string, failure: Failure): Promise<void>
  /** It was paid for, and its clip can't be used: the scene fails, and nothing is bought instead. */
  clipLost(attemptId: string, failure: Failure): Promise<void>
  /** A message of the provider, committed; it has its effect once. */
  webhookReceived(message: {
    readonly id: string
    readonly attemptId: string
    readonly renderId: string
  }): Promise<'new' | 'known' | 'no such attempt'>
  /** Calls `wake` when there is news of an attempt. Returns a function that ends that. */
  onNews(attemptId: string, wake: () => void): () => void
}

/** Providers tell for an hour what was sent: longer ago no mark can be found. */
const marksToldMs = 2 * 3_600_000

export interface AttemptVerbsOptions {
  readonly database: Database
  readonly engine: Engine
  readonly host: Host
  readonly log: Log
  readonly renderers: readonly RendererLimit[]
  readonly tell: Tell
  readonly settling: Settling
  readonly starting: Starting
  readonly news: News
  /** A place at a renderer came free. */
  readonly admitSoon: () => void
}

export function createAttemptVerbs(options: AttemptVerbsOptions): AttemptVerbs {
  const { database, engine, host, log, tell, settling, starting, news, admitSoon } = options
  const limitOf = new Map(options.renderers.map((limit) => [limit.name, limit]))

  /** Ends a scene with its attempt, unless another one has it by now. */
  const endScene = async (tx: Transaction, attempt: Attempt, end: SceneEnd): Promise<void> => {
    const scene = await ofAttempt(tx, attempt)
    if (scene) await settling.sceneEnded(tx, scene, end)
  }

  const giveUp = async (tx: Transaction, attempt: Attempt, failure: Failure): Promise<void> => {
    const told = attempt.fetched === null ? failure : withKeptClip(attempt, failure)
    if ((await setClip(tx, attempt.id, 'lost', told, host.now())) === 0) return
    await endScene(tx, attempt, { failure: told, retry: false, countsAsTry: true })
    // Others may have waited for the same.
    tx.afterCommit(admitSoon)
  }

  const hold = async (
    tx: Transaction,
    attemptId: string,
    reason: string,
    candidates: readonly Candidate[],
  ): Promise<void> => {
    const attempt = await setHeld(tx, attemptId, { code: 'held', reason }, candidates, host.now())
    if (!attempt) return
    const { jobId, sceneId } = attempt
    await tell(tx, {
      type: 'scene_held',
      jobId,
      sceneId,
      data: { attempt_id: attemptId, reason, reserved_micros: attempt.costMicros },
    })
    tx.afterCommit(() => logLine.attemptHeld(log, attempt, reason))
    tx.afterCommit(admitSoon)
  }

  const doubt = async (tx: Transaction, attemptId: string, reason: string): Promise<void> => {
    const attempt = await setUnknown(tx, attemptId, { code: 'unknown', reason }, host.now())
    if (!attempt) return
    tx.afterCommit(() => logLine.attemptUnknown(log, attempt, reason))
    tx.afterCommit(admitSoon)
  }

  /** The attempt that has a render, or whose mark is in what was sent for it. */
  const ownerOf = async (
    tx: Transaction,
    { id, renderer, marks }: Attempt,
    renderId: string,
    inputText: string | null,
  ): Promise<Attempt | undefined> => {
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
  const notItsOwn = async (
    tx: Transaction,
    attempt: Attempt,
    renderId: string,
    owner: Attempt,
  ): Promise<void> => {
    const which = owner.clientId === attempt.clientId ? `, ${owner.id} of job ${owner.jobId}` : ''
    const reason = `${renderId} is the render of another attempt${which}`
    if (attempt.status === 'intended') await doubt(tx, attempt.id, reason)
    else if (attempt.status === 'unknown') await hold(tx, attempt.id, reason, [])
    else if (attempt.status === 'held')
      await forgetHint(tx, attempt.id, renderId, { code: 'held', reason }, host.now())
    if ((await setHinted(tx, owner.id, renderId, host.now())) === 0) return
    await engine.enqueue(tx, { kind: 'follow-render', subject: owner.id, jobId: owner.jobId })
    tx.afterCommit(() => news.of(owner.id))
  }

  const settled = async (tx: Transaction, attempt: Attempt): Promise<void> => {
    await book(tx, attempt)
    tx.afterCommit(admitSoon)
  }

  const refuseIn: AttemptVerbs['refuseIn'] = async (tx, attemptId, { waitMs, isSilent = false, ...end }) => {
    const now = host.now()
    const attempt = await setRefused(tx, attemptId, end.failure, now)
    if (!attempt) return false
    const { reason } = end.failure
    if (isSilent) await noteOutage(tx, log, attempt, reason, now)
    else if (waitMs !== null) {
      await extendPause(tx, attempt.renderer, { until: now + waitMs, reason })
      tx.afterCommit(() => logLine.providerPaused(log, attempt.renderer, waitMs, reason))
    }
    await endScene(tx, attempt, end)
    await settled(tx, attempt)
    tx.afterCommit(() => news.of(attemptId))
    return true
  }

  return {
    onNews: news.on,

    attempt: (attemptId) => findAttempt(database, attemptId),

    beginOrder: (attemptId) =>
      database.transaction(async (tx) => {
        const attempt = await findAttempt(tx, attemptId)
        const scene = attempt && (await findScene(tx, attempt.sceneId))
        if (scene) await settling.tellRendering(tx, scene.jobId)
        return scene
      }),

    knownRenders: (renderer, renderIds) => knownRenders(database, renderer, renderIds),

    beginPost: (attemptId, posting) =>
      database.transaction(async (tx): Promise<Post> => {
        const attempt = await findAttempt(tx, attemptId)
        const configured = attempt && limitOf.get(attempt.renderer)
        if (!configured || attempt.status !== 'intended') return { kind: 'over' }
        const limit = (await limitsNow(tx)).of(configured)
        const now = host.now()
        const until = mayPostAt(limit, await gateNow(tx, limit, now), now)
        if (until > now) return { kind: 'wait', until }
        if ((await setPosted(tx, attemptId, posting, now)) === 0) return { kind: 'over' }
        // With a delay between starts, few are made ready ahead of their turn.
        if (isPaced(limit)) tx.afterCommit(admitSoon)
        return { kind: 'go' }
      }),

    renderAccepted: (attemptId, renderId, inputText = null) =>
      database.transaction(async (tx) => {
        const attempt = await findAttempt(tx, attemptId)
        if (!attempt) return
        const owner = await ownerOf(tx, attempt, renderId, inputText)
        if (owner?.id === attemptId) return
        if (owner) return notItsOwn(tx, attempt, renderId, owner)
        if (!(await setAdopted(tx, attemptId, renderId, host.now()))) return
        await providerAnswers(tx, log, attempt.renderer)
        await takeFromStrays(tx, attempt.renderer, renderId)
        tx.afterCommit(() => news.of(attemptId))
        tx.afterCommit(admitSoon)
      }),

    refuseIn,

    renderRefused: (attemptId, end) =>
      database.transaction(async (tx) => {
        await refuseIn(tx, attemptId, end)
      }),

    renderUnknown: (attemptId, reason, isSilent) =>
      database.transaction(async (tx) => {
        const now = host.now()
        const attempt = await setUnknown(tx, attemptId, { code: 'unknown', reason }, now)
        if (!attempt) return
        tx.afterCommit(() => logLine.attemptUnknown(log, attempt, reason))
        // It is no longer waited for: the next one may be tried.
        tx.afterCommit(admitSoon)
        if (isSilent) await noteOutage(tx, log, attempt, reason, now)
      }),

    renderStillUnknown: (attemptId, reason) =>
      database.transaction(async (tx) => {
        await noteUnknown(tx, attemptId, { code: 'unknown', reason })
      }),

    picturesFetched: (attemptId) =>
      database.transaction(async (tx) => {
        await setPicturesFetched(tx, attemptId, host.now())
      }),

    renderHeld: (attemptId, reason, candidates) =>
      database.transaction((tx) => hold(tx, attemptId, reason, candidates)),

    hintRefused: (attemptId, renderId) =>
      database.transaction(async (tx) => {
        const reason = `the provider has no render ${renderId} that could be it`
        await forgetHint(tx, attemptId, renderId, { code: 'held', reason }, host.now())
      }),

    cannotRead: (attemptId, trouble, since) =>
      database.transaction(async (tx) => {
        const before = await findAttempt(tx, attemptId)
        if (!before || (await setTrouble(tx, attemptId, trouble, since)) === 0) return
        if (before.troubleSince === null)
          tx.afterCommit(() => logLine.attemptUnreadable(log, before, trouble.reason))
      }),

    canRead: (attemptId) =>
      database.transaction(async (tx) => {
        const before = await findAttempt(tx, attemptId)
        if (before && (await endTrouble(tx, attemptId)) > 0)
          tx.afterCommit(() => logLine.attemptReadable(log, before))
      }),

    renderEnded: (attemptId, end, { failure, retry, outputUrl }) =>
      database.transaction(async (tx) => {
        const now = host.now()
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
          await tell(tx, { type: 'scene_rendered', jobId, sceneId, data })
          await settled(tx, attempt)
          const scene = await ofAttempt(tx, attempt)
          // Its job was retried meanwhile: it takes what it has paid for.
          if (scene?.status === 'pending') await starting.serveJob(tx, jobId)
          else if (scene && (await setSceneProgress(tx, sceneId, renderedShare, now)) > 0)
            await settling.settleJob(tx, jobId)
          return
        }
        const wasCancelled = end === 'cancelled' || before?.cancelRequestedAt !== null
        const set = wasCancelled ? setAttemptCancelled : setAttemptFailed
        const attempt = await set(tx, attemptId, charged, failure, now)
        if (!attempt) return
        await endScene(tx, attempt, { failure, retry: retry && !isCharged(end), countsAsTry: true })
        await settled(tx, attempt)
      }),

    clipFetched: (attemptId, artifact) =>
      database.transaction(async (tx) => {
        await setFetched(tx, attemptId, artifact, host.now())
      }),

    clipKept: (attemptId, short) =>
      database.transaction(async (tx) => {
        const now = host.now()
        const attempt = await findAttempt(tx, attemptId)
        const { fetched = null } = attempt ?? {}
        if (!attempt || fetched === null || (await setClip(tx, attemptId, 'kept', null, now)) === 0) return
        await keepRender(tx, attempt.renderKey, { artifact: fetched, attemptId }, now)
        const { sceneId: subject, jobId } = attempt
        if (short !== null) {
          const data = { attempt_id: attemptId, reason: short }
          await tell(tx, { type: 'scene_short', jobId, sceneId: subject, data })
          tx.afterCommit(() => logLine.clipShort(log, attempt, short))
        }
        await engine.enqueue(tx, { kind: 'take-clip', subject, jobId })
        await starting.serveRender(tx, attempt.renderKey)
      }),

    takeFailed: (attemptId, failure) =>
      database.transaction(async (tx) => {
        const attempt = await setTakeFailed(tx, attemptId, failure, host.now())
        if (!attempt) return
        const { takeTries: tries } = attempt
        if (tries >= mostTakes) return giveUp(tx, attempt, { ...failure, reason: triedWords(failure, tries) })
        const scene = await ofAttempt(tx, attempt)
        if (scene) await settling.tellTakenAgain(tx, scene, failure, { tries, until: takeAgainAt(attempt) })
      }),

    clipLost: (attemptId, failure) =>
      database.transaction(async (tx) => {
        const attempt = await findAttempt(tx, attemptId)
        if (attempt) await giveUp(tx, attempt, failure)
      }),

    webhookReceived: ({ id, attemptId, renderId }) =>
      database.transaction(async (tx) => {
        const attempt = await findAttempt(tx, attemptId)
        if (!attempt) return 'no such attempt'
        if ((await insertWebhook(tx, id, attemptId, host.now())) === 0) return 'known'
        // Whoever follows it looks; of one that is held nobody does any more.
        if ((await setHinted(tx, attemptId, renderId, host.now())) > 0)
          await engine.enqueue(tx, { kind: 'follow-render', subject: attemptId, jobId: attempt.jobId })
        tx.afterCommit(() => news.of(attemptId))
        return 'new'
      }),
  }
}

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
