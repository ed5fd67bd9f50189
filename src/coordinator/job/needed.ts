/** The sum a job still needs approved: the cost of its pending scenes against the approved sum. */
import type { Job } from '../../job/job.ts'
import { type Money, noMoney } from '../../job/price.ts'
import type { Scene } from '../../job/scene.ts'
import type { Reader } from '../../store/database.ts'
import { moneyOfJob } from '../../store/money.ts'
import { type Quote, withServed, type KnownScene, quoteOf } from './quote.ts'

/** The sum a job still needs approved. Amounts in millionths of a US dollar. */
export interface Needed {
  readonly quote: Quote
  /** Spent and reserved so far. */
  readonly money: Money
  /** Spent, reserved and still to pay; excludes scenes with an unknown price. */
  readonly totalMicros: number
  /** Whether the approved sum is too small. */
  readonly isMore: boolean
  /** Whether a price is unknown and was not accepted. */
  readonly isUnknownNew: boolean
  /** The sum to approve in addition; null: an unknown price. */
  readonly toApproveMicros: number | null
}

const unknownIn = ({ byScene }: Quote): number => byScene.filter((micros) => micros === null).length

/** Reads the money of a job and compares it with the cost of its pending scenes. */
export async function neededFor(reader: Reader, job: Job, scenes: readonly Scene[]): Promise<Needed> {
  const waiting = await withServed(
    reader,
    scenes.filter(({ status }) => status === 'pending'),
  )
  // A pending job has bought nothing.
  return neededOf(job, waiting, job.status === 'pending' ? noMoney : await moneyOfJob(reader, job.id))
}

/** `waiting`: its pending scenes, in storyboard order. */
export function neededOf(
  job: Pick<Job, 'authorisedMicros' | 'unknownCostAccepted'>,
  waiting: readonly (KnownScene & Pick<Scene, 'unapproved'>)[],
  money: Money,
): Needed {
  const approved = waiting.filter(({ unapproved }) => !unapproved)
  const quote = quoteOf(waiting)
  // The sum approved for other scenes does not cover scenes that were changed afterwards.
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
