/** Work of which only so much may go on at once in this process. */

export type Turns = <T>(work: () => Promise<T>) => Promise<T>

/** Lets `places` of those who ask work at once; the others wait in the order they came. */
export function createTurns(places: number): Turns {
  let free = places
  const waiting: (() => void)[] = []
  return async (work) => {
    if (free > 0) free--
    else await new Promise<void>((enter) => waiting.push(enter))
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next) next()
      else free++
    }
  }
}
