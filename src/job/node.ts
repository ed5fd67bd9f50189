/** A running server of this program. Embedded, there is one; on PostgreSQL there may be many. */

/** What a node does: answers requests, runs tasks, or both. */
export const roles = ['api', 'worker', 'all'] as const
export type Role = (typeof roles)[number]

export const answersRequests = (role: Role): boolean => role !== 'worker'
export const runsTasks = (role: Role): boolean => role !== 'api'

/** What runs at a node, by its last heartbeat. */
export interface NodeLoad {
  /** Running tasks by kind. */
  readonly tasks: Readonly<Record<string, number>>
  /** The jobs that these tasks belong to; the first hundred. */
  readonly jobs: readonly number[]
}

/** Times: ms since the epoch, by the clock of the database. */
export interface NodeFacts {
  /** Identifies the life of its process: another one after each start. */
  readonly id: string
  readonly name: string
  readonly role: Role
  /** Of the program. */
  readonly version: string
  readonly startedAt: number
  readonly heardAt: number
  /** Heard of recently enough to be trusted with its tasks. */
  readonly isAlive: boolean
  /** It is stopping: it begins no more tasks. */
  readonly isDraining: boolean
  /** Where it answers; null before it listens. */
  readonly address: string | null
  /** Render slots, by renderer on its machine. */
  readonly slots: Readonly<Record<string, number>>
  readonly load: NodeLoad
}

const mostJobs = 100

/** The load of a node that runs these tasks. */
export function loadOf(running: readonly { readonly kind: string; readonly jobId: number }[]): NodeLoad {
  const tasks: Record<string, number> = {}
  for (const { kind } of running) tasks[kind] = (tasks[kind] ?? 0) + 1
  return {
    tasks,
    jobs: [...new Set(running.map(({ jobId }) => jobId))].toSorted((a, b) => a - b).slice(0, mostJobs),
  }
}
