import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { errorClassOf, retryDelay, retryRule } from '../../src/job/retry-policy.ts'

const standard = { maxTries: 3, delayMs: 2000 }
const failure = (code: string) => ({ code, reason: 'why' })

describe('how a failed render is tried again', () => {
  it('is the standard where the job says nothing', () => {
    expect(retryRule(null, failure('provider_error'), standard)).toEqual({
      maxTries: 3,
      delayMs: 2000,
      maxDelayMs: 600_000,
    })
  })

  it.each([
    ['provider_error', 7],
    ['render_killed', 2],
    ['damaged', 5],
    ['something_new', 5],
  ])('is what the job says of the class of %s, else of all', (code, maxTries) => {
    const policy = { max_tries: 5, classes: { provider: { max_tries: 7 }, machine: { max_tries: 2 } } }
    expect(retryRule(policy, failure(code), standard)).toMatchObject({ maxTries, delayMs: 2000 })
  })

  it('waits at least half of a wait that doubles, never longer than the longest, and differs by chance', () => {
    const rule = fc.record({
      maxTries: fc.constant(3),
      delayMs: fc.integer({ min: 0, max: 3_600_000 }),
      maxDelayMs: fc.integer({ min: 1000, max: 3_600_000 }),
    })
    const chance = fc.double({ min: 0, max: 0.999, noNaN: true })
    fc.assert(
      fc.property(rule, fc.nat(100), chance, (given, tries, luck) => {
        const full = Math.min(given.maxDelayMs, given.delayMs * 2 ** Math.min(tries, 30))
        const delay = retryDelay(given, tries, luck)
        expect(delay).toBeGreaterThanOrEqual(Math.floor(full / 2))
        expect(delay).toBeLessThanOrEqual(Math.ceil(full))
      }),
    )
  })

  it('knows a class for each error that renders end with', () => {
    expect(
      ['upload_failed', 'render_hung', 'incomplete', 'bad_input'].map((code) => errorClassOf(failure(code))),
    ).toEqual(['provider', 'machine', 'clip', 'other'])
  })
})
