import { OpenAPIHono, createRoute, z } from '@hono/zod-openapi'
import type { Coordinator } from '../coordinator/coordinator.ts'
import { type FilmManifest, type Job, type ListedJob, type Rejection, needsApproval } from '../job/job.ts'
import { type JobStatus, jobStatuses } from '../job/lifecycle.ts'
import { type Actor, seenBy } from '../job/reach.ts'
import { knownParameters, labelAsked, retryPolicySchema } from '../job/request.ts'
import { readJson, readOptionalJson } from './body.ts'
import { jobCostsAnswer, jobCostsSchema, openCostsAnswer, openCostsSchema, usdOrNull } from './cost.ts'
import { type VerbRoutes, jsonAnswer, jsonBody, orNull } from './describe.ts'
import { etaAnswer, etaSchema } from './eta.ts'
import {
  addressOf,
  jobIdOf,
  jobPath,
  once,
  readCursor,
  timeOf,
  timeOrNull,
  timeQuery,
  timeSchema,
  writeCursor,
} from './path.ts'
import { askedBy, principalOf } from './principal.ts'
import { waitingAnswer, waitingSchema } from './waiting.ts'
import { storyboardAnswer, storyboardSchema } from './storyboard.ts'
import { malformedField } from './problem.ts'

export const failureSchema = z
  .object({ code: z.string(), reason: z.string(), scene_id: z.string().optional() })
  .openapi('Failure')

export const rejectedSchema = z
  .object({ at: timeSchema, by: z.string().nullable().describe('Who rejected it'), note: z.string() })
  .nullable()
  .describe('Why it is not approved as it is; null again once it is submitted')

export const rejectedAnswer = (rejected: Rejection | null): z.infer<typeof rejectedSchema> =>
  rejected && { at: timeOf(rejected.at), by: rejected.by, note: rejected.note }

export const approvalMembers = {
  needs_approval: z
    .boolean()
    .describe(
      'Whether it waits for an approval: also a finished film whose change costs more than was approved',
    ),
  to_approve: z
    .number()
    .nullable()
    .describe('US dollars to be approved before it goes on; 0: nothing; null: an unknown price'),
}

export const approvalAnswer = (job: Pick<Job, 'status' | 'rejected'>, toApproveMicros: number | null) => ({
  needs_approval: needsApproval(job, toApproveMicros),
  to_approve: usdOrNull(toApproveMicros),
})

export const jobSchema = z
  .object({
    job_id: z.int(),
    type: z.string(),
    status: z.enum(jobStatuses),
    video_name: z.string(),
    client_id: z
      .string()
      .nullable()
      .describe('Whose it is: parameters.client_id, or the client of the key that made it'),
    priority: z.int(),
    ...approvalMembers,
    rejected: rejectedSchema,
    estimated_cost: z.number().nullable().describe('USD; null where a price is unknown'),
    costs: jobCostsSchema,
    revision: z.int().describe('Rises with each change of the storyboard; from 1'),
    progress_percentage: z.int(),
    current_stage: z.string(),
    parameters: z.record(z.string(), z.any()),
    storyboard: storyboardSchema,
    run_at: timeSchema.nullable().describe('Not begun before then'),
    deadline_at: timeSchema.nullable().describe('If it has not ended by then it fails'),
    paused_at: timeSchema.nullable().describe('Since when a person lets it rest'),
    retry: retryPolicySchema
      .nullable()
      .describe('How failed renders are tried again; null: the standard way'),
    depends_on: z
      .array(
        z.object({
          job_id: z.int(),
          on_failure: z.enum(['fail', 'wait', 'ignore']),
          met: z.boolean(),
          status: z.enum(jobStatuses).nullable().describe('null where the job is not kept any more'),
        }),
      )
      .describe('Jobs that must be completed before this one begins'),
    waiting: waitingSchema,
    eta: orNull(etaSchema).describe('When its film will be there; null where it has ended'),
    error: orNull(failureSchema),
    film: z
      .object({
        url: z.string(),
        thumbnail_url: z.string(),
        duration: z.number().describe('Seconds'),
        width: z.int(),
        height: z.int(),
        fps: z.number(),
        size: z.int().describe('Bytes'),
      })
      .nullable(),
    thumbnail_url: z.string().nullable().describe('Where a picture of the film is; null before there is one'),
    approved_at: timeSchema.nullable(),
    started_at: timeSchema.nullable(),
    ended_at: timeSchema.nullable(),
    inserted_at: timeSchema,
    updated_at: timeSchema,
  })
  .openapi('Job')

export type JobAnswer = z.infer<typeof jobSchema>

const filmAnswer = (jobId: number, manifest: FilmManifest): NonNullable<JobAnswer['film']> => ({
  url: addressOf.film(jobId),
  thumbnail_url: addressOf.thumbnail(jobId),
  duration: manifest.durationMs / 1000,
  width: manifest.format.width,
  height: manifest.format.height,
  fps: manifest.format.fps,
  size: manifest.film.size,
})

/** What only one job's own answer tells, as it takes further reading. */
const further = { storyboard: true, depends_on: true, eta: true } as const
/** What is no fact of its own row. */
type Told = 'costs' | 'waiting' | keyof typeof approvalMembers

function jobFacts(job: Job | ListedJob): Omit<JobAnswer, Told | keyof typeof further> {
  return {
    job_id: job.id,
    type: job.type,
    status: job.status,
    video_name: job.videoName,
    client_id: job.clientId || null,
    priority: job.priority,
    estimated_cost: usdOrNull(job.estimatedMicros),
    revision: job.revision,
    progress_percentage: job.progress.percentage,
    current_stage: job.progress.stage,
    parameters: job.parameters,
    run_at: timeOrNull(job.runAt),
    deadline_at: timeOrNull(job.deadlineAt),
    paused_at: timeOrNull(job.pausedAt),
    retry: job.retryPolicy,
    rejected: rejectedAnswer(job.rejected),
    error: job.error,
    film: job.film && filmAnswer(job.id, job.film),
    thumbnail_url: job.film && addressOf.thumbnail(job.id),
    approved_at: timeOrNull(job.approvedAt),
    started_at: timeOrNull(job.startedAt),
    ended_at: timeOrNull(job.endedAt),
    inserted_at: timeOf(job.insertedAt),
    updated_at: timeOf(job.updatedAt),
  }
}

/** A job with everything that this actor may see of it. */
export async function jobAnswer(
  coordinator: Coordinator,
  { id }: Pick<Job, 'id'>,
  actor: Actor | undefined,
): Promise<JobAnswer> {
  const { job, costs, dependencies, waiting, eta } = await coordinator.viewWithEta(id)
  return {
    ...jobFacts(job),
    ...approvalAnswer(job, costs.toApproveMicros),
    costs: jobCostsAnswer(job, costs),
    storyboard: storyboardAnswer(job.storyboard),
    depends_on: dependencies.map(({ onJobId, onFailure, isMet, status }) => ({
      job_id: onJobId,
      on_failure: onFailure,
      met: isMet,
      status,
    })),
    waiting: waitingAnswer(waiting.job, actor),
    eta: etaAnswer(eta),
  }
}

const createJobRoute = createRoute({
  method: 'post',
  path: '/jobs',
  summary: 'Ask for a film: it is planned and its cost told, and nothing is rendered before it is approved',
  request: {
    body: jsonBody('JobRequest'),
  },
  responses: { 201: jsonAnswer(jobSchema, 'The job, waiting for approval') },
})

const approveJobRoute = createRoute({
  method: 'post',
  path: '/jobs/{id}/approve',
  summary: 'Let a job spend what it is estimated to cost, or max_cost; also what a changed scene costs more',
  request: {
    params: jobPath,
    body: jsonBody('Approval', false),
  },
  responses: {
    200: jsonAnswer(
      z.object({
        message: z.literal('Job approved successfully'),
        job_id: z.int(),
        status: z.literal('approved'),
      }),
      'The approval is on disk',
    ),
  },
})

const readJobRoute = createRoute({
  method: 'get',
  path: '/jobs/{id}',
  request: { params: jobPath },
  responses: { 200: jsonAnswer(jobSchema, 'The job') },
})

const pageSize = { standard: 50, most: 200 }
const mostLabels = 10
const pageReason = `must be a whole number from 1 to ${pageSize.most}`

const areStatuses = (names: string[]): names is JobStatus[] =>
  names.every((name) => (jobStatuses as readonly string[]).includes(name))

const listQuery = z
  .object({
    status: once('status')
      .transform((text) => text.split(','))
      .refine(areStatuses, `must be one of ${jobStatuses.join(', ')}, or several with commas between them`)
      .optional()
      .openapi({ type: 'string', example: 'pending,approved' })
      .describe('One state, or several with commas between them'),
    type: once('type').optional(),
    client_id: once('client_id').optional().describe('parameters.client_id'),
    created_after: timeQuery('created_after').describe('Asked for at this time or later'),
    created_before: timeQuery('created_before').describe('Asked for before this time'),
    needs_approval: z
      .literal('true', { error: 'must be true, or left out' })
      .optional()
      .describe('Only jobs that wait for an approval, finished films that were changed among them'),
    q: once('q')
      .min(1, 'must not be empty')
      .max(200, 'must have at most 200 characters')
      .optional()
      .describe("A part of the film's name, whatever the case"),
    limit: once('limit')
      .regex(/^(?:[1-9]\d?|1\d\d|200)$/, pageReason)
      .transform(Number)
      .optional()
      .openapi({ type: 'integer', minimum: 1, maximum: pageSize.most }),
    cursor: once('cursor').optional().describe('next_cursor of the page before'),
  })
  .catchall(z.string({ error: 'must be given once' }))
  .describe('Any other name filters by that member of your own; metadata. before it allows every name')

const jobsSchema = z.object({
  jobs: z.array(
    jobSchema.omit(further).extend({
      costs: openCostsSchema,
      waiting: waitingSchema.describe(
        'Why it does not go on, as far as it takes no look at its scenes: to be approved, rejected, paused, before its time or after others. The job itself tells more',
      ),
      left_out: z
        .array(z.string())
        .describe('Members of parameters of more than 1000 characters, which the job itself tells'),
    }),
  ),
  next_cursor: z.string().nullable(),
})

export type JobsAnswer = z.infer<typeof jobsSchema>

const listJobsRoute = createRoute({
  method: 'get',
  path: '/jobs',
  summary:
    'Jobs, newest first; any other query member filters by that member of your own, such as campaign_id or metadata.status',
  request: { query: listQuery },
  responses: {
    200: jsonAnswer(
      jobsSchema,
      'A page of jobs, newest first, without their storyboards, long parameters and the costs of scenes; it may hold fewer than limit, and next_cursor is null on the last',
    ),
  },
})

/** By the names that jobs are found by. @throws {HttpProblem} */
function labelsIn(query: z.infer<typeof listQuery>): Readonly<Record<string, string>> {
  const asked = Object.entries(query).filter(
    (entry): entry is [string, string] =>
      !Object.hasOwn(listQuery.shape, entry[0]) && typeof entry[1] === 'string',
  )
  if (asked.length > mostLabels)
    throw malformedField(asked[mostLabels]![0], `at most ${mostLabels} filters can be given`)
  const labels = new Map<string, string>()
  for (const [name, value] of asked) {
    if (knownParameters.has(name))
      throw malformedField(
        name,
        `is no member of your own: lists are not filtered by it. One of parameters.metadata is metadata.${name}`,
      )
    const label = labelAsked(name)
    if (labels.has(label))
      throw malformedField(name, 'must be given once, with metadata. before it or without')
    labels.set(label, value)
  }
  return Object.fromEntries(labels)
}

function jobBefore(cursor: string): number {
  const before = /^before:([1-9]\d{0,15})$/.exec(readCursor(cursor))?.[1]
  if (before === undefined || !Number.isSafeInteger(Number(before)))
    throw malformedField('cursor', 'must be the next_cursor of an earlier answer')
  return Number(before)
}

export function jobRoutes({ coordinator, limits }: VerbRoutes): OpenAPIHono {
  const routes = new OpenAPIHono()

  routes.openapi(createJobRoute, async (c) => {
    const job = await coordinator.createJob(await readJson(c, limits), askedBy(c))
    c.header('location', addressOf.job(job.id))
    return c.json(await jobAnswer(coordinator, job, principalOf(c).actor), 201)
  })

  routes.openapi(approveJobRoute, async (c) => {
    const jobId = jobIdOf(c.req.valid('param').id)
    await coordinator.approveJob(jobId, await readOptionalJson(c, limits), askedBy(c))
    return c.json(
      { message: 'Job approved successfully' as const, job_id: jobId, status: 'approved' as const },
      200,
    )
  })

  routes.openapi(readJobRoute, async (c) => {
    const id = jobIdOf(c.req.valid('param').id)
    return c.json(await jobAnswer(coordinator, { id }, principalOf(c).actor), 200)
  })

  routes.openapi(listJobsRoute, async (c) => {
    const query = c.req.valid('query')
    const { status, type, client_id, created_after, created_before, q, needs_approval } = query
    const labels = labelsIn(query)
    const { limit = pageSize.standard, cursor } = query
    for (const [name, value] of Object.entries({ type, client_id, q, ...labels }))
      if (`${name}${value}`.includes('\u0000')) throw malformedField(name, 'must not contain U+0000')
    const { jobs, standings, nextBefore } = await coordinator.jobs({
      limit,
      statuses: status,
      type,
      clientId: client_id,
      insertedFrom: created_after,
      insertedBefore: created_before,
      text: q,
      needsApproval: needs_approval === 'true',
      reach: seenBy(principalOf(c).actor),
      labels,
      ...(cursor !== undefined && { before: jobBefore(cursor) }),
    })
    const next_cursor = nextBefore === null ? null : writeCursor(`before:${nextBefore}`)
    const { actor } = principalOf(c)
    const answers = jobs.map((job) => {
      const standing = standings.get(job.id)!
      return {
        ...jobFacts(job),
        ...approvalAnswer(job, standing.toApproveMicros),
        costs: openCostsAnswer(job, standing),
        waiting: waitingAnswer(standing.waiting, actor),
        left_out: [...job.leftOut],
      }
    })
    return c.json({ jobs: answers, next_cursor }, 200)
  })

  return routes
}
