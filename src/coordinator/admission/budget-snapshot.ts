/** A snapshot of the budgets in force and their use, and the ledger entries of settled attempts. */
import type { Attempt } from '../../job/attempt.ts'
import { type Money, dayOf } from '../../job/price.ts'
import type { Reader, Transaction } from '../../store/database.ts'
import { addSpending, listBudgets, moneyIn, moneyOfJob } from '../../store/money.ts'
import type { Budget } from './rules.ts'

/** Configured limits in millionths of a US dollar, by name: job, client, day, total. */
export type ConfiguredBudgets = Readonly<Partial<Record<'job' | 'client' | 'day' | 'total', number>>>

/** Limits by name: those set over HTTP replace the configured ones, and null removes one. */
export async function budgetLimits(
  reader: Reader,
  configured: ConfiguredBudgets,
): Promise<ReadonlyMap<string, number>> {
  const limits = new Map<string, number | null>(Object.entries(configured))
  for (const [name, limit] of await listBudgets(reader)) limits.set(name, limit)
  const inForce = [...limits].filter((entry): entry is [string, number] => entry[1] !== null)
  return new Map(inForce)
}

/** Reads each sum once: for one look of admission, within its transaction. */
export interface BudgetSnapshot {
  moneyOfJob(jobId: number): Promise<Money>
  /** The budgets that apply to a job's scenes, the narrowest first. */
  budgetsFor(job: { readonly jobId: number; readonly clientId: string }): Promise<readonly Budget[]>
  /** Adds a reservation, so that the next scene of the same look sees it. */
  reserve(job: { readonly jobId: number; readonly clientId: string }, priceMicros: number | null): void
}

export function openBudgetSnapshot(
  reader: Reader,
  configured: ConfiguredBudgets,
  now: number,
): BudgetSnapshot {
  const sums = new Map<string, Money>()
  let limits: ReadonlyMap<string, number> | undefined

  const once = async (name: string, read: () => Promise<Money>): Promise<Money> => {
    const known = sums.get(name)
    if (known) return known
    const money = await read()
    sums.set(name, money)
    return money
  }
  const ofJob = (jobId: number): Promise<Money> => once(`job ${jobId}`, () => moneyOfJob(reader, jobId))
  const scopes = (clientId: string) => [
    { key: `client ${clientId}`, scope: { clientId } },
    { key: 'day', scope: { day: dayOf(now) } },
    { key: 'total', scope: {} },
  ]

  return {
    moneyOfJob: ofJob,

    async budgetsFor({ jobId, clientId }) {
      limits ??= await budgetLimits(reader, configured)
      if (limits.size === 0) return []
      const budgets: Budget[] = []
      const add = async (name: string, read: () => Promise<Money>): Promise<void> => {
        const limitMicros = limits!.get(name)
        if (limitMicros !== undefined) budgets.push({ name, limitMicros, used: await read() })
      }
      await add('job', () => ofJob(jobId))
      // A client's own limit replaces the limit for each client; a job without a client has neither.
      const own = `client:${clientId}`
      const [client, day, total] = scopes(clientId)
      if (clientId !== '')
        await add(limits.has(own) ? own : 'client', () =>
          once(client!.key, () => moneyIn(reader, client!.scope)),
        )
      await add('day', () => once(day!.key, () => moneyIn(reader, day!.scope)))
      await add('total', () => once(total!.key, () => moneyIn(reader, total!.scope)))
      return budgets
    },

    reserve({ jobId, clientId }, priceMicros) {
      for (const key of [`job ${jobId}`, ...scopes(clientId).map((one) => one.key)]) {
        const money = sums.get(key)
        if (!money) continue
        sums.set(key, {
          ...money,
          reservedMicros: money.reservedMicros + (priceMicros ?? 0),
          unpriced: money.unpriced + (priceMicros === null ? 1 : 0),
        })
      }
    },
  }
}

/** Writes a settled attempt's charge into the ledger, in the transaction that settles it. */
export async function book(
  tx: Transaction,
  { day, clientId, chargedMicros }: Pick<Attempt, 'day' | 'clientId' | 'chargedMicros'>,
): Promise<void> {
  if (chargedMicros !== null && chargedMicros > 0) await addSpending(tx, day, clientId, chargedMicros)
}
