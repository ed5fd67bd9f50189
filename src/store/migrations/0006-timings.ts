import type { Migration } from '../migrate.ts'

/** How long renders and films take, and what may be forgotten. */
export const timings: Migration = {
  id: 6,
  name: 'timings',
  statements: [
    // What a stage of a model took; stitching belongs to no model.
    `create table timings (
      id {{identity}},
      model text not null,
      stage text not null check (stage in ('render', 'clip', 'take', 'stitch')),
      ms {{integer}} not null,
      units {{integer}} not null check (units > 0),
      inserted_at {{integer}} not null
    ) {{strict}}`,
    `create index timings_of on timings (model, stage, id)`,
  ],
}
