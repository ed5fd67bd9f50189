/**
 * A scene's way through a provider: told, watched, fetched. Each turn of the loop reads the attempt's row, does the next
 * thing, and commits what came of it, so that a process that dies anywhere is followed by one that goes on from there.
 *
 *   intended ──> prepare, wait for the turn, commit "may be sent", send once
 *   unknown  ──> look for it at the provider until it is found or proven absent
 *   submitted ─> read until it has ended (and end it, where nobody wants it any more)
 *   succeeded ─> fetch the clip and keep it as it came; then verify what is kept, as often as FFmpeg needs, and serve it to
 *                all that want it. What is made of it is another task's (`take-clip.ts`)
 */
import type { ArtifactStore } from '../artifact/artifact.ts'
import type { RunningCoordinator } from '../coordinator/coordinator.ts'
import { type DiskRoom, isDiskFull } from '../disk-full.ts'
import type { TaskContext, TaskHandler } from '../engine/engine.ts'
import type { Host } from '../host.ts'
import {
  type Attempt,
  type Candidate,
  absentAfterMs,
  clipKeptMs,
  clipKeptUntil,
  shortClipCode,
  takeAgainAt,
  takeWaitMs,
} from '../job/attempt.ts'
import type { Storyboard } from '../job/job.ts'
import type { Failure } from '../job/scene.ts'
import type {
  FetchOutcome,
  ListedRender,
  PreparedOrder,
  Provider,
  ProviderRender,
  ProviderTrouble,
  ReadOutcome,
  Recognise,
  Refusal,
} from '../renderer/provider.ts'
import { type Clips, failureOfTaking, isMissing } from './clips.ts'
import { namesAnother, resembles } from './recognise.ts'
import type { Studio } from './studio.ts'
import { withinAccount } from './within-account.ts'
import { type Turns, createTurns } from './semaphore.ts'

export interface FollowRenderOptions {
  readonly coordinator: RunningCoordinator
  readonly providers: readonly Provider[]
  readonly artifacts: Pick<ArtifactStore, 'localPath' | 'adopt'>
  readonly clips: Pick<Clips, 'take' | 'verify'>
  readonly studio: Pick<Studio, 'picture' | 'inTurn' | 'inWorkspace'>
  readonly host: Host
  /** Of clips to come: none is bought while only the reserve for those under way is left. */
  readonly room: Pick<DiskRoom, 'require'>
  /** The text that an attempt's render carries at the provider. */
  readonly markOf: (attemptId: string) => string
  /** Whether the provider can tell us that a render has ended: then it is asked less often. */
  readonly isNotified: boolean
  /** What becomes of a clip that is much shorter than was paid for: a person decides, or it is taken and told. */
  readonly shortClips: 'hold' | 'take'
}

const second = 1000
const minute = 60 * second
const hour = 60 * minute

/** A clock may be put right meanwhile: what a provider dates is compared with ours this loosely. */
const skewMs = 5 * minute

/** So far a clock may have been put back since a request was sent: what carries its mark is looked for that much earlier. */
const clockStepMs = hour

/** Where a picture of it was fetched, the provider has it, and a list that does not show it is waited for so long. */
const acceptedAbsentMs = 10 * minute

/** A provider that can't be read for so long is not waited for: a person decides. */
const unreadableMs = 6 * hour
/** And not because of its first answer after a night, or after the clock was put forward. */
const leastTriedMs = 10 * minute

/** A render or clip that the provider says is not there is gone when it has said nothing else for so long: one answer may be old. */
const goneAfterMs = 3 * minute

/** A provider that can't be read is told of when that has lasted so long, or will have before the next try. */
const tellAfterMs = 30 * second

/** How often in all renders are read in a second; providers allow 50. */
const readsPerSecond = 20
const readEveryMs = { notified: 15 * second, alone: second }

/** Between two fetches of a clip whose bytes were bad. */
const mostBadWaitMs = 5 * minute

const maxClipBytes = 2 ** 30

/** Clips fetched at once: renders may all end together. */
const fetchesAtOnce = 8

/** Lists read at once: after an outage many attempts look for their renders, and a page takes some megabytes. */
const listsAtOnce = 4

const mostShapes = 1000

export function createFollowRender(options: FollowRenderOptions): TaskHandler {
  const { coordinator, host, isNotified, providers } = options
  let followed = 0
  const readPauseMs = (): number => {
    const leastMs = isNotified ? readEveryMs.notified : readEveryMs.alone
    return Math.max(leastMs, (followed / readsPerSecond) * second) * (0.9 + host.random() / 5)
  }

  const inFetchTurn = createTurns(fetchesAtOnce)
  const inListTurn = createTurns(listsAtOnce)
  const shapeOf = createShapes(coordinator)

  return async ({ subject: attemptId }, context) => {
    const follower = createFollower(attemptId, context, {
      ...options,
      readPauseMs,
      shapeOf,
      inFetchTurn,
      inListTurn,
    })
    followed++
    try {
      let furthest = -1
      for (let turn = 0; ; turn++) {
        const attempt = await coordinator.attempt(attemptId)
        if (!attempt) return
        const progress = progressOf(attempt)
        const hasWaited = follower.hasWaited()
        if (progress > furthest) turn = 0
        else if (!hasWaited) {
          // Whatever kept it where it is, nothing is asked of anybody without a pause.
          await follower.rest(turn)
          continue
        }
        furthest = Math.max(furthest, progress)
        const provider = providers.find(({ name }) => name === attempt.renderer)
        if (!provider)
          throw new Error(
            `Attempt ${attemptId} is at ${attempt.renderer}, which is not configured here: configure it, or nobody learns what became of the attempt`,
          )
        if ((await follower.step(attempt, withinAccount(provider, attempt.account), turn)) === 'over') return
      }
    } finally {
      followed--
      follower.close()
    }
  }
}

/** The shape of a job's film never changes, and reading a job of many scenes for each of them is much. */
function createShapes(coordinator: Pick<RunningCoordinator, 'job'>): (jobId: number) => Promise<Shape> {
  const known = new Map<number, Shape>()
  return async (jobId) => {
    const before = known.get(jobId)
    if (before) return before
    const { format, fit } = (await coordinator.job(jobId)).storyboard
    if (known.size >= mostShapes) known.delete(known.keys().next().value!)
    known.set(jobId, { format, fit })
    return { format, fit }
  }
}

type Step = 'again' | 'over'

const stepsOf: Partial<Record<Attempt['status'], number>> = {
  intended: 0,
  unknown: 2,
  held: 3,
  submitted: 4,
  succeeded: 5,
}

/** How far an attempt has come on its way: one more with each thing that is learnt of it. */
const progressOf = ({ status, postedAt, fetched }: Attempt): number => {
  const hasMore = status === 'intended' ? postedAt !== null : status === 'succeeded' && fetched !== null
  return (stepsOf[status] ?? 7) + (hasMore ? 1 : 0)
}

const isTrouble = (prepared: PreparedOrder | ProviderTrouble): prepared is ProviderTrouble =>
  'code' in prepared

const markIn = (inputText: string, marks: readonly string[]): string | undefined =>
  marks.find((mark) => inputText.includes(mark))

const carries = ({ inputText }: ProviderRender, marks: readonly string[]): boolean =>
  inputText !== null && markIn(inputText, marks) !== undefined

const backOffMs = (turn: number, mostMs: number): number => Math.min(mostMs, second * 2 ** Math.min(turn, 10))

type Shape = Pick<Storyboard, 'format' | 'fit'>

type FollowerOptions = FollowRenderOptions & {
  readonly readPauseMs: () => number
  readonly shapeOf: (jobId: number) => Promise<Shape>
  readonly inFetchTurn: Turns
  readonly inListTurn: Turns
}

function createFollower(attemptId: string, { signal, stopping }: TaskContext, options: FollowerOptions) {
  const { coordinator, artifacts, clips, studio, host } = options
  const ending = AbortSignal.any([signal, stopping])
  let lookingSince: number | undefined
  /** Since when nothing can be learnt, and how often that was so in a row. By both clocks, as one may be put right. */
  let failing: { readonly since: number; readonly from: number; times: number } | undefined
  /** Since when the provider says, without a break, that there is no such thing; by a clock that is never put forward. */
  let absentFrom: number | undefined
  /** What is wrong with the bytes that are kept: perhaps they were damaged on their way. */
  let bad: Failure | undefined
  let timesBad = 0
  /** When the provider no longer keeps the clip, by the same clock. */
  let keptUntil: number | undefined
  /** What was said of it before its list could not be read. */
  let whyUnknown: string | undefined
  let acceptsShort = false
  let waited = false
  let news = false
  let wake: AbortController | undefined
  const endNews = coordinator.onSignal(attemptId, () => {
    news = true
    wake?.abort()
  })

  /** Waits until it is time, or something has happened. @throws where this process is to end. */
  const wait = async (ms: number): Promise<void> => {
    waited = true
    wake = new AbortController()
    if (!news) await host.sleep(ms, AbortSignal.any([ending, wake.signal]))
    news = false
    ending.throwIfAborted()
  }

  const hasWaited = (): boolean => {
    const did = waited
    waited = false
    return did
  }

  /** Nothing was learnt: that is told where it lasts, and then it is waited. `begunAt`: when it was asked, by the clock that only runs on. */
  const waitAgain = async (
    begunAt: number,
    { reason, waitMs = null }: { readonly reason: string; readonly waitMs?: number | null },
    mostMs = minute,
  ): Promise<void> => {
    const from = Math.min(begunAt, host.monotonic())
    failing ??= { since: host.now() - (host.monotonic() - from), from, times: 0 }
    const ms = Math.max(backOffMs(failing.times++, mostMs), waitMs ?? 0)
    if (host.monotonic() - failing.from + ms >= tellAfterMs)
      await coordinator.cannotRead(attemptId, { code: 'unreadable', reason }, Math.floor(failing.since))
    await wait(ms)
  }

  const learnt = async (attempt: Attempt): Promise<void> => {
    const wasTold = failing !== undefined || attempt.troubleSince !== null
    failing = undefined
    if (wasTold) await coordinator.canRead(attemptId)
  }

  /** Whether the provider has said for so long that there is none that it can be believed. */
  const isGone = (isAbsent: boolean): boolean => {
    absentFrom = isAbsent ? (absentFrom ?? host.monotonic()) : undefined
    return absentFrom !== undefined && host.monotonic() - absentFrom >= goneAfterMs
  }

  const step = async (attempt: Attempt, provider: Provider, turn: number): Promise<Step> => {
    switch (attempt.status) {
      case 'intended':
        if (attempt.postedAt === null) await order(attempt, provider)
        else
          await coordinator.renderUnknown(
            attemptId,
            'this process ended while the request was under way',
            false,
          )
        return 'again'
      case 'unknown':
        if ((await search(attempt, provider)) === 'looked') await wait(backOffMs(turn + 2, 30 * second))
        return 'again'
      case 'held': {
        if (attempt.hintedId === null) return 'over'
        const begunAt = host.monotonic()
        const adopted = await adoptHinted(attempt, provider)
        if (adopted === 'no') await coordinator.hintRefused(attemptId, attempt.hintedId)
        else if (adopted !== 'yes') await waitAgain(begunAt, adopted)
        return 'again'
      }
      case 'submitted':
        await watch(attempt, provider)
        return 'again'
      case 'succeeded': {
        if (attempt.clip !== null) return 'over'
        if (attempt.fetched !== null && !bad) await takeClip(attempt, attempt.fetched)
        else {
          const came = await studio.inWorkspace((directory) => fetchClip(attempt, provider, directory))
          if (came === 'bad again') await wait(backOffMs(timesBad++, mostBadWaitMs))
        }
        return 'again'
      }
      default:
        return 'over'
    }
  }

  /** Makes ready all that can go wrong without money, waits for its turn, and sends the request, once. */
  const order = async (attempt: Attempt, provider: Provider): Promise<void> => {
    await options.room.require()
    const scene = await coordinator.beginOrder(attemptId)
    if (!scene) return refuse({ code: 'scene_gone', reason: 'its scene is gone', retry: false }, false)
    const { model, prompt } = scene
    const makeReady = async () => {
      const { format, fit } = await options.shapeOf(scene.jobId)
      const masters = await Promise.all(
        scene.asset_ids.map(async (id) => (await coordinator.asset(id)).master),
      )
      const inputs = await Promise.all(masters.map((master) => studio.picture(master, { ...format, fit })))
      const images = await Promise.all(inputs.map((id) => artifacts.localPath(id)))
      const mark = options.markOf(attemptId)
      const wish = { attemptId, mark, model, prompt, settings: attempt.settings!, format, images }
      return { inputs, prepared: await provider.prepare(wish, ending) }
    }
    // Whoever can't be made ready gives its place to others: while one is tried at a time, nobody else would have any.
    const ready = await makeReady().catch((error: unknown) => {
      if (ending.aborted || isDiskFull(error)) throw error
      return {
        code: 'not_ready',
        reason: error instanceof Error ? error.message : String(error),
        retry: true,
      }
    })
    if ('code' in ready) return refuse(ready, true)
    const { inputs, prepared } = ready
    if (isTrouble(prepared)) return refuse(prepared, true)
    const account = await provider.account(ending)
    ending.throwIfAborted()
    if (account.kind === 'failed') return refused(account.refusal)
    const posting = { marks: prepared.marks, inputs, account: account.name, prompt }
    for (;;) {
      const post = await coordinator.beginPost(attemptId, posting)
      if (post.kind === 'over') return
      if (post.kind === 'go') break
      // Asked again at least so often: a clock that was put back since has put that back, too.
      await wait(Math.min(post.until - host.now(), minute))
    }
    const outcome = await provider.submit(prepared, signal)
    if (outcome.kind === 'accepted') await coordinator.renderAccepted(attemptId, outcome.renderId)
    else if (outcome.kind === 'unknown') await coordinator.renderUnknown(attemptId, outcome.reason, true)
    else await refused(outcome)
  }

  const refused = ({ trouble, ...rest }: Omit<Refusal, 'kind'>): Promise<void> => {
    const { retry, code, reason } = trouble
    return coordinator.renderRefused(attemptId, { ...rest, failure: { code, reason }, retry })
  }

  const refuse = (trouble: ProviderTrouble, countsAsTry: boolean): Promise<void> =>
    refused({ trouble, countsAsTry, waitMs: null })

  /** Adopts the render that a webhook, the sweep or a person named; only a person is believed beyond what it carries. */
  const adoptHinted = async (
    attempt: Attempt,
    provider: Provider,
  ): Promise<'yes' | 'no' | Extract<ReadOutcome, { kind: 'failed' }>> => {
    if (attempt.hintedId === null) return 'no'
    if ((await coordinator.knownRenders(attempt.renderer, [attempt.hintedId])).size > 0) return 'no'
    const read = await provider.read(attempt.hintedId, ending)
    if (read.kind === 'failed') return read
    const isIts =
      read.kind === 'found' &&
      (attempt.status === 'held' ||
        carries(read.render, attempt.marks) ||
        // The provider told it at this attempt's own address, and leaves out what carried the mark.
        (resembles(attempt, read.render) && !namesAnother(read.render.inputText)))
    if (!isIts) return 'no'
    await coordinator.renderAccepted(attemptId, attempt.hintedId, read.render.inputText)
    return 'yes'
  }

  /** One look for an attempt that may have been accepted. `looked`: nothing is decided, and it has to be waited still. */
  const search = async (attempt: Attempt, provider: Provider): Promise<'decided' | 'looked' | 'waited'> => {
    if ((await adoptHinted(attempt, provider)) === 'yes') return 'decided'
    const begunAt = host.monotonic()
    const now = host.now()
    const sentAt = Math.min(attempt.postedAt ?? attempt.insertedAt, now)
    const recognise: Recognise = {
      markIn: (text) => markIn(text, attempt.marks) ?? namesAnother(text),
      resembles: (render) => resembles(attempt, render),
    }
    const listing = await options.inListTurn(() =>
      provider.list({ after: sentAt - clockStepMs }, recognise, ending),
    )
    if (listing.kind === 'failed') {
      const words = `the provider's list can't be read: ${listing.reason}`
      const triedMs = failing === undefined ? 0 : host.monotonic() - failing.from
      if (now - sentAt >= unreadableMs && triedMs >= leastTriedMs) {
        await coordinator.renderHeld(attemptId, words, [])
        return 'decided'
      }
      whyUnknown ??= attempt.failure?.reason
      await coordinator.renderStillUnknown(attemptId, words)
      await waitAgain(begunAt, listing, 30 * second)
      return 'waited'
    }
    await learnt(attempt)
    if (whyUnknown !== undefined) await coordinator.renderStillUnknown(attemptId, whyUnknown)
    const found = listing.renders.find(({ mark }) => mark !== null && attempt.marks.includes(mark))
    if (found) {
      await coordinator.renderAccepted(attemptId, found.id)
      return 'decided'
    }
    // By a clock that is never put forward.
    lookingSince ??= host.monotonic()
    if (host.monotonic() - lookingSince < absentAfterMs) return 'looked'
    // A clock that was put forward since dates what is listed by as much later.
    const lookedFrom = now - (host.monotonic() - lookingSince)
    const unknownSince = Math.max(attempt.unknownSince ?? now, lookedFrom)
    const doubtful = await nameless(attempt, listing.renders, {
      from: sentAt - skewMs,
      to: unknownSince + absentAfterMs + skewMs,
    })
    if (doubtful.length > 0) {
      await coordinator.renderHeld(attemptId, doubtWords(doubtful), doubtful)
      return 'decided'
    }
    if ((await coordinator.attempt(attemptId))?.picturesFetchedAt != null) {
      if (host.monotonic() - lookingSince < acceptedAbsentMs) return 'looked'
      await coordinator.renderHeld(
        attemptId,
        'the provider has fetched a picture of it, so that it has the request, and does not list it',
        [],
      )
      return 'decided'
    }
    const { code, reason: lastReason } = attempt.failure ?? {
      code: 'absent',
      reason: 'the provider has no such render',
    }
    // The provider's trouble, and not this scene's: an outage fails no job.
    await refuse({ code, reason: whyUnknown ?? lastReason, retry: true }, false)
    return 'decided'
  }

  /**
   * Renders of the time in question that no attempt accounts for, and that name none: the provider no longer tells what was
   * sent, or it is just what this attempt asked for, without its mark.
   */
  const nameless = async (
    { renderer }: Attempt,
    renders: readonly ListedRender[],
    created: { readonly from: number; readonly to: number },
  ): Promise<readonly (Candidate & Pick<ListedRender, 'hasInput'>)[]> => {
    const some = renders.filter(
      ({ mark, hasInput, resembles: isLike, createdAt }) =>
        mark === null && (!hasInput || isLike) && createdAt >= created.from && createdAt <= created.to,
    )
    const known = await coordinator.knownRenders(
      renderer,
      some.map(({ id }) => id),
    )
    return some
      .filter(({ id }) => !known.has(id))
      .map(({ id, state, createdAt, hasInput }) => ({ id, state, createdAt, hasInput }))
  }

  /** One look at a render that the provider has; it is ended where nobody wants it any more. */
  const watch = async (attempt: Attempt, provider: Provider): Promise<void> => {
    const renderId = attempt.providerId!
    const begunAt = host.monotonic()
    const isWanted = attempt.cancelRequestedAt === null
    const ended = isWanted ? undefined : await provider.cancel(renderId, ending)
    // A cancel is refused where the render has ended, and says nothing of how.
    const read = ended?.kind === 'found' ? ended : await provider.read(renderId, ending)
    const isLost = isGone(read.kind === 'absent')
    if (read.kind === 'found') {
      await learnt(attempt)
      return read.render.state === 'running' ? wait(options.readPauseMs()) : renderEnded(read.render)
    }
    // One that can't be read is asked for again and again: what it cost is known when it can.
    const overdueAt = (attempt.postedAt ?? attempt.insertedAt) + provider.cancelAfterMs + skewMs
    if (isLost && host.now() > overdueAt)
      return coordinator.renderEnded(attemptId, 'cancelled', {
        failure: {
          code: 'render_lost',
          reason: `the provider no longer tells of ${renderId}: whether it was charged is not known, and its price is booked`,
        },
        retry: false,
        outputUrl: null,
      })
    await waitAgain(begunAt, read.kind === 'failed' ? read : { reason: noSuchRender })
  }

  const renderEnded = ({ state, trouble, outputUrl }: ProviderRender): Promise<void> => {
    const end = state === 'running' ? 'failed' : state
    const { retry, code, reason } = trouble ?? { retry: true, code: `render_${end}`, reason: endWords[end] }
    return coordinator.renderEnded(attemptId, end, { failure: { code, reason }, retry, outputUrl })
  }

  /** Verifies the bytes that are kept. Bad ones are fetched again, as long as the provider has them. */
  const takeClip = async (attempt: Attempt, fetched: string): Promise<void> => {
    // No longer than that, should the clock have been put back.
    const waitMs = Math.min(takeAgainAt(attempt) - host.now(), takeWaitMs(attempt))
    const begunAt = host.monotonic()
    for (let left = waitMs; left > 0; left = waitMs - (host.monotonic() - begunAt)) await wait(left)
    acceptsShort ||= attempt.failure?.code === shortClipCode
    const outcome = await studio
      .inTurn(() => clips.take(fetched, attempt.settings?.seconds ?? 0, signal))
      .catch((error: unknown) => {
        if (isMissing(error)) return 'missing' as const
        const failure = failureOfTaking(error, ending)
        if (failure) return { kind: 'blamed on FFmpeg' as const, failure }
        throw error
      })
    if (outcome === 'missing') return coordinator.clipFetched(attemptId, null)
    if (outcome.kind === 'taken') {
      const { short } = outcome
      // Who retries its job after that has decided to have it as it is.
      const isHeld = options.shortClips === 'hold' && !acceptsShort
      if (short === null || !isHeld) return coordinator.clipKept(attemptId, short)
      return coordinator.clipLost(attemptId, { code: shortClipCode, reason: short })
    }
    if (outcome.kind === 'blamed on FFmpeg') return coordinator.takeFailed(attemptId, outcome.failure)
    const { failure } = outcome
    // It came whole, and would cost as much again.
    if (failure.code === 'clip_too_long') return coordinator.clipLost(attemptId, failure)
    await coordinator.cannotRead(attemptId, failure, host.now())
    bad = failure
    await wait(backOffMs(timesBad++, mostBadWaitMs))
  }

  /**
   * Fetches the clip of a render that has succeeded, as often as it takes within the time the provider keeps it: one answer
   * that names no clip, or says that there is none, may be older than the one that told of its success.
   */
  const fetchClip = async (
    attempt: Attempt,
    provider: Provider,
    directory: string,
  ): Promise<void | 'bad again'> => {
    const path = `${directory}/clip.mp4`
    const leftMs = Math.min(Math.max(clipKeptUntil(attempt) - host.now(), goneAfterMs), clipKeptMs)
    keptUntil ??= host.monotonic() + leftMs
    for (;;) {
      const begunAt = host.monotonic()
      const { isFetched, isAbsent, isRemoved, reason } = await fetchOnce(attempt, provider, path)
      const isLost = isGone(isAbsent)
      // Nothing takes the place of bytes that were paid for but what is better, and nothing else is kept.
      if (isFetched && (!bad || (await isWhole(attempt, path)))) {
        const { id } = await artifacts.adopt(path)
        if (bad) failing = undefined
        else await learnt(attempt)
        bad = undefined
        return coordinator.clipFetched(attemptId, id)
      }
      if (isLost || isRemoved || host.monotonic() >= keptUntil)
        return coordinator.clipLost(
          attemptId,
          bad ?? {
            code: 'clip_lost',
            reason: `it was rendered and paid for, and could not be fetched while the provider kept it: ${reason}. Nothing is bought instead unless you regenerate the scene`,
          },
        )
      if (isFetched) return 'bad again'
      await waitAgain(begunAt, { reason })
    }
  }

  const isWhole = async (attempt: Attempt, path: string): Promise<boolean> => {
    const outcome = await studio
      .inTurn(() => clips.verify(path, attempt.settings?.seconds ?? 0, signal))
      .catch((error: unknown) => {
        if (failureOfTaking(error, ending)) return undefined
        throw error
      })
    return outcome?.kind === 'taken'
  }

  /** One try to fetch it, from where the provider says that it is now, or said so when the render had ended. */
  const fetchOnce = async (
    attempt: Attempt,
    provider: Provider,
    path: string,
  ): Promise<{
    /** Whether `path` holds its bytes. */
    readonly isFetched: boolean
    readonly isAbsent: boolean
    readonly isRemoved: boolean
    readonly reason: string
  }> => {
    const read = await provider.read(attempt.providerId!, ending)
    const render = read.kind === 'found' ? read.render : undefined
    const isRemoved = render?.isRemoved ?? false
    const url = render?.outputUrl ?? attempt.outputUrl
    if (url !== null) {
      const request = { url, others: render?.otherUrls ?? [], path, maxBytes: maxClipBytes }
      const outcome: FetchOutcome = await options.inFetchTurn(() => provider.fetchClip(request, ending))
      if (outcome.kind === 'fetched') return { isFetched: true, isAbsent: false, isRemoved, reason: '' }
      const reason = isRemoved ? removedWords : outcome.reason
      return { isFetched: false, isAbsent: outcome.kind === 'gone', isRemoved, reason }
    }
    const isAbsent = read.kind === 'absent'
    if (read.kind === 'failed') return { isFetched: false, isAbsent, isRemoved, reason: read.reason }
    const reason = isRemoved ? removedWords : isAbsent ? noSuchRender : 'the provider names no clip yet'
    return { isFetched: false, isAbsent, isRemoved, reason }
  }

  return { step, hasWaited, rest: (turn: number) => wait(backOffMs(turn, minute)), close: endNews }
}

/** Why a person has to decide, with what there is to choose from. */
function doubtWords(doubtful: readonly (Candidate & Pick<ListedRender, 'hasInput'>)[]): string {
  const told = doubtful
    .slice(0, toldCandidates)
    .map(({ id, state, createdAt }) => `${id} (${state}, of ${new Date(createdAt).toISOString()})`)
  const more = doubtful.length > told.length ? ` and ${doubtful.length - told.length} more` : ''
  const why = doubtful.every(({ hasInput }) => hasInput)
    ? 'the provider lists what was asked for without the mark of this request'
    : 'the provider has removed what was sent'
  return `${why}, and ${told.join(', ')}${more} may be it`
}

const toldCandidates = 5

const noSuchRender = 'the provider says that it has no such render'
const removedWords = 'the provider has removed it'

/** What is known, and what is assumed: providers do not say what they charge. */
const endWords = {
  succeeded: '',
  failed: 'the provider gives no reason',
  cancelled: 'the provider ended it while it ran; that is taken to be charged in full',
  aborted: 'the provider ended it before it began; that is taken to cost nothing',
} as const
