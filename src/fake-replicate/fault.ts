/** Faults of Replicate or of the network, by the stage they strike. */

export const faults = {
  /** On the POST that creates a prediction. `..._before`: nothing was created; `..._after`: it was. */
  create: [
    /** 429 with Retry-After. */
    'throttle_header',
    /** 429 with the wait only in the message. */
    'throttle_body',
    /** The same with another wording, and a wait of one second. */
    'throttle_second',
    'error_before',
    'error_after',
    'reset_before',
    'reset_after',
    'hang_before',
    'hang_after',
    /** Created; 201 with truncated JSON. */
    'malformed',
    /** Created; 200 with an HTML page. */
    'html',
    /** Created, and its list never shows it; the connection is reset. */
    'reset_unlisted',
    'refuse',
    'no_credit',
  ],
  /** On the course of the prediction. */
  prediction: [
    'fails_transient',
    'preempted',
    'fails_content',
    'fails_input',
    'aborts',
    /** Cancelled before it began: only `canceled`, without `started_at`. */
    'cancels_queued',
    /** Succeeds, but its output appears up to five minutes later. */
    'output_late',
    /** Runs until its Cancel-After, or endlessly. */
    'stalls',
  ],
  /** On a GET of a prediction, a page of the list, a cancellation. */
  read: ['read_error', 'read_reset', 'read_closed', 'read_malformed', 'read_hang', 'read_throttle'],
  /** On a GET of a succeeded prediction: a stale replica answers. */
  stale: [
    /** As it was before it began: `starting`, without an output. */
    'read_stale',
    /** 404. */
    'read_absent',
  ],
  /** On a cancellation, which has no effect, nor have later ones. */
  cancel: ['cancel_conflict', 'cancel_invalid', 'cancel_absent'],
  /** On fetching the clip. */
  output: [
    /** The connection closes cleanly before all announced bytes were sent. */
    'output_truncated',
    /** Reset in the middle. */
    'output_cut',
    'output_wrong',
    /** 404 in the first minute: the bytes are not available yet. */
    'output_absent',
    'output_error',
    'output_slow',
    /** 404 from then on. */
    'output_gone',
  ],
  /** On each event sent to a webhook. */
  webhook: [
    'webhook_lost',
    'webhook_doubled',
    /** Up to 30 s late, so that later events overtake it. */
    'webhook_late',
    /** A forged event with a wrong signature precedes the real one. */
    'webhook_forged',
  ],
} as const

export type Stage = keyof typeof faults
export type FaultOf<Of extends Stage> = (typeof faults)[Of][number]
export type Fault = FaultOf<Stage>

/** The probability of each fault where it applies. */
export type Rates = Readonly<Partial<Record<Fault, number>>>

/** Draws at most one number a stage, and none if no fault applies, so that other rates repeat the same run. */
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

/** @throws {TypeError} for an unknown name: a misspelt fault would never strike. */
export function checkFaults(names: readonly string[]): void {
  const known = new Set<string>(Object.values(faults).flat())
  for (const name of names) if (!known.has(name)) throw new TypeError(`Unknown fault ${name}`)
}
