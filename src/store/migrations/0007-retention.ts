import type { Migration } from '../migrate.ts'

/** What may be removed, found without a walk through everything that is kept; and what of it was. */
export const retention: Migration = {
  id: 7,
  name: 'retention',
  statements: [
    // The artifacts that the manifest names; null of films that were made before, until they are read for it.
    `alter table films add column film text`,
    `alter table films add column thumbnail text`,
    `alter table films add column removed_at {{integer}}`,
    `create index films_kept on films (inserted_at, job_id, version) where removed_at is null`,
    `create index films_by_film on films (film)`,
    `create index films_by_thumbnail on films (thumbnail)`,

    // Since when a job's clips need not be there any more.
    `alter table jobs add column clips_removed_at {{integer}}`,
    `create index jobs_with_clips on jobs (ended_at, id) where ended_at is not null and clips_removed_at is null`,
    `create index jobs_without_clips on jobs (ended_at, id) where clips_removed_at is not null`,
    `create index scenes_by_clip on scenes (clip) where clip is not null`,
    // A clip of this machine is its own source.
    `create index scenes_by_source on scenes (source) where source <> clip`,
    `create index renders_by_artifact on renders (artifact)`,
    `create index renders_by_time on renders (inserted_at, render_key)`,
    `create index seams_by_artifact on seams (artifact)`,
    `create index seams_by_right_clip on seams (right_clip)`,
    `create index seams_by_time on seams (inserted_at)`,

    `create index assets_by_master on assets (master)`,
    `create index assets_by_time on assets (inserted_at, id)`,
    // Photographs that were removed, so that whoever asks for one is told.
    `create table removed_assets (
      id text primary key,
      removed_at {{integer}} not null
    ) {{strict}}`,

    // One row: up to where events were removed from the log; those of jobs that had not ended are there still.
    `create table removed_events (
      id {{integer}} primary key check (id = 1),
      until {{integer}} not null
    ) {{strict}}`,
    `insert into removed_events (id, until) values (1, 0)`,
  ],
}
