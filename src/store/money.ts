/** Money that is reserved, spent and allowed, and provider cooldowns and outages. */
import { inFlightAttemptStatuses } from '../job/lifecycle.ts'
import { type Money, type SpendGroup, type SpendRow, noMoney } from '../job/price.ts'
import { type LedgerFilter, ledgerCondition } from './attempts.ts'
import type { Reader, Row, SqlValue, Transaction } from './database.ts'
import { number, numberOrNull, quoted, text } from './sql.ts'

const open = quoted(inFlightAttemptStatuses)

/** SQL: reserved and spent micros of attempts, and the number with unknown price. */
const sums = `coalesce(sum(case when status in (${open}) then cost_micros else 0 end), 0) as reserved,
  coalesce(sum(charged_micros), 0) as spent,
  coalesce(sum(case when cost_micros is null and charged_micros is null then 1 else 0 end), 0) as unpriced`

/** SQL: a job's reserved and spent micros. */
export const takenOf = (jobId: string): string => `select coalesce(sum(coalesce(charged_micros, 0)
    + case when status in (${open}) then coalesce(cost_micros, 0) else 0 end), 0)
  from attempts where job_id = ${jobId}`

const moneyOf = (row: Row): Money => ({
  reservedMicros: Number(row.reserved),
  spentMicros: Number(row.spent),
  unpriced: Number(row.unpriced),
})

export async function moneyOfJob(reader: Reader, jobId: number): Promise<Money> {
  return moneyOf((await reader.get(`select ${sums} from attempts where job_id = $1`, [jobId]))!)
}

/** By job, without jobs that have no attempts. */
export async function moneyOfJobs(
  reader: Reader,
  jobIds: readonly number[],
): Promise<ReadonlyMap<number, Money>> {
  if (jobIds.length === 0) return new Map()
  const places = jobIds.map((_, index) => `$${index + 1}`).join(', ')
  const rows = await reader.all(
    `select job_id, ${sums} from attempts where job_id in (${places}) group by job_id`,
    jobIds,
  )
  return new Map(rows.map((row) => [number(row, 'job_id'), moneyOf(row)]))
}

export async function moneyOfScenes(reader: Reader, jobId: number): Promise<ReadonlyMap<string, Money>> {
  const rows = await reader.all(
    `select scene_id, ${sums} from attempts where job_id = $1 group by scene_id`,
    [jobId],
  )
  return new Map(rows.map((row) => [text(row, 'scene_id'), moneyOf(row)]))
}

/** Totals of a ledger filter; without a filter they include orphaned renders. */
export async function moneyOfLedger(reader: Reader, filter: LedgerFilter): Promise<Money> {
  const params: SqlValue[] = []
  const condition = ledgerCondition(filter, params)
  const money = moneyOf((await reader.get(`select ${sums} from attempts where ${condition}`, params))!)
  if (Object.values(filter).some((value) => value !== undefined)) return money
  return { ...money, spentMicros: money.spentMicros + (await spentOnOrphans(reader)) }
}

/** Restricts sums to a client, a day, or both; omitted: all clients, all days. */
export interface MoneyScope {
  readonly clientId?: string
  readonly day?: string
}

const condition = ({ clientId, day }: MoneyScope): { readonly sql: string; readonly params: string[] } => {
  const params: string[] = []
  const parts: string[] = []
  if (clientId !== undefined) parts.push(`client_id = $${params.push(clientId)}`)
  if (day !== undefined) parts.push(`day = $${params.push(day)}`)
  return { sql: parts.join(' and ') || '1 = 1', params }
}

/** Adds the few open attempts to the settled sums by day and client. */
export async function moneyIn(reader: Reader, scope: MoneyScope): Promise<Money> {
  const { sql, params } = condition(scope)
  const reserved = await reader.get(
    `select coalesce(sum(cost_micros), 0) as micros, coalesce(sum(case when cost_micros is null then 1 else 0 end), 0) as unpriced
     from attempts where status in (${open}) and ${sql}`,
    params,
  )
  const spent = await reader.get(
    `select coalesce(sum(micros), 0) as micros from spendings where ${sql}`,
    params,
  )
  return {
    ...noMoney,
    reservedMicros: Number(reserved!.micros),
    spentMicros: Number(spent!.micros),
    unpriced: Number(reserved!.unpriced),
  }
}

/** Selects and groups sums. `from` and `to`, inclusive: days, or months such as `2026-11`. */
export interface SpendQuery {
  readonly groups: readonly SpendGroup[]
  readonly clientId?: string | undefined
  /** The client that the actor's key is bound to. */
  readonly boundTo?: string | undefined
  readonly from?: string | undefined
  readonly to?: string | undefined
  /** Most rows to read of each kind. */
  readonly limit: number
}

const columnOf: Readonly<Record<SpendGroup, string>> = {
  client: 'client_id',
  month: 'substr(day, 1, 7)',
  day: 'day',
}

/**
 * By month or day, then by client. Charges come from the sums by day; reserved amounts and unknown prices come from the few
 * attempts that have them.
 */
export async function listSpend(reader: Reader, query: SpendQuery): Promise<readonly SpendRow[]> {
  const { groups, limit } = query
  const params: SqlValue[] = []
  const bind = (value: SqlValue): string => `$${params.push(value)}`
  const parts = [
    ...(query.clientId === undefined ? [] : [`client_id = ${bind(query.clientId)}`]),
    ...(query.boundTo === undefined ? [] : [`client_id = ${bind(query.boundTo)}`]),
    // Compares text: every day of a month sorts after `2026-11` and before `2026-11-99`, and a day before `2026-11-25-99`.
    ...(query.from === undefined ? [] : [`day >= ${bind(query.from)}`]),
    ...(query.to === undefined ? [] : [`day < ${bind(`${query.to}-99`)}`]),
  ]
  const found = ['1 = 1', ...parts].join(' and ')
  const names = groups.map((group) => `${columnOf[group]} as ${group}_name`)
  const by = groups.length === 0 ? '' : ` group by ${groups.map((group) => columnOf[group]).join(', ')}`
  const rows = new Map<string, SpendRow>()
  const add = async (column: keyof Money, sum: string, from: string): Promise<void> => {
    const read = await reader.all(
      `select ${[...names, `${sum} as sum`].join(', ')} from ${from} and ${found}${by} limit ${limit}`,
      params,
    )
    for (const row of read) {
      const members = Object.fromEntries(groups.map((group) => [group, text(row, `${group}_name`)]))
      const key = JSON.stringify(members)
      const money = { ...(rows.get(key)?.money ?? noMoney), [column]: Number(row.sum) }
      if (Number(row.sum) > 0) rows.set(key, { ...members, money })
    }
  }
  await add('spentMicros', 'coalesce(sum(micros), 0)', 'spendings where 1 = 1')
  await add('reservedMicros', 'coalesce(sum(cost_micros), 0)', `attempts where status in (${open})`)
  await add('unpriced', 'count(*)', 'attempts where cost_micros is null and charged_micros is null')
  return [...rows.values()].toSorted(
    (one, other) =>
      compared(one.month ?? '', other.month ?? '') ||
      compared(one.day ?? '', other.day ?? '') ||
      compared(one.client ?? '', other.client ?? ''),
  )
}

const compared = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0)

/** Micros charged for orphaned renders. */
export async function spentOnOrphans(reader: Reader): Promise<number> {
  return Number((await reader.get('select coalesce(sum(charged_micros), 0) as micros from strays'))!.micros)
}

/** Adds a charge, in the transaction that settles the attempt. */
export const addSpending = (
  tx: Transaction,
  day: string,
  clientId: string,
  micros: number,
): Promise<number> =>
  tx.run(
    `insert into spendings (day, client_id, micros) values ($1, $2, $3)
     on conflict (day, client_id) do update set micros = spendings.micros + $3`,
    [day, clientId, micros],
  )

/** Budgets set at run time, by name; null: no limit, overriding the configuration. */
export async function listBudgets(reader: Reader): Promise<ReadonlyMap<string, number | null>> {
  const rows = await reader.all('select name, limit_micros from budgets order by name')
  return new Map(rows.map((row) => [text(row, 'name'), numberOrNull(row, 'limit_micros')]))
}

export const setBudget = (tx: Transaction, name: string, limitMicros: number | null): Promise<number> =>
  tx.run(
    `insert into budgets (name, limit_micros) values ($1, $2)
     on conflict (name) do update set limit_micros = $2`,
    [name, limitMicros],
  )

export const deleteBudget = (tx: Transaction, name: string): Promise<number> =>
  tx.run('delete from budgets where name = $1', [name])

export interface Cooldown {
  /** ms since the epoch. */
  readonly until: number
  readonly reason: string
}

/** A period in which a provider does not answer requests for renders. */
export interface Outage extends Cooldown {
  /** Consecutive requests without an answer. */
  readonly failures: number
}

export async function findOutage(reader: Reader, renderer: string): Promise<Outage | undefined> {
  const row = await reader.get('select failures, until, reason from outages where renderer = $1', [renderer])
  return (
    row && { failures: number(row, 'failures'), until: number(row, 'until'), reason: text(row, 'reason') }
  )
}

export const putOutage = (
  tx: Transaction,
  renderer: string,
  { failures, until, reason }: Outage,
): Promise<number> =>
  tx.run(
    `insert into outages (renderer, failures, until, reason) values ($1, $2, $3, $4)
     on conflict (renderer) do update set failures = $2, until = $3, reason = $4`,
    [renderer, failures, until, reason],
  )

/** Ends all waits, so that the next request is sent immediately. */
export const releaseOutages = (tx: Transaction): Promise<number> => tx.run('update outages set until = 0')

/** Returns the number of rows: 0 without an outage. */
export const endOutage = (tx: Transaction, renderer: string): Promise<number> =>
  tx.run('delete from outages where renderer = $1', [renderer])

/** Starts or extends a cooldown until `until`; a longer one stays. */
export const extendCooldown = (
  tx: Transaction,
  renderer: string,
  { until, reason }: Cooldown,
): Promise<number> =>
  tx.run(
    `insert into pauses (renderer, until, reason) values ($1, $2, $3)
     on conflict (renderer) do update set until = $2, reason = $3 where pauses.until < $2`,
    [renderer, until, reason],
  )
