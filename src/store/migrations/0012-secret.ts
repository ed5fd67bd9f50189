import type { Migration } from '../migrate.ts'

/** The secret that addresses are signed with can be replaced; those before count for a while (JSON). */
export const secret: Migration = {
  id: 12,
  name: 'secret',
  statements: [
    `alter table installation add column rotated_at {{integer}}`,
    `alter table installation add column previous_secrets text not null default '[]'`,
  ],
}
