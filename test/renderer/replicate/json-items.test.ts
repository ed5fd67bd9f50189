import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createJsonItems } from '../../../src/renderer/replicate/json-items.ts'

const value = fc.jsonValue({ maxDepth: 3 })
const item = fc.dictionary(fc.string(), value, { noNullPrototype: true })
const around = fc.dictionary(fc.oneof(fc.string(), fc.constantFrom('next', 'result', 'results2')), value, {
  noNullPrototype: true,
})

function read(text: string, cuts: readonly number[], mostItems = 1000) {
  const items: unknown[] = []
  const reader = createJsonItems({
    member: 'results',
    bounds: { values: 100_000 },
    mostItems,
    onItem: (one) => items.push(one),
  })
  const bytes = Buffer.from(text)
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].toSorted((a, b) => a - b)
  for (const [index, from] of places.slice(0, -1).entries())
    reader.write(bytes.subarray(from, places[index + 1]))
  return { items, around: reader.end() }
}

describe('a list that is read as it comes', () => {
  it('hands over each of its items, wherever its bytes are cut, and leaves the rest as it is', () => {
    fc.assert(
      fc.property(
        around,
        fc.array(item, { maxLength: 5 }),
        fc.array(fc.nat()),
        fc.constantFrom(undefined, 2),
        (rest, results, cuts, space) => {
          const told = read(JSON.stringify({ ...rest, results }, null, space), cuts)
          // As JSON has it: -0 is 0.
          expect(told).toEqual(
            JSON.parse(
              JSON.stringify({ items: results, around: { ...rest, results: results.map(() => 0) } }),
            ),
          )
        },
      ),
    )
  })

  it('takes nothing for an item that is in another list, or deeper', () => {
    const text =
      '{"a":[{"results":[{"b":1}]}],"results":[[{}],1,"[{"],"results2":[{}],"c":"results","d":[{}]}'
    expect(read(text, [])).toEqual({ items: [], around: JSON.parse(text) })
  })

  it('ends where there are too many, and where an item is no JSON', () => {
    expect(() => read('{"results":[{},{},{}]}', [], 2)).toThrow('must list at most 2 items')
    expect(() => read('{"results":[{"a":x}]}', [])).toThrow(SyntaxError)
    expect(() => read('{"results":[{"a":1}', [])).toThrow(SyntaxError)
  })
})
