import type { Migration } from '../migrate.ts'

/** What is told to addresses that users gave. */
export const webhooks: Migration = {
  id: 4,
  name: 'webhooks',
  statements: [
    `create table webhook_endpoints (
      id text primary key,
      job_id {{integer}} references jobs (id) on delete cascade,
      url text not null,
      event_types text not null,
      description text not null,
      status text not null check (status in ('enabled', 'disabled')),
      reason text,
      secrets text not null,
      failing_since {{integer}},
      after_event {{integer}} not null,
      inserted_at {{integer}} not null,
      updated_at {{integer}} not null
    ) {{strict}}`,
    `create index webhook_endpoints_by_job on webhook_endpoints (job_id)`,
    `create index webhook_endpoints_enabled on webhook_endpoints (job_id) where status = 'enabled'`,

    `create table webhook_deliveries (
      id text primary key,
      endpoint_id text not null references webhook_endpoints (id) on delete cascade,
      origin text not null,
      event_id {{integer}} not null,
      job_id {{integer}},
      type text not null,
      body text not null,
      status text not null check (status in ('pending', 'sending', 'delivered', 'failed')),
      tries {{integer}} not null,
      failures {{integer}} not null,
      next_at {{integer}},
      last_status {{integer}},
      last_error text,
      inserted_at {{integer}} not null,
      ended_at {{integer}}
    ) {{strict}}`,
    `create index webhook_deliveries_due on webhook_deliveries (origin, next_at, event_id) where next_at is not null`,
    `create index webhook_deliveries_by_endpoint on webhook_deliveries (endpoint_id, inserted_at, id)`,
    `create index webhook_deliveries_ended on webhook_deliveries (ended_at) where ended_at is not null`,

    `create table webhook_tries (
      delivery_id text not null references webhook_deliveries (id) on delete cascade,
      number {{integer}} not null,
      at {{integer}} not null,
      duration_ms {{integer}} not null,
      status {{integer}},
      error text,
      primary key (delivery_id, number)
    ) {{strict}}`,

    // One row: up to where the events' log was read, and what the webhooks of jobs are signed with.
    `create table webhook_state (
      id {{integer}} primary key check (id = 1),
      event_id {{integer}} not null,
      secrets text not null
    ) {{strict}}`,
    `insert into webhook_state (id, event_id, secrets) select 1, coalesce(max(id), 0), '[]' from events`,
  ],
}
