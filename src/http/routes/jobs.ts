import { z } from '@hono/zod-openapi'
import type { Coordinator } from '../../coordinator/coordinator.ts'
import { type FoundWait, foundWaits } from '../../coordinator/admission/rules.ts'
import type { Standing } from '../../coordinator/read/lists.ts'
import { approvalRequest } from '../../job/control-request.ts'
import { type FilmManifest, type Job, type ListedJob, type Rejection, needsApproval } from '../../job/job.ts'
import { type JobStatus, jobStatuses } from '../../job/lifecycle.ts'
import { type Rights, seenBy } from '../../job/reach.ts'
import { jobRequest, knownParameters, labelAsked, retryPolicySchema } from '../../job/request.ts'
import { ownJobs } from '../access/access.ts'
import {
  addressOf,
  cursorQuery,
  jobPath,
  once,
  pageLimit,
  readCursor,
  timeOf,
  timeOrNull,
  timeQuery,
  timeSchema,
  writeCursor,
} from '../edge/path.ts'
import { malformedField } from '../edge/problem.ts'
import { jobCostsAnswer, jobCostsSchema, openCostsAnswer, openCostsSchema, usdOrNull } from './cost.ts'
import { endpoint, json, jsonBody, optionalJsonBody, orNull, resource } from './endpoint.ts'
import { etaAnswer, etaSchema } from './eta.ts'
import { storyboardAnswer, storyboardSchema } from './storyboard.ts'
import { waitingAnswer, waitingSchema } from './waiting.ts'

export const failureSchema = z
  .object({ code: z.string(), reason: z.string(), scene_id: z.string().optional() })
  .openapi('Failure')

/** The answer of a verb that changes a job's status. */
export const controlled = <const Message extends string, Status extends z.ZodType>(
  message: Message,
  status: Status,
) => z.object({ message: z.literal(message), job_id: z.int(), status })

const approvedSchema = controlled('Job approved successfully', z.literal('approved'))

export type ApprovedJobAnswer = z.infer<typeof approvedSchema>

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
    created_by: z
      .string()
      .nullable()
      .describe('The name of the key that made it; null where it was made without a key'),
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
    run_at: timeSchema.nullable().describe('It does not begin before'),
    deadline_at: timeSchema.nullable().describe('If it has not ended by then it fails'),
    paused_at: timeSchema.nullable().describe('Since when it is paused'),
    retry: retryPolicySchema.nullable().describe('How failed renders are tried again; null: the default'),
    depends_on: z
      .array(
        z.object({
          job_id: z.int(),
          on_failure: z.enum(['fail', 'wait', 'ignore']),
          met: z.boolean(),
          status: z.enum(jobStatuses).nullable().describe('null where the job was deleted'),
        }),
      )
      .describe('Jobs that must be completed before this one begins'),
    waiting: waitingSchema,
    eta: orNull(etaSchema).describe('When its film is expected; null where it has ended'),
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

/** Only in the answer about one job, as it needs further reads. */
const further = { storyboard: true, depends_on: true, eta: true } as const
/** Members that are not in the job's own row. */
type Told = 'costs' | 'waiting' | 'created_by' | keyof typeof approvalMembers

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
  rights: Rights | undefined,
): Promise<JobAnswer> {
  const { job, costs, dependencies, waiting, eta, createdBy } = await coordinator.viewWithEta(id)
  return {
    ...jobFacts(job),
    created_by: createdBy,
    ...approvalAnswer(job, costs.toApproveMicros),
    costs: jobCostsAnswer(job, costs),
    storyboard: storyboardAnswer(job.storyboard),
    depends_on: dependencies.map(({ onJobId, onFailure, isMet, status }) => ({
      job_id: onJobId,
      on_failure: onFailure,
      met: isMet,
      status,
    })),
    waiting: waitingAnswer(waiting.job, rights),
    eta: etaAnswer(eta),
  }
}

const mostLabels = 10

const areStatuses = (names: string[]): names is JobStatus[] =>
  names.every((name) => (jobStatuses as readonly string[]).includes(name))

const areWaits = (codes: string[]): codes is FoundWait[] =>
  codes.every((code) => (foundWaits as readonly string[]).includes(code))

const listQuery = z
  .object({
    status: once('status')
      .transform((text) => text.split(','))
      .refine(areStatuses, `must be one of ${jobStatuses.join(', ')}, or several with commas between them`)
      .optional()
      .openapi({ type: 'string', example: 'pending,approved' })
      .describe('One state, or several with commas between them'),
    type: once('type').optional().describe('Only jobs of this type, such as image_pairs'),
    client_id: once('client_id').optional().describe('parameters.client_id'),
    created_after: timeQuery('created_after').describe('Created at this time or later'),
    created_before: timeQuery('created_before').describe('Created before this time'),
    needs_approval: z
      .literal('true', { error: 'must be true, or left out' })
      .optional()
      .describe('Only jobs that wait for an approval, finished films that were changed among them'),
    waiting: once('waiting')
      .transform((text) => text.split(','))
      .refine(areWaits, `must be one of ${foundWaits.join(', ')}, or several with commas between them`)
      .optional()
      .openapi({ type: 'string', example: 'budget_client,budget_day' })
      .describe(
        'Only jobs that wait so, or have a scene that does; one code, or several with commas between them',
      ),
    order: z
      .enum(['newest', 'oldest'], { error: 'must be newest or oldest' })
      .default('newest')
      .describe('Which are first'),
    q: once('q')
      .min(1, 'must not be empty')
      .max(200, 'must have at most 200 characters')
      .optional()
      .describe("A part of the film's name, whatever the case"),
    limit: pageLimit({ standard: 50, most: 200 }).describe('Entries in a page, at most'),
    cursor: cursorQuery,
  })
  .catchall(z.string({ error: 'must be given once' }))
  .describe(
    'Any other name filters by that member of `parameters`, such as `campaign_id=spring`: plain values, at most 10 names',
  )

/** A job in a list. */
export const listedSchema = jobSchema.omit(further).extend({
  costs: openCostsSchema,
  waiting: waitingSchema.describe(
    'Why it waits, as far as its scenes need not be read: for approval, rejected, paused, for its time or for other jobs; and what was looked for by `waiting`. The job itself says more',
  ),
  left_out: z
    .array(z.string())
    .describe('Members of parameters of more than 1000 characters, which the job itself holds'),
})

const jobsSchema = z.object({
  jobs: z.array(listedSchema),
  next_cursor: z.string().nullable(),
})

export type JobsAnswer = z.infer<typeof jobsSchema>

/** The free members of the query: jobs are found by them. @throws {HttpProblem} */
function labelsIn(query: z.infer<typeof listQuery>): Readonly<Record<string, string>> {
  const labelsGiven = Object.entries(query).filter(
    (entry): entry is [string, string] =>
      !Object.hasOwn(listQuery.shape, entry[0]) && typeof entry[1] === 'string',
  )
  if (labelsGiven.length > mostLabels)
    throw malformedField(labelsGiven[mostLabels]![0], `at most ${mostLabels} filters can be given`)
  const labels = new Map<string, string>()
  for (const [name, value] of labelsGiven) {
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

export const jobBody = jsonBody('JobRequest', jobRequest, {
  type: 'property_photos',
  parameters: {
    photos: [
      { asset_id: 'a'.repeat(64), room: 'Living room' },
      { asset_id: 'b'.repeat(64), room: 'Kitchen' },
    ],
    clip_duration: 4,
    campaign_id: 'spring',
  },
  video_name: '12 Elm Street',
})

export const jobEndpoints = resource('jobs', [
  endpoint({
    id: 'createJob',
    route: 'POST /api/v3/jobs',
    access: ownJobs('submit'),
    summary: 'Create a job: it is planned and estimated, and nothing is rendered before it is approved',
    description:
      'Checks the request, plans the scenes and estimates their cost. The job is `pending`: it renders and spends nothing before `POST /jobs/{id}/approve`. The member `type` decides which `parameters` it takes.',
    body: jobBody,
    answer: json(201, jobSchema, 'The job, waiting for approval'),
    refuses: { 422: 'The request is well-formed and impossible: `problems` names each wrong member' },
    handle: async ({ c, body, by, rights }, { coordinator }) => {
      const job = await coordinator.createJob(body, by)
      c.header('location', addressOf.job(job.id))
      return jobAnswer(coordinator, job, rights)
    },
  }),

  endpoint({
    id: 'approveJob',
    route: 'POST /api/v3/jobs/{id}/approve',
    access: ownJobs('approve'),
    summary: 'Approve a job and its estimated cost, or max_cost; also the extra cost of a changed scene',
    description:
      'Lets a pending job spend its estimate, or `max_cost`. On a job whose scenes were changed it allows what they cost more. When it answers, the approval is on disk, and rendering begins by itself.',
    params: jobPath,
    body: optionalJsonBody('Approval', approvalRequest, { revision: 1, max_cost: 0.8 }),
    answer: json(200, approvedSchema, 'The approval is on disk'),
    refuses: {
      422: 'The job is in a state that cannot be approved, `revision` is not its latest, or the sum is too low; the members name the state and the sums',
    },
    handle: async ({ params, body, by }, { coordinator }) => {
      await coordinator.approveJob(params.id, body, by)
      return { message: 'Job approved successfully', job_id: params.id, status: 'approved' } as const
    },
  }),

  endpoint({
    id: 'readJob',
    route: 'GET /api/v3/jobs/{id}',
    access: ownJobs('read', 'submit', 'approve'),
    summary: 'A job: its state, its plan, what it costs',
    description: 'A job with its storyboard, its costs by scene, why it waits and when its film is expected.',
    params: jobPath,
    answer: json(200, jobSchema, 'The job'),
    isShared: true,
    handle: async ({ params, rights }, { coordinator }) => jobAnswer(coordinator, { id: params.id }, rights),
  }),

  endpoint({
    id: 'listJobs',
    route: 'GET /api/v3/jobs',
    access: ownJobs('read', 'submit', 'approve'),
    summary:
      'Jobs, newest first; any other query member filters by that member of your own, such as campaign_id or metadata.status',
    description:
      'A page of the jobs that the key sees, newest first. All filters given must match. To continue, send `next_cursor` as `cursor`; a page may hold fewer jobs than `limit`, and `next_cursor` is null on the last.',
    query: listQuery,
    answer: json(
      200,
      jobsSchema,
      'A page of jobs, newest first, without their storyboards, long parameters and the costs of scenes; it may hold fewer than limit, and next_cursor is null on the last',
    ),
    isShared: true,
    handle: async ({ query, rights }, { coordinator }) => {
      const { type, client_id, q, cursor, order } = query
      const isOldestFirst = order === 'oldest'
      const labels = labelsIn(query)
      for (const [name, value] of Object.entries({ type, client_id, q, ...labels }))
        if (`${name}${value}`.includes('\u0000')) throw malformedField(name, 'must not contain U+0000')
      const { jobs, standings, last } = await coordinator.jobs({
        limit: query.limit,
        statuses: query.status,
        type,
        clientId: client_id,
        insertedFrom: query.created_after,
        insertedBefore: query.created_before,
        text: q,
        waits: query.waiting,
        needsApproval: query.needs_approval === 'true',
        reach: seenBy(rights),
        labels,
        isOldestFirst,
        ...(cursor !== undefined && beyond(cursor, isOldestFirst)),
      })
      return {
        jobs: jobs.map((job) => listedAnswer(job, standings.get(job.id)!, rights)),
        next_cursor: last === null ? null : writeCursor(`${isOldestFirst ? 'after' : 'before'}:${last}`),
      }
    },
  }),
])

export const listedAnswer = (
  job: ListedJob,
  standing: Standing,
  rights: Rights | undefined,
): JobsAnswer['jobs'][number] => ({
  ...jobFacts(job),
  created_by: standing.createdBy,
  ...approvalAnswer(job, standing.toApproveMicros),
  costs: openCostsAnswer(job, standing),
  waiting: waitingAnswer(standing.waiting, rights),
  left_out: [...job.leftOut],
})

/** What a cursor of this order leaves to be listed. @throws {HttpProblem} */
function beyond(
  cursor: string,
  isOldestFirst: boolean,
): { readonly from: number } | { readonly before: number } {
  const pattern = isOldestFirst ? /^after:([1-9]\d{0,14})$/ : /^before:([1-9]\d{0,14})$/
  const id = Number(readCursor(cursor, pattern)[0])
  return isOldestFirst ? { from: id + 1 } : { before: id }
}
