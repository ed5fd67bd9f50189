/**
 * The database in one file of this process. One writer; transactions that wait together commit together,
 * since the sync to disk is nearly all that a commit costs (0.2 ms against 4 us for two statements). The
 * only file that imports node:sqlite.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { closeSync, openSync, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { SQLInputValue, StatementSync } from 'node:sqlite'
import { systemHost } from '../host.ts'
import type { Host } from '../host.ts'
import { ownerFile } from '../owner-only.ts'
import { checkValues, DatabaseError } from './database.ts'
import type { Database, Reader, Row, SqlValue, Transaction } from './database.ts'
import { refuseInsideWork, runEffects, warnOfEffectError, watchForStall, Work } from './work.ts'
import type { Connection } from './work.ts'

export interface SqliteOptions {
  /** Absolute path of the database file; its folder exists. */
  readonly path: string
  readonly host?: Host
  /** A work that runs no statement for this long fails. */
  readonly stallMs?: number
  readonly onEffectError?: (error: unknown) => void
}

/** @throws {DatabaseError} `too_old` before SQLite 3.51.3, which could corrupt a database in WAL mode. */
export function openSqlite(options: SqliteOptions): Database {
  return new SqliteDatabase(options)
}

/** As many transactions share a commit. More gain nothing (256 cost 1 ms of work) and lengthen the wait. */
const batchLimit = 256
/** A batch takes no more in after this long: nothing else is heard meanwhile. */
const batchMs = 10
/** Waiting for another process's lock blocks the event loop, and nobody else ought to write. */
const busyTimeoutMs = 100
const statementLimit = 1000
/** Below this, an I/O error is taken for a full disk: SQLite reports some of them without their cause. */
const fullBelowBytes = 1 << 20

interface Waiting {
  /** Runs the work; what it gives back resolves the transaction, once that is committed. */
  readonly work: (tx: Transaction) => Promise<() => void>
  readonly reject: (error: unknown) => void
  isRejected: boolean
}

interface Done {
  readonly resolve: () => void
  readonly effects: readonly (() => void)[]
}

class SqliteDatabase implements Database {
  readonly dialect = 'sqlite'
  #host: Host
  #stallMs: number
  #onEffectError: (error: unknown) => void
  #writer: SqliteConnection
  /** Reads go around the writer, whose connection shows rows that are not committed yet. */
  #reader: SqliteConnection
  #waiting: Waiting[] = []
  #running: Work | undefined
  #busy = false
  #commits = 0
  #closed: Promise<void> | undefined
  #whenIdle: (() => void) | undefined
  /** A batch is started by whoever waits first, and must not run the others in his asynchronous context. */
  #inOwnContext = AsyncLocalStorage.snapshot()

  constructor({ path, host, stallMs, onEffectError }: SqliteOptions) {
    this.#host = host ?? systemHost
    this.#stallMs = stallMs ?? 10_000
    this.#onEffectError = onEffectError ?? warnOfEffectError
    this.#writer = new SqliteConnection(path, false)
    try {
      this.#reader = new SqliteConnection(path, true)
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

  async transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    refuseInsideWork(this, 'transaction()')
    this.#refuseClosed()
    return new Promise<T>((resolve, reject) => {
      const workAndResolve = async (tx: Transaction): Promise<() => void> => {
        const value = await work(tx)
        return () => resolve(value)
      }
      this.#waiting.push({ work: workAndResolve, reject, isRejected: false })
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

  /** After the input that is ready now has been read, so that all it asks for is in one batch. */
  #startSoon(): void {
    this.#busy = true
    this.#inOwnContext(() => setImmediate(() => void this.#commitBatch()))
  }

  async #commitBatch(): Promise<void> {
    const batch = this.#waiting.splice(0, batchLimit)
    const stopped = new AbortController()
    void watchForStall(this.#host, this.#stallMs, () => this.#running, stopped.signal)
    await this.#commitOrReject(batch)
    stopped.abort()
    this.#busy = false
    if (this.#waiting.length > 0) this.#startSoon()
    else this.#whenIdle?.()
  }

  async #commitOrReject(batch: Waiting[]): Promise<void> {
    try {
      await this.#commitTogether(batch)
    } catch (error) {
      this.#writer.rollBack()
      const left = batch.filter((waiting) => !waiting.isRejected)
      const isFull = error instanceof DatabaseError && error.code === 'disk_full'
      // There may be room for some of them.
      if (isFull && left.length > 1) for (const waiting of left) await this.#commitOrReject([waiting])
      else for (const waiting of left) waiting.reject(error)
    }
  }

  /** @throws {DatabaseError} that concerns the whole batch: nothing of it was committed. */
  async #commitTogether(batch: Waiting[]): Promise<void> {
    const writer = this.#writer
    writer.control('begin immediate')
    const done: Done[] = []
    const begun = this.#host.monotonic()
    for (const [index, waiting] of batch.entries()) {
      if (index > 0 && this.#host.monotonic() - begun > batchMs) {
        this.#waiting.unshift(...batch.splice(index))
        break
      }
      writer.control('savepoint work')
      const work = new Work(this, writer, this.#host)
      this.#running = work
      try {
        const resolve = await work.settle(waiting.work)
        if (work.failure) throw work.failure
        done.push({ resolve, effects: work.effects })
      } catch (error) {
        // SQLite may have rolled everything back by itself, as on some I/O errors: then it concerns all.
        if (!writer.isInTransaction) throw work.failure ?? error
        writer.control('rollback to work')
        waiting.isRejected = true
        waiting.reject(error)
      } finally {
        this.#running = undefined
        work.end()
      }
      writer.control('release work')
    }
    writer.control('commit')
    this.#commits++
    for (const { effects } of done) runEffects(effects, this.#onEffectError)
    for (const { resolve } of done) resolve()
  }
}

interface Prepared {
  readonly statement: StatementSync
  /** Which parameter each `?` takes, from 0. */
  readonly order: readonly number[]
  readonly paramCount: number
}

type Control = 'begin immediate' | 'savepoint work' | 'release work' | 'rollback to work' | 'commit'

class SqliteConnection implements Connection {
  #path: string
  #db: DatabaseSync
  #prepared = new Map<string, Prepared>()
  #controls = new Map<Control, StatementSync>()

  constructor(path: string, readOnly: boolean) {
    this.#path = path
    this.#db = open(path, { readOnly, timeout: busyTimeoutMs })
    try {
      requireSqliteVersion(String(this.#db.prepare('select sqlite_version() as version').get()?.['version']))
      // 16 MB of cached pages at most. A WAL that grew in a burst is cut back to 64 MB.
      this.#db.exec('pragma cache_size = -16000')
      if (!readOnly) {
        this.#db.exec('pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on')
        // Moving the WAL into the file every 16 MB rather than 4: a sixth more lifecycles a second.
        this.#db.exec('pragma journal_size_limit = 67108864; pragma wal_autocheckpoint = 4000')
      }
    } catch (error) {
      this.#db.close()
      throw asDatabaseError(error, path)
    }
  }

  get isInTransaction(): boolean {
    return this.#db.isTransaction
  }

  all(sql: string, params: readonly SqlValue[]): readonly Row[] {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it gives a bigint only when asked to
    return this.#execute(sql, params, (statement, values) => statement.all(...values) as Row[])
  }

  get(sql: string, params: readonly SqlValue[]): Row | undefined {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it gives a bigint only when asked to
    return this.#execute(sql, params, (statement, values) => statement.get(...values) as Row | undefined)
  }

  run(sql: string, params: readonly SqlValue[]): number {
    return this.#execute(sql, params, (statement, values) => Number(statement.run(...values).changes))
  }

  insert(sql: string, params: readonly SqlValue[]): number {
    return this.#execute(sql, params, (statement, values) => Number(statement.run(...values).lastInsertRowid))
  }

  control(control: Control): void {
    try {
      let statement = this.#controls.get(control)
      if (!statement) {
        statement = this.#db.prepare(control)
        this.#controls.set(control, statement)
      }
      statement.run()
    } catch (error) {
      throw asDatabaseError(error, this.#path)
    }
  }

  /** Never throws: what it could not undo is undone when the file is opened again. */
  rollBack(): void {
    try {
      if (this.#db.isTransaction) this.#db.exec('rollback')
    } catch {
      // The next `begin immediate` fails with a clear error if the transaction is still there.
    }
  }

  /** The last connection to close moves the WAL into the file; on a full disk the WAL just stays. */
  close(): void {
    this.#db.close()
  }

  #execute<T>(
    sql: string,
    params: readonly SqlValue[],
    execute: (statement: StatementSync, values: SQLInputValue[]) => T,
  ): T {
    checkValues(params)
    try {
      const prepared = this.#prepare(sql)
      if (prepared.paramCount !== params.length) {
        const counts = `${prepared.paramCount} values, not ${params.length}`
        throw new DatabaseError('failed', `The statement takes ${counts}: ${sql}`)
      }
      return execute(
        prepared.statement,
        prepared.order.map((index) => bindable(params[index] ?? null)),
      )
    } catch (error) {
      throw asDatabaseError(error, this.#path)
    }
  }

  #prepare(sql: string): Prepared {
    const known = this.#prepared.get(sql)
    if (known) return known
    const { text, order, paramCount } = positional(sql)
    const prepared = { statement: this.#db.prepare(text), order, paramCount }
    if (this.#prepared.size >= statementLimit) this.#prepared.delete(this.#prepared.keys().next().value ?? '')
    this.#prepared.set(sql, prepared)
    return prepared
  }
}

function open(path: string, options: { readOnly: boolean; timeout: number }): DatabaseSync {
  if (!options.readOnly) create(path)
  try {
    return new DatabaseSync(path, options)
  } catch (error) {
    throw asDatabaseError(error, path)
  }
}

/** SQLite gives its other files the rights of this one. */
function create(path: string): void {
  try {
    // Only where it isn't there: to close a file lets go of every lock that this process has on it.
    closeSync(openSync(path, 'wx', ownerFile))
  } catch {
    // It is there, or SQLite will say why it can't be.
  }
}

/** node:sqlite binds every number as a real: `'job ' || $1` would give "job 5.0", and `$1 / 2` 2.5. */
function bindable(value: SqlValue): SQLInputValue {
  return typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : value
}

/** Text and comments, which may contain a `$1` that is none; or a placeholder. */
const placeholders = /'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\/|\$(\d+)/g

/** Binding by position takes half the time of binding by name. */
function positional(sql: string): { text: string; order: readonly number[]; paramCount: number } {
  const order: number[] = []
  const text = sql.replace(placeholders, (match, number: string | undefined) => {
    if (number === undefined) return match
    order.push(Number(number) - 1)
    return '?'
  })
  return { text, order, paramCount: Math.max(0, ...order.map((index) => index + 1)) }
}

/** @throws {DatabaseError} `too_old` */
export function requireSqliteVersion(version: string): void {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number)
  if (major * 1e6 + minor * 1e3 + patch >= 3_051_003) return
  const message = `SQLite ${version} is too old: 3.51.3 or newer is needed, as in Node 24`
  throw new DatabaseError('too_old', message)
}

const primaryCode = { busy: 5, locked: 6, ioError: 10, full: 13, constraint: 19 }
const constraintDatatype = 3091

function asDatabaseError(error: unknown, path: string): DatabaseError {
  if (error instanceof DatabaseError) return error
  const message = error instanceof Error ? error.message : String(error)
  return new DatabaseError(codeOf(error, path), message, { cause: error })
}

function codeOf(error: unknown, path: string): DatabaseError['code'] {
  const extended = error instanceof Error && 'errcode' in error ? Number(error.errcode) : 0
  switch (extended & 0xff) {
    case primaryCode.full:
      return 'disk_full'
    case primaryCode.ioError:
      return isDiskFull(path) ? 'disk_full' : 'failed'
    case primaryCode.busy:
    case primaryCode.locked:
      return 'busy'
    case primaryCode.constraint:
      return extended === constraintDatatype ? 'failed' : 'conflict'
    default:
      return 'failed'
  }
}

function isDiskFull(path: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(dirname(path))
    return bavail * bsize < fullBelowBytes
  } catch {
    return false
  }
}

/** A connection that nobody refers to is closed when garbage is collected, and its lock let go. */
const locks = new Set<DatabaseSync>()

/**
 * Locks the file at `path` (created, stays empty) for this process until `release` or the process's death,
 * also by kill -9; undefined if another holds it. Node has no flock: an open exclusive transaction is one.
 * @throws {DatabaseError} if the file can't be used at all
 */
export function lockFile(path: string): { release(): void } | undefined {
  const db = open(path, { readOnly: false, timeout: 0 })
  try {
    // Nothing is written, so that it can be locked on a full disk, too.
    db.exec('pragma journal_mode = memory; begin exclusive')
  } catch (error) {
    db.close()
    const failure = asDatabaseError(error, path)
    if (failure.code === 'busy') return undefined
    throw failure
  }
  locks.add(db)
  return {
    release: () => {
      locks.delete(db)
      db.close()
    },
  }
}
