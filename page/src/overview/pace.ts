/** How long a budget lasts at the pace of the last days. Pure. */
import type { SpendAnswer } from '../../../src/client/client.ts'

const dayMs = 86_400_000
/** Days before today by which the pace is judged. */
const judgedDays = 7
/** Earlier in the day, its sum says little about its end. */
const leastShareOfDay = 0.1

export type Pace = { readonly days: number } | { readonly byMidnight: number }

/** Undefined where nothing was spent, and for budgets of which each job or client has its own. */
export function paceOf(
  name: string,
  left: number,
  taken: number,
  rows: SpendAnswer['rows'],
  now: number,
): Pace | undefined {
  if (name === 'day') {
    const share = (now % dayMs) / dayMs
    return share < leastShareOfDay || taken === 0
      ? undefined
      : { byMidnight: Math.round((100 * taken) / share) / 100 }
  }
  if (name !== 'total' && !name.startsWith('client:')) return undefined
  const [from, today] = [now - judgedDays * dayMs, now].map((ms) => new Date(ms).toISOString().slice(0, 10))
  const spent = rows
    .filter(({ day = '' }) => day >= from! && day < today!)
    .filter(({ client_id: clientId }) => name === 'total' || clientId === name.slice('client:'.length))
    .reduce((sum, row) => sum + (row.spent ?? 0), 0)
  return spent === 0 ? undefined : { days: left / (spent / judgedDays) }
}
