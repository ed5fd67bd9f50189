/** A TCP way from a node to something that it needs, or to the node itself: it can be cut, stalled and made deaf. */
import { once } from 'node:events'
import { type AddressInfo, type Socket, connect, createServer } from 'node:net'

/**
 * `cut`: connections are reset, new ones at once. `stalled`: bytes stay where they are, as in a network without a route, and go on
 * when it is open again. `deaf`: what is sent arrives, and no answer comes back.
 */
export type DoorState = 'open' | 'cut' | 'stalled' | 'deaf'

export interface Door {
  readonly port: number
  set(state: DoorState): void
  /** Resets what is connected, and stays as it is. */
  drop(): void
  close(): Promise<void>
}

interface Way {
  readonly near: Socket
  readonly far: Socket
}

/** @param target of each new connection; undefined: there is none now */
export async function openDoor(target: () => number | undefined, port = 0): Promise<Door> {
  let state: DoorState = 'open'
  const ways = new Set<Way>()

  const flow = ({ near, far }: Way): void => {
    if (state === 'stalled') near.pause()
    else near.resume()
    if (state === 'stalled' || state === 'deaf') far.pause()
    else far.resume()
  }

  const join = (near: Socket, far: Socket): void => {
    const way = { near, far }
    ways.add(way)
    const pass = (from: Socket, to: Socket): void => {
      from.setNoDelay(true)
      from.on('data', (bytes) => {
        if (!to.write(bytes)) from.pause()
      })
      to.on('drain', () => flow(way))
      from.on('end', () => to.end())
      from.on('error', () => to.resetAndDestroy())
      from.on('close', () => {
        ways.delete(way)
        to.destroy()
      })
    }
    pass(near, far)
    pass(far, near)
    flow(way)
  }

  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (near) => {
    near.on('error', () => undefined)
    const to = target()
    if (state === 'cut' || to === undefined) {
      near.resetAndDestroy()
      return
    }
    const far = connect({ port: to, host: '127.0.0.1', allowHalfOpen: true })
    far.pause()
    far.once('connect', () => (state === 'cut' ? near.resetAndDestroy() : join(near, far)))
    far.on('error', () => near.resetAndDestroy())
    near.once('close', () => far.destroy())
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')

  const drop = (): void => {
    for (const { near, far } of ways) {
      near.resetAndDestroy()
      far.resetAndDestroy()
    }
  }
  return {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it listens on a port
    port: (server.address() as AddressInfo).port,
    set: (next) => {
      state = next
      if (state === 'cut') drop()
      else for (const way of ways) flow(way)
    },
    drop,
    close: async () => {
      const closed = once(server, 'close')
      server.close()
      drop()
      await closed
    },
  }
}
