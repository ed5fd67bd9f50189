/** The commands about money: what a film would cost, what was paid, what may be. */
import type { SpendAnswer, SpendQuery } from '../client/client.ts'
import type { BudgetsAnswer, LedgerAnswer } from '../http/routes/money.ts'
import {
  clientFor,
  jobIdOf,
  noMore,
  print,
  printJson,
  readRequest,
  remoteOptions,
  requestOptions,
} from './asking.ts'
import { usageError } from './command-error.ts'
import { type Command, command } from './command.ts'
import { given, numberOf, numberOrNone } from './option.ts'
import { roomOf, tableLines } from './table.ts'
import { planLines, planOfEstimate } from './view.ts'
import { fitted, minuteOf, spokenCost, spokenMoney } from './words.ts'

export const estimate: Command = command(requestOptions, async (context, { values, positionals }) => {
  const client = clientFor(values, context)
  const { request, fileOf } = await readRequest(client, positionals, values, 'estimate')
  const answer = await client.estimateJob(request)
  if (values.json) return printJson(context, answer)
  print(context, ...planLines(planOfEstimate(answer), fileOf, context.terminal.screen()), '')
})

const ledgerOptions = {
  ...remoteOptions,
  job: { type: 'string' },
  client: { type: 'string' },
  status: { type: 'string' },
  from: { type: 'string' },
  to: { type: 'string' },
  limit: { type: 'string', default: '20' },
} as const

export const ledger: Command = command(ledgerOptions, async (context, { values, positionals }) => {
  noMore(positionals, 'ledger')
  const { job, client, status, from, to, limit } = values
  const answer = await clientFor(values, context).readLedger(
    given({
      job_id: job === undefined ? undefined : jobIdOf(job),
      client_id: client,
      status,
      from,
      to,
      limit: numberOf('limit', limit),
    }),
  )
  if (values.json) printJson(context, answer)
  else print(context, ...ledgerLines(answer, roomOf(context.terminal)))
})

const ledgerColumns = [
  { head: 'BEGUN (UTC)' },
  { head: 'JOB', align: 'right' },
  { head: 'MODEL' },
  { head: 'CHARGED', align: 'right' },
  { head: 'STATUS' },
  { head: 'PREDICTION, OR WHAT FAILED', isCut: true },
] as const

export function ledgerLines(
  { entries, totals, next_cursor, unaccounted }: LedgerAnswer,
  room: number,
): string[] {
  const rows = entries.map((entry) => [
    minuteOf(entry.inserted_at),
    String(entry.job_id),
    entry.model,
    chargeOf(entry),
    entry.status,
    entry.failure?.reason ?? entry.prediction_id ?? '',
  ])
  return [
    ...(rows.length === 0 ? ['There are no such renders'] : tableLines(ledgerColumns, rows, room)),
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

const spendOptions = {
  ...remoteOptions,
  group: { type: 'string' },
  client: { type: 'string' },
  from: { type: 'string' },
  to: { type: 'string' },
  csv: { type: 'boolean', default: false },
} as const

export const spend: Command = command(spendOptions, async (context, { values, positionals }) => {
  noMore(positionals, 'spend')
  const { group, client: client_id, from, to } = values
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what it may be is the server's to say
  const query = given({ group, client_id, from, to }) as SpendQuery
  const client = clientFor(values, context)
  if (values.csv && values.json) throw usageError('spend takes --csv or --json, not both')
  if (values.csv) {
    const csv = await client.readSpendCsv(query)
    const { out } = context.terminal
    // A program gets it as it is; nothing in it steers a terminal.
    if (out.isTTY) print(context, ...csv.trimEnd().split('\r\n'))
    else out.write(csv)
    return
  }
  const answer = await client.readSpend(query)
  if (values.json) printJson(context, answer)
  else print(context, ...spendLines(answer, roomOf(context.terminal)))
})

export function spendLines({ rows, totals, unaccounted }: SpendAnswer, room: number): string[] {
  const [first] = rows
  if (!first) return ['Nothing was spent']
  const isByMonth = first.month !== undefined
  const isByClient = first.client_id !== undefined
  const columns = [
    ...(isByMonth ? [{ head: 'MONTH' }] : []),
    ...(isByClient ? [{ head: 'CLIENT', isCut: true }] : []),
    { head: 'SPENT', align: 'right' as const },
    { head: 'RESERVED', align: 'right' as const },
  ]
  const cells = rows.map(({ month = '', client_id, spent, reserved }) => [
    ...(isByMonth ? [month] : []),
    ...(isByClient ? [client_id ?? ''] : []),
    spokenCost(spent),
    spokenCost(reserved),
  ])
  return [
    ...tableLines(columns, cells, room),
    '',
    `In all: ${spokenMoney(totals)}`,
    ...(unaccounted > 0 ? [`${spokenCost(unaccounted)} of it for renders that nobody here asked for`] : []),
  ]
}

const budgetOptions = {
  ...remoteOptions,
  set: { type: 'string', multiple: true },
} as const

export const budgets: Command = command(budgetOptions, async (context, { values, positionals }) => {
  noMore(positionals, 'budgets')
  const { set = [] } = values
  const limits = Object.fromEntries(set.map(limitOf))
  const client = clientFor(values, context)
  const answer = set.length > 0 ? await client.setBudgets(limits) : await client.readBudgets()
  if (values.json) printJson(context, answer)
  else print(context, ...budgetLines(answer))
})

/** `day=25`, `client:acme=none`. */
export function limitOf(text: string): [name: string, usd: number | null] {
  const [, name, value] = /^(.+)=([^=]+)$/s.exec(text) ?? []
  if (name === undefined || value === undefined)
    throw usageError(`--set must be like day=25 or total=none, not "${text}"`)
  return [name, numberOrNone(`set ${name}`, value) ?? null]
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
