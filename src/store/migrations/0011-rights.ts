import type { Migration } from '../migrate.ts'

/** Who made a job, whom a key is bound to, and which scenes no approval covers. */
export const rights: Migration = {
  id: 11,
  name: 'rights',
  statements: [
    // The only client whose jobs the key sees; null: it is not bound to one.
    `alter table keys add column client_id text`,

    // The id of the key that made it; null: made without a key.
    `alter table jobs add column made_by text`,
    // The first event of a job names the key, and a name is never given twice.
    `update jobs set made_by = (
      select keys.id from events join keys on keys.name = events.actor
      where events.job_id = jobs.id and events.type = 'job_created' order by events.id limit 1)`,
    `create index jobs_by_maker on jobs (made_by, id) where made_by is not null`,
    // Its storyboard was changed since it was made: an approval has to name the revision.
    `alter table jobs add column edited {{integer}} not null default 0`,
    `update jobs set edited = 1 where revision > 1`,

    // Changed after the approval by somebody who may not approve: no money is spent on it before the next one.
    `alter table scenes add column unapproved {{integer}} not null default 0`,

    // Photographs that a client uploaded, or that its jobs use: its keys see no others.
    `create table asset_clients (
      asset_id text not null references assets (id) on delete cascade,
      client_id text not null,
      primary key (asset_id, client_id)
    ) {{strict}}`,
    // asset_ids is ["<64 digits>"] or ["<64 digits>","<64 digits>"].
    `insert into asset_clients (asset_id, client_id)
      select assets.id, jobs.client_id from jobs join scenes on scenes.job_id = jobs.id
        join assets on assets.id = substr(scenes.asset_ids, 3, 64) where jobs.client_id <> ''
      union
      select assets.id, jobs.client_id from jobs join scenes on scenes.job_id = jobs.id
        join assets on assets.id = substr(scenes.asset_ids, 70, 64) where jobs.client_id <> ''`,
  ],
}
