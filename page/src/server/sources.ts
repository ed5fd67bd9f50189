/** What the pages show: each names a request, and says which events change its answer. */
import {
  type AttentionAnswer,
  type FilmVersionsAnswer,
  type HistoryAnswer,
  type JobAnswer,
  type JobEvent,
  type SceneAnswer,
  type ScenesAnswer,
  client,
} from './client.ts'
import { Later, type Source } from './live.ts'

/** Rendering goes on: it changes neither who has to decide nor what is to be decided, but for jobs that are listed. */
const goesOn: ReadonlySet<JobEvent['type']> = new Set([
  'job_processing',
  'job_progress',
  'job_shared',
  'scene_processing',
  'scene_rendered',
  'scene_completed',
  'scene_retrying',
  'scene_short',
])

/** Something of it is held, or waits for a budget, as far as is known. */
const isListed = ({ held, budgets }: AttentionAnswer, jobId: number): boolean =>
  [...held.renders, ...budgets.jobs].some(({ job_id }) => job_id === jobId)

export const attentionSource: Source<AttentionAnswer> = {
  name: 'attention',
  load: (signal) => client.readAttention({}, { signal }),
  on({ type, job_id }, data) {
    if (!goesOn.has(type)) return 'again'
    return isListed(data, job_id) && type !== 'job_progress' ? new Later(data) : data
  },
}

export interface JobShown {
  readonly job: JobAnswer
  readonly scenes: ScenesAnswer['scenes']
}

/** What an event says of its scene; undefined: it does not say all that is shown at once. */
function sceneChange({ type, data, job_id, scene_id }: JobEvent): Partial<SceneAnswer> | undefined {
  const { code, reason, tries, not_before } = data
  switch (type) {
    case 'scene_processing':
      return { status: 'processing', progress_percentage: 0, waiting: null, not_before: null }
    case 'scene_rendered':
    case 'scene_short':
      return {}
    case 'scene_completed':
      return {
        status: 'completed',
        progress_percentage: 100,
        waiting: null,
        error: null,
        clip_url: `/api/v3/videos/${job_id}/clips/${scene_id}`,
      }
    case 'scene_retrying':
      return {
        status: 'pending',
        progress_percentage: 0,
        error: { code: String(code), reason: String(reason) },
        tries: Number(tries),
        not_before: String(not_before),
      }
    default:
      return undefined
  }
}

/** `scenes` with one of them changed; the others stay what they are. */
function withScene(
  scenes: JobShown['scenes'],
  { scene_id, data: { position } }: JobEvent,
  change: Partial<SceneAnswer>,
): JobShown['scenes'] {
  const place = Number(position)
  const index = scenes[place]?.id === scene_id ? place : scenes.findIndex(({ id }) => id === scene_id)
  const scene = scenes[index]
  return scene ? scenes.with(index, { ...scene, ...change }) : scenes
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
      if (event.type === 'job_progress' && typeof percentage === 'number' && typeof stage === 'string')
        return new Later({
          ...data,
          job: { ...data.job, progress_percentage: percentage, current_stage: stage },
        })
      const change = sceneChange(event)
      return change ? new Later({ ...data, scenes: withScene(data.scenes, event, change) }) : 'again'
    },
  }
  jobSources.set(id, source)
  return source
}

/** Every event but progress may begin or end a render, or move money; a moment later is soon enough. */
const changedBySlots = <Data>(name: string, load: Source<Data>['load']): Source<Data> => ({
  name,
  load,
  on: ({ type }, data) => (type === 'job_progress' ? data : new Later(data)),
})

export const budgetsSource = changedBySlots('budgets', (signal) => client.readBudgets({ signal }))

/** No event tells of it. */
const unchanging = <Data>(name: string, load: Source<Data>['load']): Source<Data> => ({
  name,
  load,
  on: (_, data) => data,
})

/** Who asked for the job. */
export const askerSource = (jobId: number) =>
  unchanging(`asker of job ${jobId}`, (signal) => client.readHistory(jobId, { limit: 1 }, { signal }))

/** What a client has spent and reserved in all. */
export const clientSpendSource = (clientId: string) =>
  changedBySlots(`spend of ${clientId}`, (signal) =>
    client.readSpend({ group: 'client', client_id: clientId }, { signal }),
  )

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
    if (event.job_id !== id || event.type === 'job_progress' || isKnown) return data
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
