/**
 * A provider that does not answer requests for renders: what was sent may have been accepted, so that each one keeps its place
 * and its money until that is known. Nothing more is sent for a while that grows, and then one at a time, until one is accepted.
 */
import type { Attempt } from '../../job/attempt.ts'
import { type Log, logLine } from '../../log.ts'
import type { Transaction } from '../../store/database.ts'
import type { GateRows } from '../../store/gate.ts'
import { endOutage, findOutage, putOutage } from '../../store/money.ts'
import { type Gate, type ProviderPause, outageWaitMs } from '../admission/rules.ts'

/** The longer one of what a provider asked for and of what it takes since it does not answer. */
export function pauseOf(
  { pause: asked, outage }: Pick<GateRows, 'pause' | 'outage'>,
  now: number,
): Pick<Gate, 'pause' | 'isProbed'> {
  const pauses: readonly ProviderPause[] = [
    ...(asked ? [{ ...asked, isAsked: true }] : []),
    ...(outage ? [{ until: outage.until, reason: outage.reason, isAsked: false }] : []),
  ]
  const pause = pauses.filter(({ until }) => until > now).toSorted((a, b) => b.until - a.until)[0]
  return { pause, isProbed: outage !== undefined }
}

/** A request came to no answer. Those that were sent before the last wait began make it no longer. */
export async function noteOutage(
  tx: Transaction,
  log: Log,
  { renderer, postedAt }: Attempt,
  reason: string,
  now: number,
): Promise<void> {
  const before = await findOutage(tx, renderer)
  if (before && (postedAt ?? now) < before.until && before.until <= now + outageWaitMs(before.failures))
    return
  const failures = (before?.failures ?? 0) + 1
  const waitMs = outageWaitMs(failures)
  await putOutage(tx, renderer, { failures, until: now + waitMs, reason })
  tx.afterCommit(() => logLine.providerSilent(log, renderer, waitMs, reason))
}

/** It has accepted one. */
export async function providerAnswers(tx: Transaction, log: Log, renderer: string): Promise<void> {
  if ((await endOutage(tx, renderer)) > 0) tx.afterCommit(() => logLine.providerAnswers(log, renderer))
}
