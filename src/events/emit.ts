/** Emits the event of a change in the change's transaction; subscribers get it after the commit. */
import type { Host } from '../host.ts'
import type { Transaction } from '../store/database.ts'
import { type NewEvent, appendEvent } from '../store/events.ts'
import type { PubSub } from './pubsub.ts'

export type Emit = (tx: Transaction, event: NewEvent) => Promise<void>

export const createEmit =
  ({ pubsub, host }: { readonly pubsub: PubSub; readonly host: Host }): Emit =>
  async (tx, event) => {
    const appended = await appendEvent(tx, event, host.now())
    tx.afterCommit(() => pubsub.publish(appended))
  }
