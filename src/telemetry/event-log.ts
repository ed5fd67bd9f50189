/** Logs the events of jobs and scenes, each with its ids. */
import type { PubSub } from '../events/pubsub.ts'
import { type Log, logLine } from '../log.ts'

/** Failures and retries of scenes are warnings; all other events are debug lines. Returns the unsubscribe function. */
export function logEvents(pubsub: PubSub, log: Log): () => void {
  const ends = [
    pubsub.subscribeOwn('scenes:retrying', (event) => logLine.sceneRetrying(log, event)),
    pubsub.subscribeOwn('scenes:failed', (event) => logLine.sceneFailed(log, event)),
  ]
  if (log.isLevelEnabled('debug'))
    ends.push(pubsub.subscribeOwn('*', (event) => logLine.happened(log, event)))
  return () => {
    for (const end of ends) end()
  }
}
