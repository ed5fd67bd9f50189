/** Budgets: what may be spent for a job, for a client, in a day and in all; readable and changeable while running. */
import type { Host } from '../host.ts'
import { type Asked, differences } from '../job/event.ts'
import { type Money, dayOf, dollars, toMicros } from '../job/price.ts'
import { parseBudgets } from '../job/control-request.ts'
import { invalidField } from '../job/errors.ts'
import { type Log, logLine } from '../log.ts'
import type { Database } from '../store/database.ts'
import { type MoneyScope, deleteBudget, listBudgets, moneyIn, setBudget } from '../store/money.ts'
import { once, whole } from './idempotent.ts'
import { type ConfiguredBudgets, budgetLimits } from './treasury.ts'

/** A budget that is in force, and what of it is used; null where it is one for each job or client. */
export interface BudgetStanding {
  /** job, client, client:<client_id>, day or total. */
  readonly name: string
  readonly limitMicros: number
  readonly used: Money | null
}

export interface BudgetVerbs {
  budgets(): Promise<readonly BudgetStanding[]>
  /** US dollars by name; null lifts a limit. What is not named stays. @throws {RefusedError} `invalid` */
  setBudgets(limits: unknown, asked?: Asked): Promise<readonly BudgetStanding[]>
}

export interface BudgetVerbsOptions {
  readonly database: Database
  readonly host: Host
  readonly log: Log
  readonly budgets: ConfiguredBudgets
  readonly admitSoon: () => void
}

/** All of them are read by each look of admission. */
const mostBudgets = 1000

const isOfOneClient = (name: string): boolean => name.startsWith('client:')

export function createBudgetVerbs({
  database,
  host,
  log,
  budgets,
  admitSoon,
}: BudgetVerbsOptions): BudgetVerbs {
  const standing = (): Promise<readonly BudgetStanding[]> =>
    database.transaction(async (tx) => {
      const standings: BudgetStanding[] = []
      for (const [name, limitMicros] of await budgetLimits(tx, budgets)) {
        const scope = scopeOf(name, host.now())
        standings.push({ name, limitMicros, used: scope && (await moneyIn(tx, scope)) })
      }
      return standings
    })

  return {
    budgets: standing,
    async setBudgets(input, asked) {
      const limits = Object.entries(parseBudgets(input))
      const before = await once(database, asked, whole<Record<string, number | null>>(), async (tx) => {
        const inForce = await budgetLimits(tx, budgets)
        for (const [name, usd] of limits)
          // The configuration has none of a single client's that would have to be lifted.
          if (usd === null && isOfOneClient(name)) await deleteBudget(tx, name)
          else await setBudget(tx, name, usd === null ? null : toMicros(usd))
        if ((await listBudgets(tx)).size > mostBudgets)
          throw invalidField('', `there can be at most ${mostBudgets} budgets: lift some with null`)
        tx.afterCommit(admitSoon)
        return Object.fromEntries(
          limits.map(([name]) => [name, inForce.has(name) ? dollars(inForce.get(name)!) : null]),
        )
      })
      logLine.budgetsChanged(log, differences(before, Object.fromEntries(limits)), asked?.by)
      return standing()
    },
  }
}

function scopeOf(name: string, now: number): MoneyScope | null {
  if (name === 'total') return {}
  if (name === 'day') return { day: dayOf(now) }
  return isOfOneClient(name) ? { clientId: name.slice('client:'.length) } : null
}
