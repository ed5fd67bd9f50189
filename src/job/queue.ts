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

/** The client whose turn is next; undefined if none waits. */
export const nextInTurn = <Line extends { readonly waiter: Waiter }>(
  lines: readonly Line[],
): Line | undefined =>
  lines.reduce<Line | undefined>(
    (best, other) => (best && byTurn(best.waiter, other.waiter) <= 0 ? best : other),
    undefined,
  )

/** The pace of starts at a renderer. */
export interface Pace {
  /** Shortest time between two starts, in ms. */
  readonly startDelayMs: number
  /** Starts within any minute; omitted for no limit. */
  readonly startsPerMinute?: number | undefined
}

/** Whether earlier starts can delay a start. */
export const isPaced = ({ startDelayMs, startsPerMinute }: Pace): boolean =>
  startDelayMs > 0 || startsPerMinute !== undefined

/** The earlier starts that decide when the next one is allowed. */
export interface LastStarts {
  /** Time of the last start, in ms; undefined if there was none. */
  readonly lastPostedAt: number | undefined
  /** Time of the first of the last starts that fill a minute's limit; undefined if there were fewer. */
  readonly minuteBeganAt: number | undefined
}

const minuteMs = 60_000

/** When the pace allows the next start; `now` for immediately. A clock set back delays it by one delay at most. */
export function pacedStartAt(
  { startDelayMs }: Pace,
  { lastPostedAt, minuteBeganAt }: LastStarts,
  now: number,
): number {
  const after = (sentAt: number | undefined, ms: number): number =>
    sentAt === undefined ? now : Math.min(sentAt, now) + ms
  return Math.max(now, after(lastPostedAt, startDelayMs), after(minuteBeganAt, minuteMs))
}

/** A manual pause: nothing new starts in its scope. */
export interface ManualPause {
  /** `all`, or `renderer:<name>`. */
  readonly scope: string
  readonly reason: string | null
  readonly by: string | null
  readonly since: number
}
