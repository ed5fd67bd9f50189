/** Who changed limits, budgets and pauses. */
import { z } from '@hono/zod-openapi'
import { type SettingChange, changeKinds } from '../../job/change.ts'
import { allJobs } from '../access/access.ts'
import { cursorQuery, pageLimit, readCursor, timeOf, timeSchema, writeCursor } from '../edge/path.ts'
import { endpoint, json, resource } from './endpoint.ts'

const valueSchema = z
  .union([z.number(), z.boolean(), z.null()])
  .describe(
    'A limit, or a budget in US dollars; null where there is none, or the configured one. For a pause, whether it is in force',
  )

/** The last change of a setting, beside the setting. */
export const changedSchema = z
  .object({ by: z.string().nullable(), at: timeSchema, from: valueSchema })
  .nullable()
  .describe('Its last change at run time: who, when, and the value before; null where none is known')

export const changedAnswer = (change: SettingChange | undefined): z.infer<typeof changedSchema> =>
  change ? { by: change.by, at: timeOf(change.at), from: change.old } : null

const changesSchema = z.object({
  changes: z.array(
    z.object({
      id: z.int(),
      kind: z.enum(changeKinds),
      name: z.string().describe('jobs, replicate.max_concurrency; day, client:acme; all, renderer:replicate'),
      old: valueSchema,
      new: valueSchema,
      by: z.string().nullable(),
      reason: z.string().nullable().describe('Given with a pause'),
      at: timeSchema,
    }),
  ),
  next_cursor: z.string().nullable(),
})

export type ChangesAnswer = z.infer<typeof changesSchema>

const changesQuery = z.strictObject({
  limit: pageLimit({ standard: 50, most: 200 }).describe('Changes in a page, at most'),
  cursor: cursorQuery,
})

export const changeEndpoints = resource('operations', [
  endpoint({
    id: 'listChanges',
    route: 'GET /api/v3/changes',
    access: allJobs('read'),
    summary: 'Who changed limits, budgets and pauses, newest first',
    description: 'The changes at run time, with the values before and after. The last 2,000 are kept.',
    query: changesQuery,
    answer: json(200, changesSchema, 'A page of changes'),
    handle: async ({ query: { limit, cursor } }, { coordinator }) => {
      const before =
        cursor === undefined ? undefined : Number(readCursor(cursor, /^before:([1-9]\d{0,14})$/)[0])
      const { changes, next } = await coordinator.changes({ limit, before })
      return {
        changes: changes.map(({ at, ...change }) => ({ ...change, at: timeOf(at) })),
        next_cursor: next === null ? null : writeCursor(`before:${next}`),
      }
    },
  }),
])
