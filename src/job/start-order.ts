/**
 * Which scenes of others start before those of one film at a renderer, pure: admission's turns, played through as if each
 * render took equally long, so that the one that began first frees its slot first.
 */
import { type Waiter, nextInTurn } from './queue.ts'

/** Scenes of one kind, one behind the other. */
export interface Scenes<Kind> {
  readonly kind: Kind
  readonly scenes: number
}

/** What waits of one client; of the film's own client, what comes before the film. */
export interface ClientQueue<Kind> {
  readonly waiter: Waiter
  readonly scenes: readonly Scenes<Kind>[]
  readonly isOwn: boolean
}

/**
 * For each of the film's `own` scenes, the others that start after the one before it. One queue has to be the film's own.
 * `inFlight`: whose renders hold slots, the first begun first.
 */
export function othersBefore<Kind>(
  queues: readonly ClientQueue<Kind>[],
  inFlight: readonly string[],
  slots: number,
  own: number,
): readonly (readonly Scenes<Kind>[])[] {
  const before: Scenes<Kind>[][] = []
  const lines = queues.map(({ waiter, scenes, isOwn }) => ({ waiter, isOwn, scenes: [...scenes], done: 0 }))
  const held = [...inFlight]
  let turn = Math.max(...lines.map(({ waiter }) => waiter.lastTurn))
  const count = (clientId: string, change: 1 | -1, lastTurn?: number): void => {
    const line = lines.find(({ waiter }) => waiter.clientId === clientId)
    if (line)
      line.waiter = {
        ...line.waiter,
        inFlight: line.waiter.inFlight + change,
        ...(lastTurn !== undefined && { lastTurn }),
      }
  }
  let others = new Map<Kind, number>()
  while (before.length < own) {
    while (held.length > 0 && held.length >= slots) count(held.shift()!, -1)
    const line = nextInTurn(lines)!
    const [head] = line.scenes
    if (head) {
      others.set(head.kind, (others.get(head.kind) ?? 0) + 1)
      if (++line.done === head.scenes) {
        line.scenes.shift()
        line.done = 0
      }
    } else if (line.isOwn) {
      before.push([...others].map(([kind, scenes]) => ({ kind, scenes })))
      others = new Map()
    } else {
      lines.splice(lines.indexOf(line), 1)
      continue
    }
    const { clientId } = line.waiter
    count(clientId, 1, ++turn)
    held.push(clientId)
  }
  return before
}
