/** What a status other than 2xx proves about a request to create something. Pure. */
import type { ProviderTrouble, Refusal } from '../provider.ts'
import type { Answer } from './api.ts'

/** Wait until the next try while a person has to add credit or change the token. */
const personWaitMs = 60_000

/** 4xx that prove nothing: time-outs of a gateway (408, 499), "already exists", "too early". */
const unclear: ReadonlySet<number> = new Set([408, 409, 425, 499])

/** Undefined if the status doesn't prove that nothing was created. */
export function refusalOf({
  status,
  words,
  waitMs,
}: Extract<Answer, { kind: 'status' }>): Refusal | undefined {
  if (status < 300 || status >= 500 || unclear.has(status)) return undefined
  if (status === 429) return notNow('throttled', words, waitMs)
  if (status === 402) return notNow('no_credit', words, personWaitMs)
  if (status === 401 || status === 403) return notNow('not_allowed', words, personWaitMs)
  // A redirect means that the configured address is not the API's.
  if (status < 400) return notNow('not_allowed', `${words}: redirects are not followed`, personWaitMs)
  return refusedInput({ code: 'bad_input', reason: words, retry: false })
}

/** A refusal of this order alone. */
export const refusedInput = (trouble: ProviderTrouble): Refusal => ({
  kind: 'refused',
  trouble,
  waitMs: null,
  countsAsTry: true,
})

/** The provider was unreachable, or its answer was meaningless. */
export const silent = (reason: string): Refusal => ({
  ...notNow('unreachable', reason, null),
  isSilent: true,
})

/** A refusal for another reason than this order, so it doesn't count as one of its tries. */
export const notNow = (code: string, reason: string, waitMs: number | null): Refusal => ({
  kind: 'refused',
  trouble: { code, reason, retry: true },
  waitMs,
  countsAsTry: false,
})
