/** Which jobs are chosen: one by one, or all between two. */
import { useState } from 'react'
import type { JobRow } from '../server/job-pages.ts'

export interface Selection {
  readonly chosen: ReadonlySet<number>
  /** `isRange`: also all between this row and the last one that was chosen. */
  readonly toggle: (index: number, isRange: boolean) => void
  readonly chooseAll: (isChosen: boolean) => void
}

/** The ids chosen after a row was. Those between two rows become what the last one becomes. */
export function toggled(
  rows: readonly Pick<JobRow, 'job_id'>[],
  chosen: ReadonlySet<number>,
  index: number,
  anchor: number | undefined,
): ReadonlySet<number> {
  const row = rows[index]
  if (!row) return chosen
  const isChosen = !chosen.has(row.job_id)
  const from = anchor === undefined ? -1 : rows.findIndex(({ job_id }) => job_id === anchor)
  const [first, last] = from === -1 ? [index, index] : [Math.min(from, index), Math.max(from, index)]
  const next = new Set(chosen)
  for (const { job_id } of rows.slice(first, last + 1))
    if (isChosen) next.add(job_id)
    else next.delete(job_id)
  return next
}

export function useSelection(rows: readonly JobRow[]): Selection {
  const [chosen, setChosen] = useState<ReadonlySet<number>>(new Set())
  const [anchor, setAnchor] = useState<number>()
  return {
    chosen,
    toggle(index, isRange) {
      setChosen(toggled(rows, chosen, index, isRange ? anchor : undefined))
      setAnchor(rows[index]?.job_id)
    },
    chooseAll(isChosen) {
      setChosen(new Set(isChosen ? rows.map(({ job_id }) => job_id) : []))
      setAnchor(undefined)
    },
  }
}
