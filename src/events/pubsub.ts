/** Who wants to hear of changes hears of them here, in this process; the events' log is the truth, this is the hint. */
import type { JobEvent, Topic } from '../job/event.ts'

export type Listener = (event: JobEvent) => void

export interface PubSub {
  /**
   * Calls `listener` for each event of a topic (`jobs:completed`), of a family (`scenes:*`) or of all (`*`), after it
   * is on disk. Returns a function that ends the subscription.
   */
  subscribe(topic: Topic | 'jobs:*' | 'scenes:*' | '*', listener: Listener): () => void
  publish(event: JobEvent): void
}

/** `onListenerError` is told of a listener that threw or rejected; the others hear the event all the same. */
export function createPubSub(onListenerError: (error: unknown, event: JobEvent) => void): PubSub {
  const listeners = new Map<string, Set<Listener>>()

  const call = (listener: Listener, event: JobEvent): void => {
    try {
      const returned: unknown = listener(event)
      if (returned instanceof Promise) returned.catch((error: unknown) => onListenerError(error, event))
    } catch (error) {
      onListenerError(error, event)
    }
  }

  return {
    subscribe(topic, listener) {
      const subscribed = listeners.get(topic) ?? new Set<Listener>()
      listeners.set(topic, subscribed)
      // A function of its own, so that the same listener may subscribe twice and end each alone.
      const own: Listener = (event) => listener(event)
      subscribed.add(own)
      return () => {
        subscribed.delete(own)
        if (subscribed.size === 0 && listeners.get(topic) === subscribed) listeners.delete(topic)
      }
    },

    publish(event) {
      if (listeners.size === 0) return
      const family = `${event.topic.slice(0, event.topic.indexOf(':'))}:*`
      for (const name of [event.topic, family, '*'])
        for (const listener of listeners.get(name) ?? []) call(listener, event)
    },
  }
}
