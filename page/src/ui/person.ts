/** Whom a person reads of in place of the names that the server uses for itself. */
import type { Words } from '../words/words.tsx'

export const coordinatorName = 'coordinator'
const withoutKey = 'local'

/** At the beginning of a sentence. */
export const subjectOf = (by: string | null, { overview }: Words): string =>
  by === null ? '–' : by === withoutKey ? overview.withoutKey : by

export const personIn = (by: string, { history }: Words): string =>
  by === withoutKey ? history.local : by === coordinatorName ? history.itself : by
