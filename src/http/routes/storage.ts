/** What is stored, for how long, and what may go. */
import { OpenAPIHono, createRoute, z } from '@hono/zod-openapi'
import { type PruneReport, type StorageReport, parsePrune } from '../../job/storage.ts'
import { type BodyLimits, readOptionalJson } from '../edge/body.ts'
import { jsonAnswer, jsonBody } from './describe.ts'
import { timeOf, timeOrNull, timeSchema } from '../edge/path.ts'

export interface Storage {
  storage(): Promise<StorageReport>
  now(options: { readonly isDryRun: boolean }): Promise<PruneReport>
}

const amountSchema = z.object({ files: z.int(), bytes: z.int() })

const days = z.number().nullable().describe('null: for ever')

const storageSchema = z
  .object({
    stored: z.object({
      films: amountSchema,
      clips: amountSchema.describe('With what they were made from, and cross-fades'),
      inputs: amountSchema.describe('Photographs'),
      other: amountSchema.describe('What nothing names: it goes a day after it was last used'),
      total: amountSchema,
    }),
    free_bytes: z.int().describe('Room on the disk'),
    limits: z.object({
      retain_days: z.object({ events: days, films: days, clips: days, inputs: days }),
      max_stored_bytes: z.int().nullable(),
    }),
    oldest: z.object({
      event: timeSchema.nullable(),
      film: timeSchema.nullable(),
      clip: timeSchema.nullable(),
      input: timeSchema.nullable(),
    }),
    measured_at: timeSchema,
  })
  .openapi('Storage')

export type StorageAnswer = z.infer<typeof storageSchema>

const prunedSchema = z
  .object({
    dry_run: z.boolean(),
    removed: z.object({
      events: z.int(),
      films: amountSchema,
      clips: amountSchema,
      inputs: amountSchema,
      other: amountSchema,
    }),
    bytes: z.int().describe('In all'),
    over_bytes: z.int().describe('Stored beyond max_stored_bytes all the same: it is needed, or too new'),
  })
  .openapi('Pruned')

export type PrunedAnswer = z.infer<typeof prunedSchema>

const storageRoute = createRoute({
  method: 'get',
  path: '/storage',
  summary: 'What is stored, for how long, and how much room is left',
  responses: { 200: jsonAnswer(storageSchema, 'What is stored, as it was measured') },
})

const pruneRoute = createRoute({
  method: 'post',
  path: '/storage/prune',
  summary: 'Remove now what may be removed, instead of within the hour',
  request: { body: jsonBody('PruneRequest', false) },
  responses: { 200: jsonAnswer(prunedSchema, 'What was removed, or would be') },
})

interface Amount {
  readonly count: number
  readonly bytes: number
}

const amountAnswer = ({ count, bytes }: Amount) => ({ files: count, bytes })

const sumOf = (amounts: readonly Amount[]): Amount => ({
  count: amounts.reduce((sum, { count }) => sum + count, 0),
  bytes: amounts.reduce((sum, { bytes }) => sum + bytes, 0),
})

const storageAnswer = ({ stored, limits, oldest, freeBytes, measuredAt }: StorageReport): StorageAnswer => ({
  stored: {
    films: amountAnswer(stored.films),
    clips: amountAnswer(stored.clips),
    inputs: amountAnswer(stored.inputs),
    other: amountAnswer(stored.other),
    total: amountAnswer(sumOf(Object.values(stored))),
  },
  free_bytes: freeBytes,
  limits: {
    retain_days: {
      events: limits.eventsDays,
      films: limits.filmsDays,
      clips: limits.clipsDays,
      inputs: limits.inputsDays,
    },
    max_stored_bytes: limits.maxStoredBytes,
  },
  oldest: {
    event: timeOrNull(oldest.events),
    film: timeOrNull(oldest.films),
    clip: timeOrNull(oldest.clips),
    input: timeOrNull(oldest.inputs),
  },
  measured_at: timeOf(measuredAt),
})

const prunedAnswer = ({ isDryRun, events, stored, overBytes }: PruneReport): PrunedAnswer => ({
  dry_run: isDryRun,
  removed: {
    events,
    films: amountAnswer(stored.films),
    clips: amountAnswer(stored.clips),
    inputs: amountAnswer(stored.inputs),
    other: amountAnswer(stored.orphans),
  },
  bytes: sumOf(Object.values(stored)).bytes,
  over_bytes: overBytes,
})

export function storageRoutes({
  storage,
  limits,
}: {
  readonly storage: Storage
  readonly limits: BodyLimits
}): OpenAPIHono {
  const routes = new OpenAPIHono()

  routes.openapi(storageRoute, async (c) => c.json(storageAnswer(await storage.storage()), 200))

  routes.openapi(pruneRoute, async (c) => {
    const { dry_run: isDryRun = false } = parsePrune(await readOptionalJson(c, limits))
    return c.json(prunedAnswer(await storage.now({ isDryRun })), 200)
  })

  return routes
}
