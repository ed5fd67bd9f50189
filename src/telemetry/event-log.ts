/** What happens to jobs and scenes, as lines of the log: each with the ids that it is about. */
import type { PubSub } from '../events/pubsub.ts'
import { type Log, logLine } from '../log.ts'

/** Returns a function that ends it. A scene that goes wrong is a warning; everything else is for who looks closely. */
export function logEvents(pubsub: PubSub, log: Log): () => void {
  const ends = [
    pubsub.subscribe('scenes:retrying', (event) => logLine.sceneRetrying(log, event)),
    pubsub.subscribe('scenes:failed', (event) => logLine.sceneFailed(log, event)),
  ]
  if (log.isLevelEnabled('debug')) ends.push(pubsub.subscribe('*', (event) => logLine.happened(log, event)))
  return () => {
    for (const end of ends) end()
  }
}
