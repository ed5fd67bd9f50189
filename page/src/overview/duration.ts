/** A duration as people say it: its two largest units. */
const units = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
] as const

const written = (language: string, unit: (typeof units)[number][0], value: number, digits: number): string =>
  new Intl.NumberFormat(language, {
    style: 'unit',
    unit,
    unitDisplay: 'narrow',
    maximumFractionDigits: digits,
  }).format(value)

export function durationIn(language: string, seconds: number): string {
  if (seconds < 10) return written(language, 'second', seconds, 1)
  const whole = Math.round(seconds)
  const first = units.findIndex(([, size]) => whole >= size)
  const [unit, size] = units[first]!
  const next = units[first + 1]
  const rest = next ? Math.floor((whole % size) / next[1]) : 0
  const text = written(language, unit, Math.floor(whole / size), 0)
  return next && rest > 0 ? `${text} ${written(language, next[0], rest, 0)}` : text
}
