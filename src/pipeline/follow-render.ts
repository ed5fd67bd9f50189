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
import type { AttemptVerbs } from '../coordinator/attempt-verbs.ts'
import type { Coordinator } from '../coordinator/coordinator.ts'
import type { DiskRoom } from '../disk-full.ts'
import type { TaskContext, TaskHandler } from '../engine/engine.ts'
import type { Host } from '../host.ts'
import { type Attempt, type Candidate, takeAgainAt, takeWaitMs } from '../job/attempt.ts'
import type { Storyboard } from '../job/job.ts'
import type { Failure } from '../job/scene.ts'
import type {
  FetchOutcome,
  ListedRender,
  PreparedOrder,
  Provider,
  ProviderRender,
  ProviderTrouble,
  Recognise,
  Refusal,
} from '../renderer/provider.ts'
import { type Clips, failureOfTaking, isMissing } from './clips.ts'
import { namesAnother, resembles } from './recognise.ts'
import type { Studio } from './studio.ts'
import { withinAccount } from './within-account.ts'
import { type Turns, createTurns } from './turns.ts'

export interface FollowRenderOptions {
  readonly coordinator: AttemptVerbs & Pick<Coordinator, 'asset' | 'job'>
  readonly providers: readonly Provider[]
  readonly artifacts: Pick<ArtifactStore, 'localPath' | 'adopt'>
  readonly clips: Pick<Clips, 'take'>
  readonly studio: Pick<Studio, 'picture' | 'inTurn' | 'inWorkspace'>
  readonly host: Host
  /** Of clips to come: none is bought while only the reserve for those under way is left. */
  readonly room: Pick<DiskRoom, 'require'>
  /** The text that an attempt's render carries at the provider. */
  readonly markOf: (attemptId: string) => string
  /** Whether the provider can tell us that a render has ended: then it is asked less often. */
  readonly isNotified: boolean
}

const second = 1000
const minute = 60 * second
const hour = 60 * minute

/** A clock may be put right meanwhile: what a provider dates is compared with ours this loosely. */
const skewMs = 5 * minute

/** So far a clock may have been put back since a request was sent: what carries its mark is looked for that much earlier. */
const clockStepMs = hour

/** A provider lists a render at most a minute after it has accepted it; absence is believed when twice that is over. */
const absentAfterMs = 2 * minute

/** Where a picture of it was fetched, the provider has it, and a list that does not show it is waited for so long. */
const acceptedAbsentMs = 10 * minute

/** A provider that can't be read for so long is not waited for: a person decides. */
const unreadableMs = 6 * hour

/** Renders and their clips are kept by the provider for an hour. */
const clipKeptMs = hour + 5 * minute

/** How often in all renders are read in a second; providers allow 50. */
const readsPerSecond = 20
const readEveryMs = { notified: 15 * second, alone: second }

/** How often the same bytes are fetched and found bad before the clip is given up. */
const maxFetches = 3

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
      let before: Attempt['status'] | undefined
      for (let turn = 0; ; turn++) {
        const attempt = await coordinator.attempt(attemptId)
        if (!attempt) return
        if (attempt.status !== before) turn = 0
        before = attempt.status
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
function createShapes(coordinator: Pick<Coordinator, 'job'>): (jobId: number) => Promise<Shape> {
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
  /** What is wrong with the bytes that are kept: perhaps they were damaged on their way. */
  let bad: Failure | undefined
  let timesBad = 0
  let news = false
  let wake: AbortController | undefined
  const endNews = coordinator.onNews(attemptId, () => {
    news = true
    wake?.abort()
  })

  /** Waits until it is time, or something has happened. @throws where this process is to end. */
  const wait = async (ms: number): Promise<void> => {
    wake = new AbortController()
    if (!news) await host.sleep(ms, AbortSignal.any([ending, wake.signal]))
    news = false
    ending.throwIfAborted()
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
        if (!(await search(attempt, provider))) await wait(backOffMs(turn + 2, 30 * second))
        return 'again'
      case 'held': {
        if (attempt.hintedId === null) return 'over'
        const adopted = await adoptHinted(attempt, provider)
        if (adopted === 'no') await coordinator.hintRefused(attemptId, attempt.hintedId)
        if (adopted === 'unreadable') await wait(backOffMs(turn, minute))
        return 'again'
      }
      case 'submitted':
        await watch(attempt, provider, turn)
        return 'again'
      case 'succeeded': {
        if (attempt.clip !== null) return 'over'
        if (attempt.fetched !== null && !bad) await takeClip(attempt, attempt.fetched)
        else await studio.inWorkspace((directory) => fetchClip(attempt, provider, directory))
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
    const { format, fit } = await options.shapeOf(scene.jobId)
    const masters = await Promise.all(scene.asset_ids.map(async (id) => (await coordinator.asset(id)).master))
    const inputs = await Promise.all(masters.map((master) => studio.picture(master, { ...format, fit })))
    const images = await Promise.all(inputs.map((id) => artifacts.localPath(id)))
    const mark = options.markOf(attemptId)
    const { model, prompt } = scene
    const prepared = await provider.prepare(
      { attemptId, mark, model, prompt, settings: attempt.settings!, format, images },
      ending,
    )
    if (isTrouble(prepared)) return refuse(prepared, true)
    const account = await provider.account(ending)
    ending.throwIfAborted()
    if (account.kind === 'failed') return refused(account.refusal)
    const posting = { marks: prepared.marks, inputs, account: account.name, prompt }
    for (;;) {
      const post = await coordinator.beginPost(attemptId, posting)
      if (post.kind === 'over') return
      if (post.kind === 'go') break
      await wait(post.until - host.now())
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
  const adoptHinted = async (attempt: Attempt, provider: Provider): Promise<'yes' | 'no' | 'unreadable'> => {
    if (attempt.hintedId === null) return 'no'
    // Another attempt's can't be adopted, and to try again and again would be a loop without a pause.
    if ((await coordinator.knownRenders(attempt.renderer, [attempt.hintedId])).size > 0) return 'no'
    const read = await provider.read(attempt.hintedId, ending)
    if (read.kind === 'failed') return 'unreadable'
    const isIts =
      read.kind === 'found' &&
      (attempt.status === 'held' ||
        carries(read.render, attempt.marks) ||
        // The provider told it at this attempt's own address, and leaves out what carried the mark.
        (resembles(attempt, read.render) && !namesAnother(read.render.inputText)))
    if (isIts) await coordinator.renderAccepted(attemptId, attempt.hintedId)
    return isIts ? 'yes' : 'no'
  }

  /** One look for an attempt that may have been accepted; resolves to whether that is decided now. */
  const search = async (attempt: Attempt, provider: Provider): Promise<boolean> => {
    if ((await adoptHinted(attempt, provider)) === 'yes') return true
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
      if (now - sentAt >= unreadableMs) {
        await coordinator.renderHeld(attemptId, `the provider's list can't be read (${listing.reason})`, [])
        return true
      }
      await coordinator.renderStillUnknown(attemptId, `the provider's list can't be read: ${listing.reason}`)
      return false
    }
    const found = listing.renders.find(({ mark }) => mark !== null && attempt.marks.includes(mark))
    if (found) {
      await coordinator.renderAccepted(attemptId, found.id)
      return true
    }
    // By a clock that is never put forward.
    lookingSince ??= host.monotonic()
    if (host.monotonic() - lookingSince < absentAfterMs) return false
    const unknownSince = attempt.unknownSince ?? now
    const doubtful = await nameless(attempt, listing.renders, {
      from: sentAt - skewMs,
      to: unknownSince + absentAfterMs + skewMs,
    })
    if (doubtful.length > 0) {
      await coordinator.renderHeld(attemptId, doubtWords(doubtful), doubtful)
      return true
    }
    if ((await coordinator.attempt(attemptId))?.picturesFetchedAt != null) {
      if (host.monotonic() - lookingSince < acceptedAbsentMs) return false
      await coordinator.renderHeld(
        attemptId,
        'the provider has fetched a picture of it, so that it has the request, and does not list it',
        [],
      )
      return true
    }
    const { code, reason } = attempt.failure ?? { code: 'absent', reason: 'the provider has no such render' }
    // The provider's trouble, and not this scene's: an outage fails no job.
    await refuse({ code, reason, retry: true }, false)
    return true
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
  const watch = async (attempt: Attempt, provider: Provider, turn: number): Promise<void> => {
    const renderId = attempt.providerId!
    const isWanted = attempt.cancelRequestedAt === null
    const read = await (isWanted ? provider.read(renderId, ending) : provider.cancel(renderId, ending))
    if (read.kind === 'found') {
      if (read.render.state !== 'running') return renderEnded(read.render)
      return wait(options.readPauseMs())
    }
    // One that can't be read is asked for again and again: what it cost is known when it can.
    const overdueAt = (attempt.postedAt ?? attempt.insertedAt) + provider.cancelAfterMs + skewMs
    if (read.kind === 'absent' && host.now() > overdueAt)
      return coordinator.renderEnded(attemptId, 'cancelled', {
        failure: {
          code: 'render_lost',
          reason: `the provider no longer tells of ${renderId}; it is taken for charged`,
        },
        retry: false,
      })
    await wait(Math.max(backOffMs(turn, minute), read.kind === 'failed' ? (read.waitMs ?? 0) : 0))
  }

  const renderEnded = ({ state, trouble }: ProviderRender): Promise<void> => {
    const end = state === 'running' ? 'failed' : state
    const { retry, code, reason } = trouble ?? { retry: true, code: `render_${end}`, reason: endWords[end] }
    return coordinator.renderEnded(attemptId, end, { failure: { code, reason }, retry })
  }

  /** Verifies the bytes that are kept. Bad ones are fetched again, as long as the provider has them. */
  const takeClip = async (attempt: Attempt, fetched: string): Promise<void> => {
    // No longer than that, should the clock have been put back.
    const waitMs = Math.min(takeAgainAt(attempt) - host.now(), takeWaitMs(attempt))
    const begunAt = host.monotonic()
    for (let left = waitMs; left > 0; left = waitMs - (host.monotonic() - begunAt)) await wait(left)
    const outcome = await studio
      .inTurn(() => clips.take(fetched, signal))
      .catch((error: unknown) => {
        if (isMissing(error)) return 'missing' as const
        const failure = failureOfTaking(error, ending)
        if (failure) return { kind: 'blamed on FFmpeg' as const, failure }
        throw error
      })
    if (outcome === 'missing') return coordinator.clipFetched(attemptId, null)
    if (outcome.kind === 'taken') return coordinator.clipKept(attemptId)
    if (outcome.kind === 'blamed on FFmpeg') return coordinator.takeFailed(attemptId, outcome.failure)
    if (++timesBad >= maxFetches) return coordinator.clipLost(attemptId, outcome.failure)
    bad = outcome.failure
    await wait(backOffMs(timesBad, minute))
  }

  /** Fetches the clip of a render that has succeeded, as often as it takes within the time the provider keeps it. */
  const fetchClip = async (attempt: Attempt, provider: Provider, directory: string): Promise<void> => {
    const path = `${directory}/clip.mp4`
    for (let turn = 0; ; turn++) {
      const read = await provider.read(attempt.providerId!, ending)
      const render = read.kind === 'found' ? read.render : undefined
      let reason = read.kind === 'failed' ? read.reason : 'the provider has removed it'
      if (render?.outputUrl) {
        const request = { url: render.outputUrl, path, maxBytes: maxClipBytes }
        const fetched: FetchOutcome = await options.inFetchTurn(() => provider.fetchClip(request, ending))
        if (fetched.kind === 'fetched') {
          const { id } = await artifacts.adopt(path)
          bad = undefined
          return coordinator.clipFetched(attemptId, id)
        }
        reason = fetched.reason
      }
      const isRemoved = read.kind === 'absent' || render?.outputUrl === null
      if (isRemoved || host.now() > attempt.updatedAt + clipKeptMs)
        return coordinator.clipLost(
          attemptId,
          bad ?? {
            code: 'clip_lost',
            reason: `it was rendered and paid for, and could not be fetched while the provider kept it: ${reason}. Nothing is bought instead unless you regenerate the scene`,
          },
        )
      await wait(backOffMs(turn, minute))
    }
  }

  return { step, close: endNews }
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

const endWords = {
  succeeded: '',
  failed: 'the provider gives no reason',
  cancelled: 'the provider ended it while it ran, which is charged',
  aborted: 'the provider ended it before it began, which is not charged',
} as const
