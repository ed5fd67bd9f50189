import { OpenAPIHono, createRoute, z } from '@hono/zod-openapi'
import type { Coordinator } from '../coordinator/coordinator.ts'
import type { JobCosts } from '../coordinator/reading.ts'
import type { FilmManifest, Job } from '../job/job.ts'
import { jobStatuses } from '../job/lifecycle.ts'
import { noMoney } from '../job/price.ts'
import { type BodyLimits, readJson, readOptionalJson } from './body.ts'
import { costsAnswer, costsSchema, jobCostsAnswer, jobCostsSchema, usdOrNull } from './cost.ts'
import { jsonAnswer, jsonBody } from './describe.ts'
import {
  addressOf,
  jobIdOf,
  jobPath,
  once,
  readCursor,
  timeOf,
  timeOrNull,
  timeSchema,
  writeCursor,
} from './path.ts'
import { storyboardAnswer, storyboardSchema } from './storyboard.ts'
import { malformed, malformedField } from './problem.ts'

export const failureSchema = z
  .object({ code: z.string(), reason: z.string(), scene_id: z.string().optional() })
  .openapi('Failure')

const jobSchema = z
  .object({
    job_id: z.int(),
    type: z.string(),
    status: z.enum(jobStatuses),
    video_name: z.string(),
    priority: z.int(),
    estimated_cost: z.number().nullable().describe('USD; null where a price is unknown'),
    costs: jobCostsSchema,
    revision: z.int().describe('Rises with each change of the storyboard; from 1'),
    progress_percentage: z.int(),
    current_stage: z.string(),
    parameters: z.record(z.string(), z.any()),
    storyboard: storyboardSchema,
    error: failureSchema.nullable(),
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

function jobFacts(job: Job): Omit<JobAnswer, 'costs' | 'storyboard'> {
  return {
    job_id: job.id,
    type: job.type,
    status: job.status,
    video_name: job.videoName,
    priority: job.priority,
    estimated_cost: usdOrNull(job.estimatedMicros),
    revision: job.revision,
    progress_percentage: job.progress.percentage,
    current_stage: job.progress.stage,
    parameters: job.parameters,
    error: job.error,
    film: job.film && filmAnswer(job.id, job.film),
    approved_at: timeOrNull(job.approvedAt),
    started_at: timeOrNull(job.startedAt),
    ended_at: timeOrNull(job.endedAt),
    inserted_at: timeOf(job.insertedAt),
    updated_at: timeOf(job.updatedAt),
  }
}

const jobAnswer = (job: Job, costs: JobCosts): JobAnswer => ({
  ...jobFacts(job),
  costs: jobCostsAnswer(job, costs),
  storyboard: storyboardAnswer(job.storyboard),
})

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

const cancelSchema = z.object({
  message: z.literal('Job cancelled successfully'),
  job_id: z.int(),
  status: z.enum(jobStatuses),
  costs: costsSchema.describe(
    'spent stays charged; reserved may still be, until the provider has ended what ran',
  ),
})

export type CancelAnswer = z.infer<typeof cancelSchema>

const cancelJobRoute = createRoute({
  method: 'post',
  path: '/jobs/{id}/cancel',
  summary: 'End a job: what runs for it is stopped, here and at providers',
  request: { params: jobPath },
  responses: {
    200: jsonAnswer(cancelSchema, 'The job is cancelled; renders at a provider are being ended there'),
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

const listQuery = z
  .object({
    status: z.enum(jobStatuses, { error: `must be one of ${jobStatuses.join(', ')}` }).optional(),
    type: once('type').optional(),
    limit: once('limit')
      .regex(/^(?:[1-9]\d?|1\d\d|200)$/, pageReason)
      .transform(Number)
      .optional()
      .openapi({ type: 'integer', minimum: 1, maximum: pageSize.most }),
    cursor: once('cursor').optional().describe('next_cursor of the page before'),
  })
  .catchall(z.string({ error: 'must be given once' }))
  .describe('Any other name filters by that member of parameters')

const jobsSchema = z.object({
  jobs: z.array(jobSchema.omit({ storyboard: true }).extend({ costs: costsSchema })),
  next_cursor: z.string().nullable(),
})

export type JobsAnswer = z.infer<typeof jobsSchema>

const listJobsRoute = createRoute({
  method: 'get',
  path: '/jobs',
  summary:
    'Jobs, newest first; any other query member filters by that member of parameters, such as campaign_id',
  request: { query: listQuery },
  responses: {
    200: jsonAnswer(
      jobsSchema,
      'A page of jobs, newest first, without their storyboards and the costs of scenes; next_cursor is null on the last',
    ),
  },
})

function jobBefore(cursor: string): number {
  const before = /^before:([1-9]\d{0,15})$/.exec(readCursor(cursor))?.[1]
  if (before === undefined || !Number.isSafeInteger(Number(before)))
    throw malformedField('cursor', 'must be the next_cursor of an earlier answer')
  return Number(before)
}

export function jobRoutes({
  coordinator,
  limits,
}: {
  readonly coordinator: Coordinator
  readonly limits: BodyLimits
}): OpenAPIHono {
  const routes = new OpenAPIHono()

  routes.openapi(createJobRoute, async (c) => {
    const job = await coordinator.createJob(await readJson(c, limits))
    c.header('location', addressOf.job(job.id))
    return c.json(jobAnswer(job, await coordinator.costs(job.id)), 201)
  })

  routes.openapi(approveJobRoute, async (c) => {
    const jobId = jobIdOf(c.req.valid('param').id)
    await coordinator.approveJob(jobId, await readOptionalJson(c, limits))
    return c.json(
      { message: 'Job approved successfully' as const, job_id: jobId, status: 'approved' as const },
      200,
    )
  })

  routes.openapi(cancelJobRoute, async (c) => {
    const job = await coordinator.cancelJob(jobIdOf(c.req.valid('param').id))
    const costs = costsAnswer(job, await coordinator.costs(job.id))
    return c.json(
      { message: 'Job cancelled successfully' as const, job_id: job.id, status: job.status, costs },
      200,
    )
  })

  routes.openapi(readJobRoute, async (c) => {
    const job = await coordinator.job(jobIdOf(c.req.valid('param').id))
    return c.json(jobAnswer(job, await coordinator.costs(job.id)), 200)
  })

  routes.openapi(listJobsRoute, async (c) => {
    const { status, type, limit = pageSize.standard, cursor, ...labels } = c.req.valid('query')
    const names = Object.keys(labels)
    if (names.length > mostLabels)
      throw malformed([{ field: names[mostLabels]!, reason: `at most ${mostLabels} filters can be given` }])
    for (const [name, value] of Object.entries({ type, ...labels }))
      if (`${name}${value}`.includes('\u0000')) throw malformedField(name, 'must not contain U+0000')
    const { jobs, nextBefore } = await coordinator.jobs({
      limit,
      ...(status && { status }),
      ...(type !== undefined && { type }),
      ...(names.length > 0 && { labels }),
      ...(cursor !== undefined && { before: jobBefore(cursor) }),
    })
    const next_cursor = nextBefore === null ? null : writeCursor(`before:${nextBefore}`)
    const money = await coordinator.money(jobs.map(({ id }) => id))
    const answers = jobs.map((job) => ({
      ...jobFacts(job),
      costs: costsAnswer(job, money.get(job.id) ?? noMoney),
    }))
    return c.json({ jobs: answers, next_cursor }, 200)
  })

  return routes
}
