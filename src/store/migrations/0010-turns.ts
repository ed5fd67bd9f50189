import type { Migration } from '../migrate.ts'

/** When each client had its last turn at a renderer, so that clients alternate where a renderer has a single place. */
export const turns: Migration = {
  id: 8,
  name: 'turns',
  statements: [
    // `turn` rises with each start at the renderer: a clock that is put back would hold clients up.
    `create table turns (
      renderer text not null,
      client_id text not null,
      turn {{integer}} not null,
      primary key (renderer, client_id)
    ) {{strict}}`,
    `create index turns_in_order on turns (renderer, turn)`,
  ],
}
