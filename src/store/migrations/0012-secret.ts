import type { Migration } from '../migrate.ts'

/** The secret that addresses are signed with can be replaced; the one before counts for a while. */
export const secret: Migration = {
  id: 12,
  name: 'secret',
  statements: [
    `alter table installation add column rotated_at {{integer}}`,
    `alter table installation add column previous_secret text`,
    `alter table installation add column previous_until {{integer}}`,
  ],
}
