import type { Database } from '../../src/store/database.ts'
import { eventBounds, lastCommitted } from '../../src/store/events.ts'
import { until } from './until.ts'

/** Resolves when what is committed now can be read: on a server, transactions that other tests hold open delay it. */
export async function eventsSettle(database: Database): Promise<void> {
  const last = await lastCommitted(database)
  await until(async () => (await eventBounds(database)).latest >= last)
}
