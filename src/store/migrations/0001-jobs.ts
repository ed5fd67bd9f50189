import type { Migration } from '../migrate.ts'

/** Times are milliseconds since the epoch; money is millionths of a US dollar; JSON is text. */
export const jobs: Migration = {
  id: 1,
  name: 'jobs',
  statements: [
    `create table jobs (
      id {{identity}},
      type text not null,
      status text not null
        check (status in ('pending', 'approved', 'processing', 'completed', 'failed', 'cancelled')),
      video_name text not null,
      priority {{integer}} not null,
      parameters text not null,
      storyboard text not null,
      progress text not null,
      result {{bytes}},
      error text,
      estimated_micros {{integer}},
      price_book text not null,
      approved_at {{integer}},
      started_at {{integer}},
      ended_at {{integer}},
      inserted_at {{integer}} not null,
      updated_at {{integer}} not null
    ) {{strict}}`,
    // The queue: approved and not ended, so it stays small however many jobs are kept.
    `create index jobs_active on jobs (priority desc, approved_at, id)
      where approved_at is not null and ended_at is null`,
    `create index jobs_by_status on jobs (status, id)`,
    `create index jobs_by_type on jobs (type, id)`,

    // The free members of parameters that lists can be filtered by.
    `create table job_labels (
      name text not null,
      value text not null,
      job_id {{integer}} not null references jobs (id) on delete cascade,
      primary key (name, value, job_id)
    ) {{strict}}`,
    `create index job_labels_by_job on job_labels (job_id)`,

    `create table scenes (
      id text primary key,
      job_id {{integer}} not null references jobs (id) on delete cascade,
      position {{integer}} not null,
      status text not null
        check (status in ('pending', 'processing', 'completed', 'failed', 'cancelled')),
      title text,
      prompt text not null,
      duration {{real}} not null,
      asset_ids text not null,
      transition text not null,
      model text not null,
      renderer text not null,
      progress {{real}} not null,
      tries {{integer}} not null,
      not_before {{integer}},
      error text,
      clip text,
      started_at {{integer}},
      completed_at {{integer}},
      inserted_at {{integer}} not null,
      updated_at {{integer}} not null
    ) {{strict}}`,
    `create index scenes_by_job on scenes (job_id, position)`,
    `create index scenes_backing_off on scenes (renderer, not_before) where not_before is not null`,

    `create table attempts (
      id text primary key,
      job_id {{integer}} not null references jobs (id) on delete cascade,
      scene_id text not null references scenes (id) on delete cascade,
      renderer text not null,
      model text not null,
      status text not null
        check (status in ('intended', 'submitted', 'succeeded', 'failed', 'cancelled', 'refused', 'unknown', 'held')),
      cost_micros {{integer}} not null,
      inserted_at {{integer}} not null,
      updated_at {{integer}} not null
    ) {{strict}}`,
    `create index attempts_by_scene on attempts (scene_id)`,
    `create index attempts_by_job on attempts (job_id)`,
    `create index attempts_in_flight on attempts (renderer)
      where status in ('intended', 'submitted', 'unknown', 'held')`,

    `create table events (
      id {{identity}},
      topic text not null,
      type text not null,
      job_id {{integer}} not null,
      scene_id text,
      data text not null,
      inserted_at {{integer}} not null
    ) {{strict}}`,
    `create index events_by_job on events (job_id, id)`,

    `create table assets (
      id text primary key,
      content_type text not null,
      width {{integer}} not null,
      height {{integer}} not null,
      size {{integer}} not null,
      master text not null,
      inserted_at {{integer}} not null
    ) {{strict}}`,

    // Re-encoded cross-fades between two clips, so that a film is never joined twice.
    `create table seams (
      left_clip text not null,
      right_clip text not null,
      transition text not null,
      overlap_frames {{integer}} not null,
      sound_phase {{integer}} not null,
      artifact text not null,
      inserted_at {{integer}} not null,
      primary key (left_clip, right_clip, transition, overlap_frames, sound_phase)
    ) {{strict}}`,

    // The embedded engine's own.
    `create table tasks (
      kind text not null,
      subject text not null,
      job_id {{integer}} not null,
      run_at {{integer}} not null,
      tries {{integer}} not null,
      primary key (kind, subject)
    ) {{strict}}`,
    `create index tasks_due on tasks (kind, run_at)`,
  ],
}
