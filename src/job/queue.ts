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

/** The one whose turn it is; undefined where none waits. */
export const nextInTurn = <Line extends { readonly waiter: Waiter }>(
  lines: readonly Line[],
): Line | undefined =>
  lines.reduce<Line | undefined>(
    (best, other) => (best && byTurn(best.waiter, other.waiter) <= 0 ? best : other),
    undefined,
  )

/** How often something may be started at a renderer. */
export interface Pace {
  /** The least time between two starts, in ms. */
  readonly startDelayMs: number
  /** Starts within any minute; left out for no such limit. */
  readonly startsPerMinute?: number | undefined
}

/** Whether a start may have to wait for others before it. */
export const isPaced = ({ startDelayMs, startsPerMinute }: Pace): boolean =>
  startDelayMs > 0 || startsPerMinute !== undefined

/** The starts that decide when the next one is allowed. */
export interface LastStarts {
  /** When the last one was, in ms; undefined where none was. */
  readonly lastPostedAt: number | undefined
  /** When the first of as many as are allowed in a minute was; undefined where there were fewer. */
  readonly minuteBeganAt: number | undefined
}

const minuteMs = 60_000

/** When the pace allows the next start; `now` where at once. A clock that was put back delays by one delay at most. */
export function pacedStartAt(
  { startDelayMs }: Pace,
  { lastPostedAt, minuteBeganAt }: LastStarts,
  now: number,
): number {
  const after = (sentAt: number | undefined, ms: number): number =>
    sentAt === undefined ? now : Math.min(sentAt, now) + ms
  return Math.max(now, after(lastPostedAt, startDelayMs), after(minuteBeganAt, minuteMs))
}

/** What a person has stopped: nothing new is started there. */
export interface Stop {
  /** `all`, or `renderer:<name>`. */
  readonly scope: string
  readonly reason: string | null
  readonly by: string | null
  readonly since: number
}
