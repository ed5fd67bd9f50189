/** Requests that change existing jobs, pauses, limits and budgets, validated here for HTTP and the library. */
import { z } from 'zod'
import { checked, refuseCrowded } from './checked.ts'
import {
  assetIdSchema,
  durationSchema,
  jobIdSchema,
  line,
  listOf,
  modelSchema,
  oneOf,
  prioritySchema,
  prose,
  timeSchema,
  usd,
  wholeFrom,
} from './members.ts'
import { maxScenes, sceneRequest } from './request.ts'
import { transitions } from './scene.ts'

export const approvalRequest = z.strictObject({
  max_cost: usd.optional().describe('US dollars; the job never spends more. Default: the estimate'),
  accept_unknown_cost: z
    .boolean('must be true or false')
    .optional()
    .describe('Whether scenes with an unknown price may be rendered'),
  revision: z
    .int('must be a whole number')
    .optional()
    .describe(
      'Approves only this revision of the storyboard; required if a job that costs money was changed',
    ),
})
export type ApprovalRequest = z.infer<typeof approvalRequest>

/** @throws {RefusedError} `invalid` */
export const parseApproval = (input: unknown): ApprovalRequest => checked(approvalRequest, input)

const whyText = line(500).optional().describe('Reason, kept in the history of the job')

/** A retry of a failed or cancelled job, which is also an approval. */
export const retryRequest = approvalRequest.extend({
  deadline_at: timeSchema.nullable().optional().describe('New deadline; null for none'),
  reason: whyText,
})
export type RetryRequest = z.infer<typeof retryRequest>

/** @throws {RefusedError} `invalid` */
export const parseRetry = (input: unknown): RetryRequest => checked(retryRequest, input)

/** The longest time that a link to a film counts. */
const mostLinkSeconds = 30 * 24 * 3600

/** A link that shows a film without a key. */
export const linkRequest = z.strictObject({
  expires_in_seconds: wholeFrom(60, mostLinkSeconds)
    .default(7 * 24 * 3600)
    .describe('When it ends, from now on'),
  version: wholeFrom(1, 999_999_999)
    .optional()
    .describe('The version that it shows. Default: the film that the job shows when the link is opened'),
})

/** @throws {RefusedError} `invalid` */
export const parseLink = (input: unknown): z.infer<typeof linkRequest> => checked(linkRequest, input)

export const jobChange = z
  .strictObject({
    priority: prioritySchema,
    video_name: line(200),
    run_at: timeSchema.nullable(),
    deadline_at: timeSchema.nullable(),
  })
  .partial()
export type JobChange = z.infer<typeof jobChange>

/** @throws {RefusedError} `invalid` */
export const parseJobChange = (input: unknown): JobChange => checked(jobChange, input)

export const whyRequest = z.strictObject({ reason: whyText })

/** @throws {RefusedError} `invalid` */
export const parseWhy = (input: unknown): z.infer<typeof whyRequest> => checked(whyRequest, input)

export const rejection = z.strictObject({
  note: line(500).describe('What the submitter should change; kept in the job and its history'),
})

/** @throws {RefusedError} `invalid` */
export const parseRejection = (input: unknown): z.infer<typeof rejection> => checked(rejection, input)

/** What to pause or resume: everything, or one renderer. */
export const pauseRequest = z.strictObject({
  renderer: line(200).optional().describe('Only this renderer. Default: all'),
  reason: whyText,
})

/** @throws {RefusedError} `invalid` */
export const parsePause = (input: unknown): z.infer<typeof pauseRequest> => checked(pauseRequest, input)

const rendererLimits = z
  .strictObject({
    max_concurrency: wholeFrom(1, 100_000).nullable().describe('Renders at once'),
    start_delay_ms: wholeFrom(0, 3_600_000).nullable().describe('Shortest time between two starts'),
    starts_per_minute: wholeFrom(1, 100_000).nullable().describe('Renders started within any minute'),
  })
  .partial()

export const limitsChange = z
  .strictObject({
    jobs: wholeFrom(0, 1_000_000).nullable().describe('Jobs processed at once'),
    renderers: z.record(line(200), rendererLimits),
  })
  .partial()
  .describe('null restores the configured limit')

const mostRenderers = 100

/** @throws {RefusedError} `invalid` */
export function parseLimits(input: unknown): z.infer<typeof limitsChange> {
  if (typeof input === 'object' && input !== null && 'renderers' in input)
    refuseCrowded(input.renderers, mostRenderers, 'renderers', 'renderers')
  return checked(limitsChange, input)
}

const batchIds = listOf(jobIdSchema, 1, 200, 'jobs').refine(
  (ids) => new Set(ids).size === ids.length,
  'must contain each job once',
)

const eachOnce = (jobs: readonly { readonly job_id: number }[]): boolean =>
  new Set(jobs.map(({ job_id }) => job_id)).size === jobs.length

/** Jobs with what was seen of each: its revision, and the sum that it may spend in all. */
const seenJobs = listOf(
  z.strictObject({
    job_id: jobIdSchema,
    revision: approvalRequest.shape.revision,
    max_cost: approvalRequest.shape.max_cost,
  }),
  1,
  200,
  'jobs',
).refine(eachOnce, 'must contain each job once')

const eitherList = ({ job_ids, jobs }: { readonly job_ids?: unknown; readonly jobs?: unknown }): boolean =>
  (job_ids === undefined) !== (jobs === undefined)
const eitherListWords = {
  error: 'must be given, or jobs with the revision and max_cost of each, and not both',
  path: ['job_ids'],
}

export const approvalBatch = approvalRequest
  .omit({ revision: true })
  .extend({
    job_ids: batchIds.optional(),
    jobs: seenJobs.optional().describe('Instead of job_ids: approves what was seen of each job'),
    max_cost: usd.optional().describe('US dollars per job, with job_ids'),
  })
  .refine(eitherList, eitherListWords)
  .refine(({ jobs, max_cost }) => jobs === undefined || max_cost === undefined, {
    error: 'is for job_ids: give each of jobs its own max_cost',
    path: ['max_cost'],
  })

interface SeenJob extends ApprovalRequest {
  readonly job_id: number
}

/** @throws {RefusedError} `invalid` */
export function parseApprovalBatch(input: unknown): readonly SeenJob[] {
  const { job_ids = [], jobs, max_cost, accept_unknown_cost } = checked(approvalBatch, input)
  const asked: readonly SeenJob[] = jobs ?? job_ids.map((job_id) => ({ job_id, max_cost }))
  return asked.map((job) => ({ ...job, accept_unknown_cost }))
}

export const retryBatch = z
  .strictObject({
    job_ids: batchIds.optional(),
    jobs: seenJobs.optional().describe('Instead of job_ids: allows each job the sum that was seen'),
    reason: whyText,
  })
  .refine(eitherList, eitherListWords)

/** @throws {RefusedError} `invalid` */
export function parseRetryBatch(input: unknown): {
  readonly jobs: readonly SeenJob[]
  readonly reason: string | undefined
} {
  const { job_ids = [], jobs, reason } = checked(retryBatch, input)
  return { jobs: jobs ?? job_ids.map((job_id) => ({ job_id })), reason }
}

export const changeBatch = z.strictObject({ job_ids: batchIds, priority: prioritySchema })

/** @throws {RefusedError} `invalid` */
export const parseChangeBatch = (input: unknown): z.infer<typeof changeBatch> => checked(changeBatch, input)

export const cancelBatch = z.strictObject({ job_ids: batchIds, reason: whyText })

/** @throws {RefusedError} `invalid` */
export const parseCancelBatch = (input: unknown): z.infer<typeof cancelBatch> => checked(cancelBatch, input)

const positionSchema = wholeFrom(0, maxScenes - 1).describe('Position in the film, from 0')

const seenRevision = wholeFrom(1, Number.MAX_SAFE_INTEGER)
  .optional()
  .describe("The job's revision as its editor has read it: if it has changed since, nothing is done")

export const newScene = sceneRequest.extend({
  revision: seenRevision,
  position: positionSchema
    .optional()
    .describe('Its place in the film, from 0: those behind it move down; the end if not given'),
})

/** @throws {RefusedError} `invalid` */
export const parseNewScene = (input: unknown): z.infer<typeof newScene> => checked(newScene, input)

/** For changes of a scene that need nothing else. */
export const seenRequest = z.strictObject({ revision: seenRevision })

/** @throws {RefusedError} `invalid` */
export const parseSeen = (input: unknown): z.infer<typeof seenRequest> => checked(seenRequest, input)

export const sceneChange = z
  .strictObject({
    title: line(120).nullable(),
    prompt: prose,
    duration: durationSchema,
    asset_ids: listOf(assetIdSchema, 1, 2, 'images: one, or the first and the last'),
    transition: oneOf(transitions),
    model: modelSchema,
    audio: z.boolean('must be true or false'),
    position: positionSchema,
  })
  .partial()
  .extend({ revision: seenRevision })
export type SceneChange = z.infer<typeof sceneChange>

/** @throws {RefusedError} `invalid` */
export const parseSceneChange = (input: unknown): SceneChange => checked(sceneChange, input)

export const resolution = z.discriminatedUnion(
  'resolution',
  [
    z
      .strictObject({ resolution: z.literal('adopt'), prediction_id: line(100) })
      .describe('The provider accepted the render; this is its id there'),
    z
      .strictObject({ resolution: z.literal('absent') })
      .describe('The provider never accepted it, so it may be rendered again'),
  ],
  { error: 'must be one of adopt, absent' },
)
export type Resolution = z.infer<typeof resolution>

/** @throws {RefusedError} `invalid` */
export const parseResolution = (input: unknown): Resolution => checked(resolution, input)

const budgetName = /^(?:job|client|day|total|client:.{1,200})$/

export const budgetChange = z
  .record(
    z.string().regex(budgetName, 'must be job, client, day, total or client:<client_id>'),
    usd.nullable(),
  )
  .describe(
    'US dollars by budget: job (each job), client (each client_id), client:<client_id>, day (UTC), total; null for no limit',
  )

const mostBudgetsAtOnce = 200

/** @throws {RefusedError} `invalid` */
export function parseBudgets(input: unknown): Readonly<Record<string, number | null>> {
  refuseCrowded(input, mostBudgetsAtOnce, '', 'budgets at once')
  return checked(budgetChange, input)
}
