import type { Migration } from '../migrate.ts'

/** Who may do what, and which requests were answered already. */
export const keys: Migration = {
  id: 5,
  name: 'keys',
  statements: [],
}
