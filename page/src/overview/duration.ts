/** A duration as people read it: its two largest units, by their symbols. */
const units = [
  ['d', 86_400],
  ['h', 3600],
  ['min', 60],
  ['s', 1],
] as const

export function durationIn(language: string, seconds: number): string {
  const whole = Math.round(seconds)
  if (whole < 10) return `${new Intl.NumberFormat(language, { maximumFractionDigits: 1 }).format(seconds)} s`
  const first = units.findIndex(([, size]) => whole >= size)
  const [unit, size] = units[first]!
  const next = units[first + 1]
  const rest = next ? Math.floor((whole % size) / next[1]) : 0
  const text = `${Math.floor(whole / size)} ${unit}`
  return next && rest > 0 ? `${text} ${rest} ${next[0]}` : text
}
