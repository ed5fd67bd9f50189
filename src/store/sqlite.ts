/**
 * The database in one SQLite file. There is one writer; transactions that wait together share a commit, because the
 * sync to disk is nearly the whole cost of a commit (0.2 ms against 4 us for two statements).
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { systemHost, type Host } from '../host.ts'
import {
  DatabaseError,
  type Database,
  type Row,
  type SqlValue,
  type Transaction,
  type Reader,
} from './database.ts'
import { SqliteConnection } from './sqlite-connection.ts'
import { refuseInsideWork, runEffects, warnOfEffectError, watchForStall, Work } from './work.ts'

export interface SqliteOptions {
  /** Absolute path of the database file; its folder exists. */
  readonly path: string
  readonly host?: Host
  /** A transaction without a statement for this long fails. */
  readonly stallMs?: number
  readonly onEffectError?: (error: unknown) => void
}

/** @throws {DatabaseError} `too_old` before SQLite 3.51.3, which could corrupt a database in WAL mode. */
export function openSqlite(options: SqliteOptions): Database {
  return new SqliteDatabase(options)
}

/** Most transactions in one commit. More gain nothing (256 cost 1 ms of work) and lengthen the wait. */
const batchLimit = 256
/** A batch ends after this time, because it blocks the event loop. */
const batchMs = 10

interface Waiting {
  work(tx: Transaction): Promise<unknown>
  resolve(value: unknown): void
  reject(error: unknown): void
  /** Whether it stalled and was rejected. */
  isAbandoned: boolean
}

class SqliteDatabase implements Database {
  readonly dialect = 'sqlite'
  #host: Host
  #stallMs: number
  #onEffectError: (error: unknown) => void
  #writer: SqliteConnection
  /** Reads use their own connection, because the writer's shows uncommitted rows. */
  #reader: SqliteConnection
  #waiting: Waiting[] = []
  #running: Work | undefined
  #busy = false
  #commits = 0
  #closed: Promise<void> | undefined
  #whenIdle: (() => void) | undefined
  /** The first caller starts a batch; the others must not run in its asynchronous context. */
  #inOwnContext = AsyncLocalStorage.snapshot()

  constructor({ path, host, stallMs, onEffectError }: SqliteOptions) {
    this.#host = host ?? systemHost
    this.#stallMs = stallMs ?? 10_000
    this.#onEffectError = onEffectError ?? warnOfEffectError
    const schema = { changes: 0 }
    this.#writer = new SqliteConnection(path, schema, { readOnly: false })
    try {
      this.#reader = new SqliteConnection(path, schema, { readOnly: true })
    } catch (error) {
      this.#writer.close()
      throw error
    }
  }

  async all(sql: string, params: readonly SqlValue[] = []): Promise<readonly Row[]> {
    return this.#readerFor('all').all(sql, params)
  }

  async get(sql: string, params: readonly SqlValue[] = []): Promise<Row | undefined> {
    return this.#readerFor('get').get(sql, params)
  }

  commits(): number {
    return this.#commits
  }

  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      refuseInsideWork(this, 'transaction()')
      this.#refuseClosed()
      this.#waiting.push({ work, resolve, reject, isAbandoned: false })
      if (!this.#busy) this.#startSoon()
    })
  }

  /** Its statements run in one turn of the event loop, so only a batch that was committing already can come between them. */
  async snapshot<T>(work: (reader: Reader) => Promise<T>): Promise<T> {
    for (;;) {
      const before = this.#commits
      const value = await work(this)
      if (this.#commits === before) return value
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    if (this.#busy) await new Promise<void>((resolve) => (this.#whenIdle = resolve))
    this.#reader.close()
    this.#writer.close()
  }

  #refuseClosed(): void {
    if (this.#closed) throw new DatabaseError('closed', 'The database is closed')
  }

  #readerFor(call: string): SqliteConnection {
    refuseInsideWork(this, `${call}()`)
    this.#refuseClosed()
    return this.#reader
  }

  /** Starts after the pending input is read, so that all its transactions share a batch. */
  #startSoon(): void {
    this.#busy = true
    this.#inOwnContext(() => setImmediate(() => void this.#commitBatch()))
  }

  async #commitBatch(): Promise<void> {
    const batch = this.#waiting.splice(0, batchLimit)
    let stopped: AbortController | undefined
    // A work awaits only its own statements, so it nearly always ends within this event and needs no watch.
    const watching = setImmediate(() => {
      stopped = new AbortController()
      void watchForStall(this.#host, this.#stallMs, () => this.#running, stopped.signal)
    })
    await this.#commitOrReject(batch)
    clearImmediate(watching)
    stopped?.abort()
    this.#busy = false
    if (this.#waiting.length > 0) this.#startSoon()
    else this.#whenIdle?.()
  }

  async #commitOrReject(batch: Waiting[]): Promise<void> {
    // `#commitTogether` takes out of it what it puts back among those that wait.
    let left = batch
    try {
      // First without savepoints, which copy each page that a work writes and cost a fifth more CPU per lifecycle.
      if (await this.#commitTogether(left, { savepoints: false })) return
      left = left.filter(({ isAbandoned }) => !isAbandoned)
      await this.#commitTogether(left, { savepoints: true })
    } catch (error) {
      this.#writer.rollBack()
      left = left.filter(({ isAbandoned }) => !isAbandoned)
      // Some may still fit on the disk, and a single row of those written together may have been refused.
      const concernsSome =
        error instanceof DatabaseError && (error.code === 'disk_full' || error.code === 'conflict')
      if (concernsSome && left.length > 1) for (const waiting of left) await this.#commitOrReject([waiting])
      else for (const waiting of left) waiting.reject(error)
    }
  }

  /**
   * False, with nothing committed, if a work failed after it and earlier ones had written: only savepoints can undo it
   * alone.
   * @throws {DatabaseError} that concerns the whole batch, of which nothing was committed.
   */
  async #commitTogether(batch: Waiting[], { savepoints }: { savepoints: boolean }): Promise<boolean> {
    const writer = this.#writer
    writer.begin({ savepoints })
    const effects: (() => void)[] = []
    const answers: (() => void)[] = []
    const begun = this.#host.monotonic()
    for (const [index, waiting] of batch.entries()) {
      if (index > 0 && this.#host.monotonic() - begun > batchMs) {
        this.#waiting.unshift(...batch.splice(index))
        break
      }
      writer.beginWork()
      const work = new Work(this, writer, this.#host)
      this.#running = work
      try {
        const value = await work.settle(waiting.work)
        if (work.failure) throw work.failure
        for (const effect of work.effects) effects.push(effect)
        answers.push(() => waiting.resolve(value))
      } catch (error) {
        // On some I/O errors SQLite rolls everything back itself, which concerns the whole batch.
        if (!writer.isInTransaction) throw work.failure ?? error
        waiting.isAbandoned = work.isAbandoned
        if (work.isAbandoned) waiting.reject(error)
        else answers.push(() => waiting.reject(error))
        if (!writer.undoWork()) return false
      } finally {
        this.#running = undefined
        work.end()
      }
      writer.endWork()
    }
    writer.commit()
    this.#commits++
    runEffects(effects, this.#onEffectError)
    for (const answer of answers) answer()
    return true
  }
}
