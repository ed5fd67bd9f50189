/** What is stored, for how long, and what can be removed. */
import { z } from '@hono/zod-openapi'
import { type PruneReport, type StorageReport, parsePrune, pruneRequest } from '../../job/storage.ts'
import { allJobs } from '../access/access.ts'
import { timeOf, timeOrNull, timeSchema } from '../edge/path.ts'
import { endpoint, json, optionalJsonBody, resource } from './endpoint.ts'

const amountSchema = z.object({ files: z.int(), bytes: z.int() })

const days = z.number().nullable().describe('null: for ever')

const storageSchema = z
  .object({
    stored: z.object({
      films: amountSchema,
      clips: amountSchema.describe('With what they were made from, and cross-fades'),
      inputs: amountSchema.describe('Photographs'),
      other: amountSchema.describe('Not referenced: removed a day after its last use'),
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
    oldest: z.object({
      film: timeSchema.nullable(),
      clip: timeSchema.nullable(),
      input: timeSchema.nullable(),
      other: timeSchema.nullable(),
    }),
    examples: z
      .array(
        z.object({
          kind: z.enum(['films', 'clips', 'inputs', 'other']),
          file: z.string().describe('SHA-256 of its bytes; of a photograph: the asset'),
          job_id: z.int().nullable().describe('The job whose film or clip it is'),
          bytes: z.int(),
          since: timeSchema.describe('When its time began to count, such as the end of its job'),
        }),
      )
      .describe('A few files of each kind'),
    over_bytes: z.int().describe('Stored beyond max_stored_bytes all the same: it is needed, or too new'),
  })
  .openapi('Pruned')

export type PrunedAnswer = z.infer<typeof prunedSchema>

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

const prunedAnswer = ({
  isDryRun,
  events,
  stored,
  oldest,
  examples,
  overBytes,
}: PruneReport): PrunedAnswer => ({
  dry_run: isDryRun,
  removed: {
    events,
    films: amountAnswer(stored.films),
    clips: amountAnswer(stored.clips),
    inputs: amountAnswer(stored.inputs),
    other: amountAnswer(stored.orphans),
  },
  bytes: sumOf(Object.values(stored)).bytes,
  oldest: {
    film: timeOrNull(oldest.films),
    clip: timeOrNull(oldest.clips),
    input: timeOrNull(oldest.inputs),
    other: timeOrNull(oldest.orphans),
  },
  examples: examples.map(({ kind, artifact, jobId, bytes, at }) => ({
    kind: kind === 'orphans' ? 'other' : kind,
    file: artifact,
    job_id: jobId,
    bytes,
    since: timeOf(at),
  })),
  over_bytes: overBytes,
})

export const storageEndpoints = resource('operations', [
  endpoint({
    id: 'readStorage',
    route: 'GET /api/v3/storage',
    access: allJobs('read'),
    summary: 'What is stored, for how long, and how much room is left',
    description:
      'How many bytes films, clips and photographs take, how long they are kept, and how much room the disk has.',
    answer: json(200, storageSchema, 'What is stored, as it was measured'),
    needs: 'storage',
    handle: async (_, { storage }) => storageAnswer(await storage.storage()),
  }),

  endpoint({
    id: 'pruneStorage',
    route: 'POST /api/v3/storage/prune',
    access: allJobs('admin'),
    summary: 'Remove expired files now, instead of within the hour',
    description:
      'Removes what is older than its retention time, or beyond the size allowed. With `dry_run` it only reports what would be removed, with a few of the files.',
    body: optionalJsonBody('PruneRequest', pruneRequest, { dry_run: true }),
    answer: json(200, prunedSchema, 'What was removed, or would be'),
    refuses: { 422: 'A member is impossible' },
    needs: 'storage',
    handle: async ({ body }, { storage }) => {
      const { dry_run: isDryRun = false } = parsePrune(body)
      return prunedAnswer(await storage.now({ isDryRun }))
    },
  }),
])
