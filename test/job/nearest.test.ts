import * as fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { changesBetween, slipOf } from '../../src/job/nearest.ts'
import { propertyPhotosParameters } from '../../src/job/request.ts'

const names = [...Object.keys(propertyPhotosParameters.shape), 'client_id', 'metadata']
const word = fc.stringMatching(/^[a-z_]{0,12}$/)
const runs = { seed: 5, numRuns: 500 }

describe('a slip of the pen', () => {
  it.each([
    ['resolutoin', 'resolution'],
    ['clipDuration', 'clip_duration'],
    ['clip-duration', 'clip_duration'],
    ['ClipDuration', 'clip_duration'],
    ['clip_duraton', 'clip_duration'],
    ['Aspect_Ratio', 'aspect_ratio'],
    ['aspectratio', 'aspect_ratio'],
    ['photo', 'photos'],
    ['transitions', 'transition'],
    ['modle', 'model'],
    ['FPS', 'fps'],
    ['fsp', 'fps'],
    ['clientId', 'client_id'],
    ['metdata', 'metadata'],
  ])('%s means %s', (given, meant) => {
    expect(slipOf(given, names)).toBe(meant)
  })

  it.each(
    'campaign_id campaign note notes source address agent listing price locale user_id order tags shot heavy region x id fix hit floor __proto__'.split(
      ' ',
    ),
  )('%s is a name of its own', (given) => {
    expect(slipOf(given, names)).toBeUndefined()
  })

  test('is no name that there is, however near another one is', () => {
    for (const name of names) expect(slipOf(name, names)).toBeUndefined()
    expect(slipOf('photos', ['photos', 'photo'])).toBeUndefined()
  })

  test('is found wherever one letter of a name of four and more is missing, double, another or exchanged', () => {
    const long = names.filter((name) => name.length > 3)
    const edits = fc
      .constantFrom(...long)
      .chain((name) =>
        fc.tuple(
          fc.constant(name),
          fc.nat(name.length - 1),
          fc.constantFrom('cut', 'double', 'other', 'exchange'),
        ),
      )
    fc.assert(
      fc.property(edits, ([name, at, how]) => {
        const [before, here, after] = [name.slice(0, at), name[at]!, name.slice(at + 1)]
        const written = {
          cut: before + after,
          double: before + here + here + after,
          other: `${before}q${after}`,
          exchange: before + after.slice(0, 1) + here + after.slice(1),
        }[how]
        fc.pre(written !== name)
        expect(slipOf(written, names)).toBe(name)
      }),
      runs,
    )
  })

  test('is found in any writing of a name, with other cases and signs between its words', () => {
    const writings = fc
      .tuple(fc.constantFrom(...names), fc.constantFrom('', '-', '_', ' ', '.'), fc.boolean())
      .map(([name, sign, isUpper]) => ({
        name,
        written: (isUpper ? name.toUpperCase() : name).replaceAll('_', sign),
      }))
    fc.assert(
      fc.property(writings, ({ name, written }) => {
        expect(slipOf(written, names)).toBe(written === name ? undefined : name)
      }),
      runs,
    )
  })
})

test('the changes between two words are none for the same, as many both ways, and no more than the longer has letters', () => {
  fc.assert(
    fc.property(word, word, (one, other) => {
      const changes = changesBetween(one, other)
      expect(changes).toBe(changesBetween(other, one))
      expect(changes === 0).toBe(one === other)
      expect(changes).toBeGreaterThanOrEqual(Math.abs(one.length - other.length))
      expect(changes).toBeLessThanOrEqual(Math.max(one.length, other.length))
    }),
    runs,
  )
})
