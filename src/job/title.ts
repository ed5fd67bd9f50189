/**
 * The layout of a scene's title: drawable characters, their fonts, and lines. It reads the characters of each font from
 * a table (`title-signs.json`) instead of the fonts, so that problems show before an approval. Pure.
 */
import type { FrameFormat } from './format.ts'
import table from './title-signs.json' with { type: 'json' }

/** Written out, because the published types cannot import the table. */
export type TitleFont =
  | 'DejaVu Sans'
  | 'Noto Sans Arabic'
  | 'Noto Sans Bengali'
  | 'Noto Sans Devanagari'
  | 'Noto Sans Ethiopic'
  | 'Noto Sans Gujarati'
  | 'Noto Sans Gurmukhi'
  | 'Noto Sans Hebrew'
  | 'Noto Sans Kannada'
  | 'Noto Sans Khmer'
  | 'Noto Sans Lao'
  | 'Noto Sans Malayalam'
  | 'Noto Sans Myanmar'
  | 'Noto Sans Sinhala'
  | 'Noto Sans Tamil'
  | 'Noto Sans Telugu'
  | 'Noto Sans Thai'
  | 'Noto Emoji'
  | 'Noto Sans SC'
  | 'Noto Sans JP'
  | 'Noto Sans KR'

const signTables: Readonly<Record<TitleFont, string>> = table

const latin = 'DejaVu Sans'
const emoji = 'Noto Emoji'
const japanese = 'Noto Sans JP'
const korean = 'Noto Sans KR'
/** Also covers the traditional characters in use. */
const chinese = 'Noto Sans SC'

/** Text in one font. */
export interface TitleRun {
  readonly font: TitleFont
  readonly text: string
}

export interface TitleLayout {
  /** In reading order, each in logical order, regardless of its direction. */
  readonly lines: readonly (readonly TitleRun[])[]
  /** Pixels. */
  readonly fontSize: number
  readonly isRightToLeft: boolean
  /** Characters that no font has, each once. */
  readonly lost: readonly string[]
  /** Whether it ends with an ellipsis because it is too long. */
  readonly isShortened: boolean
}

const maxLines = 3

/** Share of the frame's width that a line may take. */
const lineShare = 0.86

type LaidOut = Pick<TitleLayout, 'fontSize' | 'isShortened'> & { readonly lines: readonly Sign[][] }

/** Null if nothing can be drawn. */
export function layoutTitle(title: string, format: FrameFormat): TitleLayout | null {
  const { signs, lost } = drawable(title)
  const pieces = piecesOf(signs)
  if (pieces.length === 0) return null
  const width = format.width * lineShare
  const largest = Math.round(Math.min(format.height, format.width) / 13)
  const smallest = Math.max(8, Math.round(largest / 2.2))
  const laidOut = ({ lines, ...layout }: LaidOut): TitleLayout => ({
    ...layout,
    lines: lines.map(runsOf),
    isRightToLeft: isRightToLeft(title),
    lost,
  })
  for (let fontSize = largest; fontSize > smallest; fontSize--) {
    const lines = wrap(pieces, width / fontSize)
    const isFitting = lines.every((line) => widthOf(line) * fontSize <= width)
    if (isFitting && lines.length <= (fontSize === largest ? 1 : maxLines))
      return laidOut({ lines, fontSize, isShortened: false })
  }
  const room = width / smallest
  const lines = wrap(pieces, room)
  const shown = lines
    .slice(0, maxLines)
    .map((line, index) => shorten(line, room, { isMore: index === maxLines - 1 && lines.length > maxLines }))
  const isShortened = lines.length > maxLines || lines.some((line) => widthOf(line) > room)
  return laidOut({ lines: shown, fontSize: smallest, isShortened })
}

const mostNamed = 10

/** Warnings for people before the title is drawn. */
export function titleNotes(title: string, format: FrameFormat): string[] {
  const layout = layoutTitle(title, format)
  const lost = layout?.lost ?? drawable(title).lost
  const named = lost
    .slice(0, mostNamed)
    .map((sign) => `${sign} (U+${sign.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')})`)
  const more = lost.length > mostNamed ? ` and ${lost.length - mostNamed} more` : ''
  const notes: string[] = []
  if (lost.length > 0)
    notes.push(
      `the title "${title}" will appear without ${named.join(', ')}${more}: no installed font has ${lost.length === 1 ? 'it' : 'them'}`,
    )
  if (layout?.isShortened) {
    const last = layout.lines.at(-1)!
    notes.push(
      `the title "${title}" is too long for the frame: it will end with "${last.map(({ text }) => text).join('')}"`,
    )
  }
  return notes
}

/** A grapheme: a letter with its marks, or an emoji sequence. */
interface Sign {
  readonly text: string
  /** Null for spaces and invisible marks, which use their neighbour's font. */
  readonly font: TitleFont | null
  /** In ems, rounded up. */
  readonly width: number
}

const signOf = (text: string, font: TitleFont | null): Sign => ({ text, font, width: ems(text) })

const space = signOf(' ', null)
const ellipsis = signOf('…', latin)

const clusters = new Intl.Segmenter('und', { granularity: 'grapheme' })

function drawable(title: string): { readonly signs: Sign[]; readonly lost: string[] } {
  const text = title
    .normalize('NFC')
    .replaceAll(/[\p{Cc}\p{Z}]+/gu, ' ')
    .trim()
  const order = fontsFor(text)
  const lost = new Set<string>()
  const signs: Sign[] = []
  for (const { segment } of clusters.segment(text)) {
    if (segment === ' ') {
      signs.push(space)
      continue
    }
    const cluster = segment
      // Skin tones are invisible in one colour, and no font here has keycap emoji.
      .replaceAll(/(?<=.)[\u{1F3FB}-\u{1F3FF}]|\uFE0F?\u20E3/gu, '')
      // Stacked marks would run into other lines. Burmese has up to eight that do not.
      .replaceAll(/((?:(?=\p{M})\p{Script=Inherited}){4})\p{M}+/gu, '$1')
      .replaceAll(/(\p{M}{8})\p{M}+/gu, '$1')
    const letters = Array.from(cluster)
    const fonts = order(cluster)
    const font = fonts.find((each) => letters.every((letter) => isShapeless(letter) || has(each, letter)))
    if (font) {
      if (letters.some((letter) => !isShapeless(letter))) signs.push(signOf(cluster, font))
      continue
    }
    // Per code point, without those that no font has.
    for (const letter of letters) {
      const own = fonts.find((each) => has(each, letter))
      if (own) signs.push(signOf(letter, own))
      else if (!isShapeless(letter)) lost.add(letter)
    }
  }
  return { signs, lost: [...lost] }
}

/** Joiners, direction marks and variation selectors, which only affect their neighbours. */
const isShapeless = (letter: string): boolean =>
  /^[\p{Cf}\p{Variation_Selector}\u{E0020}-\u{E007F}]$/u.test(letter)

const isCjk = (letter: string): boolean =>
  /^[\u2E80-\u9FFF\uA960-\uA97F\uAC00-\uD7FF\uF900-\uFAFF\uFE30-\uFE4F\uFF00-\uFFEF\u{20000}-\u{3FFFF}]/u.test(
    letter,
  )

const byScript: readonly (readonly [RegExp, TitleFont])[] = [
  [/^\p{Script=Arabic}/u, 'Noto Sans Arabic'],
  [/^\p{Script=Bengali}/u, 'Noto Sans Bengali'],
  [/^\p{Script=Devanagari}/u, 'Noto Sans Devanagari'],
  [/^\p{Script=Ethiopic}/u, 'Noto Sans Ethiopic'],
  [/^\p{Script=Gujarati}/u, 'Noto Sans Gujarati'],
  [/^\p{Script=Gurmukhi}/u, 'Noto Sans Gurmukhi'],
  [/^\p{Script=Hebrew}/u, 'Noto Sans Hebrew'],
  [/^\p{Script=Kannada}/u, 'Noto Sans Kannada'],
  [/^\p{Script=Khmer}/u, 'Noto Sans Khmer'],
  [/^\p{Script=Lao}/u, 'Noto Sans Lao'],
  [/^\p{Script=Malayalam}/u, 'Noto Sans Malayalam'],
  [/^\p{Script=Myanmar}/u, 'Noto Sans Myanmar'],
  [/^\p{Script=Sinhala}/u, 'Noto Sans Sinhala'],
  [/^\p{Script=Tamil}/u, 'Noto Sans Tamil'],
  [/^\p{Script=Telugu}/u, 'Noto Sans Telugu'],
  [/^\p{Script=Thai}/u, 'Noto Sans Thai'],
]

/** The order in which fonts are tried for a grapheme of this title. */
function fontsFor(title: string): (sign: string) => readonly TitleFont[] {
  const cjk = cjkFonts(title)
  const rest = [...byScript.map(([, font]) => font), emoji, ...cjk] as const
  return (sign) => {
    if (/\p{Emoji_Presentation}|\uFE0F|\u{1F1E6}/u.test(sign)) return [emoji, latin, ...rest]
    if (isCjk(sign)) return [...cjk, latin, ...rest]
    const own = byScript.find(([script]) => script.test(sign))
    return own ? [own[1], latin, ...rest] : [latin, ...rest]
  }
}

/** Han characters look different in each country; the rest of the title decides which country's font fits. */
function cjkFonts(title: string): readonly TitleFont[] {
  if (/[\p{Script=Hiragana}\p{Script=Katakana}]/u.test(title)) return [japanese, chinese, korean]
  if (/\p{Script=Hangul}/u.test(title)) return [korean, chinese, japanese]
  return [chinese, japanese, korean]
}

const decoded = new Map<TitleFont, readonly number[]>()

/** Whether a font has a code point. */
export function has(font: TitleFont, letter: string): boolean {
  const sign = letter.codePointAt(0)!
  const edges = decoded.get(font) ?? decode(signTables[font])
  decoded.set(font, edges)
  // Within a range, the number of edges up to the code point is odd.
  let low = 0
  let high = edges.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (edges[middle]! <= sign) low = middle + 1
    else high = middle
  }
  return low % 2 === 1
}

/** Ranges as edges: the first code point of each, and the first one after it. Stored as differences in base 36. */
function decode(text: string): number[] {
  let edge = 0
  return text.split(' ').map((distance) => (edge += Number.parseInt(distance, 36)))
}

/** The first strong letter decides, as in the Unicode bidirectional algorithm. */
function isRightToLeft(title: string): boolean {
  const first = /\p{L}/u.exec(title)?.[0] ?? ''
  return /[\u0590-\u08FF\uFB1D-\uFDFF\uFE70-\uFEFF\u{10800}-\u{10FFF}\u{1E800}-\u{1EFFF}]/u.test(first)
}

/** Text that stays together on a line. */
interface Piece {
  readonly signs: readonly Sign[]
  readonly isAfterSpace: boolean
}

const words = new Intl.Segmenter('und', { granularity: 'word' })

/** Splits between words, and at word boundaries of scripts without spaces. */
function piecesOf(signs: readonly Sign[]): Piece[] {
  const pieces: Piece[] = []
  let from = 0
  while (from < signs.length) {
    let to = from
    while (to < signs.length && signs[to]!.text !== ' ') to++
    const word = signs.slice(from, to)
    const parts = word.length === 0 ? [] : partsOf(word)
    for (const [index, part] of parts.entries())
      pieces.push({ signs: part, isAfterSpace: index === 0 && pieces.length > 0 })
    from = to + 1
  }
  return pieces
}

function partsOf(word: readonly Sign[]): Sign[][] {
  const parts: Sign[][] = []
  const segments = [...words.segment(word.map(({ text }) => text).join(''))]
  let at = 0
  let length = 0
  for (const { segment, index, isWordLike } of segments) {
    const part: Sign[] = []
    for (; at < word.length && length < index + segment.length; at++) {
      part.push(word[at]!)
      length += word[at]!.text.length
    }
    const before = parts.at(-1)
    const isOneWord = !/[\p{Lo}\p{Emoji_Presentation}]/u.test(segment) && before && !endsCjk(before)
    const isEmoji = /\p{Emoji_Presentation}|\uFE0F/u.test(segment)
    // Closing punctuation stays with the text before it.
    if (before && (isOneWord || (!isWordLike && !isEmoji))) before.push(...part)
    else if (part.length > 0) parts.push(part)
  }
  return parts
}

const endsCjk = (part: readonly Sign[]): boolean => /\p{Lo}$/u.test(part.at(-1)?.text ?? '')

function wrap(pieces: readonly Piece[], width: number): Sign[][] {
  const lines: Sign[][] = []
  for (const { signs, isAfterSpace } of pieces) {
    const line = lines.at(-1)
    const longer = line && [...line, ...(isAfterSpace ? [space] : []), ...signs]
    if (longer && widthOf(longer) <= width) lines[lines.length - 1] = longer
    else lines.push([...signs])
  }
  return lines
}

function shorten(line: Sign[], width: number, { isMore }: { readonly isMore: boolean }): Sign[] {
  if (!isMore && widthOf(line) <= width) return line
  const signs = [...line]
  while (signs.length > 0 && widthOf([...signs, ellipsis]) > width) signs.pop()
  while (signs.at(-1)?.text === ' ') signs.pop()
  return [...signs, ellipsis]
}

function runsOf(line: readonly Sign[]): TitleRun[] {
  const runs: { font: TitleFont; text: string }[] = []
  for (const { text, font } of line) {
    const last = runs.at(-1)
    // In the emoji font a space is as wide as an emoji.
    const isOfLast = font === null && !(text === ' ' && last?.font === emoji)
    if (last && (isOfLast || font === last.font)) last.text += text
    else runs.push({ font: font ?? latin, text })
  }
  return runs
}

const widthOf = (signs: readonly Sign[]): number => signs.reduce((sum, { width }) => sum + width, 0)

/** Estimated width in ems of a bold font, rounded up: a short line is better than a clipped one. */
function ems(text: string): number {
  if (/\p{Emoji_Presentation}|\uFE0F/u.test(text)) return 1.4
  let sum = 0
  for (const letter of text) sum += letterEms(letter)
  return sum
}

function letterEms(letter: string): number {
  if (/[\p{Mn}\p{Cf}]/u.test(letter)) return 0
  if (/[ijlI.,:;'|!() -]/.test(letter)) return 0.46
  if (/[mwMW@%—…]/.test(letter)) return 1.12
  if (/[\p{Lu}\p{Nd}&?]/u.test(letter)) return 0.84
  if (/\p{Ll}/u.test(letter)) return 0.74
  if (/[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Thai}\p{Script=Lao}]/u.test(letter)) return 0.75
  return /[\p{Lo}\p{Mc}]/u.test(letter) && !isCjk(letter) ? 0.9 : 1.05
}
