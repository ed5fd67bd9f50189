import type { Migration } from '../migrate.ts'

/** Who created a key, and why the last try to reach an endpoint failed: people see both where they decide about them. */
export const makers: Migration = {
  id: 25,
  name: 'makers',
  statements: [
    `alter table keys add column created_by text`,
    `alter table webhook_endpoints add column last_error text`,
  ],
}
