/**
 * The server's connections, by the address they come from. Where a new one finds no room, the one that has rested longest
 * is closed for it, of the address that has most: who holds many at rest keeps nobody out. Only where all are at work is
 * the new one refused.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Host } from '../../host.ts'
import { callerAt } from './rate-limit.ts'

export interface ConnectionLimits {
  /** In all. */
  readonly connections: number
  /** A large share of all: behind a proxy everybody has one address. */
  readonly connectionsPerAddress: number
  /** So much of a body must come within `bodyMs`, or what is left of it. */
  readonly bodyBytes: number
  readonly bodyMs: number
  /** An answer of which its client takes nothing for so long may be closed for a new connection. */
  readonly stallMs: number
}

export interface SlowBody {
  readonly socket: Socket
  /** Whether nothing was answered on the connection yet. */
  readonly isUnanswered: boolean
}

export interface Connections {
  /** Takes a connection in, for which another may be closed. False where there is no room. */
  admit(socket: Socket): boolean
  /** A request begins on a connection. False where that was refused or closed. */
  begin(request: IncomingMessage, response: ServerResponse): boolean
  /** A request has ended; resolves to how many the connection still has. */
  end(socket: Socket): number
  /** Those without a request. */
  resting(): readonly Socket[]
  /** Looks how far all have come since the last look; resolves to the requests whose bodies come too slowly. */
  look(): readonly SlowBody[]
}

interface Connection {
  readonly socket: Socket
  readonly from: Address
  requests: number
  /** The newest: only its body can be incomplete. */
  newest: { readonly request: IncomingMessage; readonly response: ServerResponse } | undefined
  /** What had come of the body, and when. */
  came: { bytes: number; at: number }
  /** How much of its answers the client had received, and when. */
  taken: { bytes: number; at: number }
}

interface Address {
  readonly name: string
  readonly connections: Set<Connection>
  /** Without a request; the first has rested longest. */
  readonly resting: Set<Connection>
}

export function createConnections(
  limits: ConnectionLimits,
  { monotonic }: Pick<Host, 'monotonic'>,
): Connections {
  const addresses = new Map<string, Address>()
  const connections = new Map<Socket, Connection>()

  const leave = (connection: Connection): void => {
    const { socket, from } = connection
    if (!connections.delete(socket)) return
    from.resting.delete(connection)
    from.connections.delete(connection)
    if (from.connections.size === 0) addresses.delete(from.name)
  }

  const rested = ({ resting }: Address): Connection | undefined => resting.values().next().value

  const stalled = (address: Address): Connection | undefined =>
    [...address.connections].find(({ taken }) => monotonic() - taken.at > limits.stallMs)

  /** What can be closed of those addresses without breaking off anything that goes on. */
  const dispensable = (of: readonly Address[]): Connection | undefined =>
    ofMost(of, rested) ?? ofMost(of, stalled)

  const makeRoom = (of: readonly Address[]): boolean => {
    const found = dispensable(of)
    if (!found) return false
    leave(found)
    found.socket.destroy()
    return true
  }

  return {
    admit(socket) {
      const name = callerAt(socket.remoteAddress)
      const known = addresses.get(name)
      if (known && known.connections.size >= limits.connectionsPerAddress) {
        if (!makeRoom([known])) return false
      } else if (connections.size >= limits.connections && !makeRoom([...addresses.values()])) return false
      const from = addresses.get(name) ?? { name, connections: new Set(), resting: new Set() }
      addresses.set(name, from)
      const now = { bytes: 0, at: monotonic() }
      const connection = { socket, from, requests: 0, newest: undefined, came: now, taken: now }
      connections.set(socket, connection)
      from.connections.add(connection)
      from.resting.add(connection)
      socket.once('close', () => leave(connection))
      return true
    },

    begin(request, response) {
      const connection = connections.get(request.socket)
      if (!connection) return false
      connection.requests++
      connection.from.resting.delete(connection)
      connection.newest = { request, response }
      connection.came = { bytes: request.socket.bytesRead, at: monotonic() }
      connection.taken = { bytes: takenOf(request.socket), at: monotonic() }
      return true
    },

    end(socket) {
      const connection = connections.get(socket)
      if (!connection) return 0
      connection.requests--
      if (connection.requests === 0) connection.from.resting.add(connection)
      return connection.requests
    },

    resting: () =>
      [...connections.values()].filter(({ requests }) => requests === 0).map(({ socket }) => socket),

    look() {
      const now = monotonic()
      const slow: SlowBody[] = []
      for (const connection of connections.values()) {
        const { socket, requests, newest } = connection
        if (requests === 0 || !newest) continue
        const bytes = takenOf(socket)
        if (bytes !== connection.taken.bytes || socket.writableLength === 0)
          connection.taken = { bytes, at: now }
        if (newest.request.complete) continue
        const { came } = connection
        // What has come and was not read yet waits for us.
        const goesOn = socket.bytesRead - came.bytes >= limits.bodyBytes || newest.request.readableLength > 0
        if (goesOn) connection.came = { bytes: socket.bytesRead, at: now }
        else if (now - came.at > limits.bodyMs) {
          const isUnanswered = requests === 1 && !newest.response.headersSent
          slow.push({ socket, isUnanswered })
        }
      }
      return slow
    },
  }
}

/** One of the address with most connections, among those that have one to spare. */
function ofMost(
  addresses: readonly Address[],
  spareOf: (address: Address) => Connection | undefined,
): Connection | undefined {
  let found: Connection | undefined
  for (const address of addresses)
    if (address.connections.size > (found?.from.connections.size ?? 0)) found = spareOf(address) ?? found
  return found
}

/** What is on its way to the client, or there. */
const takenOf = (socket: Socket): number => socket.bytesWritten - socket.writableLength
