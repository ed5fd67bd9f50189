/**
 * Pictures that the server has to make first. A few are asked for at once, those that came into sight last before others, so
 * that they never hold up the connections that a click needs.
 */
import { useEffect, useState } from 'react'

const atOnce = 3

interface Wanted {
  readonly begin: () => void
}

const waiting: Wanted[] = []
const running = new Set<Wanted>()

function beginNext(): void {
  while (running.size < atOnce) {
    const next = waiting.pop()
    if (!next) return
    running.add(next)
    next.begin()
  }
}

export interface Picture {
  /** Undefined until its turn. */
  readonly src: string | undefined
  /** Call it when the picture has loaded or failed. */
  readonly onSettled: () => void
}

export function usePicture(address: string): Picture {
  const [state, setState] = useState<Picture>({ src: undefined, onSettled: () => {} })
  useEffect(() => {
    const leave = (): void => {
      running.delete(wanted)
      beginNext()
    }
    const wanted: Wanted = { begin: () => setState({ src: address, onSettled: leave }) }
    waiting.push(wanted)
    // After all that came into sight together.
    queueMicrotask(beginNext)
    return () => {
      const index = waiting.indexOf(wanted)
      if (index >= 0) waiting.splice(index, 1)
      leave()
    }
  }, [address])
  return state
}
