/** The UTC day of a time, such as 2026-11-25. */
export const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10)

/** Days of spending that are shown. */
export const spendDays = 30
