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

/** A transaction with this many events should end soon: the largest job adds fewer than the ids that are left on PostgreSQL. */
const many = 4096
const counts = new WeakMap<Transaction, number>()

/** Whether a transaction that changes several jobs should leave the rest to the next one. */
export const hasManyEvents = (tx: Transaction): boolean => (counts.get(tx) ?? 0) >= many

export async function appendEvent(tx: Transaction, event: NewEvent, now: number): Promise<JobEvent> {
  const topic = topicOf[event.type]
  counts.set(tx, (counts.get(tx) ?? 0) + 1)
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

/** The settled events of a job after the one with id `after`, oldest first. */
export const listJobEvents = async (
  reader: Reader,
  jobId: number,
  after: number,
  limit: number,
): Promise<readonly JobEvent[]> =>
  (
    await reader.all('select * from settled_events where job_id = $1 and id > $2 order by id limit $3', [
      jobId,
      after,
      limit,
    ])
  ).map(eventOf)

/** The settled events after the one with id `after`, oldest first. */
export const listEvents = async (
  reader: Reader,
  after: number,
  limit: number,
): Promise<readonly JobEvent[]> =>
  (await reader.all('select * from settled_events where id > $1 order by id limit $2', [after, limit])).map(
    eventOf,
  )

export interface EventBounds {
  /** The oldest event after which none is missing; older ones may exist for jobs that had not ended when others were removed. */
  readonly oldest: number
  /** The newest settled event. */
  readonly latest: number
  /** The newest event that retention has removed. */
  readonly removed: number
}

/** Ids; 0 without such an event. */
export async function eventBounds(reader: Reader): Promise<EventBounds> {
  const row = await reader.get(
    `select (select coalesce(min(id), 0) from settled_events where id > (select until from removed_events)) as oldest,
       (select coalesce(max(id), 0) from settled_events) as latest, (select until from removed_events) as removed`,
  )
  return { oldest: number(row!, 'oldest'), latest: number(row!, 'latest'), removed: number(row!, 'removed') }
}

/** The id of the newest committed event, of a job or of all, although it may not be settled yet; 0 without events. */
export async function lastCommitted(reader: Reader, jobId?: number): Promise<number> {
  const row =
    jobId === undefined
      ? await reader.get('select coalesce(max(id), 0) as last from events')
      : await reader.get('select coalesce(max(id), 0) as last from events where job_id = $1', [jobId])
  return number(row!, 'last')
}
