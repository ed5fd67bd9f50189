/** Money, counted in whole millionths of a US dollar, so that sums are exact. */

export const microsPerDollar = 1_000_000

export const dollars = (micros: number): number => micros / microsPerDollar

export const toMicros = (usd: number): number => Math.round(usd * microsPerDollar)

/** As a person reads it: `$0.27`, `$0.0045`. */
export function spokenMoney(micros: number): string {
  const usd = dollars(micros)
  return `$${usd.toFixed(micros !== 0 && Math.abs(micros) < 10_000 ? 4 : 2)}`
}

/** What has become of a job's or a client's money. */
export interface Money {
  /** Held back for attempts that may still be charged. */
  readonly reservedMicros: number
  /** Charged; attempts of unknown price are not in it. */
  readonly spentMicros: number
  /** Attempts that were, or may be, charged at a price nobody knows. */
  readonly unpriced: number
}

export const noMoney: Money = { reservedMicros: 0, spentMicros: 0, unpriced: 0 }

export const addMoney = (one: Money, other: Money): Money => ({
  reservedMicros: one.reservedMicros + other.reservedMicros,
  spentMicros: one.spentMicros + other.spentMicros,
  unpriced: one.unpriced + other.unpriced,
})

/** What sums are told by. */
export const spendGroups = ['client', 'month'] as const
export type SpendGroup = (typeof spendGroups)[number]

/** What was spent of a client, in a month, or both; a member that sums are not told by is left out. */
export interface SpendRow {
  readonly money: Money
  readonly client?: string
  /** `2026-11`, UTC. */
  readonly month?: string
}

/** The day that money counts for, UTC: `2026-11-25`. */
export const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10)

/** When the day of `ms` ends, ms since the epoch. */
export const endOfDay = (ms: number): number => (Math.floor(ms / 86_400_000) + 1) * 86_400_000
