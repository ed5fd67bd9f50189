/** Changes to existing jobs: end, retry, edit, pause. */
import { z } from '@hono/zod-openapi'
import type { Coordinator } from '../../coordinator/coordinator.ts'
import type { Job } from '../../job/job.ts'
import { jobStatuses } from '../../job/lifecycle.ts'
import type { Rights } from '../../job/reach.ts'
import { jobChange, parseWhy, rejection, retryRequest, whyRequest } from '../../job/control-request.ts'
import { ownJobs } from '../access/access.ts'
import { jobPath } from '../edge/path.ts'
import { costsAnswer, costsSchema } from './cost.ts'
import { endpoint, json, jsonBody, optionalJsonBody, resource } from './endpoint.ts'
import {
  approvalAnswer,
  approvalMembers,
  controlled,
  jobAnswer,
  jobSchema,
  rejectedAnswer,
  rejectedSchema,
} from './jobs.ts'
import { waitingAnswer, waitingSchema } from './waiting.ts'

const jobStatus = z.enum(jobStatuses)

const cancelSchema = controlled('Job cancelled successfully', jobStatus).extend({
  costs: costsSchema.describe(
    'spent stays charged; reserved may still be, until the provider has ended what ran',
  ),
})

export type CancelAnswer = z.infer<typeof cancelSchema>

const retrySchema = controlled('Job retried successfully', jobStatus).extend({
  scenes_kept: z.int().describe('Scenes whose clips are there already'),
  scenes_to_render: z.int(),
  costs: costsSchema,
})

export type RetryAnswer = z.infer<typeof retrySchema>

const rejectSchema = controlled('Job rejected successfully', jobStatus).extend({ rejected: rejectedSchema })

export type RejectAnswer = z.infer<typeof rejectSchema>

const submitSchema = controlled('Job submitted successfully', jobStatus).extend(approvalMembers)

export type SubmitAnswer = z.infer<typeof submitSchema>

const pauseSchema = controlled('Job paused successfully', jobStatus).extend({ waiting: waitingSchema })
const resumeSchema = controlled('Job resumed successfully', jobStatus).extend({ waiting: waitingSchema })

export type JobPauseAnswer = z.infer<typeof pauseSchema> | z.infer<typeof resumeSchema>

const deletedSchema = z.object({ message: z.literal('Job deleted successfully'), job_id: z.int() })

export type DeletedJobAnswer = z.infer<typeof deletedSchema>

const controlAnswer = <const Message extends string>(message: Message, { id, status }: Job) => ({
  message,
  job_id: id,
  status,
})

const costsOf = async (coordinator: Coordinator, job: Job) =>
  costsAnswer(job, await coordinator.costs(job.id))

const waitingOf = async (coordinator: Coordinator, { id }: Job, rights: Rights | undefined) =>
  waitingAnswer((await coordinator.waiting(id)).job, rights)

const whyBody = optionalJsonBody('Why', whyRequest, { reason: 'the client changed the order' })

const hasEnded = 'the job has ended: `current_status` names its state'

export const jobControlEndpoints = resource('jobs', [
  endpoint({
    id: 'cancelJob',
    route: 'POST /api/v3/jobs/{id}/cancel',
    // Submitters may cancel too, as that stops spending.
    access: ownJobs('submit', 'approve'),
    summary: 'Cancel a job: its renders are stopped, here and at providers',
    description:
      'Stops what runs for a job that has not ended, on this machine and at providers. What they already charged stays charged.',
    params: jobPath,
    body: whyBody,
    answer: json(200, cancelSchema, 'The job is cancelled; renders at a provider are being ended there'),
    refuses: { 422: `The body is impossible, or ${hasEnded}` },
    handle: async ({ params, body, by }, { coordinator }) => {
      const { reason } = parseWhy(body)
      const job = await coordinator.cancelJob(params.id, { ...by, reason })
      return {
        ...controlAnswer('Job cancelled successfully', job),
        costs: await costsOf(coordinator, job),
      }
    },
  }),

  endpoint({
    id: 'retryJob',
    route: 'POST /api/v3/jobs/{id}/retry',
    access: ownJobs('approve'),
    summary:
      'Retry a failed or cancelled job: failed scenes are rendered again, finished clips are kept; counts as an approval',
    description:
      'Renders what is missing of a failed or cancelled job and keeps its finished clips. It is an approval of what is left.',
    params: jobPath,
    body: optionalJsonBody('RetryRequest', retryRequest, { reason: 'the provider is back' }),
    answer: json(200, retrySchema, 'The job is approved again'),
    refuses: {
      422: 'The job has neither failed nor been cancelled, or it costs more than is allowed; the members name the state and the sums',
    },
    handle: async ({ params, body, by }, { coordinator }) => {
      const job = await coordinator.retryJob(params.id, body, by)
      const scenes = await coordinator.scenes(job.id)
      const kept = scenes.filter(({ status }) => status === 'completed').length
      return {
        ...controlAnswer('Job retried successfully', job),
        scenes_kept: kept,
        scenes_to_render: scenes.length - kept,
        costs: await costsOf(coordinator, job),
      }
    },
  }),

  endpoint({
    id: 'rejectJob',
    route: 'POST /api/v3/jobs/{id}/reject',
    access: ownJobs('approve'),
    summary: 'Reject a job that waits for approval: it must be submitted again first',
    description:
      'Sends a job that waits for approval back to its maker, with a note. It is not approved before it is submitted again.',
    params: jobPath,
    body: jsonBody('Rejection', rejection, { note: 'the kitchen is shown twice' }),
    answer: json(200, rejectSchema, 'The job is rejected; what was approved before goes on'),
    refuses: {
      422: 'The note is missing, or nothing of the job waits for approval: `current_status` names its state',
    },
    handle: async ({ params, body, by }, { coordinator }) => {
      const job = await coordinator.rejectJob(params.id, body, by)
      return {
        ...controlAnswer('Job rejected successfully', job),
        rejected: rejectedAnswer(job.rejected),
      }
    },
  }),

  endpoint({
    id: 'submitJob',
    route: 'POST /api/v3/jobs/{id}/submit',
    access: ownJobs('submit', 'approve'),
    summary: 'Submit a rejected job again, changed or not: it waits for an approval once more',
    description: 'Submits a rejected job again: it waits for an approval as before.',
    params: jobPath,
    body: whyBody,
    answer: json(200, submitSchema, 'The job can be approved'),
    refuses: { 422: 'The job is not rejected: `current_status` names its state' },
    handle: async ({ params, body, by }, { coordinator }) => {
      const job = await coordinator.submitJob(params.id, body, by)
      const { toApproveMicros } = await coordinator.costs(job.id)
      return {
        ...controlAnswer('Job submitted successfully', job),
        ...approvalAnswer(job, toApproveMicros),
      }
    },
  }),

  endpoint({
    id: 'updateJob',
    route: 'PATCH /api/v3/jobs/{id}',
    access: ownJobs('submit'),
    summary: 'Change a job: its name, and before it has ended its priority, start and deadline',
    description:
      'Changes the members that the body names, and nothing else. Null removes a start or a deadline.',
    params: jobPath,
    body: jsonBody('JobChange', jobChange, { priority: 80, deadline_at: '2027-01-15T18:00:00Z' }),
    answer: json(200, jobSchema, 'The job as it is now'),
    refuses: { 422: `The body is impossible, or ${hasEnded}` },
    handle: async ({ params, body, by, rights }, { coordinator }) =>
      jobAnswer(coordinator, await coordinator.updateJob(params.id, body, by), rights),
  }),

  endpoint({
    id: 'deleteJob',
    route: 'DELETE /api/v3/jobs/{id}',
    access: ownJobs('submit', 'approve'),
    summary: 'Delete a job that has ended, with its scenes and films; its cost stays in the ledger',
    description:
      'Deletes a job that has ended, with its scenes and films. Its attempts and costs stay in the ledger, and its events in the log.',
    params: jobPath,
    answer: json(200, deletedSchema, 'The job is gone; its files go once nothing else names them'),
    refuses: {
      422: 'The job has not ended, a render of it is held or not settled, messages to its `webhook_url` or other jobs wait: `reason` says which',
    },
    handle: async ({ params, by }, { coordinator }) => {
      await coordinator.deleteJob(params.id, by)
      return { message: 'Job deleted successfully', job_id: params.id } as const
    },
  }),

  endpoint({
    id: 'pauseJob',
    route: 'POST /api/v3/jobs/{id}/pause',
    access: ownJobs('approve'),
    summary: 'Pause a job: no new renders start, running ones finish',
    description: 'Starts no further render for the job. Renders that run finish, and their clips are kept.',
    params: jobPath,
    body: whyBody,
    answer: json(200, pauseSchema, 'The job is paused'),
    refuses: { 422: `The body is impossible, or ${hasEnded}` },
    handle: async ({ params, body, by, rights }, { coordinator }) => {
      const job = await coordinator.pauseJob(params.id, body, by)
      return {
        ...controlAnswer('Job paused successfully', job),
        waiting: await waitingOf(coordinator, job, rights),
      }
    },
  }),

  endpoint({
    id: 'resumeJob',
    route: 'POST /api/v3/jobs/{id}/resume',
    access: ownJobs('approve'),
    summary: 'Resume a paused job',
    description: 'Ends the pause of a job: its scenes take their place in the queue again.',
    params: jobPath,
    answer: json(200, resumeSchema, 'The job goes on'),
    refuses: { 422: 'The job has ended: `current_status` names its state' },
    handle: async ({ params, by, rights }, { coordinator }) => {
      const job = await coordinator.resumeJob(params.id, by)
      return {
        ...controlAnswer('Job resumed successfully', job),
        waiting: await waitingOf(coordinator, job, rights),
      }
    },
  }),
])
