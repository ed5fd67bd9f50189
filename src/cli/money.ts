/** Commands for estimates, charges and budgets. */
import type { SpendAnswer, SpendQuery } from '../client/client.ts'
import type { BudgetsAnswer, LedgerAnswer } from '../http/routes/money.ts'
import { attemptStatuses } from '../job/lifecycle.ts'
import { usageError } from './command-error.ts'
import { type Command, command } from './command.ts'
import { clientFor } from './client.ts'
import { flag, membersOf, numberOf, orList, readBy, repeated, text } from './option.ts'
import { print, printJson } from './print.ts'
import { remote } from './remote-command.ts'
import { readRequest, requestOptions } from './request.ts'
import { clientId, jobIdOf, photos, remoteOptions, rowLimit, since } from './shared-options.ts'
import { roomOf, tableLines } from './table.ts'
import { planLines, planOfEstimate } from './view.ts'
import { minuteOf, spokenCost, spokenMoney } from './words.ts'

export const estimate: Command = command(
  {
    summary: 'show the plan and cost of a film; creates no job',
    about: 'The photographs are uploaded.',
    args: { photos },
    options: { ...requestOptions, ...remoteOptions },
  },
  async (context, values) => {
    const client = clientFor(values, context)
    const { request, fileOf } = await readRequest(client, 'estimate', values)
    const answer = await client.estimateJob(request)
    if (values.json) printJson(context, answer)
    else print(context, ...planLines(planOfEstimate(answer), fileOf, context.terminal.screen()), '')
  },
)

export const ledger: Command = remote(
  {
    summary: 'list every render that cost something, or may',
    about: 'Newest first, with their sum.',
    options: {
      job: readBy(jobIdOf)('id', 'only renders of this job', { member: 'job_id' }),
      client: clientId('only renders of this client'),
      status: text('name', `only with this status: ${orList(attemptStatuses)}`),
      from: since('begun then or later'),
      to: text('time', 'begun before'),
      limit: rowLimit(),
    },
  },
  ({ client, members }) => client.readLedger(members),
  (answer, { room }) => ledgerLines(answer, room),
)

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
        `Prediction ${prediction_id} was not started from here (${state}, ${charged === null ? 'charge unknown' : `${spokenCost(charged)} charged`})`,
    ),
  ]
}

/** `$0.60`; `($0.60)` for a sum that is only reserved. */
function chargeOf({ charged, reserved }: LedgerAnswer['entries'][number]): string {
  if (charged !== null) return spokenCost(charged)
  return reserved === 0 ? spokenCost(null) : `(${spokenCost(reserved)})`
}

const spendQuery = {
  group: text('names', 'client, month, day, or client with one of these (default: client,month)'),
  client: clientId('only this client'),
  from: text('month', 'from this month or day on, such as 2026-11 or 2026-11-25'),
  to: text('month', 'up to this month or day'),
} as const

export const spend: Command = command(
  {
    summary: 'show what was spent, by client and month',
    about: 'A render counts in the month (UTC) in which it began.',
    options: {
      ...spendQuery,
      csv: flag('print CSV; texts that a spreadsheet would calculate begin with an apostrophe'),
      ...remoteOptions,
    },
  },
  async (context, values) => {
    if (values.csv && values.json) throw usageError('spend takes --csv or --json, not both')
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the server refuses unknown values
    const query = membersOf(spendQuery, values) as SpendQuery
    const client = clientFor(values, context)
    if (values.csv) {
      const csv = await client.readSpendCsv(query)
      const { out } = context.terminal
      // A pipe gets the bytes unchanged; on a terminal, control characters are escaped.
      if (out.isTTY) print(context, ...csv.trimEnd().split('\r\n'))
      else out.write(csv)
      return
    }
    const answer = await client.readSpend(query)
    if (values.json) printJson(context, answer)
    else print(context, ...spendLines(answer, roomOf(context.terminal)))
  },
)

export function spendLines({ rows, totals, unaccounted }: SpendAnswer, room: number): string[] {
  const [first] = rows
  if (!first) return ['Nothing was spent']
  const isByMonth = first.month !== undefined
  const isByDay = first.day !== undefined
  const isByClient = first.client_id !== undefined
  const columns = [
    ...(isByMonth ? [{ head: 'MONTH' }] : []),
    ...(isByDay ? [{ head: 'DAY' }] : []),
    ...(isByClient ? [{ head: 'CLIENT', isCut: true }] : []),
    { head: 'SPENT', align: 'right' as const },
    { head: 'RESERVED', align: 'right' as const },
  ]
  const cells = rows.map(({ month = '', day = '', client_id, spent, reserved }) => [
    ...(isByMonth ? [month] : []),
    ...(isByDay ? [day] : []),
    ...(isByClient ? [client_id ?? ''] : []),
    spokenCost(spent),
    spokenCost(reserved),
  ])
  return [
    ...tableLines(columns, cells, room),
    '',
    `In all: ${spokenMoney(totals)}`,
    ...(unaccounted > 0
      ? [`${spokenCost(unaccounted)} of it for renders that were not started from here`]
      : []),
  ]
}

export const budgets: Command = remote(
  {
    summary: 'show or set how much may be spent',
    about: 'Also shows how much is spent.',
    options: {
      set: repeated(
        readBy(limitOf)(
          'name=usd',
          'a limit in US dollars, or none; the others stay. The name is job (for each job), client (for each client), client:<client_id>, day (UTC) or total',
        ),
      ),
    },
    examples: {
      'budgets --set day=25 --set client:acme=none': 'At most $25 a day; no limit for the client acme.',
    },
  },
  ({ client }, { set }) =>
    set.length > 0 ? client.setBudgets(Object.fromEntries(set)) : client.readBudgets(),
  (answer, { room }) => budgetLines(answer, room),
)

/** Parses `day=25` or `client:acme=none`. */
export function limitOf(typed: string): [name: string, usd: number | null] {
  const [, name, value] = /^(.+)=([^=]+)$/s.exec(typed) ?? []
  if (name === undefined || value === undefined)
    throw usageError(`--set must be like day=25 or total=none, not "${typed}"`)
  return [name, value === 'none' ? null : numberOf(value, `--set ${name}`)]
}

const budgetColumns = [
  { head: 'BUDGET', isCut: true },
  { head: 'LIMIT', align: 'right' },
  { head: 'SPENT', align: 'right' },
  { head: 'RESERVED', align: 'right' },
] as const

function budgetLines({ budgets: standings }: BudgetsAnswer, room: number): string[] {
  if (standings.length === 0) return ['There are no budgets: everything that is approved may be spent']
  const rows = standings.map(({ name, limit, used }) => [
    name,
    spokenCost(limit),
    ...(used === null ? ['for each'] : [spokenCost(used.spent), spokenCost(used.reserved)]),
  ])
  return tableLines(budgetColumns, rows, room)
}
