/** Work of which only so much may go on at once in this process. */
import type { Host } from '../host.ts'

/** Runs `work` when it has a slot. */
export type Semaphore = <T>(work: () => Promise<T>) => Promise<T>

/** `slots` works at once, asked again whenever one begins or ends; the others wait in the order they came. */
export function createSemaphore(slots: () => number): Semaphore {
  let running = 0
  const waiting: (() => void)[] = []
  const admit = (): void => {
    while (waiting.length > 0 && running < slots()) {
      running++
      waiting.shift()!()
    }
  }
  return async (work) => {
    const acquired = new Promise<void>((acquire) => waiting.push(acquire))
    admit()
    await acquired
    try {
      return await work()
    } finally {
      running--
      admit()
    }
  }
}

/** Runs `work` of `owner`, which takes so many bytes of memory, when it has a slot. */
export type FairSemaphore = <T>(
  owner: string,
  bytes: number,
  work: () => Promise<T>,
  /** Fires when nobody waits for it any more: it does not begin then. */
  signal?: AbortSignal,
) => Promise<T>

export interface FairSemaphoreOptions {
  /** Works at once that have begun lately. */
  readonly quick: number
  /** Works at once in all: those that take long hold up no others until there are so many. One owner has `quick` at most. */
  readonly all: number
  /** Memory of all works at once. One that takes more runs alone. */
  readonly bytes: number
  readonly host: Pick<Host, 'sleep'>
}

/** From then on a work is slow. */
const slowMs = 1000

interface Work {
  readonly owner: string
  readonly bytes: number
  readonly begin: () => void
  isSlow: boolean
}

/** The owner with the fewest works running comes next, then the work that waits longest. */
export function createFairSemaphore({ quick, all, bytes, host }: FairSemaphoreOptions): FairSemaphore {
  const running = new Set<Work>()
  const waiting = new Set<Work>()

  const has = (owner: string): number => [...running].filter((work) => work.owner === owner).length
  const admit = (): void => {
    for (;;) {
      const going = [...running]
      if (going.length >= all || going.filter(({ isSlow }) => !isSlow).length >= quick) return
      const held = going.reduce((sum, work) => sum + work.bytes, 0)
      const next = [...waiting]
        .filter((work) => has(work.owner) < quick && (held === 0 || held + work.bytes <= bytes))
        // Sorting is stable: among equals the order of coming stays.
        .toSorted((a, b) => has(a.owner) - has(b.owner))[0]
      if (next === undefined) return
      waiting.delete(next)
      running.add(next)
      next.begin()
    }
  }

  return async (owner, size, use, signal) => {
    signal?.throwIfAborted()
    const begun = Promise.withResolvers<void>()
    const work: Work = { owner, bytes: size, begin: begun.resolve, isSlow: false }
    const leave = (): void => {
      if (waiting.delete(work)) begun.reject(signal?.reason)
    }
    signal?.addEventListener('abort', leave, { once: true })
    waiting.add(work)
    admit()
    await begun.promise.finally(() => signal?.removeEventListener('abort', leave))
    const ended = new AbortController()
    void host.sleep(slowMs, ended.signal).then(() => {
      if (ended.signal.aborted) return
      work.isSlow = true
      admit()
    })
    try {
      return await use()
    } finally {
      ended.abort()
      running.delete(work)
      admit()
    }
  }
}
