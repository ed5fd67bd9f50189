/** What goes wrong in a run, and when: a plan from a seed, and its execution. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster, Node } from './cluster.ts'
import type { DoorState } from './door.ts'
import type { ShutDown } from './postgres.ts'

export const nodeFaults = [
  /** `kill -9`, and started again. */
  'kill',
  /** SIGSTOP, then SIGCONT. */
  'stop',
  /** Connections to the database are reset, and refused for a while. */
  'database_cut',
  /** Bytes to and from the database stay where they are, and arrive later. */
  'database_stalled',
  /** The database gets what is sent, and the node no answer; then the connections are reset: answers to COMMIT are lost. */
  'database_deaf',
  'provider_cut',
  'provider_stalled',
  /** The provider gets what is sent, and the node no answer. */
  'provider_deaf',
  'store_cut',
  'store_stalled',
  /** The store keeps what is sent, and the node gets no answer. */
  'store_deaf',
  /** No byte comes to the node or from it. */
  'cut_off',
] as const
export type NodeFault = (typeof nodeFaults)[number]

export const databaseFaults = ['fast', 'immediate', 'kill'] as const satisfies readonly ShutDown[]

/** Of what all nodes share. */
export const sharedFaults = [
  ...databaseFaults.map((how) => `restart ${how}` as const),
  'restart store',
] as const

export type Fault =
  | { readonly atMs: number; readonly what: NodeFault; readonly node: number; readonly forMs: number }
  | { readonly atMs: number; readonly what: 'restart'; readonly how: ShutDown }
  | { readonly atMs: number; readonly what: 'restart_store'; readonly forMs: number }

export const nameOf = (fault: Fault): string =>
  fault.what === 'restart'
    ? `restart ${fault.how}`
    : fault.what === 'restart_store'
      ? 'restart store'
      : fault.what

export const isOfNode = (fault: Fault): fault is Extract<Fault, { readonly node: number }> => 'node' in fault

export interface PlanOptions {
  readonly seconds: number
  readonly nodes: number
  /** Mean time between two faults of nodes. */
  readonly everyMs: number
  readonly restartEveryMs: number
  /** The longest stop of a node; other faults are at most as long. */
  readonly longestMs: number
  readonly random: () => number
}

/** How often each is drawn, and its length as shares of the longest. */
const kinds: Readonly<Record<NodeFault, readonly [weight: number, least: number, most: number]>> = {
  kill: [4, 0, 0.1],
  stop: [3, 0.125, 1],
  database_cut: [2, 0.03, 0.6],
  database_stalled: [2, 0.1, 0.8],
  database_deaf: [2, 0.01, 0.1],
  provider_cut: [1, 0.05, 0.5],
  provider_stalled: [1, 0.1, 0.5],
  provider_deaf: [1, 0.02, 0.1],
  store_cut: [1, 0.05, 0.5],
  store_stalled: [1, 0.1, 0.5],
  store_deaf: [1, 0.02, 0.1],
  cut_off: [2, 0.1, 0.8],
}

/** One node is always left alone. The first faults are one of each kind, so that a short run has all of them. */
export function planFaults({
  seconds,
  nodes,
  everyMs,
  restartEveryMs,
  longestMs,
  random,
}: PlanOptions): Fault[] {
  const plan: Fault[] = []
  const freeAt = Array.from({ length: nodes }, () => 0)
  const first = shuffled(nodeFaults, random)
  const weighted = nodeFaults.flatMap((kind) => Array.from({ length: kinds[kind][0] }, () => kind))
  const endMs = seconds * 1000
  for (let atMs = everyMs * (0.5 + random()); atMs < endMs; atMs += everyMs * (0.5 + random())) {
    const free = freeAt.flatMap((at, node) => (at <= atMs ? [node] : []))
    const node = free[Math.floor(random() * free.length)]
    if (node === undefined || (free.length < 2 && nodes > 1)) continue
    const what = first.pop() ?? weighted[Math.floor(random() * weighted.length)]!
    const [, least, most] = kinds[what]
    const forMs = Math.round(longestMs * (least + random() * (most - least)))
    plan.push({ atMs: Math.round(atMs), what, node, forMs })
    freeAt[node] = atMs + forMs + 1000
  }
  const restarts = shuffled(databaseFaults, random)
  for (
    let n = 0, atMs = restartEveryMs * 0.7;
    atMs < endMs;
    n++, atMs += restartEveryMs * (0.75 + random() / 2)
  )
    plan.push(
      { atMs: Math.round(atMs), what: 'restart', how: restarts[n % restarts.length]! },
      {
        atMs: Math.round(atMs + restartEveryMs * random() * 0.5),
        what: 'restart_store',
        forMs: Math.round(longestMs * random() * 0.1),
      },
    )
  return plan.toSorted((a, b) => a.atMs - b.atMs)
}

function shuffled<Item>(items: readonly Item[], random: () => number): Item[] {
  const left = [...items]
  const drawn: Item[] = []
  while (left.length > 0) drawn.push(...left.splice(Math.floor(random() * left.length), 1))
  return drawn
}

export interface Inflicted {
  /** By kind. */
  readonly counts: ReadonlyMap<string, number>
  /** As they began and ended, with the time since the run's begin. */
  readonly lines: readonly string[]
  /** Resolves when everything is whole again. */
  readonly ended: Promise<void>
}

/** Follows the plan until `signal`; what has begun is mended. `onKilled`: called right after the kill of a node. */
export function inflict(
  plan: readonly Fault[],
  cluster: Cluster,
  { signal, onKilled }: { readonly signal: AbortSignal; readonly onKilled: () => void },
): Inflicted {
  const counts = new Map<string, number>()
  const lines: string[] = []
  const begun = performance.now()
  const note = (text: string): void =>
    void lines.push(`${((performance.now() - begun) / 1000).toFixed(1)} s: ${text}`)
  const pause = (ms: number): Promise<void> =>
    sleep(Math.max(0, ms), undefined, { signal }).catch(() => undefined)

  const strike = async (fault: Fault): Promise<void> => {
    await pause(fault.atMs - (performance.now() - begun))
    if (signal.aborted) return
    const name = nameOf(fault)
    counts.set(name, (counts.get(name) ?? 0) + 1)
    if (fault.what === 'restart') {
      note(`PostgreSQL ${fault.how}`)
      await cluster.postgres.restart(fault.how)
      note('PostgreSQL is back')
      return
    }
    if (fault.what === 'restart_store') {
      note(`the S3 server is killed for ${fault.forMs} ms`)
      await cluster.store.kill()
      await pause(fault.forMs)
      await cluster.store.start()
      note('the S3 server is back')
      return
    }
    const node = cluster.nodes[fault.node]!
    note(`${node.name} ${fault.what} for ${fault.forMs} ms`)
    await harm(fault.what, node, { lasts: () => pause(fault.forMs), onKilled })
    note(`${node.name} ${fault.what} is over`)
  }

  /** Restarts of one server follow one another, however long one takes. */
  const inTurn = async (what: 'restart' | 'restart_store'): Promise<void> => {
    for (const fault of plan) if (fault.what === what) await strike(fault)
  }
  const ended = Promise.all([
    inTurn('restart'),
    inTurn('restart_store'),
    ...plan.filter(isOfNode).map(strike),
  ]).then(() => undefined)
  return { counts, lines, ended }
}

interface Harming {
  readonly lasts: () => Promise<void>
  readonly onKilled: () => void
}

async function harm(what: NodeFault, node: Node, { lasts, onKilled }: Harming): Promise<void> {
  const through = async (
    doors: readonly { set(state: DoorState): void; drop(): void }[],
    state: DoorState,
  ) => {
    for (const door of doors) door.set(state)
    await lasts()
    // An answer that was held back must not come after all.
    if (state === 'deaf') for (const door of doors) door.drop()
    for (const door of doors) door.set('open')
  }
  switch (what) {
    case 'kill':
      await node.kill()
      onKilled()
      await lasts()
      node.start()
      return
    case 'stop':
      node.signal('SIGSTOP')
      await lasts()
      node.signal('SIGCONT')
      return
    case 'database_cut':
      return through([node.database], 'cut')
    case 'database_stalled':
      return through([node.database], 'stalled')
    case 'database_deaf':
      return through([node.database], 'deaf')
    case 'provider_cut':
      return through([node.provider], 'cut')
    case 'provider_stalled':
      return through([node.provider], 'stalled')
    case 'provider_deaf':
      return through([node.provider], 'deaf')
    case 'store_cut':
      return through([node.store], 'cut')
    case 'store_stalled':
      return through([node.store], 'stalled')
    case 'store_deaf':
      return through([node.store], 'deaf')
    case 'cut_off':
      return through([node.database, node.provider, node.store, node.front], 'stalled')
  }
}
