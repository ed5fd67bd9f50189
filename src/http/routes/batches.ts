/** Many jobs at once: each has its own result, and a refusal does not stop the others. */
import { z } from '@hono/zod-openapi'
import {
  approvalBatch,
  cancelBatch,
  changeBatch,
  parseApprovalBatch,
  parseCancelBatch,
  parseChangeBatch,
  parseRetryBatch,
  retryBatch,
} from '../../job/control-request.ts'
import type { Job } from '../../job/job.ts'
import { jobStatuses } from '../../job/lifecycle.ts'
import { ownJobs } from '../access/access.ts'
import { requireJob } from '../access/reach.ts'
import { problemOf } from '../edge/problem.ts'
import { endpoint, json, jsonBody, resource } from './endpoint.ts'

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

/** In order: the order of the ids is the order of the approvals. */
async function each<Asked extends { readonly job_id: number }>(
  asked: readonly Asked[],
  verb: (asked: Asked) => Promise<Job>,
): Promise<BatchAnswer> {
  const results: BatchAnswer['results'] = []
  let done = 0
  for (const one of asked) {
    const jobId = one.job_id
    try {
      const { status } = await verb(one)
      results.push({ job_id: jobId, status })
      done++
    } catch (error) {
      const problem = problemOf(error)
      // An unexpected error, or a database that cannot write, ends the batch: finished changes stay.
      if (!problem || problem.status >= 500) throw error
      results.push({ ...problem.members, job_id: jobId })
    }
  }
  return { done, refused: results.length - done, results }
}

const named = (jobIds: readonly number[]): readonly { readonly job_id: number }[] =>
  jobIds.map((job_id) => ({ job_id }))

const ofMany = {
  answer: json(200, batchSchema, 'What became of each job'),
  refuses: { 422: 'The list is impossible; a refused job is listed in `results` with 200' },
} as const

export const batchEndpoints = resource('jobs', [
  endpoint({
    id: 'approveJobs',
    route: 'POST /api/v3/jobs/approve',
    access: ownJobs('approve'),
    summary: 'Approve many jobs: each its estimate, max_cost for each, or what was seen of each',
    description:
      'Approves up to 200 jobs in the order given. Each has its own result; one that is refused stops no other. With `jobs`, each is approved by its own `revision` and `max_cost`.',
    body: jsonBody('ApprovalBatch', approvalBatch, {
      jobs: [
        { job_id: 123, revision: 1, max_cost: 0.8 },
        { job_id: 124, revision: 2, max_cost: 1.2 },
      ],
    }),
    ...ofMany,
    handle: ({ body, by, rights }, { coordinator }) =>
      each(parseApprovalBatch(body), async ({ job_id: id, ...approval }) => {
        await requireJob(coordinator, rights, id, 'change')
        return coordinator.approveJob(id, approval, { ...by, part: String(id) })
      }),
  }),

  endpoint({
    id: 'retryJobs',
    route: 'POST /api/v3/jobs/retry',
    access: ownJobs('approve'),
    summary: 'Retry many failed or cancelled jobs',
    description:
      'Retries up to 200 jobs in the order given, with what was approved for each. With `jobs`, each may spend its own `max_cost`. Each has its own result; one that is refused stops no other.',
    body: jsonBody('RetryBatch', retryBatch, { job_ids: [123, 124], reason: 'the provider is back' }),
    ...ofMany,
    handle: ({ body, by, rights }, { coordinator }) => {
      const { jobs, reason } = parseRetryBatch(body)
      return each(jobs, async ({ job_id: id, ...request }) => {
        await requireJob(coordinator, rights, id, 'change')
        return coordinator.retryJob(id, { ...request, reason }, { ...by, part: String(id) })
      })
    },
  }),

  endpoint({
    id: 'updateJobs',
    route: 'PATCH /api/v3/jobs',
    access: ownJobs('submit'),
    summary: 'Change the priority of many jobs',
    description:
      'Changes up to 200 jobs that have not ended, in the order given. Each has its own result; one that is refused stops no other.',
    body: jsonBody('ChangeBatch', changeBatch, { job_ids: [123, 124], priority: 80 }),
    ...ofMany,
    handle: ({ body, by, rights }, { coordinator }) => {
      const { job_ids, priority } = parseChangeBatch(body)
      return each(named(job_ids), async ({ job_id: id }) => {
        await requireJob(coordinator, rights, id, 'change')
        return coordinator.updateJob(id, { priority }, { ...by, part: String(id) })
      })
    },
  }),

  endpoint({
    id: 'cancelJobs',
    route: 'POST /api/v3/jobs/cancel',
    // Submitters may cancel too, as that stops spending.
    access: ownJobs('submit', 'approve'),
    summary: 'Cancel many jobs',
    description:
      'Cancels up to 200 jobs in the order given. Each has its own result; one that is refused stops no other.',
    body: jsonBody('CancelBatch', cancelBatch, { job_ids: [123, 124] }),
    ...ofMany,
    handle: ({ body, by, rights }, { coordinator }) => {
      const { job_ids, reason } = parseCancelBatch(body)
      return each(named(job_ids), async ({ job_id: id }) => {
        await requireJob(coordinator, rights, id, 'change')
        return coordinator.cancelJob(id, { ...by, reason, part: String(id) })
      })
    },
  }),
])
