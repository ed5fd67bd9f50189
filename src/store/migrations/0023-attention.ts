import type { Migration } from '../migrate.ts'

/** What needs a person is found without reading the jobs that need none. */
export const attention: Migration = {
  id: 23,
  name: 'attention',
  statements: [
    // The status as an expression: SQLite would rather take the index by status, and read each row for the rest.
    `create index jobs_to_approve on jobs (client_id, id) where '' || status = 'pending' and rejected is null`,
    `create index jobs_rejected on jobs (id) where rejected is not null`,
    `create index jobs_held_back on jobs (id) where ended_at is null and (paused_at is not null or unmet > 0)`,
    // Scenes that may need an approval, without reading them.
    `create index scenes_to_pay on scenes (job_id, price_micros, unapproved)
      where status = 'pending' and (price_micros is null or price_micros > 0)`,
    // Scenes that a budget may hold back, by price.
    `create index scenes_priced on scenes (price_micros, job_id) where status = 'pending' and price_micros > 0`,
  ],
}
