import type { Migration } from '../migrate.ts'

/** Jobs that were sent back to their maker, what waits for an approval, and charges that nobody knows the price of. */
export const review: Migration = {
  id: 13,
  name: 'review',
  statements: [
    // When, by whom and why it was rejected (JSON); null: it was not, or was submitted again.
    `alter table jobs add column rejected text`,
    // What a job still has to pay for, without a walk through its finished scenes.
    `create index scenes_pending on scenes (job_id, position) where status = 'pending'`,
    `create index attempts_unpriced on attempts (day, client_id) where cost_micros is null and charged_micros is null`,
  ],
}
