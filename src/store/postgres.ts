/** The database on a PostgreSQL server, shared by several nodes. */
import { systemHost, type Host } from '../host.ts'
import {
  checkValues,
  DatabaseError,
  type Database,
  type DatabaseCounts,
  type Row,
  type SqlValue,
  type Transaction,
  type Reader,
} from './database.ts'
import { type Isolation, LostCommit, PostgresConnection, type Query } from './postgres-connection.ts'
import { asDatabaseError, isCollision, isConnectionLost, isInFuture, isStalePlan } from './postgres-errors.ts'
import { type Servers, createServers, identifier, typeParser } from './postgres-servers.ts'
import { Turnstile } from './turnstile.ts'
import { refuseInsideWork, runEffects, warnOfEffectError, watchForStall, Work } from './work.ts'

export interface PostgresOptions {
  /** Of one server, or of several, of which one accepts writes: `postgres://user:password@one:5432,other:5432/name`. */
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

export interface PostgresDatabase extends Database {
  /** What the ids of appended rows are counted from. */
  setAppendBase(base: number): void
}

/**
 * Resolves when the server has answered.
 * @throws {DatabaseError} `busy` if it does not, `too_old` before PostgreSQL 14
 */
export async function openPostgres(options: PostgresOptions): Promise<PostgresDatabase> {
  const database = new OpenPostgres(options)
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
const triesTogether = 3
const longestPauseMs = 200
/** What lost its connection before its commit is repeated until then. */
const lostForMs = 5000
/** For the server to say how a commit ended whose answer was lost. */
const commitKnownMs = 10_000
const longestReconnectPauseMs = 500
const statementLimit = 1000

/**
 * Time limits on the server, so that no statement, lock or stopped node blocks others without end. Outside of a transaction
 * a connection only reads: statements are sent together with their `begin`, and must write nothing if it fails.
 */
const sessionSettings = `
  set statement_timeout = '30s';
  set lock_timeout = '10s';
  set idle_in_transaction_session_timeout = '12s';
  set default_transaction_read_only = on;
  set jit = off;
  select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'`

class OpenPostgres implements PostgresDatabase {
  readonly dialect = 'postgres'
  #host: Host
  #stallMs: number
  #onEffectError: (error: unknown) => void
  #servers: Servers
  #turnstile: Turnstile
  // A serializable transaction has plans of its own.
  #statementNames = { serializable: new StatementNames('w'), reading: new StatementNames('r') }
  #counts = { transactions: 0, roundTrips: 0, collisions: 0, retries: 0, givenUp: 0 }
  #appendBase = 0
  #closed: Promise<void> | undefined
  #running = 0
  #whenIdle: (() => void) | undefined

  constructor({ host, stallMs, onEffectError, schema, poolSize = 10, ...options }: PostgresOptions) {
    this.#host = host ?? systemHost
    this.#stallMs = stallMs ?? 10_000
    this.#onEffectError = onEffectError ?? warnOfEffectError
    this.#turnstile = new Turnstile(poolSize)
    this.#servers = createServers({
      connectionString: options.connectionString,
      poolSize,
      settings: (schema === undefined ? '' : `set search_path = ${identifier(schema)};`) + sessionSettings,
      parser: typeParser,
      isPipelined: true,
    })
  }

  async prepare(schema: string | undefined): Promise<void> {
    const [version] = await this.all(`select current_setting('server_version_num')::int as number`)
    if (Number(version?.['number']) < oldestServer) {
      throw new DatabaseError('too_old', 'PostgreSQL 14 or newer is needed')
    }
    if (schema === undefined) return
    await this.transaction(async (tx) => {
      // "if not exists" checks before it creates: one of two concurrent nodes would fail.
      await tx.get(`select 1 as locked from pg_advisory_xact_lock(hashtext('workflow-coordinator schema'))`)
      await tx.run(`create schema if not exists ${identifier(schema)}`)
    })
  }

  counts(): DatabaseCounts {
    return { ...this.#counts }
  }

  setAppendBase(base: number): void {
    this.#appendBase = base
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
      this.#counts.transactions++
      const repeats = this.#repeats()
      for (let isAlone = false; ; isAlone ||= repeats.collisions >= triesTogether) {
        const outcome = await this.#turnstile.pass({ alone: isAlone }, () => this.#try(isolation, work))
        if (outcome.kind === 'committed') {
          this.#turnstile.moved()
          runEffects(outcome.effects, this.#onEffectError)
          return outcome.value
        }
        await repeats.next(outcome)
      }
    })
  }

  /** Waits before the next try, or throws the last one's error when there is none. */
  #repeats(): { readonly collisions: number; next(outcome: Failed): Promise<void> } {
    let [collisions, losses] = [0, 0]
    let lostAt: number | undefined
    return {
      get collisions() {
        return collisions
      },
      next: async ({ kind, error }) => {
        if (kind === 'failed') throw error
        if (kind === 'collided') {
          if (isCollision(error)) this.#counts.collisions++
          collisions++
        } else {
          losses++
          lostAt ??= this.#servers.lostSince() ?? systemHost.monotonic()
        }
        const isOver =
          kind === 'lost' ? systemHost.monotonic() - lostAt! > lostForMs : collisions >= triesAtMost
        if (isOver) {
          this.#counts.givenUp++
          throw error
        }
        this.#counts.retries++
        const longest =
          kind === 'collided'
            ? Math.min(2 ** collisions, longestPauseMs)
            : Math.min(25 * 2 ** losses, longestReconnectPauseMs)
        await this.#host.sleep(this.#host.random() * longest)
      },
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    if (this.#running > 0) await new Promise<void>((resolve) => (this.#whenIdle = resolve))
    await this.#servers.close()
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

  #read(sql: string, params: readonly SqlValue[]): Promise<readonly Row[]> {
    return this.#whileOpen(async () => {
      const query = this.#query(sql, params)
      const repeats = this.#repeats()
      for (;;) {
        try {
          return await this.#readOnce(query)
        } catch (error) {
          const kind = isStalePlan(error) ? 'collided' : isConnectionLost(error) ? 'lost' : 'failed'
          await repeats.next({ kind, error: asDatabaseError(error) })
        }
      }
    })
  }

  async #readOnce(query: Query): Promise<readonly Row[]> {
    const client = await this.#servers.connect()
    let failure: unknown
    try {
      this.#counts.roundTrips++
      return (await client.query<Row>(query)).rows
    } catch (error) {
      failure = error
      throw error
    } finally {
      this.#servers.release(client, isStalePlan(failure) || isConnectionLost(failure))
    }
  }

  async #try<T>(isolation: Isolation, work: (tx: Transaction) => Promise<T>): Promise<Outcome<T>> {
    const client = await this.#servers.connect().catch(asDatabaseError)
    if (client instanceof DatabaseError) return failed(client)
    const connection = new PostgresConnection({
      client,
      isolation,
      query: (sql, params) => this.#query(sql, params, isolation),
      counts: this.#counts,
      appendBase: this.#appendBase,
    })
    const outcome = await this.#workAndCommit(connection, isolation, work)
    if (outcome.kind === 'unknown') {
      this.#servers.release(client, true)
      return this.#settled(outcome, connection, this.#servers.incarnationOf(client))
    }
    const isUsable =
      outcome.kind === 'committed' || ((await connection.rollBack()) && !isStalePlan(outcome.error))
    this.#servers.release(client, !isUsable)
    return outcome
  }

  async #workAndCommit<T>(
    connection: PostgresConnection,
    isolation: Isolation,
    work: (tx: Transaction) => Promise<T>,
  ): Promise<Outcome<T> | Unknown<T>> {
    const run = new Work(this, connection, this.#host)
    const stopped = new AbortController()
    void watchForStall(this.#host, this.#stallMs, () => run, stopped.signal)
    try {
      const value = await run.settle(work)
      if (run.failure) throw run.failure
      run.end()
      const committed = { kind: 'committed', value, effects: run.effects } as const
      try {
        await connection.commit()
        return committed
      } catch (error) {
        if (!(error instanceof LostCommit)) throw error
        // Nothing was written that could be stored or not.
        if (isolation !== 'serializable') return committed
        return { kind: 'unknown', committed, error }
      }
    } catch (error) {
      // `work` may have wrapped or swallowed the statement's error.
      const told = failed(run.failure ?? error)
      return told.kind === 'failed' ? { kind: 'failed', error } : told
    } finally {
      run.end()
      stopped.abort()
    }
  }

  /** Asks the server how the transaction ended. */
  async #settled<T>(
    { committed, error }: Unknown<T>,
    { xid, witness }: PostgresConnection,
    incarnation: string | undefined,
  ): Promise<Outcome<T>> {
    const until = systemHost.monotonic() + commitKnownMs
    for (;;) {
      if (xid === undefined || systemHost.monotonic() >= until) break
      const status = await this.#statusOf(xid, witness, incarnation).catch((asking: unknown) =>
        isConnectionLost(asking) ? 'in progress' : 'unknown',
      )
      if (status === 'committed') return committed
      if (status === 'aborted')
        return { kind: 'lost', error: new DatabaseError('busy', error.message, { cause: error.cause }) }
      if (status === 'unknown') break
      await this.#host.sleep(50 + this.#host.random() * 50)
    }
    return { kind: 'failed', error: new DatabaseError('uncertain', error.message, { cause: error.cause }) }
  }

  /**
   * A server that has restarted, or taken over from another, may have given the number of a transaction that it never stored
   * to a later one. Then only a row of the transaction proves its commit.
   */
  async #statusOf(
    xid: string,
    witness: PostgresConnection['witness'],
    incarnation: string | undefined,
  ): Promise<CommitStatus> {
    const client = await this.#servers.connect()
    try {
      const { rows } = await client
        .query<{ status: CommitStatus | null }>('select pg_xact_status($1::xid8) as status', [xid])
        .catch((error: unknown) => {
          if (isInFuture(error)) return { rows: [{ status: 'aborted' as const }] }
          throw error
        })
      const status = rows[0]?.status ?? 'unknown'
      if (status !== 'committed' || this.#servers.incarnationOf(client) === incarnation) return status
      if (!witness) return 'unknown'
      const found = await client.query(this.#query(witness.sql, witness.params))
      return found.rows.length > 0 ? 'committed' : 'aborted'
    } finally {
      this.#servers.release(client, false)
    }
  }

  #query(sql: string, params: readonly SqlValue[], isolation?: Isolation): Query {
    checkValues(params)
    const names = this.#statementNames[isolation === 'serializable' ? 'serializable' : 'reading']
    return { text: sql, values: [...params], ...names.of(sql) }
  }
}

/** A named statement is planned once per connection. */
class StatementNames {
  #prefix: string
  #names = new Map<string, string>()

  constructor(prefix: string) {
    this.#prefix = prefix
  }

  of(sql: string): { name?: string } {
    const known = this.#names.get(sql)
    if (known !== undefined) return { name: known }
    if (!/^\s*(select|insert|update|delete|with)\b/i.test(sql)) return {}
    if (this.#names.size >= statementLimit) return {}
    const name = `${this.#prefix}${this.#names.size}`
    this.#names.set(sql, name)
    return { name }
  }
}

interface Committed<T> {
  readonly kind: 'committed'
  readonly value: T
  readonly effects: readonly (() => void)[]
}

/** `collided` with another transaction, or `lost` its connection before the commit: it may be repeated. */
interface Failed {
  readonly kind: 'collided' | 'lost' | 'failed'
  readonly error: unknown
}

type Outcome<T> = Committed<T> | Failed

/** The answer to the commit was lost. */
interface Unknown<T> {
  readonly kind: 'unknown'
  readonly committed: Committed<T>
  readonly error: LostCommit
}

type CommitStatus = 'committed' | 'aborted' | 'in progress' | 'unknown'

function failed(error: unknown): Failed {
  if (isCollision(error) || isStalePlan(error)) return { kind: 'collided', error }
  return { kind: isConnectionLost(error) ? 'lost' : 'failed', error }
}
