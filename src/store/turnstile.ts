/**
 * A semaphore for the transactions of this process: several run at once, or one alone after a collision.
 * Without it, colliding transactions starve on PostgreSQL. Of 64 that raised one counter at once, some waited over a
 * second, and a few failed after 20 tries.
 */
export class Turnstile {
  #places: number
  #inside = 0
  #isOneAlone = false
  #waitingAlone: (() => void)[] = []
  #waiting: (() => void)[] = []

  constructor(places: number) {
    this.#places = places
  }

  /** Runs `use` once it is admitted: `alone`, or with up to `places - 1` others. */
  async pass<T>({ alone }: { readonly alone: boolean }, use: () => Promise<T>): Promise<T> {
    await new Promise<void>((resolve) => {
      const line = alone ? this.#waitingAlone : this.#waiting
      line.push(resolve)
      this.#letIn()
    })
    try {
      return await use()
    } finally {
      this.#inside--
      this.#isOneAlone = false
      this.#letIn()
    }
  }

  /** Admits those that run alone first: they have waited longest, and only admitted ones can add to them. */
  #letIn(): void {
    if (this.#isOneAlone) return
    if (this.#waitingAlone.length > 0) {
      if (this.#inside > 0) return
      this.#isOneAlone = true
      this.#inside = 1
      this.#waitingAlone.shift()?.()
      return
    }
    while (this.#inside < this.#places && this.#waiting.length > 0) {
      this.#inside++
      this.#waiting.shift()?.()
    }
  }
}
