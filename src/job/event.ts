/** What is told to everyone: one event for each change of state, appended in the change's own transaction. */
import type { Actor } from './reach.ts'

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

/** The topic each type of event is published under. */
export const topicOf = { ...jobTopics, ...sceneTopics } as const

export type EventType = keyof typeof topicOf
export type Topic = (typeof topicOf)[EventType]

export interface JobEvent {
  /** Rises with each event; the place to resume from. */
  readonly id: number
  readonly topic: Topic
  readonly type: EventType
  readonly job_id: number
  readonly scene_id?: string
  readonly data: Readonly<Record<string, unknown>>
  /** Who asked for it, such as a key's name; left out where nobody did. */
  readonly by?: string
  /** ISO 8601, UTC. */
  readonly inserted_at: string
}

/** Every type of event, for those who choose among them. */
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the type says these are all its keys
export const eventTypes = Object.keys(topicOf) as readonly EventType[]

/** Who asks for a change, and why: kept with the event that tells it. */
export interface Asked {
  readonly by?: string | undefined
  /** Left out: the asker may do everything. */
  readonly actor?: Actor | undefined
  readonly reason?: string | undefined
  /** The row of the request that asks, where it is to be answered once (`coordinator/idempotent.ts`). */
  readonly request?: number | undefined
  /** Which of its effects, where the request has several: each is had once. */
  readonly part?: string | undefined
}

type Values = Readonly<Record<string, unknown>>

/** What has changed, as its event tells it: the values before and after. */
export function differences(before: Values, after: Values): { readonly old: Values; readonly new: Values } {
  const names = Object.keys(after).filter(
    (name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]),
  )
  const of = (values: Values): Values => Object.fromEntries(names.map((name) => [name, values[name] ?? null]))
  return { old: of(before), new: of(after) }
}
