import * as fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { changesBetween, nearestOf, slipOf } from '../../src/job/nearest.ts'
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
    ['titel', 'title'],
    ['clent_id', 'client_id'],
    ['modle', 'model'],
    ['FPS', 'fps'],
    ['fsp', 'fps'],
    ['clientId', 'client_id'],
    ['metdata', 'metadata'],
  ])('%s means %s', (given, meant) => {
    expect(slipOf(given, names)).toBe(meant)
  })

  it.each(
    `client clients client_no client_ip mode image photo photo1 pair tile motel transaction translation transition_ms
      solution revolution paris titles title_2 x_title titleB campaign_id campaign note notes source address agent listing price locale user_id order tags shot heavy region x id fix hit floor __proto__`.split(
      /\s+/,
    ),
  )('%s is a name of its own', (given) => {
    expect(slipOf(given, names)).toBeUndefined()
  })

  test('is no name that there is, however near another one is', () => {
    for (const name of names) expect(slipOf(name, names)).toBeUndefined()
    expect(slipOf('photos', ['photos', 'photo'])).toBeUndefined()
  })

  test('is found wherever one letter of a word of four and more is missing, double, another or exchanged', () => {
    const places = names.flatMap((name) =>
      [...name.matchAll(/[a-z]{4,}/g)].flatMap(({ 0: part, index }) =>
        Array.from(part, (_, at) => ({ name, at: index + at, isLast: index + at === name.length - 1 })),
      ),
    )
    const edits = fc.tuple(fc.constantFrom(...places), fc.constantFrom('cut', 'double', 'other', 'exchange'))
    fc.assert(
      fc.property(edits, ([{ name, at, isLast }, how]) => {
        const [before, here, after] = [name.slice(0, at), name[at]!, name.slice(at + 1)]
        const written = {
          cut: before + after,
          double: before + here + here + after,
          other: `${before}q${after}`,
          exchange: before + after.slice(0, 1) + here + after.slice(1),
        }[how]
        fc.pre(written !== name && !(how === 'cut' && isLast && here === 's'))
        fc.pre(!['mode', 'pars', 'tile', 'airs', 'paris'].includes(written))
        fc.pre(!(how === 'exchange' && after.startsWith('_')))
        expect(slipOf(written, names)).toBe(name)
      }),
      runs,
    )
  })

  test('is no plural or singular of a name, and none with more words, fewer words or digits', () => {
    const others = fc.tuple(fc.constantFrom(...names), fc.stringMatching(/^[a-z]{1,8}$/), fc.nat(99))
    fc.assert(
      fc.property(others, ([name, further, digits]) => {
        const [first, ...rest] = name.split('_')
        for (const own of [
          `${name}_${further}`,
          `${further}_${name}`,
          `${name}${digits}`,
          name.endsWith('s') ? name.slice(0, -1) : `${name}s`,
          ...(rest.length > 0 ? [first!, rest.join('_')] : []),
        ])
          expect([own, slipOf(own, names)]).toEqual([own, undefined])
      }),
      runs,
    )
  })

  test('may differ in more where nothing else is allowed', () => {
    for (const [given, meant] of [
      ['photo', 'photos'],
      ['resoltion', 'resolution'],
      ['client', 'client_id'],
    ] as const)
      expect(nearestOf(given, names)).toBe(meant)
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
