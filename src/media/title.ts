/** A scene's title: laid out in lines that fit the frame, drawn in its lower third, faded in and out. Pure. */
import type { FrameFormat } from '../job/format.ts'

export interface TitleLayout {
  readonly lines: readonly string[]
  /** Pixels. */
  readonly fontSize: number
  /** Absolute path of a TrueType font. */
  readonly fontPath: string
  /** For each line, the absolute path of a UTF-8 file that holds it: text in a graph would need three escapes. */
  readonly textPaths: readonly string[]
}

const maxLines = 3

/** Share of the frame's width that a line may take. */
const lineShare = 0.86

const fadeSeconds = 0.5

/** A title stays this long at most. */
const shownSeconds = 5

/** Null where nothing is left to draw. */
export function layoutTitle(
  title: string,
  format: FrameFormat,
): { lines: string[]; fontSize: number } | null {
  const words = drawable(title)
    .split(' ')
    .filter((word) => word !== '')
  if (words.length === 0) return null
  const width = format.width * lineShare
  const largest = Math.round(Math.min(format.height, format.width) / 13)
  const smallest = Math.max(8, Math.round(largest / 2.2))
  for (let fontSize = largest; fontSize > smallest; fontSize--) {
    const lines = wrap(words, width / fontSize)
    if (
      lines.length <= (fontSize === largest ? 1 : maxLines) &&
      lines.every((line) => ems(line) * fontSize <= width)
    )
      return { lines, fontSize }
  }
  const lines = wrap(words, width / smallest).slice(0, maxLines)
  return { lines: lines.map((line) => shorten(line, width / smallest)), fontSize: smallest }
}

/**
 * What DejaVu Sans can show: no control characters, no joiners, none of the pictures of the upper planes,
 * for which it would draw an empty box each.
 */
function drawable(text: string): string {
  return text
    .normalize('NFC')
    .replaceAll(/[\p{Cc}\p{Zs}\p{Zl}\p{Zp}]+/gu, ' ')
    .replaceAll(/[\p{Cf}\p{Co}\p{Cn}\p{Cs}\uFE00-\uFE0F\u{1F000}-\u{1FAFF}\u{E0000}-\u{E01EF}]/gu, '')
    .trim()
}

function wrap(words: readonly string[], width: number): string[] {
  const lines: string[] = []
  for (const word of words) {
    const line = lines.at(-1)
    const longer = line === undefined ? word : `${line} ${word}`
    if (line !== undefined && ems(longer) <= width) lines[lines.length - 1] = longer
    else lines.push(word)
  }
  return lines
}

function shorten(line: string, width: number): string {
  if (ems(line) <= width) return line
  const letters = Array.from(line)
  while (letters.length > 0 && ems(`${letters.join('')}…`) > width) letters.pop()
  return `${letters.join('')}…`
}

/** Width in ems of DejaVu Sans Bold, on the safe side: a line too short is better than one cut off. */
export function ems(text: string): number {
  let sum = 0
  for (const letter of text) sum += letterEms(letter)
  return sum
}

function letterEms(letter: string): number {
  if (/\p{Mn}/u.test(letter)) return 0
  if (/[ijlI.,:;'|!() -]/.test(letter)) return 0.46
  if (/[mwMW@%—…]/.test(letter)) return 1.12
  if (/[\p{Lu}\p{Nd}&?]/u.test(letter)) return 0.84
  return /\p{Ll}/u.test(letter) ? 0.74 : 1.05
}

export function titleFilters(title: TitleLayout | null, format: FrameFormat, frames: number): string[] {
  if (title === null) return []
  const { fontSize, lines, textPaths } = title
  const seconds = frames / format.fps
  const fade = Math.min(fadeSeconds, seconds / 4)
  const start = Math.min(0.3, seconds / 10)
  const end = Math.min(seconds - start, start + shownSeconds)
  const alpha = `min(clip((t-${start})/${fade},0,1),clip((${end.toFixed(3)}-t)/${fade},0,1))`
  const lineHeight = Math.round(fontSize * 1.3)
  const bottom = Math.round(format.height * 0.88)
  return lines.map((_line, index) => {
    const options = {
      fontfile: title.fontPath,
      textfile: textPaths[index] ?? '',
      expansion: 'none',
      fontsize: String(fontSize),
      fontcolor: 'white',
      borderw: String(Math.max(1, Math.round(fontSize / 16))),
      bordercolor: 'black@0.55',
      shadowcolor: 'black@0.5',
      shadowx: '0',
      shadowy: String(Math.max(1, Math.round(fontSize / 14))),
      x: '(w-text_w)/2',
      // From the baseline, not from the tallest letter: a line without one would sit higher.
      y: `${bottom - (lines.length - index) * lineHeight}+${fontSize}-max_glyph_a`,
      alpha,
      enable: `between(t,${start},${end.toFixed(3)})`,
    }
    return `drawtext=${Object.entries(options)
      .map(([name, value]) => `${name}=${escapeValue(value)}`)
      .join(':')}`
  })
}

/** For a value within a filter within a graph: both readers take a backslash away. */
export function escapeValue(value: string): string {
  return value.replaceAll(/[\\':]/g, String.raw`\$&`).replaceAll(/[\\'[\],;]/g, String.raw`\$&`)
}
