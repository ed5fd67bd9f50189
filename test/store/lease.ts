/** A database for one user of several, whose requests the simulated clock waits for. */
import { type Database, DatabaseError } from '../../src/store/database.ts'
import { asked } from '../harness/settle.ts'

/** Closing it waits for its own transactions and leaves the connections to the next one. */
export function leaseOf(database: Database, onClose: () => void): Database {
  let running = 0
  const idle = Promise.withResolvers<void>()
  let isClosed = false
  const use = async <T>(ask: () => Promise<T>): Promise<T> => {
    if (isClosed) throw new DatabaseError('closed', 'The database is closed')
    running++
    asked.now++
    try {
      return await ask()
    } finally {
      running--
      asked.now--
      if (isClosed && running === 0) idle.resolve()
    }
  }
  return {
    dialect: database.dialect,
    all: (...query) => use(() => database.all(...query)),
    get: (...query) => use(() => database.get(...query)),
    transaction: (work) => use(() => database.transaction(work)),
    snapshot: (work) => use(() => database.snapshot(work)),
    close() {
      isClosed = true
      onClose()
      if (running === 0) idle.resolve()
      return idle.promise
    },
  }
}
