import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { type JsonBounds, createJsonReader } from '../src/json-reader.ts'

const readIn = (text: string | Uint8Array, chunkSize: number, bounds: JsonBounds): string => {
  const reader = createJsonReader(bounds)
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += chunkSize) reader.write(bytes.subarray(at, at + chunkSize))
  return reader.bytes().toString()
}

const written = fc.oneof(
  fc.json({ stringUnit: 'grapheme' }),
  // Escaped in every way that JSON has.
  fc
    .json({ stringUnit: 'binary' })
    .map((text) =>
      text.replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`),
    ),
)

/** Those in lists: names of members that are cut may become the same. */
const textsIn = (value: unknown): string[] =>
  typeof value === 'string' ? [value] : Array.isArray(value) ? value.flatMap(textsIn) : []

it('keeps JSON as it is, however it is cut into chunks', () => {
  fc.assert(
    fc.property(written, fc.integer({ min: 1, max: 40 }), (text, chunkSize) => {
      expect(readIn(text, chunkSize, { values: 1_000_000 })).toBe(text)
    }),
    { seed: 7 },
  )
})

it('cuts long texts and leaves JSON that can be read, whose texts are the beginnings of what they were', () => {
  fc.assert(
    fc.property(
      written,
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 0, max: 12 }),
      (text, chunkSize, textBytes) => {
        const kept: unknown = JSON.parse(readIn(text, chunkSize, { values: 1_000_000, textBytes }))
        const before: unknown = JSON.parse(text)
        const [short, long] = [textsIn(kept), textsIn(before)]
        expect(short).toHaveLength(long.length)
        for (const [n, one] of short.entries()) expect(long[n]!.startsWith(one)).toBe(true)
      },
    ),
    { seed: 7 },
  )
})

it('counts what lies in each other, and what there is, outside of texts alone', () => {
  expect(() => readIn('["[[[[,,,,\\"[[["]', 3, { depth: 1, values: 2 })).not.toThrow()
  expect(() => readIn('[[]]', 1, { depth: 1, values: 10 })).toThrow('must not be nested deeper than 1 levels')
  expect(() => readIn('[[],[],[]]', 1, { depth: 2, values: 10 })).not.toThrow()
  expect(() => readIn('[1,2,3]', 1, { values: 3 })).toThrow('must hold at most 3 values')
  expect(() => readIn('["aaaa","bbbb"]', 1, { values: 9, textBytes: 2, keptBytes: 9 })).toThrow(
    'must have at most 9 bytes without its long strings',
  )
})
