/** Tables as CSV (RFC 4180), for programs and for spreadsheets that calculate what looks like a formula. */

/** Spreadsheets take what begins so for a formula, and one can send a sheet's contents away. */
const beginsFormula = /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/

/** Where some of them end a cell or a row: with other separators quotation marks amid a line hold nothing together. */
const beginsFormulaWithin = /[;\t\r\n](?="*[=+\-@\uff1d\uff0b\uff0d\uff20])/g

function cell(value: string | number | null): string {
  if (value === null) return ''
  if (typeof value === 'number') return String(value)
  const marked = value.replaceAll(beginsFormulaWithin, "$&'")
  const safe = beginsFormula.test(value) ? `'${marked}` : marked
  return /[",;\t\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

/** What a spreadsheet would calculate gets an apostrophe before it; null is an empty cell. */
export const csvOf = (
  heads: readonly string[],
  rows: readonly (readonly (string | number | null)[])[],
): string => [heads, ...rows].map((cells) => `${cells.map(cell).join(',')}\r\n`).join('')
