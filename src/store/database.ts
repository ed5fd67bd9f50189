/**
 * The port to the database: reads, and transactions that commit durably before they resolve. The SQL is
 * written once, in lowercase, with `$1` placeholders, and runs on both drivers (`sqlite.ts`, `postgres.ts`).
 */

/** Integers are JavaScript numbers in both databases; times are milliseconds since the epoch. */
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
   * Calls `effect` once the transaction is on disk, in the order of registration, before `transaction()`
   * resolves; never if it is rolled back. An effect that throws stops nobody and is reported to `onEffectError`.
   */
  afterCommit(effect: () => void): void
}

export interface Database extends Reader {
  readonly dialect: 'sqlite' | 'postgres'
  /**
   * Runs `work` in one transaction and resolves when its commit is synced to disk. If `work` throws,
   * everything it wrote is rolled back and the error passes through. `work` may await nothing but this
   * transaction's own statements: others may be waiting behind it.
   * @throws {DatabaseError}
   */
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>
  /** Waits for running transactions, then closes. */
  close(): Promise<void>
}

/** `disk_full`: nothing was changed, the same call may succeed when there is room. */
export class DatabaseError extends Error {
  readonly code: 'disk_full' | 'conflict' | 'busy' | 'closed' | 'in_use' | 'too_old' | 'failed'
  constructor(code: DatabaseError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'DatabaseError'
    this.code = code
  }
}
