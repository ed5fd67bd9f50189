/** What the pages show: each names a request, and says which events change its answer. */
import {
  type FilmVersionsAnswer,
  type HistoryAnswer,
  type JobAnswer,
  type JobEvent,
  type JobsAnswer,
  type ScenesAnswer,
  client,
} from './client.ts'
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
        current_stage: stage,
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

export const limitsSource = changedBySlots('limits', (signal) => client.readLimits({ signal }))
export const budgetsSource = changedBySlots('budgets', (signal) => client.readBudgets({ signal }))
export const spendSource = changedBySlots('spend', (signal) => client.readSpend({}, { signal }))

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

/** One source for each job. */
function ofJobs<Data>(make: (id: number) => Source<Data>): (id: number) => Source<Data> {
  const known = new Map<number, Source<Data>>()
  return (id) => {
    const source = known.get(id) ?? make(id)
    known.set(id, source)
    return source
  }
}

export type FilmVersion = FilmVersionsAnswer['versions'][number]

/** The films that a job has had, newest first. */
export const versionsSource = ofJobs<readonly FilmVersion[]>((id) => ({
  name: `versions ${id}`,
  load: async (signal) => (await client.listFilmVersions(id, { signal })).versions,
  on: ({ job_id, type }, data) =>
    job_id === id && (type === 'job_completed' || type === 'job_updated') ? 'again' : data,
}))

export type HistoryEntry = Pick<
  HistoryAnswer['entries'][number],
  'event_id' | 'at' | 'type' | 'by' | 'reason' | 'scene_id' | 'data'
>

/** Longer histories are shown from their beginning. */
const mostPages = 20

/** What happened to a job, oldest first. */
export const historySource = ofJobs<readonly HistoryEntry[]>((id) => ({
  name: `history ${id}`,
  async load(signal) {
    const entries: HistoryEntry[] = []
    let after: number | null = 0
    for (let page = 0; page < mostPages && after !== null; page++) {
      const answer: HistoryAnswer = await client.readHistory(id, { after, limit: 500 }, { signal })
      entries.push(...answer.entries)
      after = answer.next_after
    }
    return entries
  },
  on(event, data) {
    const isKnown = event.id <= (data.at(-1)?.event_id ?? 0)
    if (event.job_id !== id || isProgress(event) || isKnown) return data
    const { reason } = event.data
    return [
      ...data,
      {
        event_id: event.id,
        at: event.inserted_at,
        type: event.type,
        by: event.by ?? 'coordinator',
        ...(typeof reason === 'string' && { reason }),
        ...(event.scene_id !== undefined && { scene_id: event.scene_id }),
        data: event.data,
      },
    ]
  },
}))
