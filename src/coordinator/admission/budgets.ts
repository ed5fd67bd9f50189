/** Budgets for each job, each client, a day and in total, readable and changeable at run time. */
import type { SettingChange } from '../../job/change.ts'
import { type Actor, differences } from '../../job/event.ts'
import { type Money, dayOf, dollars, toMicros } from '../../job/price.ts'
import { parseBudgets } from '../../job/control-request.ts'
import { invalidField } from '../../job/errors.ts'
import { logLine } from '../../log.ts'
import { latestChanges, recordChanges } from '../../store/changes.ts'
import { type MoneyScope, deleteBudget, listBudgets, moneyIn, setBudget } from '../../store/money.ts'
import { once, whole } from '../../access/idempotency.ts'
import { budgetLimits } from './budget-snapshot.ts'
import type { Context } from '../context.ts'

/** A budget in force and its use; null for a budget that applies to each job or client. */
export interface BudgetStanding {
  /** job, client, client:<client_id>, day or total. */
  readonly name: string
  readonly limitMicros: number
  readonly used: Money | null
  /** Its last change, as far as it is known. */
  readonly changed: SettingChange | undefined
}

/** Each look of admission reads all of them. */
const mostBudgets = 1000

const isOfOneClient = (name: string): boolean => name.startsWith('client:')

export const getBudgets = (context: Context): Promise<readonly BudgetStanding[]> =>
  context.database.snapshot(async (reader) => {
    const limits = [...(await budgetLimits(reader, context.budgets))]
    const changes = await latestChanges(reader, 'budget')
    const now = context.host.now()
    return Promise.all(
      limits.map(async ([name, limitMicros]) => {
        const scope = scopeOf(name, now)
        const used = scope && (await moneyIn(reader, scope))
        return { name, limitMicros, used, changed: changes.get(name) }
      }),
    )
  })

/** US dollars by name; null removes a limit. Members left out stay unchanged. @throws {RefusedError} `invalid` */
export async function setBudgets(
  context: Context,
  input: unknown,
  actor?: Actor,
): Promise<readonly BudgetStanding[]> {
  const { database, host, budgets, wakeAdmission, log } = context
  const limits = Object.entries(parseBudgets(input))
  const before = await once(database, actor, whole<Record<string, number | null>>(), async (tx) => {
    const inForce = await budgetLimits(tx, budgets)
    await Promise.all(
      limits.map(([name, usd]) =>
        // The configuration has no budgets of single clients, so there is none to override.
        usd === null && isOfOneClient(name)
          ? deleteBudget(tx, name)
          : setBudget(tx, name, usd === null ? null : toMicros(usd)),
      ),
    )
    if ((await listBudgets(tx)).size > mostBudgets)
      throw invalidField('', `there can be at most ${mostBudgets} budgets: remove some with null`)
    tx.afterCommit(wakeAdmission)
    const old = Object.fromEntries(
      limits.map(([name]) => [name, inForce.has(name) ? dollars(inForce.get(name)!) : null]),
    )
    await recordChanges(tx, 'budget', differences(old, Object.fromEntries(limits)), actor ?? {}, host.now())
    return old
  })
  logLine.budgetsChanged(log, differences(before, Object.fromEntries(limits)), actor?.by)
  return getBudgets(context)
}

function scopeOf(name: string, now: number): MoneyScope | null {
  if (name === 'total') return {}
  if (name === 'day') return { day: dayOf(now) }
  return isOfOneClient(name) ? { clientId: name.slice('client:'.length) } : null
}
