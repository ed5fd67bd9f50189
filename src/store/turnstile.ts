import { systemHost } from '../host.ts'
import { DatabaseError } from './database.ts'

interface Waiting {
  enter(): void
}

/** Those before may each wait for a server that does not answer. */
const waitMs = 8000

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
      let isOver = false
      const over = new AbortController()
      const waiting = {
        enter() {
          isOver = true
          over.abort('admitted')
          resolve()
        },
      }
      line.push(waiting)
      this.#letIn()
      if (isOver) return
      void systemHost.sleep(waitMs, over.signal).then(() => {
        if (isOver) return
        line.splice(line.indexOf(waiting), 1)
        reject(new DatabaseError('busy', `Too many transactions wait: none ended within ${waitMs / 1000} s`))
        this.#letIn()
      })
    })
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
