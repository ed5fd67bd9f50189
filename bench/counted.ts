/** A database that counts what is asked of it, for the benchmark of a lifecycle and the test that holds its count. */
import type { Database, Transaction } from '../src/store/database.ts'

export interface Counted {
  readonly database: Database
  readonly transactions: number
  /** How often each text was run, in transactions and outside of them. */
  readonly statements: ReadonlyMap<string, number>
  reset(): void
}

export function counted(database: Database): Counted {
  let transactions = 0
  const statements = new Map<string, number>()
  const note = (sql: string): void => {
    statements.set(sql, (statements.get(sql) ?? 0) + 1)
  }
  const noted = (tx: Transaction): Transaction => {
    const logs = new Set<string>()
    return {
      all: (sql, params) => (note(sql), tx.all(sql, params)),
      get: (sql, params) => (note(sql), tx.get(sql, params)),
      run: (sql, params) => (note(sql), tx.run(sql, params)),
      write: (sql, params) => (note(sql), tx.write(sql, params)),
      insert: (sql, params) => (note(sql), tx.insert(sql, params)),
      append: (sql, params) => {
        // SQLite writes them with the commit, by one statement for all that share it.
        if (!logs.has(sql)) note(sql)
        logs.add(sql)
        return tx.append(sql, params)
      },
      afterCommit: (effect) => tx.afterCommit(effect),
    }
  }
  return {
    database: {
      dialect: database.dialect,
      all: (sql, params) => (note(sql), database.all(sql, params)),
      get: (sql, params) => (note(sql), database.get(sql, params)),
      transaction: (work) => {
        transactions++
        return database.transaction((tx) => work(noted(tx)))
      },
      snapshot: (work) =>
        database.snapshot((reader) =>
          work({
            all: (sql, params) => (note(sql), reader.all(sql, params)),
            get: (sql, params) => (note(sql), reader.get(sql, params)),
          }),
        ),
      close: () => database.close(),
    },
    get transactions() {
      return transactions
    },
    statements,
    reset() {
      transactions = 0
      statements.clear()
    },
  }
}
