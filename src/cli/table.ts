/** Formats rows as columns, each as wide as its longest cell. */
import { displayWidth, fitted } from './words.ts'
import type { Terminal } from './terminal.ts'

export interface Column {
  readonly head: string
  readonly align?: 'right'
  /** Whether its cells are cut where the screen is too narrow. */
  readonly isCut?: boolean
}

const gap = '  '
/** The narrowest a cut column gets: less would not be readable. */
const leastCut = 12

/** The longest line, in columns. Without a screen nothing is cut, as a pipe's reader needs the full text. */
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
