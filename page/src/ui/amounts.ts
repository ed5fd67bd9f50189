/** Sums and spans of time in the reader's language. */

/** Whole cents; the parts of a cent where a sum has them, so that none looks smaller than it is. */
export const moneyIn = (language: string, usd: number): string =>
  new Intl.NumberFormat(language, { style: 'currency', currency: 'USD', maximumFractionDigits: 4 }).format(
    usd,
  )

const units = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1000],
] as const

/** How far away a time is. */
export function relativeTime(language: string, ms: number): string {
  const [unit, size] = units.find(([, least]) => Math.abs(ms) >= least) ?? units.at(-1)!
  return new Intl.RelativeTimeFormat(language, { numeric: 'auto' }).format(Math.round(ms / size), unit)
}
