/** What is left of each budget that applies to a job, once its scenes are paid. */
import type { BudgetsAnswer, JobAnswer } from '../../../src/client/client.ts'

export interface BudgetAfter {
  readonly name: string
  readonly limit: number
  /** Before this job's scenes are paid. */
  readonly left: number
  /** Negative: the sum exceeds it. */
  readonly after: number
}

interface Money {
  readonly spent: number | null
  readonly reserved: number
}

type JobMoney = Pick<JobAnswer, 'client_id'> & { readonly costs: Money & { readonly to_pay: number | null } }

/** The budget of the job's client: its own one, else that of every client. */
export const clientBudget = (
  { budgets }: BudgetsAnswer,
  clientId: string | null,
): BudgetsAnswer['budgets'][number] | undefined =>
  clientId === null
    ? undefined
    : (budgets.find(({ name }) => name === `client:${clientId}`) ??
      budgets.find(({ name }) => name === 'client'))

const cents = (usd: number): number => Math.round(usd * 1e6) / 1e6

/**
 * The narrowest first. `clientMoney`: what the client has spent and reserved, if known. A budget is left out where a sum is
 * unknown.
 */
export function budgetsAfter(
  answer: BudgetsAnswer,
  { client_id, costs }: JobMoney,
  clientMoney: Money | undefined,
): readonly BudgetAfter[] {
  const ofClient = clientBudget(answer, client_id)
  const named = (wanted: string) => answer.budgets.find(({ name }) => name === wanted)
  const rows: readonly (readonly [BudgetsAnswer['budgets'][number] | undefined, Money | null | undefined])[] =
    [
      [named('job'), costs],
      [ofClient, ofClient?.used ?? clientMoney],
      [named('day'), named('day')?.used],
      [named('total'), named('total')?.used],
    ]
  return rows.flatMap(([budget, used]) => {
    if (!budget || !used || used.spent === null || costs.to_pay === null) return []
    const left = cents(budget.limit - used.spent - used.reserved)
    return [{ name: budget.name, limit: budget.limit, left, after: cents(left - costs.to_pay) }]
  })
}
