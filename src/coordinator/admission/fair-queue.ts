/** The scenes that wait at a renderer, in the order in which they may start: the clients' turns, then the queue of each. */
import type { Host } from '../../host.ts'
import { type Waiter, nextInTurn } from '../../job/queue.ts'
import { occupancyByClient } from '../../store/attempts.ts'
import type { Reader, Transaction } from '../../store/database.ts'
import { deleteOldTurns, setTurn } from '../../store/turns.ts'
import { type WaitingScene, listWaitingScenes } from '../../store/scenes.ts'

export interface FairQueue {
  /** The next candidate; undefined if there is none. */
  next(): Promise<WaitingScene | undefined>
  /** Notes that the last candidate started, which moves its client's next turn back. */
  started(scene: WaitingScene): void
  /** Stores the turns for the next looks. */
  keep(tx: Transaction, host: Host): Promise<void>
}

/** Scenes of a client read at a time; more than the free slots, since some may have to wait. */
const pageSize = 50

/** Old turns are deleted once in about this many looks that start scenes. */
const tidyEvery = 1000

interface Line {
  waiter: Waiter
  readonly scenes: WaitingScene[]
  offset: number
  isRead: boolean
}

export interface FairQueueOptions {
  /** Those with scenes that wait. */
  readonly clients: readonly Omit<Waiter, 'inFlight'>[]
  /** Free slots: bounds how many scenes are read first. */
  readonly free: number
  readonly now: number
  /** Only scenes of jobs that have started. */
  readonly onlyBegun: boolean
}

export async function openFairQueue(
  reader: Reader,
  renderer: string,
  { clients, free, now, onlyBegun }: FairQueueOptions,
): Promise<FairQueue> {
  const size = Math.min(pageSize, free)
  // A single client needs no turns.
  const inFlight =
    clients.length > 1 ? await occupancyByClient(reader, renderer, now) : new Map<string, number>()
  const lines: Line[] = clients.map((client) => ({
    waiter: { ...client, inFlight: inFlight.get(client.clientId) ?? 0 },
    scenes: [],
    offset: 0,
    isRead: false,
  }))

  const started = new Set<string>()
  let latestTurn = clients.reduce((latest, { lastTurn }) => Math.max(latest, lastTurn), 0)

  const fill = async (line: Line): Promise<void> => {
    const { waiter, offset } = line
    const page = { limit: line.offset === 0 ? size : pageSize, offset }
    const queue = { renderer, clientId: waiter.clientId, onlyBegun }
    const scenes = await listWaitingScenes(reader, queue, now, page)
    line.scenes.push(...scenes)
    line.offset += scenes.length
    line.isRead = scenes.length < page.limit
  }

  /** Reads the position of the client's first scene, which may be later than that of its first job. */
  const advance = async (line: Line): Promise<boolean> => {
    if (line.scenes.length === 0 && !line.isRead) await fill(line)
    const [head] = line.scenes
    if (!head) return false
    line.waiter = { ...line.waiter, queueAt: head.queueAt }
    return true
  }

  return {
    async next() {
      for (;;) {
        const line = nextInTurn(lines)
        if (!line) return undefined
        const before = line.waiter.queueAt
        if (!(await advance(line))) lines.splice(lines.indexOf(line), 1)
        // The position was later than assumed: another client may be first.
        else if (line.waiter.queueAt === before) return line.scenes.shift()
      }
    },
    started({ clientId }) {
      const line = lines.find(({ waiter }) => waiter.clientId === clientId)
      if (line) line.waiter = { ...line.waiter, inFlight: line.waiter.inFlight + 1, lastTurn: ++latestTurn }
      // Reinserted, so that the set's order is that of the latest starts.
      started.delete(clientId)
      started.add(clientId)
    },
    async keep(tx, host) {
      for (const clientId of started) await setTurn(tx, renderer, clientId)
      if (started.size > 0 && host.random() * tidyEvery < 1) await deleteOldTurns(tx, renderer)
    },
  }
}
