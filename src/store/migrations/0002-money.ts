import type { Migration } from '../migrate.ts'

/** What paid renders need: attempts that are followed at a provider, what was charged, and clips that are kept for equal scenes. */
export const money: Migration = {
  id: 2,
  name: 'money',
  statements: [
    `alter table jobs add column client_id text not null default ''`,
    `update jobs set client_id = coalesce(
      (select value from job_labels where job_labels.job_id = jobs.id and job_labels.name = 'client_id'), '')`,
    // Rises with each change of the storyboard: what was made of an older one is not published.
    `alter table jobs add column revision {{integer}} not null default 1`,
    // All that approvals have allowed to be spent, in all.
    `alter table jobs add column authorised_micros {{integer}} not null default 0`,
    `alter table jobs add column unknown_cost_accepted {{integer}} not null default 0`,

    `alter table scenes add column render text`,
    `alter table scenes add column price_micros {{integer}} default 0`,
    `alter table scenes add column notes text not null default '[]'`,
    `alter table scenes add column render_key text not null default ''`,
    // Rendered although an equal clip is kept.
    `alter table scenes add column forced {{integer}} not null default 0`,
    // The attempt that renders it now, or rendered it last.
    `alter table scenes add column attempt_id text`,
    // What the clip was made from, and the place in the film it was made for.
    `alter table scenes add column source text`,
    `alter table scenes add column place text`,
    `create index scenes_waiting_for on scenes (render_key) where status = 'pending'`,

    // Anew, because what was paid for stays in the books when its scene or job is gone, and a price may be unknown.
    `create table attempts_new (
      id text primary key,
      job_id {{integer}} not null,
      scene_id text not null,
      renderer text not null,
      model text not null,
      status text not null
        check (status in ('intended', 'submitted', 'succeeded', 'failed', 'cancelled', 'refused', 'unknown', 'held')),
      cost_micros {{integer}},
      charged_micros {{integer}},
      client_id text not null,
      day text not null,
      render_key text not null,
      settings text,
      marks text not null default '[]',
      inputs text not null default '[]',
      posted_at {{integer}},
      unknown_since {{integer}},
      provider_id text,
      hinted_id text,
      cancel_requested_at {{integer}},
      failure text,
      clip text check (clip in ('kept', 'lost')),
      inserted_at {{integer}} not null,
      updated_at {{integer}} not null
    ) {{strict}}`,
    `insert into attempts_new (id, job_id, scene_id, renderer, model, status, cost_micros, client_id, day, render_key, clip,
      inserted_at, updated_at)
      select id, job_id, scene_id, renderer, model, status, cost_micros, '', '', '',
        case when status = 'succeeded' then 'kept' end, inserted_at, updated_at from attempts`,
    `drop table attempts`,
    `alter table attempts_new rename to attempts`,
    `create index attempts_held on attempts (scene_id) where status = 'held'`,
    `create index attempts_by_job on attempts (job_id)`,
    // All that counting a renderer's places takes, without a look at the rows.
    `create index attempts_in_flight on attempts (renderer, status, posted_at)
      where status in ('intended', 'submitted', 'unknown', 'held')`,
    // Paid for, and still to be fetched.
    `create index attempts_to_fetch on attempts (renderer) where status = 'succeeded' and clip is null`,
    `create index attempts_by_key on attempts (render_key)`,
    `create unique index attempts_by_provider_id on attempts (renderer, provider_id) where provider_id is not null`,
    `create index attempts_posted on attempts (renderer, posted_at) where posted_at is not null`,
    // The ledger, newest first.
    `create index attempts_paid on attempts (inserted_at, id) where cost_micros is null or cost_micros > 0`,

    // What was charged, by day and client: the sum of the attempts, written in the transactions that settle them.
    `create table spendings (
      day text not null,
      client_id text not null,
      micros {{integer}} not null,
      primary key (day, client_id)
    ) {{strict}}`,

    // A verified clip for each thing that was rendered: nobody pays for the same one again.
    `create table renders (
      render_key text primary key,
      artifact text not null,
      attempt_id text not null,
      inserted_at {{integer}} not null
    ) {{strict}}`,

    // Until then nothing is started at a renderer: what a 429 asked for.
    `create table pauses (
      renderer text primary key,
      until {{integer}} not null,
      reason text not null
    ) {{strict}}`,

    // Limits set over HTTP; they go before those of the configuration. Names: job, client, day, total, client:<id>.
    `create table budgets (
      name text primary key,
      limit_micros {{integer}}
    ) {{strict}}`,

    // Webhooks that came in, by the provider's id of the message: each has its effect once.
    `create table webhooks_in (
      id text primary key,
      attempt_id text not null,
      inserted_at {{integer}} not null
    ) {{strict}}`,
    `create index webhooks_in_by_time on webhooks_in (inserted_at)`,

    `create table films (
      job_id {{integer}} not null references jobs (id) on delete cascade,
      version {{integer}} not null,
      manifest text not null,
      inserted_at {{integer}} not null,
      primary key (job_id, version)
    ) {{strict}}`,

    // Renders at a provider that carry our mark and that no attempt accounts for: each is an alarm.
    `create table strays (
      renderer text not null,
      provider_id text not null,
      mark text not null,
      attempt_id text,
      state text not null,
      charged_micros {{integer}},
      inserted_at {{integer}} not null,
      primary key (renderer, provider_id)
    ) {{strict}}`,

    // One row: who we are in a provider's records, and what our own signatures are made with.
    `create table installation (
      id text primary key,
      secret text not null
    ) {{strict}}`,
  ],
}
