import type { Migration } from '../migrate.ts'

/** How long renders and films take, and what may be forgotten. */
export const timings: Migration = {
  id: 6,
  name: 'timings',
  statements: [],
}
