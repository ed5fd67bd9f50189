/** Limits how much work runs at once in this process. */
import type { Host } from '../host.ts'

/** Runs `work` once it has a slot. */
export type Semaphore = <T>(work: () => Promise<T>) => Promise<T>

/** Runs up to `slots()` calls at once, read whenever one begins or ends; the others wait in order of arrival. */
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

/** Runs `work` of `owner`, which needs `bytes` of memory, once it has a slot. */
export type FairSemaphore = <T>(
  owner: string,
  bytes: number,
  work: () => Promise<T>,
  /** Aborting it before `work` has a slot rejects the call, and `work` never runs. */
  signal?: AbortSignal,
) => Promise<T>

export interface FairSemaphoreOptions {
  /** How many calls that are not slow run at once. */
  readonly quick: number
  /** How many calls run at once in total: slow ones delay the others only at this number. One owner runs at most `quick`. */
  readonly all: number
  /** Memory of all running calls, in bytes. One that needs more runs alone. */
  readonly bytes: number
  readonly host: Pick<Host, 'sleep'>
}

/** A call that has run this long counts as slow. */
const slowMs = 1000

interface Work {
  readonly owner: string
  readonly bytes: number
  readonly begin: () => void
  isSlow: boolean
}

/** The owner with the fewest running calls is next; among equals, the call that waits longest. */
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
        // The sort is stable: equals keep their order of arrival.
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
