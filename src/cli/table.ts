/** Rows in columns, as wide as what is in them. */
import { displayWidth, fitted } from './words.ts'
import type { Terminal } from './progress.ts'

export interface Column {
  readonly head: string
  readonly align?: 'right'
  /** Cut where the screen is too narrow for all of it. */
  readonly isCut?: boolean
}

const gap = '  '
/** Less is of no use. */
const leastCut = 12

/** How wide lines may be. Nothing is cut where no screen is: whoever reads a pipe wants all of it. */
export const roomOf = ({ out, screen }: Terminal): number => (out.isTTY ? screen().columns : Infinity)

export function tableLines(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  room: number,
): string[] {
  const widths = columns.map(({ head }, column) =>
    Math.max(displayWidth(head), ...rows.map((row) => displayWidth(row[column] ?? ''))),
  )
  const over = widths.reduce((sum, width) => sum + width + gap.length, -gap.length) - room
  const cut = columns.findIndex(({ isCut }) => isCut)
  if (over > 0 && cut >= 0) widths[cut] = Math.max(Math.min(leastCut, widths[cut]!), widths[cut]! - over)
  const line = (cells: readonly string[]): string =>
    widths
      .map((width, column) => {
        const cell = fitted(cells[column] ?? '', width)
        return columns[column]!.align === 'right' ? cell.trimEnd().padStart(width) : cell
      })
      .join(gap)
      .trimEnd()
  return [line(columns.map(({ head }) => head)), ...rows.map(line)]
}
