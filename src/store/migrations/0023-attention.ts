import type { Migration } from '../migrate.ts'

/** What needs a person is found without reading the jobs that need none. */
export const attention: Migration = {
  id: 23,
  name: 'attention',
  statements: [
    `create index jobs_to_approve on jobs (client_id, id) where status = 'pending' and rejected is null`,
    `create index jobs_rejected on jobs (id) where rejected is not null`,
    // Scenes that a budget may hold back, by price.
    `create index scenes_priced on scenes (price_micros, job_id) where status = 'pending' and price_micros > 0`,
  ],
}
