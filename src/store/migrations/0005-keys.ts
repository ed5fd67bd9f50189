import type { Migration } from '../migrate.ts'

/** Who may do what, and which requests were answered already. */
export const keys: Migration = {
  id: 5,
  name: 'keys',
  statements: [
    // Hashes only; rows stay when a key is revoked, as events tell by its name who did what.
    `create table keys (
      id text primary key,
      name text not null unique,
      scopes text not null,
      hash {{bytes}} not null,
      previous_hash {{bytes}},
      previous_until {{integer}},
      inserted_at {{integer}} not null,
      rotated_at {{integer}},
      last_used_at {{integer}},
      expires_at {{integer}},
      revoked_at {{integer}}
    ) {{strict}}`,

    // A request with an Idempotency-Key. status is null until it is answered; job_id is written with the job itself.
    `create table requests (
      id {{identity}},
      principal text not null,
      target text not null,
      idempotency_key text not null,
      fingerprint {{bytes}} not null,
      job_id {{integer}},
      status {{integer}},
      content_type text,
      location text,
      body {{bytes}},
      inserted_at {{integer}} not null,
      unique (principal, target, idempotency_key)
    ) {{strict}}`,
    `create index requests_by_time on requests (inserted_at)`,
  ],
}
