/**
 * Cooldown of a provider that does not answer render requests. A request may have been accepted, so it keeps its slot and
 * its reserved cost until that is known. Sending stops for a growing wait, then resumes one at a time, until one is accepted.
 */
import type { Attempt } from '../../job/attempt.ts'
import { type Log, logLine } from '../../log.ts'
import type { Transaction } from '../../store/database.ts'
import type { GateRows } from '../../store/gate.ts'
import { endOutage, findOutage, putOutage } from '../../store/money.ts'
import { type Gate, type ProviderCooldown, outageWaitMs } from '../admission/rules.ts'

/** The longer of two cooldowns: the one the provider requested, and the one after requests without an answer. */
export function cooldownOf(
  { cooldown: requested, outage }: Pick<GateRows, 'cooldown' | 'outage'>,
  now: number,
): Pick<Gate, 'cooldown' | 'isProbed'> {
  const pauses: readonly ProviderCooldown[] = [
    ...(requested ? [{ ...requested, isAsked: true }] : []),
    ...(outage ? [{ until: outage.until, reason: outage.reason, isAsked: false }] : []),
  ]
  const pause = pauses.filter(({ until }) => until > now).toSorted((a, b) => b.until - a.until)[0]
  return { cooldown: pause, isProbed: outage !== undefined }
}

/** Records a request without an answer. A request sent before the last wait began does not extend it. */
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

/** Ends the cooldown: the provider has accepted a request. */
export async function providerAnswers(tx: Transaction, log: Log, renderer: string): Promise<void> {
  if ((await endOutage(tx, renderer)) > 0) tx.afterCommit(() => logLine.providerAnswers(log, renderer))
}
