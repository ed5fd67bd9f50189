/** A simulated clock with the faults of real ones. */
import { type Clock, createClock } from './clock.ts'

export interface RealClock extends Clock {
  /** Puts the wall clock on, or back. */
  leap(ms: number): void
  /** Lets the time pass until the next sleeper wakes, at most so long. */
  pass(ms: number): void
}

/** As real ones are: time goes on between two calls, a timer may ring up to 1 ms early, and only the wall clock leaps. */
export function createRealClock(seed: number): RealClock {
  const clock = createClock(seed)
  let leapt = 0
  const tick = (): void => clock.advance(clock.random() * 0.4)
  return {
    ...clock,
    now: () => {
      tick()
      return Math.floor(clock.monotonic() + leapt)
    },
    monotonic: () => {
      tick()
      return clock.monotonic()
    },
    sleep: (ms, signal) => clock.sleep(ms <= 0 ? 0 : Math.max(0.01, ms - clock.random()), signal),
    leap: (ms) => (leapt += ms),
    pass(ms) {
      const next = clock.nextWakeAt()
      clock.advance(Math.max(0, Math.min(ms, (next ?? Number.POSITIVE_INFINITY) - clock.monotonic())))
    },
  }
}
