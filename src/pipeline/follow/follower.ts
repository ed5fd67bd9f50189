/** The state of following one attempt: what all followers share, its signals, and what it has observed so far. */
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

/** Tolerance between a provider's timestamps and ours: a clock may be corrected in between. */
export const skewMs = 5 * minute

/** A render or clip counts as gone after the provider reported its absence for this long: a single answer may be stale. */
export const goneAfterMs = 3 * minute

export const noSuchRender = 'the provider says that it has no such render'

/** An unreadable provider is reported once this has lasted so long, or will have by the next try. */
const reportAfterMs = 30 * second

/** What all followers share. */
export interface FollowParts {
  readonly coordinator: RunningCoordinator
  readonly artifacts: Pick<ArtifactStore, 'adopt'>
  readonly clips: Pick<Clips, 'take' | 'verify'>
  readonly studio: Pick<Studio, 'picture' | 'inTurn' | 'inWorkspace'>
  readonly host: Host
  /** Disk space for new clips: none is bought while only the reserve for clips under way is left. */
  readonly room: Pick<DiskRoom, 'require'>
  /** The mark that identifies an attempt's render at the provider. */
  readonly markOf: (attemptId: string) => string
  /** For a clip much shorter than paid for: `hold` lets a person decide, `take` uses it and reports it. */
  readonly shortClips: 'hold' | 'take'
  readonly readPauseMs: () => number
  readonly shapeOf: (jobId: number) => Promise<Pick<Storyboard, 'format' | 'fit'>>
  readonly fetchSlots: Semaphore
  readonly listSlots: Semaphore
}

export interface Follower extends FollowParts {
  readonly attemptId: string
  /** Aborted when the task is cancelled or the grace period is over. */
  readonly signal: AbortSignal
  /** Aborted also when this process begins to stop: waits end then. */
  readonly ending: AbortSignal
  readonly alarm: Alarm
  /** Whether it has waited since it last read the attempt's row. */
  hasWaited: boolean
  /** Since when the provider is unreadable (`since`: wall clock, `from`: monotonic), and how many reads in a row failed. */
  unreadable: { readonly since: number; readonly from: number; times: number } | undefined
  /** Since when the provider reports absence without a break; monotonic, because the wall clock may be set forward. */
  absentFrom: number | undefined
  /** When the search for an unknown attempt began; monotonic. */
  lookingSince: number | undefined
  /** The attempt's failure reason from before the provider's list became unreadable. */
  whyUnknown: string | undefined
  /** Until when the provider keeps the clip; monotonic. */
  keptUntil: number | undefined
  /** Why the stored bytes are bad: the transfer may have damaged them. */
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

/** Waits `ms`, or until a signal arrives. @throws if `ending` is aborted. */
export async function wait(follower: Follower, ms: number): Promise<void> {
  const { alarm, ending } = follower
  follower.hasWaited = true
  await alarm.sleep(ms, ending)
  alarm.set()
  ending.throwIfAborted()
}

/** A read failed: reports it once failures last, then waits. `begunAt`: when the read began, by the monotonic clock. */
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

/** A read succeeded: reports it if failed reads came before. */
export async function endBackOff(follower: Follower, { troubleSince }: Attempt): Promise<void> {
  const wasReported = follower.unreadable !== undefined || troubleSince !== null
  follower.unreadable = undefined
  if (wasReported) await follower.coordinator.canRead(follower.attemptId)
}

/** Records whether the provider reports absence. Returns whether it has done so for long enough to be believed. */
export function isGone(follower: Follower, { isAbsent }: { readonly isAbsent: boolean }): boolean {
  const now = follower.host.monotonic()
  follower.absentFrom = isAbsent ? (follower.absentFrom ?? now) : undefined
  return follower.absentFrom !== undefined && now - follower.absentFrom >= goneAfterMs
}
