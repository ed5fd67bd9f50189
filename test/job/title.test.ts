import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { has, layoutTitle, titleNotes } from '../../src/job/title.ts'

const format = { width: 640, height: 360, fps: 24 }

const formats = fc.record({
  width: fc.integer({ min: 32, max: 1920 }).map((half) => 2 * half),
  height: fc.integer({ min: 32, max: 1080 }).map((half) => 2 * half),
  fps: fc.constantFrom(24, 25, 30, 60),
})

const linesOf = (title: string, frame = format): string[] =>
  layoutTitle(title, frame)?.lines.map((line) => line.map(({ text }) => text).join('')) ?? []

const fontsOf = (title: string): string[] =>
  layoutTitle(title, format)?.lines.flatMap((line) =>
    line.map(({ font, text }) => `${font}: ${text.trim()}`),
  ) ?? []

describe('a title', () => {
  it('is in three lines at most, in fonts that have its signs, whatever it says', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 120 }), formats, (title, frame) => {
        const layout = layoutTitle(title, frame)
        if (layout === null) return
        expect(layout.lines.length).toBeLessThanOrEqual(3)
        for (const { font, text } of layout.lines.flat()) {
          expect(text).not.toMatch(/[\p{Cc}\p{Cs}]/u)
          for (const letter of text)
            if (!/[\p{Cf}\p{Variation_Selector} ]/u.test(letter))
              expect([letter, has(font, letter)]).toEqual([letter, true])
        }
      }),
      { seed: 11 },
    )
  })

  it('is set in one line if it can, in more and smaller ones if it must', () => {
    expect(linesOf('Living room')).toEqual(['Living room'])
    const long = 'A bright living room with a view of the garden and the old town behind it'
    expect(linesOf(long).length).toBeGreaterThan(1)
    expect(linesOf(long).join(' ')).toBe(long)
    const thai = 'ห้องพักวิวทะเลสวยงามใกล้ชายหาดและตลาดน้ำในเมืองเก่าที่เงียบสงบ'
    expect(linesOf(thai).length).toBeGreaterThan(1)
    expect(linesOf(thai).join('')).toBe(thai)
    const japanese = '東京タワーの夜景が見える、静かで明るい部屋です。駅から歩いて五分、公園もすぐ近く。'
    expect(linesOf(japanese).length).toBeGreaterThan(1)
    expect(linesOf(japanese).join('')).toBe(japanese)
    for (const line of linesOf(japanese)) expect(line).not.toMatch(/^[、。]/)
  })

  it('ends with an ellipsis where it is too long, and says so', () => {
    for (const title of ['word '.repeat(200), 'x'.repeat(500), '海'.repeat(300), 'ห้องพัก'.repeat(60)]) {
      expect(linesOf(title).at(-1)).toMatch(/[^ ]…$/)
      expect(titleNotes(title, format)).toEqual([
        expect.stringMatching(/ is too long for the frame: it will end with "/),
      ])
    }
    expect(titleNotes('Living room', format)).toEqual([])
  })

  it('takes a font for each script, and for Han signs the one of the language', () => {
    expect(fontsOf('Living room, Αθήνα, Київ')).toEqual(['DejaVu Sans: Living room, Αθήνα, Київ'])
    expect(fontsOf('東京タワー 夜景')).toEqual(['Noto Sans JP: 東京タワー 夜景'])
    expect(fontsOf('서울 아파트 夜景')).toEqual(['Noto Sans KR: 서울 아파트 夜景'])
    expect(fontsOf('海景公寓')).toEqual(['Noto Sans SC: 海景公寓'])
    expect(fontsOf('臺灣觀景')).toEqual(['Noto Sans SC: 臺灣觀景'])
    expect(fontsOf('मुंबई 12')).toEqual(['Noto Sans Devanagari: मुंबई', 'DejaVu Sans: 12'])
    expect(fontsOf('ห้องพัก')).toEqual(['Noto Sans Thai: ห้องพัก'])
    expect(fontsOf('שלום')).toEqual(['Noto Sans Hebrew: שלום'])
    expect(fontsOf('مرحبا')).toEqual(['Noto Sans Arabic: مرحبا'])
    expect(fontsOf('Elm Street ✨👨‍👩‍👧 ❤️')).toEqual([
      'DejaVu Sans: Elm Street',
      'Noto Emoji: ✨👨‍👩‍👧',
      'DejaVu Sans: ',
      'Noto Emoji: ❤️',
    ])
    expect(fontsOf('Room 1️⃣ #️⃣')).toEqual(['DejaVu Sans: Room 1 #'])
    expect(fontsOf('👍🏽')).toEqual(['Noto Emoji: 👍'])
    for (const [script, text] of Object.entries(samples))
      expect([script, titleNotes(text, format)]).toEqual([script, []])
  })

  it('of emoji alone goes on in the next line, and ends in the third', () => {
    const title = '🏠🌊🌴'.repeat(8)
    expect(linesOf(title).length).toBeGreaterThan(1)
    expect(linesOf(title).join('')).toBe(title)
    expect(linesOf('🏠'.repeat(200))).toHaveLength(3)
  })

  it('has no more marks on a letter than its line has room for', () => {
    expect(linesOf(`Z${'\u0335\u0321'.repeat(40)}algo`)).toEqual([`Z${'\u0335'.repeat(4)}algo`])
    for (const text of [samples.myanmar, samples.khmer, samples.vietnamese])
      expect(linesOf(text).join('')).toBe(text.normalize('NFC'))
  })

  it('is read from the side of its first letter', () => {
    expect(layoutTitle('12 מרחוב Elm', format)?.isRightToLeft).toBe(true)
    expect(layoutTitle('Elm רחוב', format)?.isRightToLeft).toBe(false)
  })

  it('leaves out what no font has, names it, and is none where nothing is left', () => {
    expect(linesOf('Home sweet\u0000 home\n!')).toEqual(['Home sweet home !'])
    expect(linesOf('Villa 𓀀 Nile')).toEqual(['Villa Nile'])
    expect(titleNotes('Villa 𓀀 Nile', format)).toEqual([
      'the title "Villa 𓀀 Nile" will appear without 𓀀 (U+13000): no installed font has it',
    ])
    const many = Array.from({ length: 12 }, (_, index) => String.fromCodePoint(0x13000 + index)).join('')
    expect(titleNotes(many, format)[0]).toMatch(/𓀉 \(U\+13009\) and 2 more: no installed font has them$/)
    for (const nothing of ['', '   ', '𓀀', '\n\t\u0007', '\u202E'])
      expect(layoutTitle(nothing, format)).toBeNull()
  })
})

const samples = {
  arabic: 'شقة مطلة على البحر',
  bengali: 'সমুদ্রের ধারে বাড়ি',
  ethiopic: 'የባህር ዳርቻ ቤት',
  gujarati: 'દરિયા કિનારે ઘર',
  gurmukhi: 'ਸਮੁੰਦਰ ਕੰਢੇ ਘਰ',
  kannada: 'ಸಮುದ್ರದ ಮನೆ',
  khmer: 'ផ្ទះជាប់សមុទ្រ',
  lao: 'ເຮືອນແຄມທະເລ',
  malayalam: 'കടൽത്തീരത്തെ വീട്',
  myanmar: 'ပင်လယ်ကမ်းခြေအိမ်',
  sinhala: 'මුහුද අසල නිවස',
  tamil: 'கடற்கரை வீடு',
  telugu: 'సముద్రం పక్కన ఇల్లు',
  vietnamese: 'Nhà bên bờ biển',
  armenian: 'Տուն ծովի մոտ',
  georgian: 'სახლი ზღვასთან',
}
