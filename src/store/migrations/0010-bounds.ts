import type { Migration } from '../migrate.ts'

/** When each client had its last turn at a renderer, and what is counted before more of it is taken. */
export const bounds: Migration = {
  id: 10,
  name: 'bounds',
  statements: [
    // `turn` rises with each start at the renderer: a clock that is put back would hold clients up.
    `create table turns (
      renderer text not null,
      client_id text not null,
      turn {{integer}} not null,
      primary key (renderer, client_id)
    ) {{strict}}`,
    `create index turns_in_order on turns (renderer, turn)`,

    `create index jobs_open on jobs (client_id) where ended_at is null`,
    `create index webhook_deliveries_waiting on webhook_deliveries (endpoint_id) where next_at is not null`,
  ],
}
