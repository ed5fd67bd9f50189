import { setTimeout } from 'node:timers/promises'

/** Asks again and again until it is so; the test's own guard is the deadline. */
export async function until<T>(what: () => T | Promise<T>): Promise<NonNullable<T>> {
  for (;;) {
    const found = await what()
    if (found) return found
    await setTimeout(1)
  }
}
