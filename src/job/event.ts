/** What is told to everyone: one event for each change of state, appended in the change's own transaction. */

const jobTopics = {
  job_created: 'jobs:created',
  job_approved: 'jobs:approved',
  job_processing: 'jobs:processing',
  job_progress: 'jobs:progress',
  job_completed: 'jobs:completed',
  job_failed: 'jobs:failed',
  job_cancelled: 'jobs:cancelled',
} as const

const sceneTopics = {
  scene_processing: 'scenes:processing',
  scene_completed: 'scenes:completed',
  scene_failed: 'scenes:failed',
  scene_retrying: 'scenes:retrying',
  scene_rendered: 'scenes:rendered',
  scene_held: 'scenes:held',
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
  /** ISO 8601, UTC. */
  readonly inserted_at: string
}
