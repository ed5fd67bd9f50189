/** Events: one for each change of state, appended in the same transaction. */
import type { Rights } from './reach.ts'

const jobTopics = {
  job_created: 'jobs:created',
  job_approved: 'jobs:approved',
  job_processing: 'jobs:processing',
  job_progress: 'jobs:progress',
  job_completed: 'jobs:completed',
  job_failed: 'jobs:failed',
  job_cancelled: 'jobs:cancelled',
  job_retried: 'jobs:retried',
  job_updated: 'jobs:updated',
  job_paused: 'jobs:paused',
  job_resumed: 'jobs:resumed',
  job_rejected: 'jobs:rejected',
  job_submitted: 'jobs:submitted',
  job_shared: 'jobs:shared',
  job_deleted: 'jobs:deleted',
} as const

const sceneTopics = {
  scene_processing: 'scenes:processing',
  scene_completed: 'scenes:completed',
  scene_failed: 'scenes:failed',
  scene_retrying: 'scenes:retrying',
  scene_rendered: 'scenes:rendered',
  scene_held: 'scenes:held',
  scene_short: 'scenes:short',
  scene_added: 'scenes:added',
  scene_updated: 'scenes:updated',
  scene_deleted: 'scenes:deleted',
  scene_cancelled: 'scenes:cancelled',
} as const

/** The topic of each type of event. */
export const topicOf = { ...jobTopics, ...sceneTopics } as const

export type EventType = keyof typeof topicOf
export type Topic = (typeof topicOf)[EventType]

export interface JobEvent {
  /** Rises with each event; the cursor to resume from. */
  readonly id: number
  readonly topic: Topic
  readonly type: EventType
  readonly job_id: number
  readonly scene_id?: string
  readonly data: Readonly<Record<string, unknown>>
  /** Name of the actor, such as a key's name; omitted for the coordinator's own changes. */
  readonly by?: string
  /** ISO 8601, UTC. */
  readonly inserted_at: string
}

/** Every type of event, for filters. */
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the type says these are all its keys
export const eventTypes = Object.keys(topicOf) as readonly EventType[]

/** The actor of a change and its reason, kept with the event. */
export interface Actor {
  readonly by?: string | undefined
  /** Omitted: no restrictions. */
  readonly rights?: Rights | undefined
  readonly reason?: string | undefined
  /** Row id of the request, if it has an Idempotency-Key. */
  readonly request?: number | undefined
  /** Names one effect of a request with several; each happens once. */
  readonly part?: string | undefined
}

type Values = Readonly<Record<string, unknown>>

/** The changed values before and after, for an event. */
export function differences(before: Values, after: Values): { readonly old: Values; readonly new: Values } {
  const names = Object.keys(after).filter(
    (name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]),
  )
  const of = (values: Values): Values => Object.fromEntries(names.map((name) => [name, values[name] ?? null]))
  return { old: of(before), new: of(after) }
}
