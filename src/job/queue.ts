/**
 * Whose scene starts next, pure. Clients take turns: the one with the fewest scenes in flight at the renderer comes first, of
 * those the one whose last turn there is the longest ago. Of clients that never had one, and of one client's own scenes, the
 * job comes first that has the highest priority, where each minute of waiting weighs as much as one point: so nothing starves.
 */

/** Of a job that says nothing of it. */
export const defaultPriority = 50

/** So long a job waits to make up for one point of priority. */
export const pointMs = 60_000

/** A client whose scenes wait at a renderer. */
export interface Waiter {
  readonly clientId: string
  /** Its scenes in flight at the renderer. */
  readonly inFlight: number
  /** Its last turn at the renderer, a number that rises with each start there; 0: none. */
  readonly lastTurn: number
  /** The place of its first job, as a time: when it was approved, earlier by a minute for each point of priority. */
  readonly queueAt: number
}

/** Negative where `a` comes before `b`. */
export const byTurn = (a: Waiter, b: Waiter): number =>
  a.inFlight - b.inFlight || a.lastTurn - b.lastTurn || a.queueAt - b.queueAt

/** What a person has stopped: nothing new is started there. */
export interface Stop {
  /** `all`, or `renderer:<name>`. */
  readonly scope: string
  readonly reason: string | null
  readonly by: string | null
  readonly since: number
}
