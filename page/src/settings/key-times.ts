import type { KeyAnswer } from '../../../src/client/client.ts'

const dayMs = 86_400_000

/** A key that ends within this time is marked. */
export const soonMs = 14 * dayMs

type Ends = Pick<KeyAnswer, 'revoked_at' | 'expires_at'>

export const isUsable = ({ revoked_at, expires_at }: Ends, now = Date.now()): boolean =>
  revoked_at === null && (expires_at === null || Date.parse(expires_at) > now)

/** For how long a new key can be valid, in days. */
export const validDays = [7, 30, 90, 365] as const

/** `days`: as in `validDays`, '' without an end, 'date' with `date` (yyyy-mm-dd) as its last day here. */
export function expiryOf(days: string, date: string, now = Date.now()): string | null {
  if (days === '') return null
  if (days !== 'date') return new Date(now + Number(days) * dayMs).toISOString()
  const [year = 0, month = 1, day = 1] = date.split('-').map(Number)
  // The first moment after that day, in the person's time zone.
  return new Date(year, month - 1, day + 1).toISOString()
}

/** For how long a replaced secret can still be accepted, in seconds. */
export const graceChoices = [0, 3600, 86_400, 604_800, 2_592_000] as const
export const usualGrace = 86_400
