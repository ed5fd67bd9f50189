/**
 * Searches the provider for the render of an attempt that may have been accepted, until it is found or proven absent, or
 * until only a person can decide.
 */
import { type Attempt, type Candidate, absentAfterMs } from '../../job/attempt.ts'
import type {
  ListOutcome,
  ListedRender,
  Provider,
  ProviderRender,
  ReadOutcome,
  Recognise,
} from '../../renderer/provider.ts'
import {
  type Follower,
  backOff,
  backOffMs,
  endBackOff,
  hour,
  minute,
  second,
  skewMs,
  wait,
} from './follower.ts'
import { refuse } from './order.ts'
import { namesAnother, resembles } from './recognise.ts'

/** How far the clock may have been set back since a request was sent: the search begins that much earlier. */
const clockStepMs = hour

/** A provider that fetched an attempt's picture has its request: how long to wait until the list shows the render. */
const acceptedAbsentMs = 10 * minute

/** After a provider was unreadable for this long, a person decides. */
const unreadableMs = 6 * hour
/** Least time of failed reads before that: one failure after a long sleep or a clock change is not enough. */
const leastTriedMs = 10 * minute

const mostWaitMs = 30 * second

/** Searches once. `times`: how many searches came before. */
export async function search(
  follower: Follower,
  attempt: Attempt,
  provider: Provider,
  times: number,
): Promise<void> {
  if ((await adoptHinted(follower, attempt, provider)) === 'yes') return
  const { attemptId, coordinator, ending, host } = follower
  const moment = { begunAt: host.monotonic(), now: host.now() }
  const sentAt = sentAtOf(attempt, moment.now)
  const recognise: Recognise = {
    markIn: (text) => markIn(text, attempt.marks) ?? namesAnother(text),
    resembles: (render) => resembles(attempt, render),
  }
  const listing = await follower.listSlots(() =>
    provider.list({ after: sentAt - clockStepMs }, recognise, ending),
  )
  if (listing.kind === 'failed') return listUnreadable(follower, attempt, listing, moment)
  await endBackOff(follower, attempt)
  if (follower.whyUnknown !== undefined) await coordinator.renderStillUnknown(attemptId, follower.whyUnknown)
  const found = listing.renders.find(({ mark }) => mark !== null && attempt.marks.includes(mark))
  if (found) await coordinator.renderAccepted(attemptId, found.id)
  else if ((await proveAbsent(follower, attempt, listing.renders, moment)) === 'not yet')
    await wait(follower, backOffMs(times + 2, mostWaitMs))
}

async function listUnreadable(
  follower: Follower,
  attempt: Attempt,
  listing: Extract<ListOutcome, { kind: 'failed' }>,
  { begunAt, now }: { readonly begunAt: number; readonly now: number },
): Promise<void> {
  const { attemptId, coordinator, host, unreadable } = follower
  const words = `the provider's list can't be read: ${listing.reason}`
  const triedMs = unreadable === undefined ? 0 : host.monotonic() - unreadable.from
  if (now - sentAtOf(attempt, now) >= unreadableMs && triedMs >= leastTriedMs)
    return coordinator.renderHeld(attemptId, words, [])
  follower.whyUnknown ??= attempt.failure?.reason
  await coordinator.renderStillUnknown(attemptId, words)
  await backOff(follower, begunAt, listing, mostWaitMs)
}

/** The list does not show the render: refuses the attempt if that proves absence, holds it if another may be its own. */
async function proveAbsent(
  follower: Follower,
  attempt: Attempt,
  renders: readonly ListedRender[],
  // When the list was read at the latest: a process that was stopped since must not take it for a newer one.
  { begunAt, now }: { readonly begunAt: number; readonly now: number },
): Promise<'not yet' | 'decided'> {
  const { attemptId, coordinator } = follower
  // Monotonic: the wall clock may be set forward.
  const lookingSince = (follower.lookingSince ??= begunAt)
  if (begunAt - lookingSince < absentAfterMs) return 'not yet'
  // If the clock was set forward since, the provider's dates are later by as much.
  const lookedFrom = now - (begunAt - lookingSince)
  const unknownSince = Math.max(attempt.unknownSince ?? now, lookedFrom)
  const doubtful = await nameless(follower, attempt, renders, {
    from: sentAtOf(attempt, now) - skewMs,
    to: unknownSince + absentAfterMs + skewMs,
  })
  if (doubtful.length > 0) {
    await coordinator.renderHeld(attemptId, doubtWords(doubtful), doubtful)
    return 'decided'
  }
  if ((await coordinator.attempt(attemptId))?.picturesFetchedAt != null) {
    if (begunAt - lookingSince < acceptedAbsentMs) return 'not yet'
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
  // The provider is at fault, not this scene: an outage fails no job.
  const trouble = { code, reason: follower.whyUnknown ?? lastReason, retry: true }
  await refuse(follower, trouble, { countsAsTry: false })
  return 'decided'
}

/** Adopts the render that a person has named for a held attempt. */
export async function adoptNamed(follower: Follower, attempt: Attempt, provider: Provider): Promise<void> {
  const begunAt = follower.host.monotonic()
  const adopted = await adoptHinted(follower, attempt, provider)
  if (adopted === 'no') await follower.coordinator.hintRefused(follower.attemptId, attempt.hintedId!)
  else if (adopted !== 'yes') await backOff(follower, begunAt, adopted)
}

/** Adopts the render that a webhook, reconciliation or a person named. Only a person's choice needs no matching evidence. */
async function adoptHinted(
  { attemptId, coordinator, ending }: Follower,
  attempt: Attempt,
  provider: Provider,
): Promise<'yes' | 'no' | Extract<ReadOutcome, { kind: 'failed' }>> {
  if (attempt.hintedId === null) return 'no'
  if ((await coordinator.knownRenders(attempt.renderer, [attempt.hintedId])).size > 0) return 'no'
  const read = await provider.read(attempt.hintedId, ending)
  if (read.kind === 'failed') return read
  const isIts =
    read.kind === 'found' &&
    (attempt.status === 'held' ||
      carries(read.render, attempt.marks) ||
      // The provider named it at this attempt's own address, and omits the input that carried the mark.
      (resembles(attempt, read.render) && !namesAnother(read.render.inputText)))
  if (!isIts) return 'no'
  await coordinator.renderAccepted(attemptId, attempt.hintedId, read.render.inputText)
  return 'yes'
}

const sentAtOf = ({ postedAt, insertedAt }: Attempt, now: number): number =>
  Math.min(postedAt ?? insertedAt, now)

const markIn = (inputText: string, marks: readonly string[]): string | undefined =>
  marks.find((mark) => inputText.includes(mark))

const carries = ({ inputText }: ProviderRender, marks: readonly string[]): boolean =>
  inputText !== null && markIn(inputText, marks) !== undefined

type Doubtful = Candidate & Pick<ListedRender, 'hasInput'>

/**
 * Renders of that time without a mark and without a known attempt: the provider no longer lists their input, or they
 * resemble this attempt's request.
 */
async function nameless(
  { coordinator }: Follower,
  { renderer }: Attempt,
  renders: readonly ListedRender[],
  created: { readonly from: number; readonly to: number },
): Promise<readonly Doubtful[]> {
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

const namedCandidates = 5

/** Why a person must decide, with the candidates. */
function doubtWords(doubtful: readonly Doubtful[]): string {
  const named = doubtful
    .slice(0, namedCandidates)
    .map(({ id, state, createdAt }) => `${id} (${state}, of ${new Date(createdAt).toISOString()})`)
  const more = doubtful.length > named.length ? ` and ${doubtful.length - named.length} more` : ''
  const why = doubtful.every(({ hasInput }) => hasInput)
    ? 'the provider lists what was asked for without the mark of this request'
    : 'the provider has removed what was sent'
  return `${why}, and ${named.join(', ')}${more} may be it`
}
