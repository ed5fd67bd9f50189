/**
 * Ends connections on which the server has gone silent: a network that drops packets, or a server that vanished, closes
 * none. Where an answer takes some seconds, the server is asked over a new connection whether it still works on it. So a
 * long statement may take its time, and a lost one is noticed long before the system gives its connection up.
 */
import { Client, type ClientBase, DatabaseError as ServerError } from 'pg'
import type { Socket } from 'node:net'
import { systemHost } from '../host.ts'

const silentMs = 3000
const lookEveryMs = 500
/** To connect, and to answer. */
const askedMs = 3000
/** Beyond the server's own time limit for a statement: then even a server that cannot be asked works on none any more. */
const unaskedMs = 40_000

interface Line {
  /** Of its process on the server; 0 while it is not known. Behind a pooler, the protocol tells another one. */
  pid: number
  readonly stream: Socket
  /** Bytes sent when the last answer was complete: more of them wait for one. */
  answered: number
  read: number
  heardAt: number
  waitsSince: number | undefined
}

export interface SilenceWatch {
  /** Watches a connection until it ends. Call what it returns with the id of its process on the server. */
  add(client: ClientBase): (pid: number) => void
  /** Ends all connections. */
  destroyAll(): void
  stop(): void
}

/** @param connectionString of the one server that all connections lead to */
export function watchSilence(connectionString: string): SilenceWatch {
  const lines = new Set<Line>()
  const stopped = new AbortController()
  let isAsking = false

  const silentFor = (line: Line, now: number): number => {
    const { bytesRead, bytesWritten } = line.stream
    if (bytesRead !== line.read) line.heardAt = now
    line.read = bytesRead
    line.waitsSince = bytesWritten > line.answered ? (line.waitsSince ?? now) : undefined
    return line.waitsSince === undefined ? 0 : now - Math.max(line.waitsSince, line.heardAt)
  }

  const look = async (): Promise<void> => {
    const now = systemHost.monotonic()
    const silent = [...lines].filter((line) => silentFor(line, now) >= silentMs)
    if (silent.length === 0) return
    const working = await ask(
      connectionString,
      silent.map(({ pid }) => pid),
    )
    // What arrived meanwhile is no silence.
    const asked = systemHost.monotonic()
    const lost = silent.filter((line) => {
      const ms = silentFor(line, asked)
      return ms >= silentMs && (working === 'unknown' ? ms >= unaskedMs : !working.has(line.pid))
    })
    if (lost.length === 0) return
    // Connections at rest would be found dead one by one, each after seconds.
    const since = Math.min(...lost.map(({ heardAt, waitsSince = asked }) => Math.max(heardAt, waitsSince)))
    for (const line of lines)
      if (lost.includes(line) || (line.waitsSince === undefined && line.heardAt <= since)) destroy(line)
  }

  const destroy = ({ stream }: Line): void =>
    void stream.destroy(new Error('Connection terminated: the server does not answer'))

  const run = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      await systemHost.sleep(lookEveryMs, stopped.signal)
      if (isAsking || stopped.signal.aborted) continue
      isAsking = true
      await look().finally(() => (isAsking = false))
    }
  }
  void run()

  return {
    add(client) {
      const stream = streamOf(client)
      const { bytesRead, bytesWritten } = stream
      const line: Line = {
        pid: 0,
        stream,
        answered: bytesWritten,
        read: bytesRead,
        heardAt: systemHost.monotonic(),
        waitsSince: undefined,
      }
      lines.add(line)
      client.on('drain', () => (line.answered = stream.bytesWritten))
      client.once('end', () => lines.delete(line))
      return (pid) => (line.pid = pid)
    },
    destroyAll() {
      for (const line of lines) destroy(line)
    },
    stop: () => stopped.abort(),
  }
}

/** The processes of the server that work on a statement; `unknown` if the server answers, but not to this. */
async function ask(
  connectionString: string,
  pids: readonly number[],
): Promise<ReadonlySet<number> | 'unknown'> {
  const client = new Client({ connectionString, connectionTimeoutMillis: askedMs, query_timeout: askedMs })
  client.on('error', () => undefined)
  try {
    await client.connect()
    // One that waits for its client has sent its answer.
    const { rows } = await client.query<{ pid: number }>(
      `select pid from pg_stat_activity
       where pid = any($1::int[]) and state <> all('{idle,idle in transaction,idle in transaction (aborted)}')
         and wait_event_type is distinct from 'Client'`,
      [`{${pids.join(',')}}`],
    )
    return new Set(rows.map(({ pid }) => pid))
  } catch (error) {
    return error instanceof ServerError ? 'unknown' : new Set()
  } finally {
    // Not `end`, which waits for the server.
    streamOf(client).destroy()
  }
}

/** The client's socket, which is another one after the connection was encrypted. */
export function streamOf(client: ClientBase): Socket {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the types leave out what pg documents as the client's connection
  return (client as unknown as { readonly connection: { readonly stream: Socket } }).connection.stream
}
