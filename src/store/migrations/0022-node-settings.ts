import type { Migration } from '../migrate.ts'

/** The settings that should be the same on all nodes: each tells the others its own. */
export const nodeSettings: Migration = {
  id: 22,
  name: 'node-settings',
  // JSON.
  statements: [`alter table nodes add column settings text not null default '{}'`],
}
