import type { Migration } from '../migrate.ts'

/** What running it for others needs: a fair queue, schedules, dependencies, limits, and who did what. */
export const operating: Migration = {
  id: 3,
  name: 'operating',
  statements: [
    `alter table jobs add column run_at {{integer}}`,
    `alter table jobs add column deadline_at {{integer}}`,
    `alter table jobs add column paused_at {{integer}}`,
    `alter table jobs add column paused_reason text`,
    `alter table jobs add column retry_policy text`,
    // Jobs it depends on that it still waits for.
    `alter table jobs add column unmet {{integer}} not null default 0`,
    // Its place in the queue, as a time: null where none of its scenes may start.
    `alter table jobs add column queue_at {{integer}}`,
    `update jobs set queue_at = approved_at - priority * 60000
      where status in ('approved', 'processing') and error is null`,
    `drop index jobs_active`,
    `create index jobs_queue on jobs (client_id, queue_at, id, status) where queue_at is not null`,
    `create index jobs_scheduled on jobs (run_at) where run_at is not null and queue_at is null and ended_at is null`,
    `create index jobs_due on jobs (deadline_at) where deadline_at is not null and ended_at is null`,
    `create index jobs_by_client on jobs (client_id, id)`,
    `create index jobs_by_time on jobs (inserted_at, id)`,

    // With whose it is: clients take turns.
    `drop index attempts_in_flight`,
    `create index attempts_in_flight on attempts (renderer, client_id, status, posted_at)
      where status in ('intended', 'submitted', 'unknown', 'held')`,

    `create table dependencies (
      job_id {{integer}} not null references jobs (id) on delete cascade,
      on_job_id {{integer}} not null,
      on_failure text not null check (on_failure in ('fail', 'wait', 'ignore')),
      met {{integer}} not null,
      primary key (job_id, on_job_id)
    ) {{strict}}`,
    `create index dependencies_unmet on dependencies (on_job_id, job_id) where met = 0`,

    // Limits set while running; they go before those of the configuration. Names: jobs, <renderer>:concurrency, ...
    `create table limits (
      name text primary key,
      value {{integer}}
    ) {{strict}}`,

    // What a person has stopped: all, or renderer:<name>.
    `create table stops (
      scope text primary key,
      reason text,
      actor text,
      inserted_at {{integer}} not null
    ) {{strict}}`,

    // Who asked for what the event tells; null: the coordinator itself.
    `alter table events add column actor text`,

    // Whether the task runs now, and how often this process died while it did.
    `alter table tasks add column running {{integer}} not null default 0`,
    `alter table tasks add column crashes {{integer}} not null default 0`,
    `create index tasks_running on tasks (running) where running = 1`,
  ],
}
