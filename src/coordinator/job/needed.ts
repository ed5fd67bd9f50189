/** What a job still needs to be allowed: what its waiting scenes cost, beside what was approved. */
import type { Job } from '../../job/job.ts'
import { type Money, noMoney } from '../../job/price.ts'
import type { Scene } from '../../job/scene.ts'
import type { Reader } from '../../store/database.ts'
import { moneyOfJob } from '../../store/money.ts'
import { type Quote, withServed, type KnownScene, quoteOf } from './quote.ts'

/** What a job still needs to be allowed. */
export interface Needed {
  readonly quote: Quote
  /** What has become of its money so far. */
  readonly money: Money
  /** In all, with what was spent and is held back already; what is of unknown price is not in it. */
  readonly totalMicros: number
  /** Whether what was allowed so far is not enough. */
  readonly isMore: boolean
  /** Whether a price among it is unknown, and that was not accepted. */
  readonly isUnknownNew: boolean
  /** What is to be allowed beyond that; null: an unknown price. */
  readonly toApproveMicros: number | null
}

const unknownIn = ({ byScene }: Quote): number => byScene.filter((micros) => micros === null).length

/** What the waiting scenes of a job cost, beside what was allowed. */
export async function neededFor(reader: Reader, job: Job, scenes: readonly Scene[]): Promise<Needed> {
  const waiting = await withServed(
    reader,
    scenes.filter(({ status }) => status === 'pending'),
  )
  // One that was never approved has bought nothing.
  return neededOf(job, waiting, job.status === 'pending' ? noMoney : await moneyOfJob(reader, job.id))
}

/** `waiting`: its scenes that wait, in their order. */
export function neededOf(
  job: Pick<Job, 'authorisedMicros' | 'unknownCostAccepted'>,
  waiting: readonly (KnownScene & Pick<Scene, 'unapproved'>)[],
  money: Money,
): Needed {
  const approved = waiting.filter(({ unapproved }) => !unapproved)
  const quote = quoteOf(waiting)
  // No sum that was approved for other scenes is for those that were changed since.
  const covered = approved.length === waiting.length ? quote : quoteOf(approved)
  const uncoveredMicros = quote.knownMicros - covered.knownMicros
  const isUncoveredUnknown = unknownIn(quote) > unknownIn(covered)
  const totalMicros = quote.knownMicros + money.reservedMicros + money.spentMicros
  const isUnknownNew = quote.micros === null && (!job.unknownCostAccepted || isUncoveredUnknown)
  const moreMicros =
    quote.scenesToPay > 0 ? Math.max(0, totalMicros - job.authorisedMicros, uncoveredMicros) : 0
  const isMore = isUnknownNew || moreMicros > 0
  return {
    quote,
    money,
    totalMicros,
    isMore,
    isUnknownNew,
    toApproveMicros: isUnknownNew ? null : moreMicros,
  }
}
