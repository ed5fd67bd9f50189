/** The commands about money: what a film would cost, what was paid, what may be. */
import type { BudgetsAnswer, LedgerAnswer } from '../http/money.ts'
import { clientFor, print, printJson, readRequest, remoteOptions, requestOptions } from './asking.ts'
import { usageError } from './command-error.ts'
import type { CommandContext } from './film.ts'
import { numberOf, readOptions } from './option.ts'
import { planLines, planOfEstimate } from './view.ts'
import { fitted, spokenCost, spokenMoney } from './words.ts'

export async function estimate(context: CommandContext): Promise<void> {
  const { values, positionals } = readOptions(context.args, requestOptions)
  const client = clientFor(values.url, context.signal)
  const { request, fileOf } = await readRequest(client, positionals, values, 'estimate')
  const answer = await client.estimate(request)
  if (values.json) return printJson(context, answer)
  print(context, ...planLines(planOfEstimate(answer), fileOf, context.terminal.screen()), '')
}

export async function ledger(context: CommandContext): Promise<void> {
  const { values, positionals } = readOptions(context.args, {
    ...remoteOptions,
    job: { type: 'string' },
    client: { type: 'string' },
    from: { type: 'string' },
    to: { type: 'string' },
    limit: { type: 'string', default: '20' },
  })
  if (positionals.length > 0) throw usageError(`ledger takes no "${positionals[0]}"`)
  const { job, client, from, to, limit } = values
  const query = new URLSearchParams({
    limit,
    ...(job !== undefined && { job_id: job }),
    ...(client !== undefined && { client_id: client }),
    ...(from !== undefined && { from }),
    ...(to !== undefined && { to }),
  })
  const answer = await clientFor(values.url, context.signal).ledger(query)
  if (values.json) printJson(context, answer)
  else print(context, ...ledgerLines(answer))
}

const ledgerRow = (
  at: string,
  job: string,
  model: string,
  cost: string,
  status: string,
  id: string,
): string =>
  `${at.padEnd(16)}  ${job.padStart(6)}  ${fitted(model, 22)}  ${cost.padStart(8)}  ${status.padEnd(9)}  ${id}`.trimEnd()

export function ledgerLines({ entries, totals, next_cursor, unaccounted }: LedgerAnswer): string[] {
  const rows = entries.map((entry) =>
    ledgerRow(
      entry.inserted_at.slice(0, 16).replace('T', ' '),
      String(entry.job_id),
      entry.model,
      chargeOf(entry),
      entry.status,
      entry.failure?.reason ?? entry.prediction_id ?? '',
    ),
  )
  return [
    ...(rows.length === 0
      ? ['There are no such renders']
      : [
          ledgerRow('BEGUN (UTC)', 'JOB', 'MODEL', 'CHARGED', 'STATUS', 'PREDICTION, OR WHAT FAILED'),
          ...rows,
        ]),
    ...(next_cursor === null ? [] : ['and older ones: raise --limit']),
    '',
    `In all: ${spokenMoney(totals)}`,
    ...unaccounted.map(
      ({ prediction_id, state, charged }) =>
        `Nobody here asked for prediction ${prediction_id} (${state}, ${charged === null ? 'charge unknown' : `${spokenCost(charged)} charged`})`,
    ),
  ]
}

/** `$0.60`; `($0.60)` for what is only held back. */
function chargeOf({ charged, reserved }: LedgerAnswer['entries'][number]): string {
  if (charged !== null) return spokenCost(charged)
  return reserved === 0 ? spokenCost(null) : `(${spokenCost(reserved)})`
}

export async function budgets(context: CommandContext): Promise<void> {
  const { values, positionals } = readOptions(context.args, {
    ...remoteOptions,
    set: { type: 'string', multiple: true, default: [] },
  })
  if (positionals.length > 0) throw usageError(`budgets takes no "${positionals[0]}"`)
  const limits = Object.fromEntries(values.set.map(limitOf))
  const client = clientFor(values.url, context.signal)
  const answer = values.set.length > 0 ? await client.setBudgets(limits) : await client.budgets()
  if (values.json) printJson(context, answer)
  else print(context, ...budgetLines(answer))
}

/** `day=25`, `client:acme=none`. */
export function limitOf(text: string): [name: string, usd: number | null] {
  const [, name, value] = /^(.+)=([^=]+)$/s.exec(text) ?? []
  if (name === undefined || value === undefined)
    throw usageError(`--set must be like day=25 or total=none, not "${text}"`)
  return [name, value === 'none' ? null : numberOf(`set ${name}`, value)!]
}

const budgetRow = (name: string, limit: string, spent: string, reserved: string): string =>
  `${fitted(name, 24)}  ${limit.padStart(10)}  ${spent.padStart(10)}  ${reserved.padStart(10)}`

function budgetLines({ budgets: standings }: BudgetsAnswer): string[] {
  if (standings.length === 0) return ['There are no budgets: whatever is approved may be spent']
  return [
    budgetRow('BUDGET', 'LIMIT', 'SPENT', 'RESERVED'),
    ...standings.map(({ name, limit, used }) =>
      used === null
        ? `${fitted(name, 24)}  ${spokenCost(limit).padStart(10)}  for each`
        : budgetRow(name, spokenCost(limit), spokenCost(used.spent), spokenCost(used.reserved)),
    ),
  ]
}
