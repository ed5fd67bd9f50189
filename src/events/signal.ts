/** Wakes what waits in this process at once, for what the rows would tell it later. */
export interface Signal {
  /** Calls `wake` at each notice of `name`; returns a function that ends that. */
  on(name: string, wake: () => void): () => void
  notify(name: string): void
}

export function createSignal(): Signal {
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
  }
}
