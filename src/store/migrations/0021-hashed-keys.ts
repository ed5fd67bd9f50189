import type { Migration } from '../migrate.ts'

/** As few rows in a page of an index as it takes for jobs that are worked on at the same time to be in different ones. */
const sparse = 'with (fillfactor = 10)'

/**
 * PostgreSQL notes which pages of an index a serializable transaction has read, and lets it collide with each transaction that
 * adds a row to one of them. Rows of the same time are side by side in an ordered index, so jobs that have nothing to do with each
 * other collided in every other transaction. Hashed keys spread them. Updates that change no indexed column, such as progress,
 * stay out of all indexes where their page has room.
 */
export const hashedKeys: Migration = {
  id: 21,
  name: 'hashed-keys',
  statements: [],
  postgres: [
    `alter table jobs set (fillfactor = 50)`,
    `alter table scenes set (fillfactor = 70)`,
    `create index jobs_by_key on jobs using hash (id) ${sparse}`,
    `create index scenes_by_key on scenes using hash (id) ${sparse}`,
    `drop index scenes_by_job`,
    `create index scenes_by_job on scenes using hash (job_id) ${sparse}`,
    `create index attempts_key on attempts using hash (id) ${sparse}`,
    `drop index attempts_by_job`,
    `create index attempts_by_job on attempts using hash (job_id) ${sparse}`,
    `drop index attempts_by_key`,
    `create index attempts_by_key on attempts using hash (render_key) ${sparse}`,
    `create index renders_by_key on renders using hash (render_key) ${sparse}`,
    `drop index scenes_waiting_for`,
    `create index scenes_waiting_for on scenes using hash (render_key) ${sparse} where status = 'pending'`,
    `drop index scenes_pending`,
    `create index scenes_pending on scenes using hash (job_id) ${sparse} where status = 'pending'`,
    `create index films_by_job on films using hash (job_id) ${sparse}`,
  ],
}
