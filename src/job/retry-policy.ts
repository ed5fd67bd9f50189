/** How often a failed render is retried, and after what wait, by class of error. Pure. */
import type { Failure } from './scene.ts'

/**
 * `provider`: the provider failed, or was unreachable. `machine`: this machine was too busy, or ran out of memory or
 * time. `clip`: the rendered clip was invalid. `other`: anything else.
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

/** A job's own rule; omitted members have their defaults. Times in seconds. */
export interface RetryWish {
  /** Renders per scene, including the first. */
  readonly max_tries?: number | undefined
  /** Wait before the second try; doubles with each try. */
  readonly delay?: number | undefined
  /** Longest wait. */
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

/** The rule for a failure: the job's rule for its class, then the job's general rule, then the default. */
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

/** Wait after `tries` tries, in ms. Jitter (`chance` in [0, 1)) removes up to half, so that retries spread out. */
export const retryDelay = ({ delayMs, maxDelayMs }: RetryRule, tries: number, chance: number): number =>
  Math.ceil(Math.min(maxDelayMs, delayMs * 2 ** Math.min(tries, 30)) * (0.5 + chance / 2))
