/** Shared by the statement files: writing values into SQL and reading them from rows. */
import { DatabaseError, type Row, type SqlValue } from './database.ts'

/** Constants, never input, as an SQL list: `'a', 'b'`. */
export const quoted = (names: readonly string[]): string => names.map((name) => `'${name}'`).join(', ')

/**
 * SQL: a row's status as a guard beside its key. As an expression it keeps PostgreSQL from looking for the row in an index of
 * rows by status, where other jobs' rows are written: a serializable transaction collides with each of them.
 */
export const ownStatus = `'' || status`

const wrong = (column: string, value: SqlValue | undefined): DatabaseError =>
  new DatabaseError(
    'failed',
    `column ${column} holds ${typeof value}: the database does not have the schema of this version`,
  )

export function text(row: Row, column: string): string {
  const value = row[column]
  if (typeof value !== 'string') throw wrong(column, value)
  return value
}

export function number(row: Row, column: string): number {
  const value = row[column]
  if (typeof value !== 'number') throw wrong(column, value)
  return value
}

export function bytes(row: Row, column: string): Uint8Array {
  const value = row[column]
  if (!(value instanceof Uint8Array)) throw wrong(column, value)
  return value
}

export const bytesOrNull = (row: Row, column: string): Uint8Array | null =>
  row[column] === null ? null : bytes(row, column)

export const textOrNull = (row: Row, column: string): string | null =>
  row[column] === null ? null : text(row, column)

export const numberOrNull = (row: Row, column: string): number | null =>
  row[column] === null ? null : number(row, column)

/** Parses JSON that this program wrote itself. */
export const json = <T>(row: Row, column: string): T => JSON.parse(text(row, column)) as T

export const jsonOrNull = <T>(row: Row, column: string): T | null =>
  row[column] === null ? null : json<T>(row, column)

/** Adds a member that is parsed from JSON, written by this program, on its first access. */
export function withLazy<Facts extends object, Name extends string, Value>(
  facts: Facts,
  name: Name,
  written: string,
): Facts & Readonly<Record<Name, Value>> {
  let value: Value | undefined
  Object.defineProperty(facts, name, {
    enumerable: true,
    configurable: true,
    get: () => (value ??= JSON.parse(written) as Value),
  })
  return facts as Facts & Readonly<Record<Name, Value>>
}

/** Changes members of facts that were just read; what is read lazily stays so. */
export const changedFacts = <Facts extends object>(facts: Facts, changes: Partial<Facts>): Facts =>
  Object.assign(facts, changes)
