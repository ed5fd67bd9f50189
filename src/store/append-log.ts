/**
 * The rows that transactions append to one log before their common commit: numbered here, so that each knows its id at
 * once, and written together by one statement.
 */
import { DatabaseError } from './database.ts'
import type { SqlValue } from './database.ts'

/** A statement of more rows gains nothing. */
const rowsAtOnce = 32

export class AppendLog {
  readonly sql: string
  readonly table: string
  #columns: readonly string[]
  #texts: string[] = []
  #rows: (readonly SqlValue[])[] = []
  /** Of the newest row, written or not; undefined where only the database knows. */
  #lastId: number | undefined
  #atBegin: { rows: number; lastId: number | undefined } = { rows: 0, lastId: undefined }

  /** @throws {DatabaseError} if `sql` is no insert as `Transaction.append` needs it. */
  constructor(sql: string) {
    const [, table, columns] = /^\s*insert into (\w+) \(([\w\s,]+)\)\s*values/.exec(sql) ?? []
    if (table === undefined || columns === undefined)
      throw new DatabaseError('failed', `Rows can't be appended by this statement: ${sql}`)
    this.sql = sql
    this.table = table
    this.#columns = ['id', ...columns.split(',').map((column) => column.trim())]
  }

  get isEmpty(): boolean {
    return this.#rows.length === 0
  }

  /** Gives the row's id. `readLastId` is called where it is not known. */
  add(values: readonly SqlValue[], readLastId: () => number): number {
    if (values.length !== this.#columns.length - 1) {
      const counts = `${this.#columns.length - 1} values, not ${values.length}`
      throw new DatabaseError('failed', `A row of ${this.table} takes ${counts}`)
    }
    this.#lastId = (this.#lastId ?? readLastId()) + 1
    this.#rows.push([this.#lastId, ...values])
    return this.#lastId
  }

  /** Hands on the rows that are not written. True where some are of the transaction that runs. */
  flush(write: (sql: string, values: readonly SqlValue[]) => void): boolean {
    const hasOwn = this.#rows.length > this.#atBegin.rows
    const rows = this.#rows
    this.#rows = []
    this.#atBegin.rows = 0
    for (let from = 0; from < rows.length; from += rowsAtOnce) {
      const some = rows.slice(from, from + rowsAtOnce)
      write(this.#text(some.length), some.flat())
    }
    return hasOwn
  }

  /** A transaction begins, whose rows `undo` takes back. */
  begin(): void {
    this.#atBegin = { rows: this.#rows.length, lastId: this.#lastId }
  }

  undo(): void {
    this.#rows.length = this.#atBegin.rows
    this.#lastId = this.#atBegin.lastId
  }

  /** What was not committed is lost. */
  clear(): void {
    this.#rows = []
    this.#lastId = undefined
    this.begin()
  }

  /** Others may have written to the table. */
  forgetLastId(): void {
    this.#lastId = undefined
  }

  #text(rows: number): string {
    return (this.#texts[rows] ??=
      `insert into ${this.table} (${this.#columns.join(', ')}) values ${Array.from(
        { length: rows },
        (_, row) =>
          `(${this.#columns.map((_name, column) => `$${row * this.#columns.length + column + 1}`).join(', ')})`,
      ).join(', ')}`)
  }
}
