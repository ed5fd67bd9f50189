import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Budget,
  type RendererLimit,
  freeStarts,
  mayPostAt,
  moneyWait,
  rendererWait,
} from '../../src/coordinator/admission/rules.ts'
import { endOfDay, noMoney } from '../../src/job/price.ts'

const limit = (maxConcurrency: number, startDelayMs: number): RendererLimit => ({
  name: 'replicate',
  models: [],
  maxConcurrency,
  startDelayMs,
  task: 'follow-render',
})

const now = Date.UTC(2026, 10, 25, 12)
const micros = fc.integer({ min: 0, max: 1_000_000_000 })
const money = fc.record({ reservedMicros: micros, spentMicros: micros, unpriced: fc.nat(3) })
const budget: fc.Arbitrary<Budget> = fc.record({
  name: fc.constantFrom('job', 'client', 'client:acme', 'day', 'total'),
  limitMicros: micros,
  used: money,
})
const stop = fc.constant({ scope: 'all', reason: null, by: null, since: now })
const renderer = fc.record({
  manualPause: fc.option(stop, { nil: undefined }),
  minuteBeganAt: fc.option(fc.integer({ min: now - 90_000, max: now + 10_000 }), { nil: undefined }),
  inFlight: fc.nat(20),
  unsent: fc.nat(20),
  unanswered: fc.nat(3),
  isProbed: fc.boolean(),
  lastPostedAt: fc.option(fc.integer({ min: now - 10_000, max: now + 10_000 }), { nil: undefined }),
  cooldown: fc.option(
    fc.record({
      until: fc.integer({ min: now + 1, max: now + 60_000 }),
      reason: fc.string(),
      isAsked: fc.boolean(),
    }),
    {
      nil: undefined,
    },
  ),
})

describe('a renderer', () => {
  it('is never given more than its places, and nothing while it asked to wait', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.nat(5000), renderer, (places, delay, at) => {
        const free = freeStarts(limit(places, delay), at)
        expect(free).toBeGreaterThanOrEqual(0)
        expect(at.inFlight + free).toBeLessThanOrEqual(Math.max(places, at.inFlight))
        if (at.cooldown || at.manualPause) expect(free).toBe(0)
        if (at.isProbed)
          expect(at.unsent + at.unanswered + free).toBeLessThanOrEqual(Math.max(1, at.unsent + at.unanswered))
      }),
    )
  })

  it('is waited for with a reason exactly where nothing may start', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.nat(5000), renderer, (places, delay, at) => {
        const of = limit(places, delay)
        expect(rendererWait(of, at) === undefined).toBe(freeStarts(of, at) > 0)
      }),
    )
  })

  it('is asked no sooner than a delay after the last time, and no later than a delay from now for a clock that was put back', () => {
    fc.assert(
      fc.property(fc.nat(5000), renderer, (delay, at) => {
        const mayAt = mayPostAt(limit(4, delay), at, now)
        expect(mayAt).toBeGreaterThanOrEqual(now)
        if (at.lastPostedAt !== undefined && at.lastPostedAt <= now)
          expect(mayAt).toBeGreaterThanOrEqual(at.lastPostedAt + delay)
        if (at.minuteBeganAt !== undefined && at.minuteBeganAt <= now)
          expect(mayAt).toBeGreaterThanOrEqual(at.minuteBeganAt + 60_000)
        if (at.cooldown) expect(mayAt).toBeGreaterThanOrEqual(at.cooldown.until)
        if (at.manualPause) expect(mayAt).toBeGreaterThan(now)
        if (at.isProbed && at.unanswered > 0) expect(mayAt).toBeGreaterThan(now)
        if (!at.cooldown && !at.manualPause)
          expect(mayAt).toBeLessThanOrEqual(
            now +
              Math.max(
                delay,
                at.minuteBeganAt === undefined ? 0 : 60_000,
                // Another one's answer is waited for, and asked about again in a second.
                at.isProbed && at.unanswered > 0 ? 1000 : 0,
              ),
          )
      }),
    )
  })
})

describe('money', () => {
  const taken = ({ reservedMicros, spentMicros }: typeof noMoney): number => reservedMicros + spentMicros

  it('is held back only where the approved sum and every budget still hold it', () => {
    fc.assert(
      fc.property(micros, micros, money, fc.array(budget), (priceMicros, authorisedMicros, job, budgets) => {
        const wait = moneyWait(
          { priceMicros, authorisedMicros, unknownCostAccepted: false, unapproved: false, job, budgets },
          now,
        )
        const fits =
          priceMicros === 0 ||
          (taken(job) + priceMicros <= authorisedMicros &&
            budgets.every(({ limitMicros, used }) => taken(used) + priceMicros <= limitMicros))
        expect(wait === undefined).toBe(fits)
        if (wait) expect(wait.reason).not.toBe('')
      }),
    )
  })

  it('of an unknown price is never taken for none: it is accepted by name, and by no budget', () => {
    fc.assert(
      fc.property(micros, fc.boolean(), fc.array(budget), (authorisedMicros, accepted, budgets) => {
        const scene = {
          priceMicros: null,
          authorisedMicros,
          unknownCostAccepted: accepted,
          unapproved: false,
          job: noMoney,
          budgets,
        }
        expect(moneyWait(scene, now) === undefined).toBe(accepted && budgets.length === 0)
      }),
    )
  })

  it('of a day is waited for until the day is over', () => {
    const day: Budget = { name: 'day', limitMicros: 5, used: { ...noMoney, spentMicros: 5 } }
    const scene = {
      priceMicros: 1,
      authorisedMicros: 9,
      unknownCostAccepted: false,
      unapproved: false,
      job: noMoney,
    }
    const wait = moneyWait({ ...scene, budgets: [day] }, now)
    expect(wait).toMatchObject({ code: 'budget_day', until: endOfDay(now) })
    expect(endOfDay(now)).toBe(Date.UTC(2026, 10, 26))
  })
})
