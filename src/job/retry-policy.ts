/** How often a failed render is tried again, and after what wait: by the class of what went wrong. Pure. */
import type { Failure } from './scene.ts'

/**
 * `provider`: it failed at a provider, or on the way there. `machine`: this machine was too busy, or ran out of memory or
 * time. `clip`: what was rendered turned out bad. `other`: anything else.
 */
export type ErrorClass = 'provider' | 'machine' | 'clip' | 'other'

const classOfCode: ReadonlyMap<string, ErrorClass> = new Map([
  ['provider_error', 'provider'],
  ['upload_failed', 'provider'],
  ['render_failed', 'provider'],
  ['render_lost', 'provider'],
  ['throttled', 'provider'],
  ['no_credit', 'provider'],
  ['not_allowed', 'provider'],
  ['unreachable', 'provider'],
  ['render_killed', 'machine'],
  ['render_hung', 'machine'],
  ['render_too_long', 'machine'],
  ['killed', 'machine'],
  ['hung', 'machine'],
  ['too_long', 'machine'],
  ['ffmpeg_failed', 'machine'],
  ['damaged', 'clip'],
  ['incomplete', 'clip'],
  ['unreadable', 'clip'],
  ['not_as_written', 'clip'],
  ['broken_part', 'clip'],
  ['clip_missing', 'clip'],
])

export const errorClassOf = ({ code }: Failure): ErrorClass => classOfCode.get(code) ?? 'other'

/** What a job may say for itself; what it leaves out is the standard. Times in seconds. */
export interface RetryWish {
  /** Renders of a scene in all, the first included. */
  readonly max_tries?: number | undefined
  /** The wait before the second try; it doubles with each. */
  readonly delay?: number | undefined
  /** No wait is longer. */
  readonly max_delay?: number | undefined
}

export interface RetryPolicy extends RetryWish {
  readonly classes?: { readonly [name in ErrorClass]?: RetryWish | undefined } | undefined
}

export interface RetryRule {
  readonly maxTries: number
  readonly delayMs: number
  readonly maxDelayMs: number
}

/** The rule for a failure: what the job says of its class, then what it says of all, then the standard. */
export function retryRule(
  policy: RetryPolicy | null,
  failure: Failure,
  standard: Omit<RetryRule, 'maxDelayMs'>,
): RetryRule {
  const ofClass = policy?.classes?.[errorClassOf(failure)]
  return {
    maxTries: ofClass?.max_tries ?? policy?.max_tries ?? standard.maxTries,
    delayMs: ms(ofClass?.delay ?? policy?.delay) ?? standard.delayMs,
    maxDelayMs: ms(ofClass?.max_delay ?? policy?.max_delay) ?? longestDelayMs,
  }
}

const ms = (seconds: number | undefined): number | undefined =>
  seconds === undefined ? undefined : seconds * 1000

const longestDelayMs = 10 * 60_000

/** The wait after `tries` tries: it doubles with each, and chance takes up to half of it, so that not all come back at once. `chance` in [0, 1). */
export const retryDelay = ({ delayMs, maxDelayMs }: RetryRule, tries: number, chance: number): number =>
  Math.ceil(Math.min(maxDelayMs, delayMs * 2 ** Math.min(tries, 30)) * (0.5 + chance / 2))
