/** Connections to the one of several PostgreSQL servers that accepts writes. */
import { type ClientBase, Pool, type PoolClient } from 'pg'
import { DatabaseError, type SqlValue } from './database.ts'
import { isConnectionLost, rethrow } from './postgres-errors.ts'

export interface ServersOptions {
  /** May name several servers: `postgres://user:password@one:5432,other:5432/name`. */
  readonly connectionString: string
  readonly schema: string | undefined
  readonly poolSize: number
}

export interface Servers {
  /** @throws {DatabaseError} `busy` if no server that accepts writes answers in time */
  connect(): Promise<PoolClient>
  /** Differs after the server, or only all its connections' processes, have restarted. */
  incarnationOf(client: PoolClient): string | undefined
  close(): Promise<void>
}

/** For a free connection, and for a server to answer. */
const connectMs = 5000
/**
 * The server's own time limit ends a statement earlier. This one ends the wait for a server that has vanished without closing
 * its connections.
 */
const answerMs = 40_000

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

export function createServers({ connectionString, schema, poolSize }: ServersOptions): Servers {
  const incarnations = new WeakMap<ClientBase, string>()
  const searchPath = schema === undefined ? '' : `set search_path = ${identifier(schema)};`
  const pools = addressesOf(connectionString).map((address) => {
    const pool = new Pool({
      connectionString: address,
      max: poolSize,
      connectionTimeoutMillis: connectMs,
      query_timeout: answerMs,
      keepAlive: true,
      pipeline: true,
      types: { getTypeParser: typeParser },
      onConnect: async (client) => {
        incarnations.set(client, await refuseStandby(client))
        await client.query(searchPath + sessionSettings)
      },
    })
    // A broken idle connection is replaced on demand; without a listener its error would end the process.
    pool.on('error', ignoreError)
    return pool
  })
  let current = 0

  return {
    async connect() {
      for (let triesLeft = pools.length - 1; ; triesLeft--) {
        const asked = current
        try {
          return await pools[asked]!.connect()
        } catch (error) {
          if (triesLeft === 0 || !isConnectionLost(error)) return rethrow(error)
          // Others may have gone on to the next one meanwhile.
          if (current === asked) current = (asked + 1) % pools.length
        }
      }
    },
    incarnationOf: (client) => incarnations.get(client),
    close: async () => {
      await Promise.all(pools.map((pool) => pool.end()))
    },
  }
}

/** One connection string for each server that `connectionString` names. */
export function addressesOf(connectionString: string): readonly string[] {
  const [, scheme, account = '', servers, rest] =
    /^(postgres(?:ql)?:\/\/)(?:([^/?]*)@)?([^/?@]*)(.*)$/s.exec(connectionString) ?? []
  const addresses =
    scheme === undefined ? [] : servers!.split(',').map((server) => `${account && `${account}@`}${server}`)
  const strings = addresses.map((address) => `${scheme}${address}${rest}`)
  // The parser's own error would show the password.
  if (strings.length === 0 || strings.some((string) => !URL.canParse(string)))
    throw new DatabaseError(
      'failed',
      'The address of the database must be like postgres://user@host:5432/name',
    )
  return strings
}

/**
 * Resolves to the server's incarnation. The processes without a database are the server's own; they restart with it.
 * @throws {DatabaseError}
 */
async function refuseStandby(client: ClientBase): Promise<string> {
  const { rows } = await client.query<{ standby: SqlValue; incarnation: string }>(
    `select pg_is_in_recovery() as standby, concat_ws(' ', pg_postmaster_start_time(),
       (select min(pid) from pg_stat_activity where datid is null)) as incarnation`,
  )
  const { standby, incarnation } = rows[0]!
  if (standby !== 1) return incarnation
  const cause = new Error('Connection terminated: the server is a standby, which accepts no writes')
  throw new DatabaseError('busy', cause.message, { cause })
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

export function ignoreError(): void {}

export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
