/** One connection to a file of SQLite, and the lock of a file. The only file that imports node:sqlite. */
import { closeSync, openSync, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { SQLInputValue, StatementResultingChanges, StatementSync } from 'node:sqlite'
import { ownerFile } from '../owner-only.ts'
import { AppendLog } from './append-log.ts'
import { checkValues, DatabaseError } from './database.ts'
import type { Row, SqlValue } from './database.ts'
import type { Connection } from './work.ts'

/** Short, because waiting for another process's lock blocks the event loop, and no other process should write. */
const busyTimeoutMs = 100
const statementLimit = 1000
/** With less free space, an I/O error counts as a full disk: SQLite reports some without their cause. */
const fullBelowBytes = 1 << 20

interface Prepared {
  readonly statement: StatementSync
  /** The parameter of each `?`, from 0. */
  readonly order: readonly number[]
  readonly paramCount: number
  readonly kind: 'read' | 'write' | 'other'
  /** All words of the statement, including the tables that it names. */
  readonly words: ReadonlySet<string>
  /** Builds row objects; created at the first row, and again after each change of the schema. */
  row?: { readonly of: (values: readonly SqlValue[]) => Row; readonly changes: number }
}

type Control = 'begin immediate' | 'savepoint work' | 'release work' | 'rollback to work' | 'commit'

export class SqliteConnection implements Connection {
  #path: string
  #db: DatabaseSync
  #prepared = new Map<string, Prepared>()
  #controls = new Map<Control, StatementSync>()
  /** Shared by the connections to one file: counts possible changes of columns. */
  #schema: { changes: number }
  /** Whether a statement of this transaction may have changed the schema. */
  #mayChangeSchema = false
  #logs: AppendLog[] = []
  #hasSavepoints = false
  /** Whether earlier works have written in this transaction, and whether the running one has. */
  #hasWritten = { before: false, now: false }

  constructor(path: string, schema: { changes: number }, { readOnly }: { readOnly: boolean }) {
    this.#path = path
    this.#schema = schema
    this.#db = open(path, { readOnly, timeout: busyTimeoutMs })
    try {
      requireSqliteVersion(String(this.#db.prepare('select sqlite_version() as version').get()?.['version']))
      // At most 16 MB of cached pages. A WAL that grew in a burst shrinks back to 64 MB.
      this.#db.exec('pragma cache_size = -16000')
      if (!readOnly) {
        this.#db.exec('pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on')
        // Statement journals are small; in a file they cost an eighth of the lifecycles per second.
        this.#db.exec('pragma temp_store = memory')
        // Checkpointing the WAL every 16 MB instead of 4 gives a sixth more lifecycles per second.
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
    return this.#execute(sql, params, (prepared, values) => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it gives a bigint only when asked to
      const rows = prepared.statement.all(...values) as unknown as (readonly SqlValue[])[]
      if (prepared.kind === 'write') this.#hasWritten.now = true
      return rows.length === 0 ? [] : rows.map(this.#rowOf(prepared))
    })
  }

  get(sql: string, params: readonly SqlValue[]): Row | undefined {
    return this.#execute(sql, params, (prepared, values) => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it gives a bigint only when asked to
      const row = prepared.statement.get(...values) as unknown as readonly SqlValue[] | undefined
      if (prepared.kind === 'write') this.#hasWritten.now = true
      return row && this.#rowOf(prepared)(row)
    })
  }

  run(sql: string, params: readonly SqlValue[]): number {
    return Number(this.#run(sql, params).changes)
  }

  write(sql: string, params: readonly SqlValue[]): void {
    this.#run(sql, params)
  }

  insert(sql: string, params: readonly SqlValue[]): number {
    return Number(this.#run(sql, params).lastInsertRowid)
  }

  append(sql: string, params: readonly SqlValue[]): number {
    checkValues(params)
    const log = this.#logs.find((one) => one.sql === sql) ?? this.#newLog(sql)
    return log.add(params, () =>
      Number(this.get('select seq from sqlite_sequence where name = $1', [log.table])?.['seq'] ?? 0),
    )
  }

  begin({ savepoints }: { savepoints: boolean }): void {
    this.#control('begin immediate')
    this.#hasSavepoints = savepoints
    this.#hasWritten = { before: false, now: false }
    this.#mayChangeSchema = false
  }

  beginWork(): void {
    if (this.#hasSavepoints) {
      // These rows belong to earlier works, so rolling this one back must not remove them.
      for (const log of this.#logs) this.#flush(log)
      this.#control('savepoint work')
    }
    this.#hasWritten.now = false
    for (const log of this.#logs) log.begin()
  }

  endWork(): void {
    if (this.#hasSavepoints) this.#control('release work')
    this.#hasWritten.before ||= this.#hasWritten.now || this.#logs.some((log) => !log.isEmpty)
  }

  /** Undoes the work's writes. False if that also undid the writes of earlier works. */
  undoWork(): boolean {
    for (const log of this.#logs) log.undo()
    if (this.#hasSavepoints) {
      this.#control('rollback to work')
      this.#noteSchema()
    } else if (this.#hasWritten.now) {
      const { before } = this.#hasWritten
      this.rollBack()
      if (before) return false
      this.begin({ savepoints: false })
    }
    return true
  }

  commit(): void {
    for (const log of this.#logs) this.#flush(log)
    this.#control('commit')
    this.#noteSchema()
  }

  /** Never throws: SQLite completes a failed rollback when the file is opened again. */
  rollBack(): void {
    for (const log of this.#logs) log.clear()
    try {
      if (this.#db.isTransaction) this.#db.exec('rollback')
    } catch {
      // The next `begin immediate` fails with a clear error if the transaction is still there.
    }
    this.#noteSchema()
  }

  /** The last connection to close moves the WAL into the file; on a full disk the WAL stays. */
  close(): void {
    this.#db.close()
  }

  #newLog(sql: string): AppendLog {
    const log = new AppendLog(sql)
    if (this.#logs.some(({ table }) => table === log.table))
      throw new DatabaseError('failed', `Another statement also appends rows to ${log.table}`)
    this.#logs.push(log)
    return log
  }

  #run(sql: string, params: readonly SqlValue[]): StatementResultingChanges {
    return this.#execute(sql, params, (prepared, values) => {
      const result = prepared.statement.run(...values)
      if (prepared.kind === 'write' && result.changes !== 0) this.#hasWritten.now = true
      return result
    })
  }

  #execute<T>(
    sql: string,
    params: readonly SqlValue[],
    execute: (prepared: Prepared, values: SQLInputValue[]) => T,
  ): T {
    checkValues(params)
    try {
      const prepared = this.#prepare(sql)
      if (prepared.paramCount !== params.length) {
        const counts = `${prepared.paramCount} values, not ${params.length}`
        throw new DatabaseError('failed', `The statement takes ${counts}: ${sql}`)
      }
      for (const log of this.#logs) {
        if (!prepared.words.has(log.table) && !prepared.words.has(log.view)) continue
        this.#flush(log)
        if (prepared.kind !== 'read') log.forgetLastId()
      }
      if (prepared.kind === 'other') {
        this.#hasWritten.now = true
        this.#mayChangeSchema = true
        this.#noteSchema()
      }
      return execute(prepared, valuesFor(prepared, params))
    } catch (error) {
      throw asDatabaseError(error, this.#path)
    }
  }

  /** @throws after rolling back: the rows belong to several works, and none can continue without them. */
  #flush(log: AppendLog): void {
    if (log.isEmpty) return
    try {
      const isOfThisWork = log.flush((sql, values) => {
        const prepared = this.#prepare(sql)
        prepared.statement.run(...valuesFor(prepared, values))
      })
      if (isOfThisWork) this.#hasWritten.now = true
    } catch (error) {
      this.rollBack()
      throw asDatabaseError(error, this.#path)
    }
  }

  #control(control: Control): void {
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

  #noteSchema(): void {
    if (this.#mayChangeSchema) this.#schema.changes++
  }

  #prepare(sql: string): Prepared {
    const known = this.#prepared.get(sql)
    if (known) return known
    const { text, order, paramCount } = positional(sql)
    const statement = this.#db.prepare(text)
    // Reading rows as SQLite's own objects takes twice as long.
    statement.setReturnArrays(true)
    const words = new Set(sql.toLowerCase().match(/\w+/g))
    const prepared = { statement, order, paramCount, words, kind: kindOf(words) }
    if (this.#prepared.size >= statementLimit) this.#prepared.delete(this.#prepared.keys().next().value ?? '')
    this.#prepared.set(sql, prepared)
    return prepared
  }

  #rowOf(prepared: Prepared): (values: readonly SqlValue[]) => Row {
    const { changes } = this.#schema
    if (prepared.row?.changes !== changes)
      prepared.row = { of: rowMaker(prepared.statement.columns().map(({ name }) => name)), changes }
    return prepared.row.of
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

/** SQLite gives its other files the same permissions. */
function create(path: string): void {
  try {
    // Only if it doesn't exist: closing a file releases every lock of this process on it.
    closeSync(openSync(path, 'wx', ownerFile))
  } catch {
    // It exists, or SQLite will report why it can't be created.
  }
}

/** By its first word; anything but a plain statement may change the schema. */
function kindOf(words: ReadonlySet<string>): Prepared['kind'] {
  const [first = ''] = words
  const writes = ['insert', 'update', 'delete'].some((word) => words.has(word))
  if (first === 'select' || (first === 'with' && !writes)) return 'read'
  return ['with', 'insert', 'update', 'delete'].includes(first) ? 'write' : 'other'
}

function rowMaker(names: readonly string[]): (values: readonly SqlValue[]) => Row {
  return (values) => {
    const row: Record<string, SqlValue> = {}
    for (let index = 0; index < names.length; index++) row[names[index]!] = values[index]!
    return row
  }
}

function valuesFor({ order }: Prepared, params: readonly SqlValue[]): SQLInputValue[] {
  return order.map((index) => bindable(params[index] ?? null))
}

/** node:sqlite binds every number as a real: `'job ' || $1` would give "job 5.0", and `$1 / 2` 2.5. */
function bindable(value: SqlValue): SQLInputValue {
  return typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : value
}

/** Matches strings and comments, which may contain a literal `$1`, and placeholders. */
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

/** References to lock connections: an unreferenced one would be garbage-collected, which releases its lock. */
const locks = new Set<DatabaseSync>()

/**
 * Locks the file at `path` (created, stays empty) for this process until `release` or the process ends, also by
 * kill -9; undefined if another process holds it. Node has no flock, so an open exclusive transaction serves as one.
 * @throws {DatabaseError} if the file is unusable
 */
export function lockFile(path: string): { release(): void } | undefined {
  const db = open(path, { readOnly: false, timeout: 0 })
  try {
    // Writes nothing, so that locking also works on a full disk.
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
