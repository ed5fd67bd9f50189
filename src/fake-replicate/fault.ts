/** What can go wrong at Replicate or on the way to it, by the stage that it strikes. */

export const faults = {
  /** On the POST that creates a prediction. `..._before`: nothing was created; `..._after`: it was. */
  create: [
    /** 429 with Retry-After. */
    'throttle_header',
    /** 429 that says only in words how long. */
    'throttle_body',
    /** The same in other words, and of one second. */
    'throttle_second',
    'error_before',
    'error_after',
    'reset_before',
    'reset_after',
    'hang_before',
    'hang_after',
    /** Created; 201 with JSON that is cut off. */
    'malformed',
    /** Created; 200 with a page for people. */
    'html',
    /** Created, and its list never shows it; the connection is reset. */
    'reset_unlisted',
    'refuse',
    'no_credit',
  ],
  /** On what becomes of the prediction. */
  prediction: [
    'fails_transient',
    'preempted',
    'fails_content',
    'fails_input',
    'aborts',
    /** Cancelled before it began, which says no more than `canceled`, without `started_at`. */
    'cancels_queued',
    /** Succeeds, and its output shows up to five minutes later. */
    'output_late',
    /** Runs until its Cancel-After, or for ever. */
    'stalls',
  ],
  /** On a GET of a prediction, a page of the list, a cancellation. */
  read: ['read_error', 'read_reset', 'read_closed', 'read_malformed', 'read_hang', 'read_throttle'],
  /** On a GET of a prediction that has succeeded: a replica answers that is behind. */
  stale: [
    /** As it was before it began: `starting`, without an output. */
    'read_stale',
    /** 404. */
    'read_absent',
  ],
  /** On a cancellation, which changes nothing then, nor does any that follows. */
  cancel: ['cancel_conflict', 'cancel_invalid', 'cancel_absent'],
  /** On fetching the clip. */
  output: [
    /** The connection ends, as if well, before all announced bytes came. */
    'output_truncated',
    /** Reset midway. */
    'output_cut',
    'output_wrong',
    /** 404, in the first minute: the bytes are still on their way. */
    'output_absent',
    'output_error',
    'output_slow',
    /** 404 from then on. */
    'output_gone',
  ],
  /** On each event that a webhook is told. */
  webhook: [
    'webhook_lost',
    'webhook_doubled',
    /** Up to 30 s, so that later events overtake it. */
    'webhook_late',
    /** A lie with a wrong signature comes before the truth. */
    'webhook_forged',
  ],
} as const

export type Stage = keyof typeof faults
export type FaultOf<Of extends Stage> = (typeof faults)[Of][number]
export type Fault = FaultOf<Stage>

/** By fault: the probability that it strikes where it can. */
export type Rates = Readonly<Partial<Record<Fault, number>>>

/** One number drawn a stage at most, and none where nothing can strike: other rates repeat the same run. */
export function drawFault<Of extends Stage>(
  stage: Of,
  rates: Rates,
  random: () => number,
): FaultOf<Of> | null {
  const names: readonly FaultOf<Of>[] = faults[stage]
  let left: number | undefined
  for (const name of names) {
    const rate = rates[name] ?? 0
    if (rate === 0) continue
    left ??= random()
    if (left < rate) return name
    left -= rate
  }
  return null
}

export function isFaultOf<Of extends Stage>(
  stage: Of,
  fault: string | null | undefined,
): fault is FaultOf<Of> {
  const names: readonly string[] = faults[stage]
  return typeof fault === 'string' && names.includes(fault)
}

/** @throws {TypeError} for a name that is none: a misspelt fault would silently never strike. */
export function checkFaults(names: readonly string[]): void {
  const known = new Set<string>(Object.values(faults).flat())
  for (const name of names) if (!known.has(name)) throw new TypeError(`There is no fault ${name}`)
}
