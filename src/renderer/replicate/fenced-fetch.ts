/**
 * `fetch` for a request that must not be sent too late: its connection is made first, then `maySend` is called, and only then
 * its first byte is written. Nothing is awaited from outside in between. A process that was stopped before it sent its
 * request finds out here that its time is over.
 */
import { Agent, buildConnector, fetch } from 'undici'

const connectMs = 10_000

export class TooLateError extends Error {
  readonly code = 'not_sent'
  constructor() {
    super('the request was not sent, because its time was over')
    this.name = 'TooLateError'
  }
}

/** A connection of its own for one request; `close` drops it. */
export function fencedFetch(maySend: () => boolean): {
  readonly fetch: typeof globalThis.fetch
  readonly close: () => Promise<void>
} {
  const connect = buildConnector({ timeout: connectMs, allowH2: false })
  const agent = new Agent({
    connect: (options, callback) => {
      connect(options, (error, socket) => {
        if (error) return callback(error, null)
        if (maySend()) return callback(null, socket)
        socket.destroy()
        callback(new TooLateError(), null)
      })
    },
    allowH2: false,
    headersTimeout: 0,
    bodyTimeout: 0,
  })
  const fenced = (address: Parameters<typeof fetch>[0], init: Parameters<typeof fetch>[1]) =>
    fetch(address, { ...init, dispatcher: agent })
  return {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same by the standard, declared twice
    fetch: fenced as unknown as typeof globalThis.fetch,
    close: () => agent.destroy(),
  }
}
