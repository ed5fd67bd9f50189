/** What following one attempt needs: what it shares with all others, its signals, and what it has seen so far. */
import type { ArtifactStore } from '../../artifact/artifact.ts'
import type { RunningCoordinator } from '../../coordinator/coordinator.ts'
import type { DiskRoom } from '../../disk-full.ts'
import type { TaskContext } from '../../engine/engine.ts'
import type { Host } from '../../host.ts'
import type { Attempt } from '../../job/attempt.ts'
import type { Storyboard } from '../../job/job.ts'
import type { Failure } from '../../job/scene.ts'
import { type Alarm, createAlarm } from '../../loop.ts'
import type { Clips } from '../clips.ts'
import type { Semaphore } from '../semaphore.ts'
import type { Studio } from '../studio.ts'

export const second = 1000
export const minute = 60 * second
export const hour = 60 * minute

/** A clock may be put right meanwhile: what a provider dates is compared with ours this loosely. */
export const skewMs = 5 * minute

/** A render or clip that the provider says is not there is gone when it has said nothing else for so long: one answer may be old. */
export const goneAfterMs = 3 * minute

export const noSuchRender = 'the provider says that it has no such render'

/** A provider that can't be read is reported when that has lasted so long, or will have before the next try. */
const reportAfterMs = 30 * second

/** What all followers share. */
export interface FollowParts {
  readonly coordinator: RunningCoordinator
  readonly artifacts: Pick<ArtifactStore, 'localPath' | 'adopt'>
  readonly clips: Pick<Clips, 'take' | 'verify'>
  readonly studio: Pick<Studio, 'picture' | 'inTurn' | 'inWorkspace'>
  readonly host: Host
  /** Of clips to come: none is bought while only the reserve for those under way is left. */
  readonly room: Pick<DiskRoom, 'require'>
  /** The text that an attempt's render carries at the provider. */
  readonly markOf: (attemptId: string) => string
  /** What becomes of a clip that is much shorter than was paid for: a person decides, or it is taken and reported. */
  readonly shortClips: 'hold' | 'take'
  readonly readPauseMs: () => number
  readonly shapeOf: (jobId: number) => Promise<Pick<Storyboard, 'format' | 'fit'>>
  readonly fetchSlots: Semaphore
  readonly listSlots: Semaphore
}

export interface Follower extends FollowParts {
  readonly attemptId: string
  /** Fires when the task is cancelled, or the grace time is over. */
  readonly signal: AbortSignal
  /** Fires also when this process begins to stop: what only waits ends then. */
  readonly ending: AbortSignal
  readonly alarm: Alarm
  /** Whether it has waited since the attempt's row was read last. */
  hasWaited: boolean
  /** Since when nothing can be learnt, and how often that was so in a row. By both clocks, as one may be put right. */
  unreadable: { readonly since: number; readonly from: number; times: number } | undefined
  /** Since when the provider says, without a break, that there is no such thing; by a clock that is never put forward. */
  absentFrom: number | undefined
  /** Since when an unknown attempt is looked for, by the same clock. */
  lookingSince: number | undefined
  /** What was said of it before the provider's list could not be read. */
  whyUnknown: string | undefined
  /** When the provider no longer keeps the clip, by the same clock. */
  keptUntil: number | undefined
  /** What is wrong with the bytes that are kept: perhaps they were damaged on their way. */
  bad: Failure | undefined
  timesBad: number
  acceptsShort: boolean
}

export const openFollower = (
  parts: FollowParts,
  attemptId: string,
  { signal, stopping }: TaskContext,
): Follower => ({
  ...parts,
  attemptId,
  signal,
  ending: AbortSignal.any([signal, stopping]),
  alarm: createAlarm(parts.host),
  hasWaited: false,
  unreadable: undefined,
  absentFrom: undefined,
  lookingSince: undefined,
  whyUnknown: undefined,
  keptUntil: undefined,
  bad: undefined,
  timesBad: 0,
  acceptsShort: false,
})

export const backOffMs = (times: number, mostMs: number): number =>
  Math.min(mostMs, second * 2 ** Math.min(times, 10))

/** Waits until it is time, or something has happened. @throws where this process is to end. */
export async function wait(follower: Follower, ms: number): Promise<void> {
  const { alarm, ending } = follower
  follower.hasWaited = true
  await alarm.sleep(ms, ending)
  alarm.set()
  ending.throwIfAborted()
}

/** Nothing was learnt: reports it where that lasts, and waits. `begunAt`: of the question, by the monotonic clock. */
export async function backOff(
  follower: Follower,
  begunAt: number,
  { reason, waitMs = null }: { readonly reason: string; readonly waitMs?: number | null },
  mostMs = minute,
): Promise<void> {
  const { attemptId, coordinator, host } = follower
  const from = Math.min(begunAt, host.monotonic())
  follower.unreadable ??= { since: host.now() - (host.monotonic() - from), from, times: 0 }
  const { unreadable } = follower
  const ms = Math.max(backOffMs(unreadable.times++, mostMs), waitMs ?? 0)
  if (host.monotonic() - unreadable.from + ms >= reportAfterMs)
    await coordinator.cannotRead(attemptId, { code: 'unreadable', reason }, Math.floor(unreadable.since))
  await wait(follower, ms)
}

/** Something was learnt: reports that where the opposite was. */
export async function endBackOff(follower: Follower, { troubleSince }: Attempt): Promise<void> {
  const wasReported = follower.unreadable !== undefined || troubleSince !== null
  follower.unreadable = undefined
  if (wasReported) await follower.coordinator.canRead(follower.attemptId)
}

/** Notes whether the provider says that there is none; whether it has said so for so long that it can be believed. */
export function isGone(follower: Follower, { isAbsent }: { readonly isAbsent: boolean }): boolean {
  const now = follower.host.monotonic()
  follower.absentFrom = isAbsent ? (follower.absentFrom ?? now) : undefined
  return follower.absentFrom !== undefined && now - follower.absentFrom >= goneAfterMs
}
