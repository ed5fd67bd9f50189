/** The database on a PostgreSQL server, shared by several nodes. */
import { DatabaseError as ServerError, Pool, type PoolClient, type QueryResult } from 'pg'
import { systemHost, type Host } from '../host.ts'
import {
  checkValues,
  DatabaseError,
  type Database,
  type Row,
  type SqlValue,
  type Transaction,
  type Reader,
} from './database.ts'
import { numbered, refuseTooMany } from './event-order.ts'
import { Turnstile } from './turnstile.ts'
import {
  asFailure,
  refuseInsideWork,
  runEffects,
  warnOfEffectError,
  watchForStall,
  Work,
  type Connection,
} from './work.ts'

export interface PostgresOptions {
  readonly connectionString: string
  /** Schema of the tables, created if missing. Default: the server's. */
  readonly schema?: string
  /** Maximum of connections. Default: 10. */
  readonly poolSize?: number
  readonly host?: Host
  /** A transaction without a statement for this long fails. */
  readonly stallMs?: number
  readonly onEffectError?: (error: unknown) => void
}

/**
 * Resolves when the server has answered.
 * @throws {DatabaseError} `busy` if it does not, `too_old` before PostgreSQL 14
 */
export async function openPostgres(options: PostgresOptions): Promise<Database> {
  const database = new PostgresDatabase(options)
  try {
    await database.prepare(options.schema)
    return database
  } catch (error) {
    await database.close()
    throw asDatabaseError(error)
  }
}

const oldestServer = 140_000
/** A transaction that keeps colliding fails after about 2 s. */
const triesAtMost = 20
/** After these it runs without others of this process. */
const triesTogether = 1
const longestPauseMs = 200
const statementLimit = 1000
/** Time limits on the server, so that no statement, lock or lost node blocks others without end. */
const sessionSettings = `
  set statement_timeout = '30s';
  set lock_timeout = '10s';
  set idle_in_transaction_session_timeout = '30s';
  select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'`

class PostgresDatabase implements Database {
  readonly dialect = 'postgres'
  #host: Host
  #stallMs: number
  #onEffectError: (error: unknown) => void
  #pool: Pool
  #turnstile: Turnstile
  #statementNames = new Map<string, string>()
  #closed: Promise<void> | undefined
  #running = 0
  #whenIdle: (() => void) | undefined

  constructor({ connectionString, schema, poolSize = 10, host, stallMs, onEffectError }: PostgresOptions) {
    this.#host = host ?? systemHost
    this.#stallMs = stallMs ?? 10_000
    this.#onEffectError = onEffectError ?? warnOfEffectError
    const searchPath = schema === undefined ? '' : `set search_path = ${identifier(schema)};`
    this.#turnstile = new Turnstile(poolSize)
    this.#pool = new Pool({
      connectionString,
      max: poolSize,
      // Also limits the wait for a free connection.
      connectionTimeoutMillis: 10_000,
      keepAlive: true,
      types: { getTypeParser: typeParser },
      onConnect: async (client) => {
        await client.query(searchPath + sessionSettings)
      },
    })
    // A broken idle connection is replaced on demand; without a listener its error would end the process.
    this.#pool.on('error', ignoreError)
  }

  async prepare(schema: string | undefined): Promise<void> {
    const [version] = await this.all(`select current_setting('server_version_num')::int as number`)
    if (Number(version?.['number']) < oldestServer) {
      throw new DatabaseError('too_old', 'PostgreSQL 14 or newer is needed')
    }
    if (schema === undefined) return
    // In one transaction, because "if not exists" checks before it creates: one of two concurrent nodes would fail.
    const lock = `select pg_advisory_xact_lock(hashtext('workflow-coordinator schema'))`
    await this.#pool.query(`${lock}; create schema if not exists ${identifier(schema)}`)
  }

  async all(sql: string, params: readonly SqlValue[] = []): Promise<readonly Row[]> {
    refuseInsideWork(this, 'all()')
    return this.#read(sql, params)
  }

  async get(sql: string, params: readonly SqlValue[] = []): Promise<Row | undefined> {
    refuseInsideWork(this, 'get()')
    return (await this.#read(sql, params))[0]
  }

  async transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    refuseInsideWork(this, 'transaction()')
    return this.#repeat('serializable', work)
  }

  async snapshot<T>(work: (reader: Reader) => Promise<T>): Promise<T> {
    refuseInsideWork(this, 'snapshot()')
    return this.#repeat('repeatable read read only', work)
  }

  #repeat<T>(isolation: Isolation, work: (tx: Transaction) => Promise<T>): Promise<T> {
    return this.#whileOpen(async () => {
      for (let triesLeft = triesAtMost - 1; ; triesLeft--) {
        const tries = triesAtMost - triesLeft
        const outcome = await this.#turnstile.pass({ alone: tries > triesTogether }, () =>
          this.#try(isolation, work),
        )
        if (outcome.kind === 'committed') {
          runEffects(outcome.effects, this.#onEffectError)
          return outcome.value
        }
        if (outcome.kind === 'failed' || triesLeft === 0) throw outcome.error
        await this.#host.sleep(this.#host.random() * Math.min(2 ** tries, longestPauseMs))
      }
    })
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    if (this.#running > 0) await new Promise<void>((resolve) => (this.#whenIdle = resolve))
    await this.#pool.end()
  }

  async #whileOpen<T>(use: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new DatabaseError('closed', 'The database is closed')
    this.#running++
    try {
      return await use()
    } finally {
      this.#running--
      if (this.#running === 0) this.#whenIdle?.()
    }
  }

  async #read(sql: string, params: readonly SqlValue[]): Promise<readonly Row[]> {
    return this.#whileOpen(async () => {
      const query = this.#query(sql, params)
      try {
        return (await this.#pool.query<Row>(query)).rows
      } catch (error) {
        if (!isStalePlan(error)) throw asDatabaseError(error)
        // Runs on another connection: the pool has dropped the one with the stale plan.
        return (await this.#pool.query<Row>(query).catch(rethrow)).rows
      }
    })
  }

  async #try<T>(isolation: Isolation, work: (tx: Transaction) => Promise<T>): Promise<Outcome<T>> {
    const client = await this.#pool.connect().catch(rethrow)
    // Without a listener, an error between two statements would end the process.
    client.on('error', ignoreError)
    const connection = new PostgresConnection(client, (sql, params) => this.#query(sql, params))
    const outcome = await this.#workAndCommit(connection, isolation, work)
    const isUsable =
      outcome.kind === 'committed' || ((await connection.rollBack()) && !isStalePlan(outcome.error))
    client.off('error', ignoreError)
    client.release(!isUsable)
    return outcome
  }

  async #workAndCommit<T>(
    connection: PostgresConnection,
    isolation: Isolation,
    work: (tx: Transaction) => Promise<T>,
  ): Promise<Outcome<T>> {
    const run = new Work(this, connection, this.#host)
    const stopped = new AbortController()
    void watchForStall(this.#host, this.#stallMs, () => run, stopped.signal)
    try {
      await connection.begin(isolation)
      const value = await run.settle(work)
      if (run.failure) throw run.failure
      run.end()
      await connection.commit()
      return { kind: 'committed', value, effects: run.effects }
    } catch (error) {
      // `work` may have wrapped or swallowed the statement's error.
      const isCollision = isRetryable(run.failure ?? error)
      return isCollision ? { kind: 'collided', error: run.failure ?? error } : { kind: 'failed', error }
    } finally {
      run.end()
      stopped.abort()
    }
  }

  #query(sql: string, params: readonly SqlValue[]): Query {
    checkValues(params)
    return { text: sql, values: [...params], ...this.#statementName(sql) }
  }

  /** A named statement is planned once per connection. */
  #statementName(sql: string): { name?: string } {
    const known = this.#statementNames.get(sql)
    if (known !== undefined) return { name: known }
    if (!/^\s*(select|insert|update|delete|with)\b/i.test(sql)) return {}
    if (this.#statementNames.size >= statementLimit) return {}
    const name = `s${this.#statementNames.size}`
    this.#statementNames.set(sql, name)
    return { name }
  }
}

type Isolation = 'serializable' | 'repeatable read read only'

type Outcome<T> =
  | { readonly kind: 'committed'; readonly value: T; readonly effects: readonly (() => void)[] }
  /** Collided with another transaction and must be repeated. */
  | { readonly kind: 'collided'; readonly error: unknown }
  | { readonly kind: 'failed'; readonly error: unknown }

interface Query {
  readonly text: string
  readonly values: SqlValue[]
  readonly name?: string
}

/** The connection of one try of a transaction. */
class PostgresConnection implements Connection {
  #client: PoolClient
  #query: (sql: string, params: readonly SqlValue[]) => Query
  #appended = 0
  /** `work` may start statements concurrently, but the client needs them in sequence. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(client: PoolClient, query: (sql: string, params: readonly SqlValue[]) => Query) {
    this.#client = client
    this.#query = query
  }

  async all(sql: string, params: readonly SqlValue[]): Promise<readonly Row[]> {
    return (await this.#execute(this.#query(sql, params))).rows
  }

  async get(sql: string, params: readonly SqlValue[]): Promise<Row | undefined> {
    return (await this.#execute(this.#query(sql, params))).rows[0]
  }

  async run(sql: string, params: readonly SqlValue[]): Promise<number> {
    return (await this.#execute(this.#query(sql, params))).rowCount ?? 0
  }

  async insert(sql: string, params: readonly SqlValue[]): Promise<number> {
    const { rows } = await this.#execute(this.#query(`${sql} returning id`, params))
    return Number(rows[0]?.id)
  }

  /** Inserts immediately: here only rows of one transaction could be combined, which are too few to gain. */
  async append(sql: string, params: readonly SqlValue[]): Promise<number> {
    const n = this.#appended++
    refuseTooMany(n)
    return this.insert(numbered(sql, params.length + 1), [...params, n])
  }

  async begin(isolation: Isolation): Promise<void> {
    await this.#execute(`begin isolation level ${isolation}`)
  }

  async commit(): Promise<void> {
    const { command } = await this.#execute('commit').catch((error: unknown) => {
      throw isConnectionLost(error) ? unknownCommit(error) : error
    })
    // The server reports a rollback here if a statement had failed.
    if (command !== 'COMMIT') throw new DatabaseError('failed', 'The transaction was rolled back')
  }

  /** False if the connection is unusable; the server then rolls back when it is closed. */
  async rollBack(): Promise<boolean> {
    try {
      await this.#execute('rollback')
      return true
    } catch {
      return false
    }
  }

  #execute(query: Query | string): Promise<QueryResult<Row>> {
    const result = this.#last.then(() => this.#client.query<Row>(query)).catch(rethrow)
    this.#last = result.catch(() => {})
    return result
  }
}

const oid = { bool: 16, bytea: 17, int8: 20, int2: 21, int4: 23, float4: 700, float8: 701, numeric: 1700 }

const parsers = new Map<number, (text: string) => SqlValue>([
  // Like SQLite, which has no booleans.
  [oid.bool, (text) => (text === 't' ? 1 : 0)],
  [oid.bytea, (text) => new Uint8Array(Buffer.from(text.slice(2), 'hex'))],
  [oid.int8, exactNumber],
  [oid.int2, Number],
  [oid.int4, Number],
  [oid.float4, Number],
  [oid.float8, Number],
  // The type of a sum of integers.
  [oid.numeric, exactNumber],
])

function typeParser(typeOid: number): (text: string) => SqlValue {
  return parsers.get(typeOid) ?? String
}

function exactNumber(text: string): number {
  const number = Number(text)
  if (Number.isInteger(number) && !Number.isSafeInteger(number)) {
    throw new DatabaseError('failed', `${text} is beyond the exact integers (2^53-1)`)
  }
  return number
}

function ignoreError(): void {}

function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

function rethrow(error: unknown): never {
  throw asDatabaseError(error)
}

function asDatabaseError(error: unknown): DatabaseError {
  if (error instanceof DatabaseError) return error
  if (isConnectionLost(error)) {
    return new DatabaseError('busy', `PostgreSQL can't be reached: ${messageOf(error)}`, { cause: error })
  }
  if (!(error instanceof ServerError)) return asFailure(error)
  const { message, detail } = error
  return new DatabaseError(codeOf(error.code ?? ''), detail ? `${message}: ${detail}` : message, {
    cause: error,
  })
}

/** By the codes in PostgreSQL's manual, appendix A. */
function codeOf(state: string): DatabaseError['code'] {
  if (state === '53100') return 'disk_full'
  if (state.startsWith('23')) return 'conflict'
  const isPassing = ['53', '40'].includes(state.slice(0, 2)) || ['55P03', '57014', '25P03'].includes(state)
  return isPassing ? 'busy' : 'failed'
}

function unknownCommit(error: unknown): DatabaseError {
  const message = 'The connection was lost during the commit: it is unknown whether the changes are stored'
  return new DatabaseError('failed', message, { cause: error })
}

/** The server is shutting down, gone, or unreachable. */
function isConnectionLost(error: unknown): boolean {
  if (error instanceof DatabaseError) return error.code === 'busy' && isConnectionLost(error.cause)
  if (error instanceof ServerError) return /^(08(?!P01)|57P0)/.test(error.code ?? '')
  if (!(error instanceof Error)) return false
  if (error instanceof AggregateError || 'syscall' in error) return true
  return /^(Connection terminated|timeout e|Client (was closed|has encountered))/i.test(error.message)
}

function isRetryable(error: unknown): boolean {
  const cause = error instanceof DatabaseError ? error.cause : error
  if (!(cause instanceof ServerError)) return false
  return cause.code === '40001' || cause.code === '40P01' || isStalePlan(cause)
}

/** Another node has migrated the table after the statement was prepared. */
function isStalePlan(error: unknown): boolean {
  const cause = error instanceof DatabaseError ? error.cause : error
  return (
    cause instanceof ServerError && cause.code === '0A000' && cause.message.startsWith('cached plan must not')
  )
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error)
}
