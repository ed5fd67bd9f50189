/** Connections to the one of several PostgreSQL servers that accepts writes. */
import { type ClientBase, Pool, type PoolClient } from 'pg'
import { DatabaseError, type SqlValue } from './database.ts'
import { atMost, systemHost } from '../host.ts'
import { isConnectionLost, rethrow } from './postgres-errors.ts'
import { watchSilence } from './postgres-silence.ts'

export interface ServersOptions {
  /** May name several servers: `postgres://user:password@one:5432,other:5432/name`. */
  readonly connectionString: string
  readonly poolSize: number
  /** Run on each new connection. */
  readonly settings: string
  /** Default: the driver's own. */
  readonly parser?: (typeOid: number) => (text: string) => SqlValue
  /** Whether statements are sent before earlier ones are answered. */
  readonly isPipelined: boolean
}

export interface Servers {
  /** @throws {DatabaseError} `busy` if no server that accepts writes answers in time */
  connect(): Promise<PoolClient>
  release(client: PoolClient, isBroken: boolean): void
  /** Since when no server could be reached, by the monotonic clock; undefined while one can. */
  lostSince(): number | undefined
  /** Differs after the server, or only all its connections' processes, have restarted. */
  incarnationOf(client: PoolClient): string | undefined
  close(): Promise<void>
}

/** For a free connection, and for a server to answer. */
const connectMs = 5000
/** For the goodbyes at the end. */
const endMs = 1000

export function createServers({
  connectionString,
  poolSize,
  settings,
  parser,
  isPipelined,
}: ServersOptions): Servers {
  const incarnations = new WeakMap<ClientBase, string>()
  const places = addressesOf(connectionString).map((address) => {
    const watch = watchSilence(address)
    const pool = new Pool({
      connectionString: address,
      max: poolSize,
      connectionTimeoutMillis: connectMs,
      keepAlive: true,
      pipeline: isPipelined,
      ...(parser && { types: { getTypeParser: parser } }),
      onConnect: async (client) => {
        // Until it is lent out nobody else listens, and an unheard error would end the process.
        client.on('error', ignoreError)
        const nameProcess = watch.add(client)
        const { pid, incarnation } = await refuseStandby(client)
        nameProcess(pid)
        incarnations.set(client, incarnation)
        await client.query(settings)
        lostSince = undefined
      },
    })
    // A broken idle connection is replaced on demand.
    pool.on('error', ignoreError)
    return { pool, watch }
  })
  let current = 0
  let lostSince: number | undefined

  return {
    async connect() {
      for (let triesLeft = places.length - 1; ; triesLeft--) {
        const asked = current
        const { pool } = places[asked]!
        try {
          return await pool.connect()
        } catch (error) {
          if (!isConnectionLost(error)) return rethrow(error)
          if (triesLeft === 0) {
            if (!isPoolExhausted(error)) lostSince ??= systemHost.monotonic()
            return rethrow(error)
          }
          // Others may have gone on to the next one meanwhile.
          if (current === asked && !isPoolExhausted(error)) current = (asked + 1) % places.length
        }
      }
    },
    release(client, isBroken) {
      if (!isBroken) lostSince = undefined
      client.release(isBroken)
    },
    lostSince: () => lostSince,
    incarnationOf: (client) => incarnations.get(client),
    close: async () => {
      await atMost(systemHost, endMs, Promise.all(places.map(({ pool }) => pool.end())))
      for (const { watch } of places) {
        watch.stop()
        watch.destroyAll()
      }
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
 * Resolves to the connection's process and the server's incarnation. The processes without a database are the server's own; they restart with it.
 * @throws {DatabaseError}
 */
export async function refuseStandby(
  client: ClientBase,
): Promise<{ readonly pid: number; readonly incarnation: string }> {
  const { rows } = await client.query<{ standby: number; pid: number; incarnation: string }>(
    `select pg_is_in_recovery()::int as standby, pg_backend_pid() as pid, concat_ws(' ', pg_postmaster_start_time(),
       (select min(pid) from pg_stat_activity where datid is null)) as incarnation`,
  )
  const { standby, pid, incarnation } = rows[0]!
  if (standby !== 1) return { pid, incarnation }
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

export function typeParser(typeOid: number): (text: string) => SqlValue {
  return parsers.get(typeOid) ?? String
}

function exactNumber(text: string): number {
  const number = Number(text)
  if (Number.isInteger(number) && !Number.isSafeInteger(number)) {
    throw new DatabaseError('failed', `${text} is beyond the exact integers (2^53-1)`)
  }
  return number
}

/** No connection of the pool became free in time. */
const isPoolExhausted = (error: unknown): boolean =>
  error instanceof Error && error.message.startsWith('timeout exceeded when trying to connect')

export function ignoreError(): void {}

export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
