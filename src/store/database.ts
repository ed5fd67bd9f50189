/**
 * The port to the database: reads, and transactions that commit durably before they resolve. The SQL is
 * written once, in lowercase, with `$1` placeholders, and runs on both drivers (`sqlite.ts`, `postgres.ts`).
 */

/**
 * Integers are JavaScript numbers in both databases, up to 2^53-1; times are milliseconds since the epoch;
 * a boolean result (`select exists (...)`) is 0 or 1. Refused by both, with a `DatabaseError`: undefined,
 * booleans, NaN, infinities, integers beyond 2^53-1, and text with U+0000 (PostgreSQL can't keep it). Half a
 * surrogate pair is kept as U+FFFD.
 */
export type SqlValue = string | number | null | Uint8Array

export type Row = Readonly<Record<string, SqlValue>>

export interface Reader {
  /** All rows, in the order the statement gives. `params[0]` is `$1`. */
  all(sql: string, params?: readonly SqlValue[]): Promise<readonly Row[]>
  /** The first row, if there is one. */
  get(sql: string, params?: readonly SqlValue[]): Promise<Row | undefined>
}

export interface Transaction extends Reader {
  /** Runs a statement that returns no rows; resolves to how many rows it changed. */
  run(sql: string, params?: readonly SqlValue[]): Promise<number>
  /**
   * Runs an insert of one row into a table with an `{{identity}}`; resolves to the row's id. Much cheaper on SQLite than
   * `returning`: 1.3 us a row against 4.5.
   */
  insert(sql: string, params?: readonly SqlValue[]): Promise<number>
  /**
   * As `insert`, for a log: SQLite writes the rows of all transactions that commit together at once, with the commit, or
   * before a statement that names their table. `sql` is `insert into <table> (<columns>) values ($1, ...)`, with all of its
   * columns from `$1` on; no constraint may refuse the row, as it would refuse the others, too.
   */
  append(sql: string, params: readonly SqlValue[]): Promise<number>
  /**
   * Calls `effect` once the transaction is on disk, in the order of registration, before `transaction()`
   * resolves; never if it is rolled back. An effect that throws stops nobody and is reported to `onEffectError`.
   */
  afterCommit(effect: () => void): void
}

/** Reads here see what is committed, at once after the `transaction()` that wrote it, and nothing else. */
export interface Database extends Reader {
  readonly dialect: 'sqlite' | 'postgres'
  /**
   * Runs `work` in one transaction and resolves when its commit is synced to disk. If `work` throws,
   * everything it wrote is rolled back and the error passes through.
   *
   * It is as if `work` ran alone: SQLite runs one after the other, and runs again those that share a commit when one of
   * them failed after it wrote; PostgreSQL runs them serializable, and runs `work` again when it collided with another.
   * So `work` may run several times: it must do nothing but read, write, decide and register effects (only those of the
   * run that committed are called).
   *
   * `work` may await nothing but this transaction's own statements, as others may be waiting behind it: one
   * that runs no statement for 10 seconds fails. It must not use the database but through `tx`. A statement
   * that fails fails the transaction, even where `work` catches its error. Constraints are checked by each
   * statement (none is deferrable).
   * @throws {DatabaseError}
   */
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>
  /**
   * Runs `work`, all of whose statements read the rows as they were at one moment. It waits for no writer and holds none up.
   *
   * `work` may run several times. It may await nothing but statements of its own reader.
   * @throws {DatabaseError}
   */
  snapshot<T>(work: (reader: Reader) => Promise<T>): Promise<T>
  /** Waits for running transactions, then closes. */
  close(): Promise<void>
}

/**
 * - `disk_full`: nothing was changed; the same call may succeed when there is room.
 * - `busy`: nothing was changed, because of others, a lost connection or a time limit; the same call may
 *   succeed later.
 * - `conflict`: a constraint (unique, check, foreign key, not null) refused a row; `message` names it.
 * - `closed`: `close()` was called before.
 * - `in_use`: another process holds the data; `message` names it.
 * - `too_old`: this SQLite or PostgreSQL is too old, or this program is older than its data.
 * - `failed`: anything else; `cause` is the driver's own error. After a failed commit it is not known whether
 *   it was kept: `message` says so.
 */
export class DatabaseError extends Error {
  readonly code: 'disk_full' | 'conflict' | 'busy' | 'closed' | 'in_use' | 'too_old' | 'failed'
  constructor(code: DatabaseError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'DatabaseError'
    this.code = code
  }
}

/** @throws {DatabaseError} if one of the values can't be kept alike by both databases. */
export function checkValues(values: readonly unknown[]): void {
  for (let index = 0; index < values.length; index++) {
    const reason = refusal(values[index])
    if (reason !== undefined) throw new DatabaseError('failed', `The value for $${index + 1} is ${reason}`)
  }
}

function refusal(value: unknown): string | undefined {
  switch (typeof value) {
    case 'string':
      return value.includes('\0') ? 'text with U+0000, which the database cannot keep' : undefined
    case 'number':
      if (Number.isSafeInteger(value)) return undefined
      if (!Number.isFinite(value)) return `${value}, which is no number to keep`
      return Number.isInteger(value) ? `${value}, beyond the exact integers (2^53-1)` : undefined
    case 'object':
      if (value === null || value instanceof Uint8Array) return undefined
      return 'an object; only text, numbers, bytes and null can be kept'
    default:
      return `${typeof value}; only text, numbers, bytes and null can be kept`
  }
}
