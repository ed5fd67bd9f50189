import type { Migration } from '../migrate.ts'

/** What is told to addresses that users gave. */
export const webhooks: Migration = {
  id: 4,
  name: 'webhooks',
  statements: [],
}
