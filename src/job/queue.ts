/**
 * The fair queue: which scene starts next. Pure. Clients take turns. First comes the client with the fewest scenes in
 * flight at the renderer, then the one whose last turn there is the longest ago. Among clients without a turn, and among
 * the scenes of one client, the job's priority decides. Each minute of waiting adds one point, so no job starves.
 */

/** Priority of a job that sets none. */
export const defaultPriority = 50

/** Waiting time that equals one point of priority. */
export const pointMs = 60_000

/** A client with scenes that wait at a renderer. */
export interface Waiter {
  readonly clientId: string
  /** Its scenes in flight at the renderer. */
  readonly inFlight: number
  /** Number of its last turn at the renderer, which rises with each start there; 0: none. */
  readonly lastTurn: number
  /** Queue position of its first job, as a time: its approval, minus a minute for each point of priority. */
  readonly queueAt: number
}

/** Negative where `a` comes before `b`. */
export const byTurn = (a: Waiter, b: Waiter): number =>
  a.inFlight - b.inFlight || a.lastTurn - b.lastTurn || a.queueAt - b.queueAt

/** A manual pause: nothing new starts in its scope. */
export interface Stop {
  /** `all`, or `renderer:<name>`. */
  readonly scope: string
  readonly reason: string | null
  readonly by: string | null
  readonly since: number
}
