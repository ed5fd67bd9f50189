import type { Migration } from '../migrate.ts'

/** The nodes that share this database, and which of them works on a request with an Idempotency-Key. */
export const nodes: Migration = {
  id: 19,
  name: 'nodes',
  statements: [
    // Empty where one process holds the database. `slots`, `load`: JSON.
    `create table nodes (
      id text primary key,
      name text not null,
      role text not null check (role in ('api', 'worker', 'all')),
      version text not null,
      started_at {{integer}} not null,
      heard_at {{integer}} not null,
      draining {{integer}} not null,
      address text,
      slots text not null,
      load text not null
    ) {{strict}}`,
    // A node's id; null where one process holds the database, or nobody works on it.
    `alter table requests add column claimed_by text`,
  ],
}
