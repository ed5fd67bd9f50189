import { type Actor, type EventType, type JobEvent, topicOf } from '../job/event.ts'
import type { Reader, Row, Transaction } from './database.ts'
import { json, number, text, textOrNull } from './sql.ts'

const eventOf = (row: Row): JobEvent => {
  const sceneId = textOrNull(row, 'scene_id')
  const by = textOrNull(row, 'actor')
  return {
    id: number(row, 'id'),
    topic: text(row, 'topic') as JobEvent['topic'],
    type: text(row, 'type') as EventType,
    job_id: number(row, 'job_id'),
    ...(sceneId === null ? {} : { scene_id: sceneId }),
    data: json<Record<string, unknown>>(row, 'data'),
    ...(by === null ? {} : { by }),
    inserted_at: new Date(number(row, 'inserted_at')).toISOString(),
  }
}

const insert = `insert into events (topic, type, job_id, scene_id, data, actor, inserted_at)
  values ($1, $2, $3, $4, $5, $6, $7)`

export interface NewEvent {
  readonly type: EventType
  readonly jobId: number
  readonly sceneId?: string
  /** The scene's present state, if the caller has it; otherwise it is read. */
  readonly scene?: { readonly position: number; readonly title?: string | null | undefined } | undefined
  readonly data: Readonly<Record<string, unknown>>
  /** The actor and the reason, which is stored in `data`. */
  readonly actor?: Actor | undefined
}

export async function appendEvent(tx: Transaction, event: NewEvent, now: number): Promise<JobEvent> {
  const topic = topicOf[event.type]
  const { by, reason } = event.actor ?? {}
  const data = {
    ...(event.sceneId !== undefined && named(event.scene ?? (await sceneNow(tx, event.sceneId)))),
    ...event.data,
    ...(reason !== undefined && { reason }),
  }
  const id = await tx.append(insert, [
    topic,
    event.type,
    event.jobId,
    event.sceneId ?? null,
    JSON.stringify(data),
    by ?? null,
    now,
  ])
  return {
    id,
    topic,
    type: event.type,
    job_id: event.jobId,
    ...(event.sceneId === undefined ? {} : { scene_id: event.sceneId }),
    data,
    ...(by === undefined ? {} : { by }),
    inserted_at: new Date(now).toISOString(),
  }
}

/** The scene's position and title at the time of the event, because the scene may change or be deleted later. */
function named(scene: NewEvent['scene']): { position?: number; title?: string } {
  if (!scene) return {}
  const { position, title } = scene
  return { position, ...(title != null && { title }) }
}

async function sceneNow(tx: Transaction, id: string): Promise<NewEvent['scene']> {
  const row = await tx.get('select position, title from scenes where id = $1', [id])
  return row && { position: number(row, 'position'), title: textOrNull(row, 'title') }
}

/** The events of a job after the one with id `after`, oldest first. */
export const listJobEvents = async (
  reader: Reader,
  jobId: number,
  after: number,
  limit: number,
): Promise<readonly JobEvent[]> =>
  (
    await reader.all('select * from events where job_id = $1 and id > $2 order by id limit $3', [
      jobId,
      after,
      limit,
    ])
  ).map(eventOf)

/** The events after the one with id `after`, oldest first. */
export const listEvents = async (
  reader: Reader,
  after: number,
  limit: number,
): Promise<readonly JobEvent[]> =>
  (await reader.all('select * from events where id > $1 order by id limit $2', [after, limit])).map(eventOf)

/** The events after the one with id `after`, up to the one with id `end`, oldest first. */
export const listEventsUpTo = async (
  reader: Reader,
  after: number,
  end: number,
): Promise<readonly JobEvent[]> =>
  (await reader.all('select * from events where id > $1 and id <= $2 order by id', [after, end])).map(eventOf)

/**
 * The id of the oldest event after which none is missing, and of the newest one; 0 without events. Older events may exist
 * for jobs that had not ended when retention removed others.
 */
export async function eventBounds(
  reader: Reader,
): Promise<{ readonly oldest: number; readonly latest: number }> {
  const row = await reader.get(
    `select (select coalesce(min(id), 0) from events) as oldest, (select coalesce(max(id), 0) from events) as latest,
       (select until from removed_events) as removed`,
  )
  const [oldest, removed] = [number(row!, 'oldest'), number(row!, 'removed')]
  return { oldest: removed === 0 ? oldest : Math.max(oldest, removed + 1), latest: number(row!, 'latest') }
}
