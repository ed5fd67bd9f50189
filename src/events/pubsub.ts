/** Subscriptions to events: wake-ups only; the event log stays the truth. */
import type { JobEvent, Topic } from '../job/event.ts'

export type Listener = (event: JobEvent) => void

export type Subscribed = Topic | 'jobs:*' | 'scenes:*' | '*'

export interface PubSub {
  /**
   * Calls `listener` for each event of a topic (`jobs:completed`), of a family (`scenes:*`) or of all (`*`), after its
   * commit. Returns the unsubscribe function. With several nodes: the events of all nodes, each once, in the order of the log.
   */
  subscribe(topic: Subscribed, listener: Listener): () => void
  /** The same for the events of this process alone, directly after their commit. */
  subscribeOwn(topic: Subscribed, listener: Listener): () => void
  /** Called after the commit of an event of this process. */
  publish(event: JobEvent): void
}

export type OnListenerError = (error: unknown, event: JobEvent) => void

/** One process. Calls `onListenerError` when a listener throws or rejects; the others still get the event. */
export function createPubSub(onListenerError: OnListenerError): PubSub {
  const { subscribe, publish } = createListeners(onListenerError)
  return { subscribe, subscribeOwn: subscribe, publish }
}

export function createListeners(onListenerError: OnListenerError): Pick<PubSub, 'subscribe' | 'publish'> {
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
