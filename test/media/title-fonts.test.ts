// The table of the signs that each font of titles has, held against the fonts. `vitest -u` writes it anew.
import { describe, expect, it } from 'vitest'
import { fontBytes, fontFiles, titleFonts } from '../../src/media/title-fonts.ts'
import { has, type TitleFont } from '../../src/job/title.ts'

const base = 36

describe('the fonts of titles', () => {
  it('have the signs that the table says, and no others that a title would take from them', async () => {
    const table: Record<string, string> = {}
    const latin = await signsOf('DejaVu Sans')
    for (const font of titleFonts) {
      const all = font === 'DejaVu Sans' ? latin : await signsOf(font)
      const own =
        font === 'DejaVu Sans' ? all : all.filter((sign) => isOwn(font, sign) || !latin.includes(sign))
      table[font] = edgesOf(own)
        .map((edge, index, edges) => (edge - (edges[index - 1] ?? 0)).toString(base))
        .join(' ')
    }
    await expect(`${JSON.stringify(table, null, 2)}\n`).toMatchFileSnapshot('../../src/job/title-signs.json')
  })

  it('are found by their signs: a file for each, and few for a title', async () => {
    expect(await fontFiles('Noto Sans Thai', 'ห้องพัก')).toHaveLength(1)
    expect((await fontFiles('Noto Sans JP', '東京タワー夜景')).length).toBeLessThan(8)
    for (const [font, text] of [
      ['Noto Sans SC', '海景公寓'],
      ['Noto Sans KR', '서울아파트'],
      ['Noto Emoji', '🏡✨'],
    ] as const) {
      const files = await fontFiles(font, text)
      const signs = new Set(
        (await Promise.all(files.map(async (file) => codePoints(await fontBytes(file))))).flat(),
      )
      for (const letter of text)
        expect([letter, has(font, letter), signs.has(letter.codePointAt(0)!)]).toEqual([letter, true, true])
    }
  })
})

/** Of CJK and of scripts with a font of their own, that one is taken first; of other signs, DejaVu's. */
const isOwn = (font: TitleFont, sign: number): boolean =>
  font === 'Noto Emoji' || /[\p{L}\p{M}\p{N}]/u.test(String.fromCodePoint(sign)) || sign > 0x2e80

async function signsOf(font: TitleFont): Promise<number[]> {
  const signs = new Set<number>()
  for (const file of await fontFiles(font))
    for (const sign of codePoints(await fontBytes(file))) signs.add(sign)
  return [...signs].toSorted((one, other) => one - other)
}

/** Where ranges begin, and where they have ended. */
function edgesOf(signs: readonly number[]): number[] {
  const edges: number[] = []
  for (const sign of signs) {
    if (edges.at(-1) === sign) edges.pop()
    else edges.push(sign)
    edges.push(sign + 1)
  }
  return edges
}

/** What its table `cmap` maps, in the two formats that these fonts have. */
function codePoints(font: Buffer): number[] {
  const tables = Array.from({ length: font.readUInt16BE(4) }, (_, index) => 12 + 16 * index)
  const entry = tables.find((at) => font.toString('latin1', at, at + 4) === 'cmap')!
  const start = font.readUInt32BE(entry + 8)
  const signs = new Set<number>()
  for (let index = 0; index < font.readUInt16BE(start + 2); index++) {
    const map = font.subarray(start + font.readUInt32BE(start + 8 + 8 * index))
    const format = map.readUInt16BE(0)
    if (format === 12)
      for (let group = 0; group < map.readUInt32BE(12); group++) {
        const at = 16 + 12 * group
        for (let sign = map.readUInt32BE(at); sign <= map.readUInt32BE(at + 4); sign++) signs.add(sign)
      }
    if (format !== 4) continue
    const segments = map.readUInt16BE(6)
    for (let at = 14; at < 14 + segments; at += 2) {
      const [first, last] = [map.readUInt16BE(at + 2 + segments), map.readUInt16BE(at)]
      const [delta, offset] = [
        map.readUInt16BE(at + 2 + 2 * segments),
        map.readUInt16BE(at + 2 + 3 * segments),
      ]
      for (let sign = first; sign <= last && sign !== 0xffff; sign++) {
        const place = at + 2 + 3 * segments + offset + 2 * (sign - first)
        const glyph = offset === 0 ? (sign + delta) & 0xffff : map.readUInt16BE(place)
        if (glyph !== 0) signs.add(sign)
      }
    }
  }
  return [...signs]
}
