/** The fonts of titles, from npm packages: DejaVu is one file, Noto is many, of which a title needs a few. */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { TitleFont } from '../job/title.ts'

const resolve = createRequire(import.meta.url).resolve

interface FontPackage {
  /** The package's own name. */
  readonly name: string
  /** The only part that is needed; not set if a script is spread over many. */
  readonly part?: string
}

const packages: Readonly<Record<Exclude<TitleFont, 'DejaVu Sans'>, FontPackage>> = {
  'Noto Sans Arabic': { name: 'noto-sans-arabic', part: 'arabic' },
  'Noto Sans Bengali': { name: 'noto-sans-bengali', part: 'bengali' },
  'Noto Sans Devanagari': { name: 'noto-sans-devanagari', part: 'devanagari' },
  'Noto Sans Ethiopic': { name: 'noto-sans-ethiopic', part: 'ethiopic' },
  'Noto Sans Gujarati': { name: 'noto-sans-gujarati', part: 'gujarati' },
  'Noto Sans Gurmukhi': { name: 'noto-sans-gurmukhi', part: 'gurmukhi' },
  'Noto Sans Hebrew': { name: 'noto-sans-hebrew', part: 'hebrew' },
  'Noto Sans Kannada': { name: 'noto-sans-kannada', part: 'kannada' },
  'Noto Sans Khmer': { name: 'noto-sans-khmer', part: 'khmer' },
  'Noto Sans Lao': { name: 'noto-sans-lao', part: 'lao' },
  'Noto Sans Malayalam': { name: 'noto-sans-malayalam', part: 'malayalam' },
  'Noto Sans Myanmar': { name: 'noto-sans-myanmar', part: 'myanmar' },
  'Noto Sans Sinhala': { name: 'noto-sans-sinhala', part: 'sinhala' },
  'Noto Sans Tamil': { name: 'noto-sans-tamil', part: 'tamil' },
  'Noto Sans Telugu': { name: 'noto-sans-telugu', part: 'telugu' },
  'Noto Sans Thai': { name: 'noto-sans-thai', part: 'thai' },
  'Noto Emoji': { name: 'noto-emoji' },
  'Noto Sans SC': { name: 'noto-sans-sc' },
  'Noto Sans JP': { name: 'noto-sans-jp' },
  'Noto Sans KR': { name: 'noto-sans-kr' },
}

// The record above has each of them.
// oxlint-disable-next-line typescript/no-unsafe-type-assertion
export const titleFonts = ['DejaVu Sans', ...Object.keys(packages)] as readonly TitleFont[]

/** Absolute paths of the font's files that a text needs; all files without a text. */
export async function fontFiles(font: TitleFont, text?: string): Promise<string[]> {
  if (font === 'DejaVu Sans') return [resolve('dejavu-fonts-ttf/ttf/DejaVuSans-Bold.ttf')]
  const { name, part } = packages[font]
  const path = resolve(`@fontsource-variable/${name}/unicode.json`)
  const fileOf = (key: string): string =>
    join(dirname(path), 'files', `${name}-${key.replaceAll(/[[\]]/g, '')}-wght-normal.woff2`)
  if (part !== undefined) return [fileOf(part)]
  // Trusted: a package's own file.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const parts = JSON.parse(await readFile(path, 'utf8')) as Record<string, string>
  const signs = text === undefined ? null : Array.from(text, (letter) => letter.codePointAt(0)!)
  return Object.entries(parts)
    .filter(([, ranges]) => signs === null || isAnyIn(signs, ranges))
    .map(([key]) => fileOf(key))
}

/** `ranges`: as in CSS, such as `U+20-7e,U+a9`. */
function isAnyIn(signs: readonly number[], ranges: string): boolean {
  return ranges.split(',').some((range) => {
    const [first = 0, last = first] = range
      .trim()
      .slice(2)
      .split('-')
      .map((edge) => Number.parseInt(edge, 16))
    return signs.some((sign) => sign >= first && sign <= last)
  })
}

/** A font's bytes for sharp's FreeType, which cannot unpack WOFF2. */
export async function fontBytes(path: string): Promise<Buffer> {
  const bytes = await readFile(path)
  if (!path.endsWith('.woff2')) return bytes
  const { default: decompress } = await import('woff2-encoder/decompress')
  return Buffer.from(await decompress(bytes))
}
