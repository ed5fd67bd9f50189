import type { Migration } from '../migrate.ts'

/** What ran when the process died waits longer each time, and is told of. */
export const crashes: Migration = {
  id: 8,
  name: 'crashes',
  statements: [
    // When a start found that the process had died while the task ran; null once it has begun again.
    `alter table tasks add column crashed_at {{integer}}`,
    `create index tasks_crashed on tasks (job_id) where crashed_at is not null`,
  ],
}
