/** When tasks restart that ran while the process crashed. Pure. */

/** Longest wait of any task. */
export const longestWaitMs = 5 * 60_000

export interface CrashedTask {
  /** How often the process crashed while it ran, including this time. */
  readonly crashes: number
}

/**
 * Tasks with one crash restart immediately. Of those with more, the half with the fewest crashes restarts immediately, so
 * that some work continues even if every process crashes. The others wait, twice as long with each crash. `tasks` is
 * sorted, oldest first. `random` in [0, 1) is jitter that removes up to half of a wait, so that restarts spread out.
 */
export function waitsAfterCrash<T extends CrashedTask>(
  tasks: readonly T[],
  { firstMs, random }: { readonly firstMs: number; readonly random: () => number },
): readonly { readonly task: T; readonly waitMs: number }[] {
  const repeated = tasks
    .filter(({ crashes }) => crashes > 1)
    .toSorted((one, other) => one.crashes - other.crashes)
  const atOnce = new Set(repeated.slice(0, Math.floor(repeated.length / 2)))
  return tasks.map((task) => {
    if (task.crashes <= 1 || atOnce.has(task)) return { task, waitMs: 0 }
    const mostMs = Math.min(longestWaitMs, firstMs * 2 ** (task.crashes - 2))
    return { task, waitMs: Math.ceil(mostMs * (0.5 + random() / 2)) }
  })
}
