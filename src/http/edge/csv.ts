/** Tables as CSV (RFC 4180), safe for programs and for spreadsheets, which evaluate formulas. */

/** Spreadsheets evaluate a cell with such a start, and a formula can send the sheet's contents elsewhere. */
const beginsFormula = /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/

/**
 * The same start after a semicolon, tab or line break: some spreadsheets end a cell or row there, even inside
 * quotes.
 */
const beginsFormulaWithin = /[;\t\r\n](?="*[=+\-@\uff1d\uff0b\uff0d\uff20])/g

function cell(value: string | number | null): string {
  if (value === null) return ''
  if (typeof value === 'number') return String(value)
  const marked = value.replaceAll(beginsFormulaWithin, "$&'")
  const safe = beginsFormula.test(value) ? `'${marked}` : marked
  return /[",;\t\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

/** An apostrophe precedes what a spreadsheet would evaluate; null is an empty cell. */
export const csvOf = (
  heads: readonly string[],
  rows: readonly (readonly (string | number | null)[])[],
): string => [heads, ...rows].map((cells) => `${cells.map(cell).join(',')}\r\n`).join('')
