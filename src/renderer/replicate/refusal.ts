/** What a status other than 2xx says of a request that was to make something. Pure. */
import type { ProviderTrouble, Refusal } from '../provider.ts'
import type { Answer } from './api.ts'

/** Nobody put it right yet: a person has to pay, or to change the token. */
const personWaitMs = 60_000

/** 4xx that don't say that nothing was made: a gateway's own time-outs (408, 499), "exists already", "too early". */
const unclear: ReadonlySet<number> = new Set([408, 409, 425, 499])

/** Undefined where the status doesn't prove that nothing was made. */
export function refusalOf({
  status,
  words,
  waitMs,
}: Extract<Answer, { kind: 'status' }>): Refusal | undefined {
  if (status < 300 || status >= 500 || unclear.has(status)) return undefined
  if (status === 429) return notNow('throttled', words, waitMs)
  if (status === 402) return notNow('no_credit', words, personWaitMs)
  if (status === 401 || status === 403) return notNow('not_allowed', words, personWaitMs)
  // Somebody sends us elsewhere: another address is configured than the API's.
  if (status < 400) return notNow('not_allowed', `${words}: redirects are not followed`, personWaitMs)
  return refusedInput({ code: 'bad_input', reason: words, retry: false })
}

/** A refusal of this order, which says nothing about the next one. */
export const refusedInput = (trouble: ProviderTrouble): Refusal => ({
  kind: 'refused',
  trouble,
  waitMs: null,
  countsAsTry: true,
})

/** It could not be reached, or gave no answer that says anything. */
export const silent = (reason: string): Refusal => ({
  ...notNow('unreachable', reason, null),
  isSilent: true,
})

/** A refusal that is not this order's fault, so that it doesn't count as one of its tries. */
export const notNow = (code: string, reason: string, waitMs: number | null): Refusal => ({
  kind: 'refused',
  trouble: { code, reason, retry: true },
  waitMs,
  countsAsTry: false,
})
