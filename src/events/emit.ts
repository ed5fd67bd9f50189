/** Every change of state emits an event in its own transaction, which subscribers hear once it is on disk. */
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
