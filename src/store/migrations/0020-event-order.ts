import type { Migration } from '../migrate.ts'

/** Events that readers with a cursor may see: on PostgreSQL, transactions commit in another order than they number events. */
export const eventOrder: Migration = {
  id: 20,
  name: 'event-order',
  statements: [
    // One row: what is added to the ids of new events, so that they follow those that another server has written.
    `create table event_base (
      id {{integer}} primary key check (id = 1),
      base {{integer}} not null
    ) {{strict}}`,
    `insert into event_base (id, base) values (1, 0)`,
    // A migration that adds a column to events creates it again.
    `create view settled_events as select * from events {{settled}}`,
  ],
}
