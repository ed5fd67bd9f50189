/**
 * Keeps a run that has lost its task from changing rows: a process that was stopped, or cut off, may return after another
 * node has taken its tasks over. Each transaction of a task's handler first checks that the run still holds its task.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Database, Transaction } from '../store/database.ts'

/** Another node runs the task now, or it was cancelled. Nothing of the transaction was kept. */
export class TaskLostError extends Error {
  readonly code = 'task_lost'
  constructor() {
    super('Another run has this task now, or it was cancelled')
    this.name = 'TaskLostError'
  }
}

/** The run of a task. */
export interface Fence {
  /** The fencing token: no other run of the task has the same. */
  readonly token: string
  /** Rejects unless the run holds its task until `tx` ends. @throws {TaskLostError} */
  check(tx: Transaction): Promise<void>
}

const current = new AsyncLocalStorage<Fence | undefined>()

/** The run that the current asynchronous call belongs to, if any. */
export const fenceOf = (): Fence | undefined => current.getStore()

/** Calls `handler` as a part of the run. */
export const insideFence = <T>(fence: Fence, handler: () => Promise<T>): Promise<T> =>
  current.run(fence, handler)

/** Calls `work` as no part of a run: for transactions that check a token of their own. */
export const outsideFence = <T>(work: () => Promise<T>): Promise<T> => current.run(undefined, work)

/** `database`, whose transactions inside a run fail once the run has lost its task. */
export function fencedDatabase(database: Database): Database {
  return {
    dialect: database.dialect,
    ...(database.counts && { counts: () => database.counts!() }),
    all: (...query) => database.all(...query),
    get: (...query) => database.get(...query),
    snapshot: (work) => database.snapshot(work),
    close: () => database.close(),
    transaction(work) {
      const fence = fenceOf()
      if (!fence) return database.transaction(work)
      return database.transaction(async (tx) => {
        // Not awaited yet: it travels with the transaction's begin and its first statement.
        const held = fence.check(tx)
        held.catch(() => undefined)
        try {
          return await work(tx)
        } finally {
          // Of two errors this one: what a lost run has read may be wrong, and so is what follows from it.
          await held
        }
      })
    },
  }
}
