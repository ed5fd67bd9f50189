/** When the tasks that ran while the process died begin again. Pure. */

/** No task waits longer than this, whatever it waits for. */
export const longestWaitMs = 5 * 60_000

export interface CrashedTask {
  /** How often the process died while it ran, this time included. */
  readonly crashes: number
}

/**
 * What ran at the first death begins again at once. From the second on the half that died least often begins at once, so
 * that work goes on where every process dies; each of the others waits, twice as long with each death. `tasks`: the oldest
 * first. `random` in [0, 1) takes up to half of a wait, so that not all begin together again.
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
