import { nameAll } from '../job-names.ts'
import type { Migration } from '../migrate.ts'

/** What a request with an Idempotency-Key has done; when the clock was looked at last; names as they are looked for. */
export const effects: Migration = {
  id: 14,
  name: 'effects',
  statements: [
    // There until its request is answered. A request has several parts where it is about several jobs; `result` is JSON.
    `create table effects (
      request_id {{integer}} not null references requests (id) on delete cascade,
      part text not null,
      result text not null,
      primary key (request_id, part)
    ) {{strict}}`,
    `insert into effects (request_id, part, result)
      select id, '', cast(job_id as text) from requests where job_id is not null and status is null`,
    `alter table requests drop column job_id`,

    // One row: when the clock was looked at last.
    `create table clock (
      id {{integer}} primary key check (id = 1),
      seen_at {{integer}} not null
    ) {{strict}}`,
    `insert into clock (id, seen_at) values (1, 0)`,

    // The film's name as it is looked for (`job/folded.ts`).
    `create table job_names (
      job_id {{integer}} primary key references jobs (id) on delete cascade,
      folded text not null
    ) {{strict}}`,
  ],
  fill: nameAll,
}
