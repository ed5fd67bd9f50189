/** What the pages show: each names a request, and says which events change its answer. */
import { type JobAnswer, type JobEvent, type JobsAnswer, type ScenesAnswer, client } from './client.ts'
import type { Source } from './live.ts'

/** It changes neither what a job costs nor what it waits for. */
const isProgress = ({ type }: JobEvent): boolean => type === 'job_progress'

export const waitingJobs: Source<JobsAnswer> = {
  name: 'waiting jobs',
  load: (signal) => client.listJobs({ needs_approval: 'true', limit: 200 }, { signal }),
  on: (event, data) => (isProgress(event) ? data : 'again'),
}

export interface JobShown {
  readonly job: JobAnswer
  readonly scenes: ScenesAnswer['scenes']
}

const jobSources = new Map<number, Source<JobShown>>()

/** A job with its scenes. */
export function jobSource(id: number): Source<JobShown> {
  const known = jobSources.get(id)
  if (known) return known
  const source: Source<JobShown> = {
    name: `job ${id}`,
    async load(signal) {
      const [job, { scenes }] = await Promise.all([
        client.readJob(id, { signal }),
        client.listScenes(id, { signal }),
      ])
      return { job, scenes }
    },
    on(event, data) {
      if (event.job_id !== id) return data
      const { percentage, stage } = event.data
      if (!isProgress(event) || typeof percentage !== 'number' || typeof stage !== 'string') return 'again'
      const job = {
        ...data.job,
        progress_percentage: percentage,
        current_stage: stage as JobAnswer['current_stage'],
      }
      return { ...data, job }
    },
  }
  jobSources.set(id, source)
  return source
}

/** Events that begin or end a render, or move money. */
const movesSlots = (event: JobEvent): boolean => !isProgress(event)

const changedBySlots = <Data>(name: string, load: Source<Data>['load']): Source<Data> => ({
  name,
  load,
  on: (event, data) => (movesSlots(event) ? 'again' : data),
})

export const budgetsSource = changedBySlots('budgets', (signal) => client.readBudgets({ signal }))

/** No event tells of it. */
const unchanging = <Data>(name: string, load: Source<Data>['load']): Source<Data> => ({
  name,
  load,
  on: (_, data) => data,
})

export const modelsSource = unchanging('models', (signal) => client.listModels({ signal }))
export const storageSource = unchanging('storage', (signal) => client.readStorage({ signal }))
export const keysSource = unchanging('keys', (signal) => client.listKeys({ signal }))
export const endpointsSource = unchanging('webhook endpoints', (signal) =>
  client.listWebhookEndpoints({}, { signal }),
)
