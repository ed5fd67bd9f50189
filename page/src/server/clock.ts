/** The server's time: what it says happened "now" is not in the future because this machine's clock is behind. */

/** Answers tell whole seconds, and take a while. */
const toleranceMs = 3000

let aheadMs = 0

/** Learns from an answer of the server, which came just now. */
export function learnClock(date: string | null, now = Date.now()): void {
  const told = date === null ? NaN : Date.parse(date)
  if (Number.isNaN(told)) return
  const ahead = told - now
  aheadMs = Math.abs(ahead) > toleranceMs ? ahead : 0
}

export const serverNow = (now = Date.now()): number => now + aheadMs
