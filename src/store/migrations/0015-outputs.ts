import type { Migration } from '../migrate.ts'

/** Where a paid clip was, when its render was settled, and since when a provider can't be read. */
export const outputs: Migration = {
  id: 15,
  name: 'outputs',
  statements: [
    // The provider's address of the clip: a later answer may leave it out.
    `alter table attempts add column output_url text`,
    // When the render was found to have ended: from then on the provider keeps its clip for an hour.
    `alter table attempts add column rendered_at {{integer}}`,
    // Why nothing can be learnt of it at its provider (JSON), and since when.
    `alter table attempts add column trouble text`,
    `alter table attempts add column trouble_since {{integer}}`,
    `create index attempts_in_trouble on attempts (renderer) where trouble_since is not null`,
  ],
}
