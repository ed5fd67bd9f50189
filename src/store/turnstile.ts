/**
 * Lets the transactions of this process in: several at once, or one alone after it has collided with others.
 * Without it, those that collide on PostgreSQL starve: a counter that 64 wanted to raise at once left some
 * waiting for over a second, and a few without success after 20 tries.
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

  /** Runs `use` when its turn comes: `alone`, or with up to `places - 1` others. */
  async pass<T>(alone: boolean, use: () => Promise<T>): Promise<T> {
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

  /** Those who go alone first: they have waited longest, and only those inside can become more of them. */
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
