/**
 * Fetches the clip of a succeeded render while the provider keeps it, stores it unchanged, then verifies it. Bad bytes stay
 * stored until better ones arrive.
 */
import {
  type Attempt,
  clipKeptMs,
  clipKeptUntil,
  shortClipCode,
  takeAgainAt,
  takeWaitMs,
} from '../../job/attempt.ts'
import type { FetchOutcome, Provider } from '../../renderer/provider.ts'
import { failureOfTaking, isMissing } from '../clips.ts'
import {
  type Follower,
  backOff,
  backOffMs,
  endBackOff,
  goneAfterMs,
  isGone,
  minute,
  noSuchRender,
  wait,
} from './follower.ts'

/** Longest wait between two fetches of a clip whose bytes were bad. */
const mostBadWaitMs = 5 * minute

const maxClipBytes = 2 ** 30

const removedWords = 'the provider has removed it'

export async function keepClip(follower: Follower, attempt: Attempt, provider: Provider): Promise<void> {
  if (attempt.fetched !== null && !follower.bad) return takeClip(follower, attempt, attempt.fetched)
  const came = await follower.studio.inWorkspace(({ directory }) =>
    fetchClip(follower, attempt, provider, `${directory}/clip.mp4`),
  )
  if (came === 'bad again') await waitAfterBad(follower)
}

const waitAfterBad = (follower: Follower): Promise<void> =>
  wait(follower, backOffMs(follower.timesBad++, mostBadWaitMs))

/** Verifies the stored bytes. Bad ones are fetched again while the provider keeps the clip. */
async function takeClip(follower: Follower, attempt: Attempt, fetched: string): Promise<void> {
  const { attemptId, clips, coordinator, ending, host, signal, studio } = follower
  // Capped, because the clock may have been set back.
  const waitMs = Math.min(takeAgainAt(attempt) - host.now(), takeWaitMs(attempt))
  const begunAt = host.monotonic()
  for (let left = waitMs; left > 0; left = waitMs - (host.monotonic() - begunAt)) await wait(follower, left)
  follower.acceptsShort ||= attempt.failure?.code === shortClipCode
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
    // A job retried after this failure accepts the clip as it is.
    const isHeld = follower.shortClips === 'hold' && !follower.acceptsShort
    if (short === null || !isHeld) return coordinator.clipKept(attemptId, short)
    return coordinator.clipLost(attemptId, { code: shortClipCode, reason: short })
  }
  if (outcome.kind === 'blamed on FFmpeg') return coordinator.takeFailed(attemptId, outcome.failure)
  const { failure } = outcome
  // The clip arrived intact, and verifying it again would take as long.
  if (failure.code === 'clip_too_long') return coordinator.clipLost(attemptId, failure)
  await coordinator.cannotRead(attemptId, failure, host.now())
  follower.bad = failure
  await waitAfterBad(follower)
}

/**
 * Fetches the clip, and retries as long as the provider keeps it: an answer that names no clip, or reports its absence, may
 * be older than the one that reported success.
 */
async function fetchClip(
  follower: Follower,
  attempt: Attempt,
  provider: Provider,
  path: string,
): Promise<void | 'bad again'> {
  const { artifacts, attemptId, coordinator, host } = follower
  const leftMs = Math.min(Math.max(clipKeptUntil(attempt) - host.now(), goneAfterMs), clipKeptMs)
  const keptUntil = (follower.keptUntil ??= host.monotonic() + leftMs)
  for (;;) {
    const begunAt = host.monotonic()
    const { isFetched, isAbsent, isRemoved, reason } = await fetchOnce(follower, attempt, provider, path)
    const isLost = isGone(follower, { isAbsent })
    // Only bytes that pass verification may replace stored ones that were paid for.
    if (isFetched && (!follower.bad || (await isWhole(follower, attempt, path)))) {
      const { id } = await artifacts.adopt(path)
      if (follower.bad) follower.unreadable = undefined
      else await endBackOff(follower, attempt)
      follower.bad = undefined
      return coordinator.clipFetched(attemptId, id)
    }
    if (isLost || isRemoved || host.monotonic() >= keptUntil)
      return coordinator.clipLost(
        attemptId,
        follower.bad ?? {
          code: 'clip_lost',
          reason: `it was rendered and paid for, and could not be fetched while the provider kept it: ${reason}. Nothing is bought instead unless you regenerate the scene`,
        },
      )
    if (isFetched) return 'bad again'
    await backOff(follower, begunAt, { reason })
  }
}

async function isWhole(
  { clips, ending, signal, studio }: Follower,
  attempt: Attempt,
  path: string,
): Promise<boolean> {
  const outcome = await studio
    .inTurn(() => clips.verify(path, attempt.settings?.seconds ?? 0, signal))
    .catch((error: unknown) => {
      if (failureOfTaking(error, ending)) return undefined
      throw error
    })
  return outcome?.kind === 'taken'
}

interface Fetched {
  /** Whether the file holds the clip's bytes. */
  readonly isFetched: boolean
  readonly isAbsent: boolean
  readonly isRemoved: boolean
  readonly reason: string
}

/** Tries once to fetch the clip, from the URL that the provider names now, or else named when the render ended. */
async function fetchOnce(
  { ending, fetchSlots }: Follower,
  attempt: Attempt,
  provider: Provider,
  path: string,
): Promise<Fetched> {
  const read = await provider.read(attempt.providerId!, ending)
  const render = read.kind === 'found' ? read.render : undefined
  const isRemoved = render?.isRemoved ?? false
  const url = render?.outputUrl ?? attempt.outputUrl
  if (url !== null) {
    const request = { url, others: render?.otherUrls ?? [], path, maxBytes: maxClipBytes }
    const outcome: FetchOutcome = await fetchSlots(() => provider.fetchClip(request, ending))
    if (outcome.kind === 'fetched') return { isFetched: true, isAbsent: false, isRemoved, reason: '' }
    const reason = isRemoved ? removedWords : outcome.reason
    return { isFetched: false, isAbsent: outcome.kind === 'gone', isRemoved, reason }
  }
  const isAbsent = read.kind === 'absent'
  if (read.kind === 'failed') return { isFetched: false, isAbsent, isRemoved, reason: read.reason }
  const reason = isRemoved ? removedWords : isAbsent ? noSuchRender : 'the provider names no clip yet'
  return { isFetched: false, isAbsent, isRemoved, reason }
}
