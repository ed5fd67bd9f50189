/** Attempts of which it is unknown whether the provider accepted the request. */
import type { Candidate } from '../../job/attempt.ts'
import type { Failure } from '../../job/scene.ts'
import { logLine } from '../../log.ts'
import {
  setHeld,
  setUnknown,
  noteUnknown,
  findAttempt,
  setTrouble,
  endTrouble,
} from '../../store/attempts.ts'
import type { Transaction } from '../../store/database.ts'
import type { Context } from '../context.ts'
import { noteOutage } from './cooldown.ts'

export async function hold(
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

export async function doubt(
  context: Context,
  tx: Transaction,
  attemptId: string,
  reason: string,
): Promise<void> {
  const { host, log, wakeAdmission } = context
  const attempt = await setUnknown(tx, attemptId, { code: 'unknown', reason }, host.now())
  if (!attempt) return
  tx.afterCommit(() => logLine.attemptUnknown(log, attempt, reason))
  tx.afterCommit(wakeAdmission)
}

/** `isSilent`: the provider gave no usable answer, although this process waited for one. */
export const renderUnknown = (
  context: Context,
  attemptId: string,
  { reason, isSilent }: { readonly reason: string; readonly isSilent: boolean },
): Promise<void> =>
  context.database.transaction(async (tx) => {
    const now = context.host.now()
    const attempt = await setUnknown(tx, attemptId, { code: 'unknown', reason }, now)
    if (!attempt) return
    tx.afterCommit(() => logLine.attemptUnknown(context.log, attempt, reason))
    // The request no longer blocks the next one.
    tx.afterCommit(context.wakeAdmission)
    if (isSilent) await noteOutage(tx, context.log, attempt, reason, now)
  })

/** Records why an attempt is still unknown. */
export const renderStillUnknown = (context: Context, attemptId: string, reason: string): Promise<void> =>
  context.database.transaction(async (tx) => {
    await noteUnknown(tx, attemptId, { code: 'unknown', reason })
  })

/** Holds an attempt that was neither found nor proven absent: a person decides. `candidates`: renders it may be. */
export const renderHeld = (
  context: Context,
  attemptId: string,
  reason: string,
  candidates: readonly Candidate[],
): Promise<void> => context.database.transaction((tx) => hold(context, tx, attemptId, reason, candidates))

/** Records since when an attempt cannot be read at its provider. */
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

/** Records that an attempt can be read again. */
export const canRead = (context: Context, attemptId: string): Promise<void> =>
  context.database.transaction(async (tx) => {
    const before = await findAttempt(tx, attemptId)
    if (before && (await endTrouble(tx, attemptId)) > 0)
      tx.afterCommit(() => logLine.attemptReadable(context.log, before))
  })
