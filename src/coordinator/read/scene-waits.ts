/** Why a scene waits, by its own row, its attempt or its task: reason, code and start. Pure. */
import { type Attempt, absentAfterMs, clipKeptUntil, takeAgainAt, triedWords } from '../../job/attempt.ts'
import type { Scene } from '../../job/scene.ts'
import type { CrashedTask } from '../../store/tasks.ts'
import type { Waiting, WaitingSince } from '../admission/rules.ts'

/**
 * From the first search for an attempt, whose request may be a minute old, until the provider counts as not
 * having received it. In ms.
 */
const settledAfterMs = absentAfterMs + 60_000

/** A future time; null where it has passed, as the end is then unknown. */
const toCome = (at: number, now: number): number | null => (at > now ? at : null)

/** Why a scene with an attempt does not progress; undefined where it does. */
export function attemptWait(attempt: Attempt, now: number): WaitingSince | undefined {
  const { status, failure, unknownSince, updatedAt, fetched, takeTries, trouble, troubleSince } = attempt
  const why = failure ? ` (${failure.reason})` : ''
  if (status === 'held')
    return {
      code: 'held',
      reason: `the provider may have accepted this render: resolve the scene${why}`,
      until: null,
      since: updatedAt,
    }
  if (status === 'unknown')
    return {
      code: 'unknown',
      reason: `finding out whether the provider accepted this render${why}${trouble ? `; the provider cannot be read: ${trouble.reason}` : ''}`,
      until: trouble ? null : toCome((unknownSince ?? updatedAt) + settledAfterMs, now),
      since: unknownSince ?? updatedAt,
    }
  if (status === 'submitted' && trouble)
    return {
      code: 'unreadable',
      reason: `the provider accepted this render but cannot be read (${trouble.reason}); will retry`,
      until: null,
      since: troubleSince ?? updatedAt,
    }
  if (status === 'succeeded' && failure && takeTries > 0)
    return {
      code: 'ffmpeg_failed',
      reason: `${triedWords(failure, takeTries)}; the clip is kept`,
      until: takeAgainAt(attempt),
      since: updatedAt,
    }
  if (status === 'succeeded')
    return {
      code: 'fetching',
      reason: fetchingWords(attempt),
      until: fetched === null || trouble ? toCome(clipKeptUntil(attempt), now) : null,
      since: troubleSince ?? updatedAt,
    }
  return undefined
}

function fetchingWords({ fetched, trouble }: Attempt): string {
  const paid = 'rendered and paid for'
  if (!trouble) return `${paid}; ${fetched === null ? 'fetching' : 'verifying'} its clip`
  return fetched === null
    ? `${paid}; its clip cannot be fetched yet (${trouble.reason}); will retry while the provider keeps it`
    : `${paid}; its clip is bad (${trouble.reason}); the bytes are kept, and will be fetched again while the provider has them`
}

/** Why a task that ran during a crash has not restarted yet. */
export const crashWait = ({ crashes, runAt, crashedAt }: CrashedTask, now: number): WaitingSince => ({
  code: 'after_crash',
  reason: `the server died ${crashes === 1 ? 'once' : `${crashes} times`} while this ran; it will resume by itself`,
  until: runAt > now ? runAt : null,
  since: crashedAt,
})

/** FFmpeg failed on the scene's kept clip and will retry. */
export const takingWait = ({ error, updatedAt }: Scene, until: number): WaitingSince => ({
  code: 'ffmpeg_failed',
  reason: `${error?.reason ?? 'no reason given'}; the clip is kept`,
  until,
  since: updatedAt,
})

export const backOffWait = ({ notBefore, error, updatedAt }: Scene, now: number): WaitingSince | undefined =>
  notBefore !== null && notBefore > now
    ? {
        code: 'back_off',
        reason: `failed and will be retried: ${error?.reason ?? 'no reason given'}`,
        until: notBefore,
        since: updatedAt,
      }
    : undefined

export const queueWait: Waiting = {
  code: 'queue',
  reason: 'other scenes are ahead in the queue',
  until: null,
}
