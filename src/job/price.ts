/** Money in whole millionths of a US dollar (micros), so that sums are exact. */

export const microsPerDollar = 1_000_000

export const dollars = (micros: number): number => micros / microsPerDollar

export const toMicros = (usd: number): number => Math.round(usd * microsPerDollar)

/** For people: `$0.27`, `$0.0045`. */
export function spokenMoney(micros: number): string {
  const usd = dollars(micros)
  return `$${usd.toFixed(micros !== 0 && Math.abs(micros) < 10_000 ? 4 : 2)}`
}

/** Money of a job or a client. */
export interface Money {
  /** Reserved for attempts that may still be charged. */
  readonly reservedMicros: number
  /** Charged, without attempts of unknown price. */
  readonly spentMicros: number
  /** Number of attempts that were, or may be, charged at an unknown price. */
  readonly unpriced: number
}

export const noMoney: Money = { reservedMicros: 0, spentMicros: 0, unpriced: 0 }

export const addMoney = (one: Money, other: Money): Money => ({
  reservedMicros: one.reservedMicros + other.reservedMicros,
  spentMicros: one.spentMicros + other.spentMicros,
  unpriced: one.unpriced + other.unpriced,
})

/** The ways to group spending. */
export const spendGroups = ['client', 'month', 'day'] as const
export type SpendGroup = (typeof spendGroups)[number]

/** Spending of a client, a month, a day, or several of these; members outside the grouping are omitted. */
export interface SpendRow {
  readonly money: Money
  readonly client?: string
  /** `2026-11`, UTC. */
  readonly month?: string
  /** `2026-11-25`, UTC. */
  readonly day?: string
}

/** The UTC day of a time, for budgets: `2026-11-25`. */
export const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10)

/** When the day of `ms` ends, ms since the epoch. */
export const endOfDay = (ms: number): number => (Math.floor(ms / 86_400_000) + 1) * 86_400_000
