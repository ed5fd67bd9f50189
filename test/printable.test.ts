import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { escaped, printable } from '../src/printable.ts'
import { hidden, hostile } from './hostile-text.ts'

test('a text of others becomes one line without anything that steers or hides', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.constantFrom(...hostile), (text, part) => {
      const shown = printable(`${text}${part}${text}`)
      expect(shown).not.toMatch(hidden)
      expect(shown.isWellFormed()).toBe(true)
      expect(printable(shown)).toBe(shown)
    }),
    { seed: 9 },
  )
})

test.each([
  ['Kitchen\u001b[2J', 'Kitchen\u{fffd}[2J'],
  ['one\r\ntwo\u0085three\u2028four', 'one two three four'],
  ['pay\u200bpal', 'paypal'],
  ['\u202egpj.exe', '\u{fffd}gpj.exe'],
  ['café, 寝室, Straße, ١٢٣, 🏡🏽', 'café, 寝室, Straße, ١٢٣, 🏡🏽'],
  ['❤️', '❤️'],
  ['a\u{e0100}\u3164\u115f\u2800\u180bb\u{1d173}', 'ab'],
])('%j is shown as %j', (text, shown) => {
  expect(printable(text)).toBe(shown)
})

test('JSON keeps its meaning, and shows what would not be seen as escapes', () => {
  fc.assert(
    fc.property(fc.json({ stringUnit: 'binary' }), fc.constantFrom(...hostile), (json, part) => {
      const value: unknown = [JSON.parse(json), { [part]: part }]
      const line = escaped(JSON.stringify(value))
      expect(line).not.toMatch(hidden)
      expect(JSON.parse(line)).toEqual(value)
    }),
    { seed: 9 },
  )
  expect(escaped('"\u202e\u{e0041}"')).toBe(String.raw`"\u202e\udb40\udc41"`)
})
