/**
 * Pictures that the server has to make first. A few are asked for at once, those that came into sight last before others, so
 * that they never hold up the connections that a click needs.
 */
import { useEffect, useState } from 'react'

interface Wanted {
  readonly begin: () => void
}

function createQueue(atOnce: number) {
  const waiting: Wanted[] = []
  const running = new Set<Wanted>()
  const beginNext = (): void => {
    while (running.size < atOnce) {
      const next = waiting.pop()
      if (!next) return
      running.add(next)
      next.begin()
    }
  }
  const leave = (wanted: Wanted): void => {
    const index = waiting.indexOf(wanted)
    if (index >= 0) waiting.splice(index, 1)
    running.delete(wanted)
    beginNext()
  }
  const enter = (wanted: Wanted): void => {
    waiting.push(wanted)
    // After all that came into sight together.
    queueMicrotask(beginNext)
  }
  return { enter, leave }
}

/** A browser has six connections to a server; one of them carries the events. */
const queues = { frame: createQueue(2), photograph: createQueue(2) }

export interface Picture {
  /** Undefined until its turn. */
  readonly src: string | undefined
  /** Call it when the picture has loaded or failed. */
  readonly onSettled: () => void
}

/** Undefined: not yet. */
export function usePicture(kind: keyof typeof queues, address: string | undefined): Picture {
  const [state, setState] = useState<Picture>({ src: undefined, onSettled: () => {} })
  useEffect(() => {
    if (address === undefined) return undefined
    const { enter, leave } = queues[kind]
    const wanted: Wanted = { begin: () => setState({ src: address, onSettled: () => leave(wanted) }) }
    enter(wanted)
    return () => leave(wanted)
  }, [kind, address])
  return state
}
