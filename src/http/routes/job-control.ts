/** What is done with a job once it is there: ended, tried again, changed, let rest. */
import { OpenAPIHono, createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import type { Job } from '../../job/job.ts'
import { jobStatuses } from '../../job/lifecycle.ts'
import { parseWhy } from '../../job/control-request.ts'
import { readJson, readOptionalJson } from '../edge/body.ts'
import { costsAnswer, costsSchema } from './cost.ts'
import { type VerbRoutes, jsonAnswer, jsonBody } from './describe.ts'
import {
  approvalAnswer,
  approvalMembers,
  jobAnswer,
  jobSchema,
  rejectedAnswer,
  rejectedSchema,
} from './jobs.ts'
import { jobIdOf, jobPath } from '../edge/path.ts'
import { askedBy, principalOf } from '../edge/principal.ts'
import { waitingAnswer, waitingSchema } from './waiting.ts'

const controlled = <const Message extends string>(message: Message) =>
  z.object({ message: z.literal(message), job_id: z.int(), status: z.enum(jobStatuses) })

const cancelSchema = controlled('Job cancelled successfully').extend({
  costs: costsSchema.describe(
    'spent stays charged; reserved may still be, until the provider has ended what ran',
  ),
})

export type CancelAnswer = z.infer<typeof cancelSchema>

const retrySchema = controlled('Job retried successfully').extend({
  scenes_kept: z.int().describe('Scenes whose clips are there already'),
  scenes_to_render: z.int(),
  costs: costsSchema,
})

export type RetryAnswer = z.infer<typeof retrySchema>

const rejectSchema = controlled('Job rejected successfully').extend({ rejected: rejectedSchema })

export type RejectAnswer = z.infer<typeof rejectSchema>

const submitSchema = controlled('Job submitted successfully').extend(approvalMembers)

export type SubmitAnswer = z.infer<typeof submitSchema>

const pauseSchema = controlled('Job paused successfully').extend({ waiting: waitingSchema })
const resumeSchema = controlled('Job resumed successfully').extend({ waiting: waitingSchema })

const cancelJobRoute = createRoute({
  method: 'post',
  path: '/jobs/{id}/cancel',
  summary: 'End a job: what runs for it is stopped, here and at providers',
  request: { params: jobPath, body: jsonBody('Why', false) },
  responses: {
    200: jsonAnswer(cancelSchema, 'The job is cancelled; renders at a provider are being ended there'),
  },
})

const retryJobRoute = createRoute({
  method: 'post',
  path: '/jobs/{id}/retry',
  summary:
    'Go on with a failed or cancelled job: what failed is rendered again, finished clips are kept; an approval, too',
  request: { params: jobPath, body: jsonBody('RetryRequest', false) },
  responses: { 200: jsonAnswer(retrySchema, 'The job is approved again') },
})

const rejectJobRoute = createRoute({
  method: 'post',
  path: '/jobs/{id}/reject',
  summary:
    'Send a job that waits for an approval back to its maker: it is not approved before it is submitted again',
  request: { params: jobPath, body: jsonBody('Rejection') },
  responses: { 200: jsonAnswer(rejectSchema, 'The job is rejected; what was approved before goes on') },
})

const submitJobRoute = createRoute({
  method: 'post',
  path: '/jobs/{id}/submit',
  summary: 'Submit a rejected job again, changed or not: it waits for an approval once more',
  request: { params: jobPath, body: jsonBody('Why', false) },
  responses: { 200: jsonAnswer(submitSchema, 'The job can be approved') },
})

const updateJobRoute = createRoute({
  method: 'patch',
  path: '/jobs/{id}',
  summary: 'Change a job: its name, and before it has ended its priority, start and deadline',
  request: { params: jobPath, body: jsonBody('JobChange') },
  responses: { 200: jsonAnswer(jobSchema, 'The job as it is now') },
})

const deletedSchema = z.object({ message: z.literal('Job deleted successfully'), job_id: z.int() })

export type DeletedJobAnswer = z.infer<typeof deletedSchema>

const deleteJobRoute = createRoute({
  method: 'delete',
  path: '/jobs/{id}',
  summary: 'Delete a job that has ended, with its scenes and films; what it has cost stays in the books',
  request: { params: jobPath },
  responses: {
    200: jsonAnswer(deletedSchema, 'The job is gone; its files go once nothing else names them'),
  },
})

const pauseJobRoute = createRoute({
  method: 'post',
  path: '/jobs/{id}/pause',
  summary: 'Start nothing new for a job; what runs, ends',
  request: { params: jobPath, body: jsonBody('Why', false) },
  responses: { 200: jsonAnswer(pauseSchema, 'The job rests') },
})

const resumeJobRoute = createRoute({
  method: 'post',
  path: '/jobs/{id}/resume',
  summary: 'Go on with a paused job',
  request: { params: jobPath },
  responses: { 200: jsonAnswer(resumeSchema, 'The job goes on') },
})

export function jobControlRoutes({ coordinator, limits }: VerbRoutes): OpenAPIHono {
  const routes = new OpenAPIHono()

  const costsOf = async (job: Job) => costsAnswer(job, await coordinator.costs(job.id))
  const waitingOf = async (c: Context, { id }: Job) =>
    waitingAnswer((await coordinator.waiting(id)).job, principalOf(c).actor)

  routes.openapi(cancelJobRoute, async (c) => {
    const { reason } = parseWhy(await readOptionalJson(c, limits))
    const job = await coordinator.cancelJob(jobIdOf(c.req.valid('param').id), askedBy(c, reason))
    const message = 'Job cancelled successfully' as const
    return c.json({ message, job_id: job.id, status: job.status, costs: await costsOf(job) }, 200)
  })

  routes.openapi(retryJobRoute, async (c) => {
    const request = await readOptionalJson(c, limits)
    const job = await coordinator.retryJob(jobIdOf(c.req.valid('param').id), request, askedBy(c))
    const scenes = await coordinator.scenes(job.id)
    const kept = scenes.filter(({ status }) => status === 'completed').length
    return c.json(
      {
        message: 'Job retried successfully' as const,
        job_id: job.id,
        status: job.status,
        scenes_kept: kept,
        scenes_to_render: scenes.length - kept,
        costs: await costsOf(job),
      },
      200,
    )
  })

  routes.openapi(rejectJobRoute, async (c) => {
    const request = await readJson(c, limits)
    const job = await coordinator.rejectJob(jobIdOf(c.req.valid('param').id), request, askedBy(c))
    const message = 'Job rejected successfully' as const
    const rejected = rejectedAnswer(job.rejected)
    return c.json({ message, job_id: job.id, status: job.status, rejected }, 200)
  })

  routes.openapi(submitJobRoute, async (c) => {
    const request = await readOptionalJson(c, limits)
    const job = await coordinator.submitJob(jobIdOf(c.req.valid('param').id), request, askedBy(c))
    const { toApproveMicros } = await coordinator.costs(job.id)
    const message = 'Job submitted successfully' as const
    return c.json(
      { message, job_id: job.id, status: job.status, ...approvalAnswer(job, toApproveMicros) },
      200,
    )
  })

  routes.openapi(updateJobRoute, async (c) => {
    const change = await readJson(c, limits)
    const job = await coordinator.updateJob(jobIdOf(c.req.valid('param').id), change, askedBy(c))
    return c.json(await jobAnswer(coordinator, job, principalOf(c).actor), 200)
  })

  routes.openapi(deleteJobRoute, async (c) => {
    const jobId = jobIdOf(c.req.valid('param').id)
    await coordinator.deleteJob(jobId, askedBy(c))
    return c.json({ message: 'Job deleted successfully' as const, job_id: jobId }, 200)
  })

  routes.openapi(pauseJobRoute, async (c) => {
    const request = await readOptionalJson(c, limits)
    const job = await coordinator.pauseJob(jobIdOf(c.req.valid('param').id), request, askedBy(c))
    const message = 'Job paused successfully' as const
    return c.json({ message, job_id: job.id, status: job.status, waiting: await waitingOf(c, job) }, 200)
  })

  routes.openapi(resumeJobRoute, async (c) => {
    const job = await coordinator.resumeJob(jobIdOf(c.req.valid('param').id), askedBy(c))
    const message = 'Job resumed successfully' as const
    return c.json({ message, job_id: job.id, status: job.status, waiting: await waitingOf(c, job) }, 200)
  })

  return routes
}
