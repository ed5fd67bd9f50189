/** Many jobs at once: each has its own answer, and one that is refused stops no other. */
import { OpenAPIHono, createRoute, z } from '@hono/zod-openapi'
import type { Job } from '../../job/job.ts'
import { jobStatuses } from '../../job/lifecycle.ts'
import { parseApprovalBatch, parseCancelBatch } from '../../job/control-request.ts'
import { readJson } from '../edge/body.ts'
import { type VerbRoutes, jsonAnswer, jsonBody } from './describe.ts'
import { askedBy, principalOf } from '../edge/principal.ts'
import { problemOf } from '../edge/problem.ts'
import { requireJob } from '../access/reach.ts'

const batchSchema = z
  .object({
    done: z.int().describe('Jobs for which it was done'),
    refused: z.int(),
    results: z
      .array(
        z.union([
          z.object({ job_id: z.int(), status: z.enum(jobStatuses) }),
          z.looseObject({ job_id: z.int(), error: z.string(), reason: z.string().optional() }),
        ]),
      )
      .describe('In the order of job_ids: the state the job is in now, or why it was refused'),
  })
  .openapi('BatchResult')

export type BatchAnswer = z.infer<typeof batchSchema>

const batchRoute = (path: '/jobs/approve' | '/jobs/cancel', body: string, summary: string) =>
  createRoute({
    method: 'post',
    path,
    summary,
    request: { body: jsonBody(body) },
    responses: { 200: jsonAnswer(batchSchema, 'What became of each job') },
  })

const approveJobsRoute = batchRoute(
  '/jobs/approve',
  'ApprovalBatch',
  'Approve many jobs: each its estimate, or max_cost for each',
)
const cancelJobsRoute = batchRoute('/jobs/cancel', 'CancelBatch', 'Cancel many jobs')

/** One after the other: the order of the ids is the order of the approvals. */
async function each(jobIds: readonly number[], verb: (jobId: number) => Promise<Job>): Promise<BatchAnswer> {
  const results: BatchAnswer['results'] = []
  let done = 0
  for (const jobId of jobIds) {
    try {
      const { status } = await verb(jobId)
      results.push({ job_id: jobId, status })
      done++
    } catch (error) {
      const problem = problemOf(error)
      // What nobody foresaw, and a database that can't write, ends the whole of it: what was done is done.
      if (!problem || problem.status >= 500) throw error
      results.push({ ...problem.members, job_id: jobId })
    }
  }
  return { done, refused: results.length - done, results }
}

export function batchRoutes({ coordinator, limits }: VerbRoutes): OpenAPIHono {
  const routes = new OpenAPIHono()

  routes.openapi(approveJobsRoute, async (c) => {
    const { job_ids, ...approval } = parseApprovalBatch(await readJson(c, limits))
    const approve = async (id: number): Promise<Job> => {
      await requireJob(coordinator, principalOf(c).actor, id, 'change')
      return coordinator.approveJob(id, approval, { ...askedBy(c), part: String(id) })
    }
    return c.json(await each(job_ids, approve), 200)
  })

  routes.openapi(cancelJobsRoute, async (c) => {
    const { job_ids, reason } = parseCancelBatch(await readJson(c, limits))
    const cancel = async (id: number): Promise<Job> => {
      await requireJob(coordinator, principalOf(c).actor, id, 'change')
      return coordinator.cancelJob(id, { ...askedBy(c, reason), part: String(id) })
    }
    return c.json(await each(job_ids, cancel), 200)
  })

  return routes
}
