/** Tables as CSV (RFC 4180), for programs and for spreadsheets that calculate what looks like a formula. */

/** Spreadsheets take what begins so for a formula, and one can send a sheet's contents away. */
const beginsFormula = /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/

function cell(value: string | number | null): string {
  if (value === null) return ''
  if (typeof value === 'number') return String(value)
  const safe = beginsFormula.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

/** Texts that a spreadsheet would calculate get an apostrophe before them; null is an empty cell. */
export const csvOf = (
  heads: readonly string[],
  rows: readonly (readonly (string | number | null)[])[],
): string => [heads, ...rows].map((cells) => `${cells.map(cell).join(',')}\r\n`).join('')
