import { OpenAPIHono, createRoute, z } from '@hono/zod-openapi'
import type { Coordinator } from '../coordinator/coordinator.ts'
import type { FilmManifest, Job } from '../job/job.ts'
import { jobStatuses } from '../job/lifecycle.ts'
import { fits, transitions } from '../job/scene.ts'
import { type BodyLimits, readJson } from './body.ts'
import { addressOf, jobIdOf, jobPath, timeOf, timeOrNull, timeSchema } from './path.ts'
import { malformed, malformedField } from './problem.ts'

export const failureSchema = z
  .object({ code: z.string(), reason: z.string(), scene_id: z.string().optional() })
  .openapi('Failure')

const usd = (micros: number): number => micros / 1_000_000

const scenePlanSchema = z.object({
  title: z.string().nullable(),
  prompt: z.string(),
  duration: z.number(),
  asset_ids: z.array(z.string()).readonly(),
  transition: z.enum(transitions),
  model: z.string(),
})

const jobSchema = z
  .object({
    job_id: z.int(),
    type: z.string(),
    status: z.enum(jobStatuses),
    video_name: z.string(),
    priority: z.int(),
    estimated_cost: z.number().nullable().describe('USD; null where a price is unknown'),
    costs: z.object({
      currency: z.literal('USD'),
      estimated: z.number().nullable(),
      spent: z.number().nullable(),
      price_book: z.string(),
    }),
    progress_percentage: z.int(),
    current_stage: z.string(),
    parameters: z.record(z.string(), z.any()),
    storyboard: z.object({
      scenes: z.array(scenePlanSchema).readonly(),
      format: z.object({ width: z.int(), height: z.int(), fps: z.number() }),
      fit: z.enum(fits),
      total_duration: z.number().describe('Seconds'),
    }),
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

function jobAnswer(job: Job): JobAnswer {
  const estimated = job.estimatedMicros === null ? null : usd(job.estimatedMicros)
  return {
    job_id: job.id,
    type: job.type,
    status: job.status,
    video_name: job.videoName,
    priority: job.priority,
    estimated_cost: estimated,
    // What is free can't have spent anything; what else was spent is not told by the coordinator yet.
    costs: { currency: 'USD', estimated, spent: estimated === 0 ? 0 : null, price_book: job.priceBook },
    progress_percentage: job.progress.percentage,
    current_stage: job.progress.stage,
    parameters: job.parameters,
    storyboard: job.storyboard,
    error: job.error,
    film: job.film && filmAnswer(job.id, job.film),
    approved_at: timeOrNull(job.approvedAt),
    started_at: timeOrNull(job.startedAt),
    ended_at: timeOrNull(job.endedAt),
    inserted_at: timeOf(job.insertedAt),
    updated_at: timeOf(job.updatedAt),
  }
}

/** A page of long films would be tens of megabytes otherwise. */
// oxlint-disable-next-line no-unused-vars -- left out by being named
const withoutStoryboard = ({ storyboard, ...others }: JobAnswer): Omit<JobAnswer, 'storyboard'> => others

const json = <Schema extends z.ZodType>(schema: Schema, description: string) => ({
  content: { 'application/json': { schema } },
  description,
})

const createJobRoute = createRoute({
  method: 'post',
  path: '/jobs',
  summary: 'Ask for a film: it is planned and its cost told, and nothing is rendered before it is approved',
  request: {
    // Named, not given: the coordinator checks the request, for HTTP and for programs alike.
    body: {
      required: true,
      content: { 'application/json': { schema: { $ref: '#/components/schemas/JobRequest' } } },
    },
  },
  responses: { 201: json(jobSchema, 'The job, waiting for approval') },
})

const approveJobRoute = createRoute({
  method: 'post',
  path: '/jobs/{id}/approve',
  summary: 'Let a pending job spend its estimated cost',
  request: { params: jobPath },
  responses: {
    200: json(
      z.object({
        message: z.literal('Job approved successfully'),
        job_id: z.int(),
        status: z.enum(jobStatuses),
      }),
      'The approval is on disk',
    ),
  },
})

const readJobRoute = createRoute({
  method: 'get',
  path: '/jobs/{id}',
  request: { params: jobPath },
  responses: { 200: json(jobSchema, 'The job') },
})

const pageSize = { standard: 50, most: 200 }
const mostLabels = 10
const pageReason = `must be a whole number from 1 to ${pageSize.most}`

const once = (name: string) => z.string({ error: `${name} must be given once` })

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

const listJobsRoute = createRoute({
  method: 'get',
  path: '/jobs',
  summary:
    'Jobs, newest first; any other query member filters by that member of parameters, such as campaign_id',
  request: { query: listQuery },
  responses: {
    200: json(
      z.object({ jobs: z.array(jobSchema.omit({ storyboard: true })), next_cursor: z.string().nullable() }),
      'A page of jobs, newest first, without their storyboards; next_cursor is null on the last',
    ),
  },
})

const writeCursor = (before: number): string => Buffer.from(`before:${before}`).toString('base64url')

function readCursor(cursor: string): number {
  const before = /^before:([1-9]\d{0,15})$/.exec(Buffer.from(cursor, 'base64url').toString())?.[1]
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
    return c.json(jobAnswer(job), 201)
  })

  routes.openapi(approveJobRoute, async (c) => {
    const job = await coordinator.approveJob(jobIdOf(c.req.valid('param').id))
    return c.json({ message: 'Job approved successfully' as const, job_id: job.id, status: job.status }, 200)
  })

  routes.openapi(readJobRoute, async (c) => {
    const job = await coordinator.job(jobIdOf(c.req.valid('param').id))
    return c.json(jobAnswer(job), 200)
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
      ...(cursor !== undefined && { before: readCursor(cursor) }),
    })
    const next_cursor = nextBefore === null ? null : writeCursor(nextBefore)
    return c.json({ jobs: jobs.map((job) => withoutStoryboard(jobAnswer(job))), next_cursor }, 200)
  })

  return routes
}
