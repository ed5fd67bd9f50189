/** Every change of state is told in its own transaction, and heard once that is on disk. */
import type { PubSub } from '../events/pubsub.ts'
import type { Host } from '../host.ts'
import type { Transaction } from '../store/database.ts'
import { type NewEvent, appendEvent } from '../store/events.ts'

export type Tell = (tx: Transaction, event: NewEvent) => Promise<void>

export const createTell =
  ({ pubsub, host }: { readonly pubsub: PubSub; readonly host: Host }): Tell =>
  async (tx, event) => {
    const appended = await appendEvent(tx, event, host.now())
    tx.afterCommit(() => pubsub.publish(appended))
  }
