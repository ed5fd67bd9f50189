import type { Migration } from '../migrate.ts'

/** The bytes of a paid clip, named before anything decodes them, and how often FFmpeg has failed on them. */
export const fetchedClips: Migration = {
  id: 9,
  name: 'fetched-clips',
  statements: [
    // The artifact of the clip as the provider gave it.
    `alter table attempts add column fetched text`,
    `alter table attempts add column take_tries {{integer}} not null default 0`,
    `create index attempts_by_fetched on attempts (fetched) where fetched is not null`,
  ],
}
