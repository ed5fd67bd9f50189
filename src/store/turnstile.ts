import { systemHost } from '../host.ts'
import { DatabaseError } from './database.ts'

interface Waiting {
  enter(): void
}

/** Those before may each wait for a server that does not answer. */
const standstillMs = 8000
const longestMs = 30_000

/**
 * A semaphore for the transactions of this process: several run at once, or one alone after a collision.
 * Without it, colliding transactions starve on PostgreSQL. Of 64 that raised one counter at once, some waited over a
 * second, and a few failed after 20 tries.
 */
export class Turnstile {
  #places: number
  #inside = 0
  #isOneAlone = false
  #waitingAlone: Waiting[] = []
  #waiting: Waiting[] = []
  /** Monotonic time of the last that succeeded. */
  #movedAt = 0

  constructor(places: number) {
    this.#places = places
  }

  /**
   * Runs `use` once it is admitted: `alone`, or with up to `places - 1` others.
   * @throws {DatabaseError} `busy` if it is not admitted in time
   */
  async pass<T>({ alone }: { readonly alone: boolean }, use: () => Promise<T>): Promise<T> {
    await this.#admitted(alone ? this.#waitingAlone : this.#waiting)
    try {
      return await use()
    } finally {
      this.#inside--
      this.#isOneAlone = false
      this.#letIn()
    }
  }

  #admitted(line: Waiting[]): Promise<void> {
    return new Promise((resolve, reject) => {
      const admitted = new AbortController()
      const waiting = {
        enter() {
          admitted.abort('admitted')
          resolve()
        },
      }
      line.push(waiting)
      this.#letIn()
      if (admitted.signal.aborted) return
      void this.#patience(admitted.signal).then(() => {
        if (admitted.signal.aborted) return
        line.splice(line.indexOf(waiting), 1)
        reject(new DatabaseError('busy', 'Too many transactions wait for the database'))
        this.#letIn()
      })
    })
  }

  /** Resolves after a standstill, or when it has taken too long. */
  async #patience(admitted: AbortSignal): Promise<void> {
    const begun = systemHost.monotonic()
    for (;;) {
      const now = systemHost.monotonic()
      const left = Math.min(Math.max(begun, this.#movedAt) + standstillMs, begun + longestMs) - now
      if (left <= 0 || admitted.aborted) return
      await systemHost.sleep(left, admitted)
    }
  }

  /** Notes that one has succeeded: those that wait have reason to. */
  moved(): void {
    this.#movedAt = systemHost.monotonic()
  }

  /** Admits those that run alone first: they have waited longest, and only admitted ones can add to them. */
  #letIn(): void {
    if (this.#isOneAlone) return
    if (this.#waitingAlone.length > 0) {
      if (this.#inside > 0) return
      this.#isOneAlone = true
      this.#inside = 1
      this.#waitingAlone.shift()?.enter()
      return
    }
    while (this.#inside < this.#places && this.#waiting.length > 0) {
      this.#inside++
      this.#waiting.shift()?.enter()
    }
  }
}
