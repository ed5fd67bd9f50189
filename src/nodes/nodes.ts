/**
 * The nodes of one installation: each announces itself, says every few seconds that it lives, and reads who else does. What
 * a node knows of the others may be some seconds old; rows that only one node may change are fenced by their own tokens.
 */
import type { Host } from '../host.ts'
import { type NodeFacts, type NodeLoad, type Role, answersRequests, runsTasks } from '../job/node.ts'
import { type Log, logLine } from '../log.ts'
import { createLoop } from '../loop.ts'
import type { Database } from '../store/database.ts'
import {
  type NodeRow,
  type SharedSettings,
  deleteNode,
  deleteNodesBefore,
  listNodes,
  nodeHeardAt,
  putNode,
} from './node-rows.ts'

/** The node of this process. */
export interface OwnNode {
  readonly name: string
  readonly role: Role
  readonly version: string
  /** Render slots on this machine, by renderer. */
  readonly slots: Readonly<Record<string, number>>
  /** Each node goes by its own: one with another budget would spend more than the others allow. */
  readonly settings: SharedSettings
}

/** What the parts of this process know of the nodes. */
export interface Nodes {
  /** The id of this process's life. */
  readonly id: string
  readonly own: OwnNode
  /** Whether several nodes share the database. */
  readonly areShared: boolean
  /** All nodes of the last day, oldest first. */
  list(): Promise<readonly NodeFacts[]>
  /** Whether another node is heard of. */
  isAlive(id: string): Promise<boolean>
  /** Render slots of a renderer on these machines, over all nodes that run tasks, by the last heartbeat. */
  slotsOf(renderer: string): number
  /** How many nodes answer requests; by the last heartbeat, and at least 1. */
  countAnswering(): number
}

export interface RunningNodes extends Nodes {
  /** Announces this node, then says every few seconds that it lives. */
  start(watch: NodeWatch): Promise<void>
  listensOn(address: string): void
  /** Tells the others that this node begins no more tasks. */
  drain(): void
  /** Removes this node. */
  stop(): Promise<void>
}

export interface NodeWatch {
  /** What runs at this node now. */
  readonly load: () => NodeLoad
  /** Called at each heartbeat: what this process keeps in memory may have been changed by another node. */
  readonly onBeat?: () => Promise<void>
  /** Called when the slots of all nodes have changed. */
  readonly onSlots: () => void
}

const beatEveryMs = 3000
/** A node that was not heard of for this long counts as dead. */
export const deadAfterMs = 15_000
const forgottenAfterMs = 24 * 3_600_000

const loadAt = (watch: NodeWatch | undefined): NodeLoad => watch?.load() ?? { tasks: {}, jobs: [] }

/** The only node of an embedded server: it knows all from memory, and writes nothing. */
export function createOneNode(own: OwnNode, host: Host): RunningNodes {
  const id = host.id()
  const startedAt = host.now()
  let watch: NodeWatch | undefined
  let address: string | null = null
  let isDraining = false
  return {
    id,
    own,
    areShared: false,
    list: () =>
      Promise.resolve([
        {
          ...own,
          id,
          startedAt,
          heardAt: host.now(),
          isAlive: true,
          isDraining,
          address,
          load: loadAt(watch),
        },
      ]),
    isAlive: (other) => Promise.resolve(other === id),
    slotsOf: (renderer) => own.slots[renderer] ?? 0,
    countAnswering: () => 1,
    start(own_) {
      watch = own_
      return Promise.resolve()
    },
    listensOn: (url) => (address = url),
    drain: () => (isDraining = true),
    stop: () => Promise.resolve(),
  }
}

export interface NodesOptions {
  readonly database: Database
  readonly host: Host
  readonly log: Log
}

export function createNodes(own: OwnNode, { database, host, log }: NodesOptions): RunningNodes {
  const id = host.id()
  const startedAt = host.now()
  let others: readonly NodeRow[] = []
  let watch: NodeWatch | undefined
  let address: string | null = null
  let isDraining = false
  let slots = ''
  /** Nodes with other settings, which the log has named. */
  const named = new Set<string>()

  const isHeard = ({ heardAt }: Pick<NodeRow, 'heardAt'>): boolean => heardAt > host.now() - deadAfterMs
  const self = (): NodeRow => {
    return { ...own, id, startedAt, heardAt: host.now(), isDraining, address, load: loadAt(watch) }
  }
  const alive = (): readonly NodeRow[] => [self(), ...others.filter(isHeard)]
  const workers = (): readonly NodeRow[] => alive().filter((node) => runsTasks(node.role) && !node.isDraining)

  const nameOthers = (): void => {
    for (const other of others.filter(isHeard)) {
      if (named.has(other.id)) continue
      named.add(other.id)
      const differing = Object.keys(own.settings).filter(
        // A node of an earlier version does not tell all of them.
        (key) => other.settings[key] !== undefined && other.settings[key] !== own.settings[key],
      )
      if (differing.length > 0) logLine.otherSettings(log, other.name, differing)
    }
  }

  const beat = async (): Promise<void> => {
    await database.transaction((tx) => putNode(tx, self()))
    // Outside the transaction: reading all rows in it would collide with every other node's heartbeat.
    others = (await listNodes(database)).filter((node) => node.id !== id)
    nameOthers()
    const now = JSON.stringify(workers().map((node) => node.slots))
    if (now !== slots) watch?.onSlots()
    slots = now
    if (others.some((node) => node.heardAt < host.now() - forgottenAfterMs))
      await database.transaction((tx) => deleteNodesBefore(tx, host.now() - forgottenAfterMs))
    await watch?.onBeat?.()
  }

  const loop = createLoop({
    host,
    async look() {
      await beat()
      return beatEveryMs
    },
    onError: (error) => logLine.heartbeatFailed(log, error),
    backOffMs: beatEveryMs,
  })

  return {
    id,
    own,
    areShared: true,
    async list() {
      const known = (await listNodes(database)).filter((node) => node.id !== id)
      return [...known, self()]
        .toSorted((one, other) => one.startedAt - other.startedAt)
        .map((node) => ({ ...node, isAlive: isHeard(node) }))
    },
    async isAlive(other) {
      const heardAt = other === id ? host.now() : await nodeHeardAt(database, other)
      return heardAt !== undefined && isHeard({ heardAt })
    },
    slotsOf: (renderer) => workers().reduce((sum, node) => sum + (node.slots[renderer] ?? 0), 0),
    countAnswering: () =>
      Math.max(1, alive().filter((node) => answersRequests(node.role) && !node.isDraining).length),
    async start(own_) {
      watch = own_
      await beat()
      loop.start(beatEveryMs)
    },
    listensOn(url) {
      address = url
      loop.wake()
    },
    drain() {
      isDraining = true
      loop.wake()
    },
    async stop() {
      await loop.stop()
      // Without the database, the others notice by themselves.
      await database.transaction((tx) => deleteNode(tx, id)).catch(() => {})
    },
  }
}
