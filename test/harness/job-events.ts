import type { JobEvent } from '../../src/job/event.ts'
import type { Database } from '../../src/store/database.ts'
import { eventBounds, lastCommitted, listJobEvents } from '../../src/store/events.ts'
import { until } from './until.ts'

/** All events of a job: on PostgreSQL, readers get to the latest ones when no older transaction is open. */
export async function jobEvents(database: Database, jobId: number): Promise<readonly JobEvent[]> {
  const last = await lastCommitted(database, jobId)
  await until(async () => (await eventBounds(database)).latest >= last)
  return listJobEvents(database, jobId, 0, 100_000)
}
