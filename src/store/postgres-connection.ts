/**
 * The connection of one try of a transaction. Statements go to the server without waiting for the answers to earlier ones:
 * `begin` with the first statement, writes whose results nobody needs with the next statement or the commit.
 */
import type { Writable } from 'node:stream'
import type { PoolClient, QueryResult } from 'pg'
import { DatabaseError, checkValues, type DatabaseCounts, type Row, type SqlValue } from './database.ts'
import { isConnectionLost, rethrow } from './postgres-errors.ts'
import { streamOf } from './postgres-silence.ts'
import { eventsPerTransaction } from './settled.ts'
import type { Connection } from './work.ts'

export type Isolation = 'serializable' | 'repeatable read read only'

export interface Query {
  readonly text: string
  readonly values: SqlValue[]
  readonly name?: string
}

/** The connection was lost between the commit and its answer: only the server knows whether it happened. */
export class LostCommit extends Error {
  constructor(options: ErrorOptions) {
    super('The connection was lost during the commit: it is unknown whether the changes are stored', options)
    this.name = 'LostCommit'
  }
}

export interface ConnectionOptions {
  readonly client: PoolClient
  readonly isolation: Isolation
  /** Prepares a statement. */
  readonly query: (sql: string, params: readonly SqlValue[]) => Query
  readonly counts: { -readonly [name in keyof DatabaseCounts]: DatabaseCounts[name] }
  /** Added to the ids of appended rows. */
  readonly appendBase: number
}

export class PostgresConnection implements Connection {
  /** The transaction's number on the server, known with the first answer; undefined if it only reads. */
  xid: string | undefined
  /** A statement that gives a row once the last appended one is committed. */
  witness: { readonly sql: string; readonly params: readonly SqlValue[] } | undefined
  #options: ConnectionOptions
  #stream: Writable
  #isBegun = false
  /** Resolves when the transaction's number is known. */
  #numbered: Promise<void> | undefined
  /** Writes to send with the next statement. */
  #pending: Query[] = []
  /** The first failure. Those after it only say that the transaction has failed. */
  #failure: DatabaseError | undefined
  #awaited = 0
  #appended = 0

  constructor(options: ConnectionOptions) {
    this.#options = options
    this.#stream = streamOf(options.client)
  }

  async all(sql: string, params: readonly SqlValue[]): Promise<readonly Row[]> {
    return (await this.#execute(sql, params)).rows
  }

  async get(sql: string, params: readonly SqlValue[]): Promise<Row | undefined> {
    return (await this.#execute(sql, params)).rows[0]
  }

  async run(sql: string, params: readonly SqlValue[]): Promise<number> {
    return (await this.#execute(sql, params)).rowCount ?? 0
  }

  async insert(sql: string, params: readonly SqlValue[]): Promise<number> {
    const { rows } = await this.#execute(`${sql} returning id`, params)
    return Number(rows[0]?.id)
  }

  write(sql: string, params: readonly SqlValue[]): void {
    this.#pending.push(this.#options.query(sql, params))
  }

  append(sql: string, params: readonly SqlValue[]): number | Promise<number> {
    checkValues(params)
    if (this.xid !== undefined) return this.#append(sql, params)
    return this.#waitFor(() => this.#begin({ takesSnapshot: true })).then(() => this.#append(sql, params))
  }

  /** @throws {LostCommit | DatabaseError} */
  async commit(): Promise<void> {
    if (!this.#isBegun && this.#pending.length === 0) return
    const result = await this.#waitFor(() => {
      this.#sendPending({ takesSnapshot: true })
      return this.#options.client.query('commit')
    }).catch((error: unknown) => {
      throw isConnectionLost(error) ? new LostCommit({ cause: error }) : error
    })
    if (this.#failure) throw this.#failure
    // The server reports a rollback here if a statement had failed.
    if (result.command !== 'COMMIT') throw new DatabaseError('failed', 'The transaction was rolled back')
  }

  /** False if the connection is unusable; the server then rolls back when it is closed. */
  async rollBack(): Promise<boolean> {
    if (!this.#isBegun) return true
    if (this.#failure && isConnectionLost(this.#failure)) return false
    try {
      await this.#options.client.query('rollback')
      return true
    } catch {
      return false
    }
  }

  #execute(sql: string, params: readonly SqlValue[]): Promise<QueryResult<Row>> {
    const query = this.#options.query(sql, params)
    return this.#waitFor(() => {
      // Unlike `lock table`, which may have to come before the snapshot.
      this.#sendPending({ takesSnapshot: query.name !== undefined })
      return this.#options.client.query<Row>(query)
    })
  }

  /** What `send` sends leaves in one piece, and is one round trip if nothing else is waited for. */
  async #waitFor<T>(send: () => Promise<T>): Promise<T> {
    if (this.#awaited++ === 0) this.#options.counts.roundTrips++
    this.#stream.cork()
    let answer: Promise<T>
    try {
      answer = send()
    } finally {
      this.#stream.uncork()
    }
    try {
      const result = await answer
      if (this.#failure) throw this.#failure
      return result
    } catch (error) {
      throw this.#noted(error)
    } finally {
      this.#awaited--
    }
  }

  #sendPending({ takesSnapshot }: { takesSnapshot: boolean }): void {
    void this.#begin({ takesSnapshot: takesSnapshot || this.#pending.length > 0 })
    for (const query of this.#pending.splice(0)) this.#unattended(this.#options.client.query(query))
  }

  /** Begins, unless it has, and asks for the transaction's number as soon as a statement takes the snapshot that it needs, too. */
  #begin({ takesSnapshot }: { takesSnapshot: boolean }): Promise<unknown> {
    const { client, isolation } = this.#options
    const texts: string[] = []
    const isFirst = !this.#isBegun
    if (isFirst) texts.push(begins[isolation])
    const asksXid = takesSnapshot && isolation === 'serializable' && !this.#numbered
    if (asksXid) texts.push('select pg_current_xact_id() as xid')
    this.#isBegun = true
    if (texts.length > 0) {
      const answered = client.query<{ xid: string }>(texts.join('; ')).then((answer) => {
        // The types know only the result of a single statement.
        const results = [answer].flat()
        if (asksXid) this.xid = results.at(-1)?.rows[0]?.xid
      })
      this.#unattended(answered)
      if (asksXid) this.#numbered = answered
    }
    return this.#numbered ?? Promise.resolve()
  }

  #unattended(answer: Promise<unknown>): void {
    answer.catch((error: unknown) => this.#noted(error))
  }

  #noted(error: unknown): DatabaseError {
    if (this.#failure) return this.#failure
    try {
      return rethrow(error)
    } catch (failure) {
      return (this.#failure = failure as DatabaseError)
    }
  }

  #append(sql: string, params: readonly SqlValue[]): number {
    if (this.#appended >= eventsPerTransaction)
      throw new DatabaseError('failed', `A transaction appends at most ${eventsPerTransaction} events`)
    const id = this.#options.appendBase + Number(this.xid) * eventsPerTransaction + this.#appended++
    const { insert, find } = appendTexts(sql)
    this.write(insert, [...params, id])
    this.witness = { sql: find, params: [...params, id] }
    return id
  }
}

/** Reading a table from its beginning collides with each transaction that changes any of its rows. */
const begins: Record<Isolation, string> = {
  serializable: 'begin isolation level serializable read write; set local enable_seqscan = off',
  'repeatable read read only': 'begin isolation level repeatable read read only',
}

const textsOf = new Map<string, { readonly insert: string; readonly find: string }>()

/** The insert with the row's id as the last parameter, and the statement that finds exactly this row. */
function appendTexts(sql: string): { readonly insert: string; readonly find: string } {
  const known = textsOf.get(sql)
  if (known) return known
  const [, table, list] = /^\s*insert into (\w+) \(([\w\s,]+)\)\s*values/.exec(sql) ?? []
  if (table === undefined || list === undefined)
    throw new DatabaseError('failed', `This statement can't append rows: ${sql}`)
  const columns = [...list.split(',').map((column) => column.trim()), 'id']
  const places = columns.map((_, index) => `$${index + 1}`)
  const texts = {
    insert: `insert into ${table} (${columns.join(', ')}) values (${places.join(', ')})`,
    find: `select 1 as found from ${table} where ${columns.map((column, index) => `${column} is not distinct from ${places[index]}`).join(' and ')} and id = $${columns.length}`,
  }
  textsOf.set(sql, texts)
  return texts
}
