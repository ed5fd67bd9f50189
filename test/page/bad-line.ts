/** A line to a server that can be cut, and that can fall silent. */
import { once } from 'node:events'
import { type AddressInfo, type Socket, connect, createServer } from 'node:net'

export interface BadLine {
  readonly url: string
  /** Ends every connection, and refuses new ones. */
  cut(): void
  /** Connections stay open, and nothing arrives any more. */
  stall(): void
  mend(): void
  close(): void
}

export async function openBadLine(to: string): Promise<BadLine> {
  const target = new URL(to)
  let state: 'good' | 'cut' | 'stalled' = 'good'
  const sockets = new Set<Socket>()
  const keep = (socket: Socket): void => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
    if (state === 'stalled') socket.pause()
  }
  const server = createServer((near) => {
    if (state === 'cut') {
      near.destroy()
      return
    }
    const far = connect(Number(target.port), target.hostname)
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      keep(one)
      one.on('data', (bytes) => other.write(bytes))
      one.on('close', () => other.destroy())
    }
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const end = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut() {
      state = 'cut'
      end()
    },
    stall() {
      state = 'stalled'
      for (const socket of sockets) socket.pause()
    },
    mend() {
      // What was held up on a stalled line is lost, as on a line through a router that has forgotten it.
      if (state === 'stalled') end()
      state = 'good'
    },
    close() {
      end()
      server.close()
    },
  }
}
