import { setImmediate } from 'node:timers/promises'

/** How many calls of the test's databases have no answer yet; SQLite answers within its turn, and none is counted there. */
export const asked = { now: 0 }

/** Lets everything go on that needs no time: ends after `turns` turns in a row in which no database was being asked. */
export async function settle(turns = 100): Promise<void> {
  for (let quiet = 0; quiet < turns; quiet = asked.now > 0 ? 0 : quiet + 1) await setImmediate()
}
