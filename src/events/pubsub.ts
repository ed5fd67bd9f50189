/** In-process subscriptions to events: wake-ups only; the event log stays the truth. */
import type { JobEvent, Topic } from '../job/event.ts'

export type Listener = (event: JobEvent) => void

export interface PubSub {
  /**
   * Calls `listener` for each event of a topic (`jobs:completed`), of a family (`scenes:*`) or of all (`*`), after its
   * commit. Returns the unsubscribe function.
   */
  subscribe(topic: Topic | 'jobs:*' | 'scenes:*' | '*', listener: Listener): () => void
  publish(event: JobEvent): void
}

/** Calls `onListenerError` when a listener throws or rejects; the others still get the event. */
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
      // Wrapped, so that the same listener may subscribe twice and unsubscribe each separately.
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
