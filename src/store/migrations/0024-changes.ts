import type { Migration } from '../migrate.ts'

/** Who changed limits, budgets and pauses, and what statistics read: ended jobs, finished scenes and failed renders by time. */
export const changes: Migration = {
  id: 24,
  name: 'changes',
  statements: [
    // Values: JSON.
    `create table changes (
      id {{identity}},
      kind text not null check (kind in ('limit', 'budget', 'pause')),
      name text not null,
      old_value text not null,
      new_value text not null,
      actor text,
      reason text,
      inserted_at {{integer}} not null
    ) {{strict}}`,
    `create index changes_by_name on changes (kind, name, id)`,
    `create index jobs_by_end on jobs (ended_at, status) where ended_at is not null`,
    `create index scenes_by_completion on scenes (completed_at, renderer, model) where completed_at is not null`,
    `create index attempts_by_failure on attempts (updated_at) where status in ('failed', 'refused')`,
  ],
}
