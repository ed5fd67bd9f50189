/**
 * The server's connections by address. Without room for a new one, the longest idle connection is closed, of
 * the address with the most: many idle connections block no other client. The new one is refused only if all
 * are busy.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Host } from '../../host.ts'
import { callerAt } from './rate-limit.ts'

export interface ConnectionLimits {
  /** In total. */
  readonly connections: number
  /** A large share of the total: behind a proxy, all clients have one address. */
  readonly connectionsPerAddress: number
  /** Bytes of a body that must arrive within `bodyMs`, unless less is left. */
  readonly bodyBytes: number
  readonly bodyMs: number
  /** If a client accepts no bytes of an answer for this time, its connection may be closed for a new one. */
  readonly stallMs: number
}

export interface SlowBody {
  readonly socket: Socket
  /** Whether the connection has had no answer yet. */
  readonly isUnanswered: boolean
}

export interface Connections {
  /** Accepts a connection, and may close another for it. False without room. */
  admit(socket: Socket): boolean
  /** Counts a new request. False if the connection was refused or closed. */
  begin(request: IncomingMessage, response: ServerResponse): boolean
  /** Counts an ended request. Returns how many the connection still has. */
  end(socket: Socket): number
  /** Connections without a request. */
  resting(): readonly Socket[]
  /**
   * Measures the progress of all requests since the last call. Returns those whose bodies arrive too slowly.
   */
  look(): readonly SlowBody[]
}

interface Connection {
  readonly socket: Socket
  readonly from: Address
  requests: number
  /** The newest request: only its body can be incomplete. */
  newest: { readonly request: IncomingMessage; readonly response: ServerResponse } | undefined
  /** Bytes received at the body's last progress, and the time. */
  came: { bytes: number; at: number }
  /** Bytes that the client had accepted at the last progress, and the time. */
  taken: { bytes: number; at: number }
}

interface Address {
  readonly name: string
  readonly connections: Set<Connection>
  /** Connections without a request, longest idle first. */
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

  /** A connection of these addresses that can be closed without an interruption. */
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
        // Bytes that arrived but were not read yet wait for the server, not for the client.
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

/** A spare connection of the address with the most connections, among those that have one. */
function ofMost(
  addresses: readonly Address[],
  spareOf: (address: Address) => Connection | undefined,
): Connection | undefined {
  let found: Connection | undefined
  for (const address of addresses)
    if (address.connections.size > (found?.from.connections.size ?? 0)) found = spareOf(address) ?? found
  return found
}

/** Bytes that were passed to the network. */
const takenOf = (socket: Socket): number => socket.bytesWritten - socket.writableLength
