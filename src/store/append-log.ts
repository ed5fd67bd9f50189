/**
 * Collects the rows that transactions append to one log, and writes them with one statement before their shared commit.
 * Numbering the rows here makes each id known immediately.
 */
import { DatabaseError } from './database.ts'
import type { SqlValue } from './database.ts'

/** More rows per statement gain nothing. */
const rowsAtOnce = 32

export class AppendLog {
  readonly sql: string
  readonly table: string
  /** The view of the table by which readers with a cursor name it. */
  readonly view: string
  #columns: readonly string[]
  #texts: string[] = []
  #rows: (readonly SqlValue[])[] = []
  /** Id of the newest row, written or not; undefined if only the database knows it. */
  #lastId: number | undefined
  #atBegin: { rows: number; lastId: number | undefined } = { rows: 0, lastId: undefined }

  /** @throws {DatabaseError} if `sql` is not an insert in the form that `Transaction.append` needs. */
  constructor(sql: string) {
    const [, table, columns] = /^\s*insert into (\w+) \(([\w\s,]+)\)\s*values/.exec(sql) ?? []
    if (table === undefined || columns === undefined)
      throw new DatabaseError('failed', `This statement can't append rows: ${sql}`)
    this.sql = sql
    this.table = table
    this.view = `settled_${table}`
    this.#columns = ['id', ...columns.split(',').map((column) => column.trim())]
  }

  get isEmpty(): boolean {
    return this.#rows.length === 0
  }

  /** Returns the row's id. Calls `readLastId` if the last id is unknown. */
  add(values: readonly SqlValue[], readLastId: () => number): number {
    if (values.length !== this.#columns.length - 1) {
      const counts = `${this.#columns.length - 1} values, not ${values.length}`
      throw new DatabaseError('failed', `A row of ${this.table} takes ${counts}`)
    }
    this.#lastId = (this.#lastId ?? readLastId()) + 1
    this.#rows.push([this.#lastId, ...values])
    return this.#lastId
  }

  /** Writes the pending rows. True if some belong to the running transaction. */
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

  /** Begins a transaction, whose rows `undo` removes. */
  begin(): void {
    this.#atBegin = { rows: this.#rows.length, lastId: this.#lastId }
  }

  undo(): void {
    this.#rows.length = this.#atBegin.rows
    this.#lastId = this.#atBegin.lastId
  }

  /** Drops all rows that were not committed. */
  clear(): void {
    this.#rows = []
    this.#lastId = undefined
    this.begin()
  }

  /** Called if other statements may have written to the table. */
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
