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
  /** No byte passes on what is connected now, and nobody is told; later connections are as usual. */
  abandon(): void
  /** From now on, each connection that sends `text` is reset after its bytes have arrived: the answer is lost. `undefined`: no more. */
  loseAnswersTo(text: string | undefined): void
  /** How many answers were lost. */
  readonly lost: number
  close(): Promise<void>
}

interface Way {
  readonly near: Socket
  readonly far: Socket
  isLost: boolean
  isAbandoned: boolean
}

/** Bytes arrive, and are worked on, in this time. */
const arrivalMs = 150

/** @param target of each new connection; undefined: there is none now */
export async function openDoor(target: () => number | undefined, port = 0): Promise<Door> {
  let state: DoorState = 'open'
  let losing: string | undefined
  let lost = 0
  const ways = new Set<Way>()

  const flow = ({ near, far, isLost, isAbandoned }: Way): void => {
    if (state === 'stalled' || isAbandoned) near.pause()
    else near.resume()
    if (state === 'stalled' || state === 'deaf' || isLost || isAbandoned) far.pause()
    else far.resume()
  }

  const loseAnswer = (way: Way): void => {
    way.isLost = true
    lost++
    flow(way)
    setTimeout(() => {
      way.near.resetAndDestroy()
      way.far.resetAndDestroy()
    }, arrivalMs)
  }

  const join = (near: Socket, far: Socket): void => {
    const way = { near, far, isLost: false, isAbandoned: false }
    ways.add(way)
    const pass = (from: Socket, to: Socket): void => {
      from.setNoDelay(true)
      from.on('data', (bytes) => {
        if (from === near && losing !== undefined && bytes.includes(losing)) loseAnswer(way)
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
    abandon: () => {
      for (const way of ways) {
        way.isAbandoned = true
        flow(way)
      }
    },
    loseAnswersTo: (text) => (losing = text),
    get lost() {
      return lost
    },
    close: async () => {
      const closed = once(server, 'close')
      server.close()
      drop()
      await closed
    },
  }
}
