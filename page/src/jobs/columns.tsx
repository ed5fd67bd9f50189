/** The columns of the list of jobs. Which are shown is kept in this browser. */
import type { ReactNode } from 'react'
import type { JobRow } from '../server/job-pages.ts'
import { Status, Time, useMoney } from '../ui/values.tsx'
import { type Words, useWords } from '../words/words.tsx'

export const columnNames = [
  'client',
  'status',
  'waiting',
  'progress',
  'cost',
  'madeBy',
  'type',
  'priority',
  'deadline',
  'ended',
  'made',
] as const
export type ColumnName = (typeof columnNames)[number]

const isColumn = (name: unknown): name is ColumnName => (columnNames as readonly unknown[]).includes(name)

const stored = 'columns'
const standard: readonly ColumnName[] = ['client', 'status', 'waiting', 'progress', 'cost', 'made']

export function keptColumns(): readonly ColumnName[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(stored) ?? 'null')
    return Array.isArray(kept) ? kept.filter(isColumn) : standard
  } catch {
    return standard
  }
}

export const keepColumns = (columns: readonly ColumnName[]): void =>
  localStorage.setItem(stored, JSON.stringify(columns))

const widths: Readonly<Record<ColumnName, string>> = {
  client: 'minmax(5rem, 9rem)',
  status: '7rem',
  waiting: 'minmax(6rem, 14rem)',
  progress: '6rem',
  cost: '6rem',
  madeBy: '7rem',
  type: '8rem',
  priority: '4rem',
  deadline: '8rem',
  ended: '8rem',
  made: '8rem',
}

export const templateOf = (columns: readonly ColumnName[]): string =>
  ['minmax(10rem, 1fr)', ...columns.map((name) => widths[name])].join(' ')

export const columnTitle = ({ jobList }: Words, name: ColumnName): string => jobList.columns[name]

export const isNumber = (name: ColumnName): boolean => name === 'cost' || name === 'priority'

const named = (names: Readonly<Record<string, string>>, name: string): string | undefined => names[name]

/** What is to be approved, or was charged; before anything was, what is expected. */
const costOf = ({ needs_approval, to_approve, costs: { spent }, ended_at, estimated_cost }: JobRow) =>
  needs_approval ? to_approve : spent === 0 && ended_at === null ? estimated_cost : spent

/** What a row shows in a column. */
export function Cell({ row, name }: { readonly row: JobRow; readonly name: ColumnName }): ReactNode {
  const words = useWords()
  const money = useMoney()
  switch (name) {
    case 'client':
      return row.client_id
    case 'status':
      return <Status status={row.status} />
    case 'waiting':
      return (
        row.waiting && (
          <span className="small quiet" title={row.waiting.reason}>
            {named(words.jobList.waits, row.waiting.code) ?? row.waiting.reason}
          </span>
        )
      )
    case 'progress':
      return (
        <progress max={100} value={row.progress_percentage} aria-label={words.jobList.columns.progress} />
      )
    case 'cost':
      return money(costOf(row))
    case 'madeBy':
      return <span className="quiet">{row.created_by}</span>
    case 'type':
      return <span className="small quiet">{named(words.jobList.types, row.type) ?? row.type}</span>
    case 'priority':
      return row.priority
    default:
  }
  const at = { deadline: row.deadline_at, ended: row.ended_at, made: row.inserted_at }[name]
  return (
    at && (
      <span className="quiet small">
        <Time at={at} />
      </span>
    )
  )
}
