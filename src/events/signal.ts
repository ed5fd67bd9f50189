/**
 * Wakes waiting loops by name, here and on the other nodes: an attempt's id, `deliveries`, `events`, `admission`, `scheduler`. The
 * rows stay the truth, so a missed one only delays.
 */
export interface Signal {
  /** Calls `wake` at each `notify(name)`; returns the unsubscribe function. */
  on(name: string, wake: () => void): () => void
  notify(name: string): void
}

export interface LocalSignal extends Signal {
  /** As if every name had been notified. */
  notifyAll(): void
}

/** One process. */
export function createSignal(): LocalSignal {
  const listeners = new Map<string, Set<() => void>>()
  return {
    on(name, wake) {
      const those = listeners.get(name) ?? new Set()
      listeners.set(name, those.add(wake))
      return () => {
        if (those.delete(wake) && those.size === 0) listeners.delete(name)
      }
    },
    notify: (name) => listeners.get(name)?.forEach((wake) => wake()),
    notifyAll() {
      for (const those of listeners.values()) for (const wake of those) wake()
    },
  }
}
