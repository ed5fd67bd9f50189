/** Formats numbers for people, and fits text into columns. */
import { printable } from '../printable.ts'

export function spokenDuration(ms: number): string {
  const seconds = ms / 1000
  return seconds < 9.95 ? `${seconds.toFixed(1)} s` : spokenWhole(ms)
}

export function spokenWhole(ms: number): string {
  const whole = Math.round(ms / 1000)
  if (whole < 60) return `${whole} s`
  const [minutes, rest] = [Math.floor(whole / 60), whole % 60]
  return rest === 0 ? `${minutes} min` : `${minutes} min ${rest} s`
}

const smallNumbers = ['no', 'a', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten']

/** `about three minutes`: for estimates. */
export function spokenAbout(ms: number): string {
  const units = [
    [86_400_000, 'day', 'a day'],
    [3_600_000, 'hour', 'an hour'],
    [60_000, 'minute', 'a minute'],
  ] as const
  // From three quarters of a unit, the text uses that unit.
  for (const [unitMs, unit, one] of units) {
    const many = Math.round(ms / unitMs)
    if (many === 1 && ms >= unitMs * 0.75) return `about ${one}`
    if (many > 1) return `about ${smallNumbers[many] ?? many} ${unit}s`
  }
  return ms < 10_000 ? 'a few seconds' : `about ${Math.ceil(ms / 10_000) * 10} seconds`
}

/**
 * The remaining time of a wait, from the server's `until`; empty where that is null or past. Also empty while
 * a clip is fetched: `until` is then when the provider deletes it, not when the fetch ends.
 */
export function spokenLeft(
  waiting: { readonly code: string; readonly until?: string | null } | null | undefined,
  now: number,
): string {
  const leftMs = waiting?.until && waiting.code !== 'fetching' ? Date.parse(waiting.until) - now : 0
  return leftMs > 0 ? spokenAbout(leftMs) : ''
}

/** A film's length, to a tenth of a second. */
export function spokenLength(seconds: number): string {
  const tenths = Math.round(seconds * 10)
  if (tenths < 600) return `${tenths / 10} s`
  const rest = (tenths % 600) / 10
  return rest === 0 ? `${Math.floor(tenths / 600)} min` : `${Math.floor(tenths / 600)} min ${rest} s`
}

export function spokenSize(bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`
  const [kilo, mega, giga] = [bytes / 1e3, bytes / 1e6, bytes / 1e9]
  if (mega < 0.9995) return `${kilo.toFixed(kilo < 9.95 ? 1 : 0)} kB`
  if (giga < 0.9995) return `${mega.toFixed(mega < 99.95 ? 1 : 0)} MB`
  return `${giga.toFixed(2)} GB`
}

export const spokenCost = (usd: number | null): string =>
  usd === null ? 'unknown' : `$${usd.toFixed(usd !== 0 && usd < 0.01 ? 4 : 2)}`

/** What is spent, and what is reserved. */
export function spokenMoney({ spent, reserved }: { spent: number | null; reserved: number }): string {
  if (spent === 0 && reserved === 0) return spokenCost(0)
  const held = reserved === 0 ? '' : `, ${spokenCost(reserved)} reserved`
  return `${spent === null ? 'an unknown sum' : spokenCost(spent)} spent${held}`
}

export const count = (many: number, one: string): string => `${many} ${one}${many === 1 ? '' : 's'}`

/** A time of the server, in UTC, to the minute. */
export const minuteOf = (time: string): string => time.slice(0, 16).replace('T', ' ')

export const secondOf = (time: string): string => time.slice(0, 19).replace('T', ' ')

const graphemes = new Intl.Segmenter()
const wide =
  /[\p{Emoji_Presentation}\u{1100}-\u{115f}\u{2e80}-\u{a4cf}\u{ac00}-\u{d7a3}\u{f900}-\u{faff}\u{fe30}-\u{fe6f}\u{ff00}-\u{ff60}\u{ffe0}-\u{ffe6}\u{20000}-\u{3fffd}]|\u{fe0f}/u

const columnsOf = (grapheme: string): number => (wide.test(grapheme) ? 2 : 1)

/** The width of the text as shown, in columns. */
export const displayWidth = (text: string): number =>
  [...graphemes.segment(printable(text))].reduce((sum, { segment }) => sum + columnsOf(segment), 0)

/** Cuts a text to `columns`, with an ellipsis where it is cut, and pads it with spaces. */
export function fitted(text: string, columns: number): string {
  const clean = printable(text)
  const width = displayWidth(clean)
  if (width <= columns) return clean + ' '.repeat(columns - width)
  let kept = ''
  let used = 0
  for (const { segment } of graphemes.segment(clean)) {
    if (used + columnsOf(segment) > columns - 1) break
    kept += segment
    used += columnsOf(segment)
  }
  return `${kept}…${' '.repeat(Math.max(0, columns - used - 1))}`
}

/** Wraps a text between words into lines of at most `columns`; a wider word gets its own line. */
export function wrapped(text: string, columns: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const longer = `${lines.at(-1)} ${word}`
    if (lines.length > 0 && displayWidth(longer) <= columns) lines[lines.length - 1] = longer
    else lines.push(word)
  }
  return lines
}
