import type { Migration } from '../migrate.ts'

/** Whose the events are of jobs that were deleted. */
export const deletedJobs: Migration = {
  id: 17,
  name: 'deleted jobs',
  statements: [
    // A row goes with the last event of its job.
    `create table deleted_jobs (
      id {{integer}} primary key,
      client_id text not null,
      made_by text
    ) {{strict}}`,
  ],
}
