import type { Migration } from '../migrate.ts'

/** When a job that had ended went on without an approval. */
export const reopened: Migration = {
  id: 18,
  name: 'reopened',
  statements: [
    // Null: it never did, or was approved again since.
    `alter table jobs add column reopened_at {{integer}}`,
  ],
}
