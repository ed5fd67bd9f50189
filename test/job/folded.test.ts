import * as fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { folded } from '../../src/job/folded.ts'

describe('a folded text', () => {
  test.each([
    ['Улица Вязов, 12', 'уЛИЦА вязов, 12'],
    ['ÉCOLE', 'e\u0301cole'],
    ['École', 'E\u0301COLE'],
    ['Straße', 'STRASSE'],
    ['STRAẞE', 'strasse'],
    ['İSTANBUL', 'istanbul'],
    ['ISTANBUL', 'ıstanbul'],
    ['I\u0307stanbul', 'istanbul'],
    ['ΟΔΟΣ', 'οδος'],
    ['οδός', 'ΟΔΌΣ'],
    ['ﬁne ﬂat', 'FINE FLAT'],
    ['\u212Aelvin \u212Bngström', 'kelvin ångström'],
    ['ſame', 'SAME'],
    ['ǅ', 'ǆ'],
    ['\u1100\u1161', '가'],
    ['Ꭰ', 'ꭰ'],
    ['𐐀', '𐐨'],
    ['q\u0307\u0323', 'Q\u0323\u0307'],
  ])('%s is that of %s', (one, other) => expect(folded(one)).toBe(folded(other)))

  test.each([
    ['école', 'ecole'],
    ['おか', 'おが'],
    ['house 1', 'house 2'],
    ['a b', 'ab'],
  ])('%s is not that of %s', (one, other) => expect(folded(one)).not.toBe(folded(other)))

  const texts = fc.string({ unit: 'binary', maxLength: 12 })
  const letters = fc.string({
    unit: fc.constantFrom(...Array.from('aAéÉßẞİıiIΣσςſKﬁǅ\u0301\u0307\u0323\u0345ᾳŉǰΐ가 ')),
    maxLength: 12,
  })

  it('is that of the same text in any case and composed in any way', () => {
    fc.assert(
      fc.property(fc.oneof(texts, letters), (text) => {
        const once = folded(text)
        for (const other of [
          once,
          text.toLowerCase(),
          text.normalize('NFC'),
          text.normalize('NFD'),
          // A mark that becomes a letter takes along the marks that stand behind it.
          text.normalize('NFD').toUpperCase(),
          text.normalize('NFD').toUpperCase().normalize('NFC'),
        ])
          expect(folded(other)).toBe(once)
      }),
      { seed: 4, numRuns: 20_000 },
    )
  })
})
