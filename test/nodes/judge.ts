/** What has to hold after a run, by the provider's own ledger, the rows and those who listened. Each broken promise is a sentence. */

/** The lines of the fake's ledger that matter here. */
export type ProviderEntry =
  | {
      readonly what: 'post'
      readonly at: number
      readonly mark: string | null
      readonly created: boolean
      readonly prediction: string | null
    }
  | { readonly what: 'prompt'; readonly at: number; readonly prediction: string; readonly prompt: string }
  | {
      readonly what: 'ended'
      readonly at: number
      readonly prediction: string
      readonly mark: string | null
      readonly status: string
      readonly billed_micros: number
    }
  | { readonly what: 'fetched' | 'gone' | 'webhook'; readonly at: number }

export interface EventRow {
  readonly id: number
  readonly type: string
  readonly job: number
  readonly scene: string | null
}

export interface DeliveryRow {
  readonly id: string
  readonly event: number
  readonly status: string
  /** When its outcome was recorded. */
  readonly endedAt: number | null
}

export interface Evidence {
  readonly cap: number
  /** The prompts of the wanted renders; equal ones are one render. */
  readonly wanted: ReadonlySet<string>
  /** The prompts of jobs that were cancelled, if not before they were completed: such a render may be made, or cancelled. */
  readonly givenUp: ReadonlySet<string>
  /** The jobs by the answers to their creation. */
  readonly created: readonly number[]
  /** As read at the end. */
  readonly jobs: readonly {
    readonly id: number
    readonly status: string
    readonly filmSize: number | null
    /** Bytes that were read of the film; null if it could not be read. */
    readonly readSize: number | null
  }[]
  readonly provider: readonly ProviderEntry[]
  readonly spentMicros: number
  readonly reservedMicros: number
  readonly unaccounted: number
  /** Attempts that a person has to decide, or whose state is not known. */
  readonly undecided: readonly string[]
  /** The log of events by its rows. */
  readonly events: readonly EventRow[]
  readonly stream: readonly number[]
  /** What a subscriber in each life of each node heard; `isWhole` if that life lasted to the end. */
  readonly subscribers: readonly {
    readonly name: string
    readonly heard: readonly number[]
    readonly isWhole: boolean
  }[]
  /** Types that the receiver of webhooks subscribes to. */
  readonly webhookTypes: ReadonlySet<string>
  readonly webhooks: readonly {
    readonly messageId: string
    readonly event: number
    readonly job: number
    readonly at: number
  }[]
  readonly deliveries: readonly DeliveryRow[]
  /** Versions of films that were published, by job. */
  readonly films: readonly { readonly job: number; readonly versions: number }[]
  /** Artifacts that rows rely on. */
  readonly files: ReadonlySet<string>
  /** Artifacts in the store, by their names, and the hash of their bytes. */
  readonly stored: readonly { readonly id: string; readonly sha256: string }[]
  /** Rows of tasks that are left. */
  readonly tasksLeft: number
}

export function judge(evidence: Evidence): string[] {
  return [
    ...judgeJobs(evidence),
    ...judgePosts(evidence),
    ...judgeBill(evidence),
    ...judgeCap(evidence),
    ...judgeStream(evidence),
    ...evidence.subscribers.flatMap((subscriber) => judgeSubscriber(evidence, subscriber)),
    ...judgeWebhooks(evidence),
    ...judgeDeliveries(evidence),
    ...judgeChanges(evidence),
    ...judgeFiles(evidence),
    ...(evidence.tasksLeft > 0 ? [`${evidence.tasksLeft} tasks are left over`] : []),
  ]
}

function judgeJobs({ created, jobs, givenUp }: Evidence): string[] {
  const ids = new Set(created)
  const broken: string[] = []
  if (ids.size !== created.length) broken.push('two requests got one job')
  for (const { id } of jobs) if (!ids.has(id)) broken.push(`job ${id} was made by no answered request`)
  for (const id of ids) if (!jobs.some((job) => job.id === id)) broken.push(`job ${id} is lost`)
  for (const { id, status, filmSize, readSize } of jobs)
    if (status === 'cancelled' && givenUp.size > 0) continue
    else if (status !== 'completed') broken.push(`job ${id} is ${status}`)
    else if (filmSize === null || readSize !== filmSize)
      broken.push(`the film of job ${id} has ${readSize} bytes instead of ${filmSize}`)
  return broken
}

function judgePosts({ provider }: Evidence): string[] {
  const posts = provider.filter((entry) => entry.what === 'post')
  const byMark = Map.groupBy(posts, ({ mark }) => mark)
  return [...byMark].flatMap(([mark, all]) => {
    if (mark === null) return [`${all.length} POSTs have no mark`]
    return all.length > 1 ? [`the attempt ${mark} was sent ${all.length} times`] : []
  })
}

function judgeBill({
  provider,
  wanted,
  givenUp,
  spentMicros,
  reservedMicros,
  unaccounted,
  undecided,
}: Evidence): string[] {
  const broken: string[] = []
  const prompts = new Map(
    provider.flatMap((entry) => (entry.what === 'prompt' ? [[entry.prediction, entry.prompt] as const] : [])),
  )
  const billed = provider.filter((entry) => entry.what === 'ended').filter((entry) => entry.billed_micros > 0)
  const times = new Map<string, number>()
  for (const { prediction, status } of billed) {
    const prompt = prompts.get(prediction) ?? `of ${prediction}`
    // One that was cancelled after it had begun costs as much, and leaves no clip.
    if (status === 'succeeded' || !givenUp.has(prompt)) times.set(prompt, (times.get(prompt) ?? 0) + 1)
  }
  for (const [prompt, count] of times) {
    if (!wanted.has(prompt) && !givenUp.has(prompt))
      broken.push(`"${prompt}" was billed and wanted by nobody`)
    if (count > 1) broken.push(`"${prompt}" was billed ${count} times`)
  }
  for (const entry of provider)
    if (
      entry.what === 'ended' &&
      entry.status !== 'succeeded' &&
      !givenUp.has(prompts.get(entry.prediction) ?? '')
    )
      broken.push(`the prediction ${entry.prediction} ended ${entry.status}, and every one was wanted`)
  for (const prompt of wanted) if (!times.has(prompt)) broken.push(`"${prompt}" was wanted and never billed`)
  const bill = billed.reduce((sum, { billed_micros: micros }) => sum + micros, 0)
  if (bill !== spentMicros) broken.push(`billed ${bill}, booked ${spentMicros}`)
  if (reservedMicros !== 0) broken.push(`${reservedMicros} stay reserved`)
  if (unaccounted > 0) broken.push(`${unaccounted} renders belong to no attempt`)
  return [...broken, ...undecided]
}

/** The most renders together at the provider, by its own times. */
export function busiest(provider: readonly ProviderEntry[]): number {
  const ends = new Map(
    provider.flatMap((entry) => (entry.what === 'ended' ? [[entry.prediction, entry.at] as const] : [])),
  )
  const changes = provider.flatMap((entry) => {
    if (entry.what !== 'post' || entry.prediction === null) return []
    const end = ends.get(entry.prediction)
    return [{ at: entry.at, by: 1 }, ...(end === undefined ? [] : [{ at: end, by: -1 }])]
  })
  let now = 0
  let most = 0
  // One that ends in the millisecond in which another begins was before it.
  for (const { by } of changes.toSorted((a, b) => a.at - b.at || a.by - b.by))
    most = Math.max(most, (now += by))
  return most
}

function judgeCap({ provider, cap }: Evidence): string[] {
  const most = busiest(provider)
  return most > cap ? [`${most} renders ran at once, with a limit of ${cap}`] : []
}

/** What is wrong with ids that were heard, beside all there are, in order. */
function comparedWith(all: readonly number[], heard: readonly number[], who: string): string[] {
  const broken: string[] = []
  const known = new Set(all)
  const seen = new Set<number>()
  let last = Number.NEGATIVE_INFINITY
  for (const id of heard) {
    if (seen.has(id)) broken.push(`${who} heard event ${id} twice`)
    else if (id < last) broken.push(`${who} heard event ${id} after ${last}`)
    if (!known.has(id)) broken.push(`${who} heard event ${id}, which is not in the log`)
    seen.add(id)
    last = Math.max(last, id)
  }
  const missed = all.filter((id) => !seen.has(id))
  if (missed.length > 0)
    broken.push(`${who} missed ${missed.length} events: ${missed.slice(0, 5).join(', ')}`)
  return broken
}

function judgeStream({ events, stream }: Evidence): string[] {
  return comparedWith(
    events.map(({ id }) => id),
    stream,
    'the reader of the stream',
  )
}

/** From its first event on it hears all, to the end or until its process ended. */
function judgeSubscriber(
  { events }: Evidence,
  { name, heard, isWhole }: Evidence['subscribers'][number],
): string[] {
  const [first] = heard
  if (first === undefined) return []
  const last = isWhole ? Number.POSITIVE_INFINITY : heard.reduce((most, id) => Math.max(most, id), first)
  const all = events.flatMap(({ id }) => (id >= first && id <= last ? [id] : []))
  return comparedWith(all, heard, `the subscriber in ${name}`)
}

/** A message may come twice, as one: its id is the same. */
function judgeWebhooks({ events, webhookTypes, webhooks }: Evidence): string[] {
  const broken: string[] = []
  const byEvent = Map.groupBy(webhooks, ({ event }) => event)
  const expected = new Set(events.flatMap(({ id, type }) => (webhookTypes.has(type) ? [id] : [])))
  for (const [event, all] of byEvent) {
    const messages = new Set(all.map(({ messageId }) => messageId))
    if (messages.size > 1) broken.push(`event ${event} was sent as ${messages.size} messages`)
    if (!expected.has(event))
      broken.push(`event ${event} was sent, and is not in the log or not subscribed to`)
  }
  const missed = [...expected].filter((id) => !byEvent.has(id))
  if (missed.length > 0)
    broken.push(`the receiver of webhooks missed ${missed.length} events: ${missed.slice(0, 5).join(', ')}`)
  return broken
}

/** The clocks of the receiver and the nodes, and a request that is on its way while its outcome is recorded. */
const lateMs = 1000

/** Who sends after the outcome was recorded has not looked whether it may. */
function judgeDeliveries({ deliveries, webhooks }: Evidence): string[] {
  const rows = new Map(deliveries.map((delivery) => [delivery.id, delivery]))
  const broken = deliveries.flatMap(({ event, status }) =>
    status === 'delivered' ? [] : [`the delivery of event ${event} is ${status}`],
  )
  for (const { messageId, event, at } of webhooks) {
    const late = at - (rows.get(messageId)?.endedAt ?? at)
    if (late > lateMs) broken.push(`event ${event} was sent ${late} ms after its delivery was recorded`)
  }
  return broken
}

const onceOfJob = new Set(['job_created', 'job_approved', 'job_completed'])
const onceOfScene = new Set(['scene_rendered', 'scene_completed'])

/** What a run does that has lost its task, or two runs of one task, shows as a change that happens twice. */
function judgeChanges({ events, films }: Evidence): string[] {
  const changes = Map.groupBy(
    events.filter(({ type }) => onceOfJob.has(type) || onceOfScene.has(type)),
    ({ type, job, scene }) => `${type} of job ${job}${scene === null ? '' : `, scene ${scene}`}`,
  )
  return [
    ...[...changes].flatMap(([what, { length }]) => (length > 1 ? [`${what} happened ${length} times`] : [])),
    ...films.flatMap(({ job, versions }) =>
      versions === 1 ? [] : [`the film of job ${job} was published ${versions} times`],
    ),
  ]
}

function judgeFiles({ files, stored }: Evidence): string[] {
  const ids = new Set(stored.map(({ id }) => id))
  return [
    ...[...files].flatMap((id) => (ids.has(id) ? [] : [`the artifact ${id} is not in the store`])),
    ...stored.flatMap(({ id, sha256 }) =>
      id === sha256 ? [] : [`the artifact ${id} holds the bytes of ${sha256}`],
    ),
  ]
}

/** Receipts of messages that had come before. */
export const doubled = ({ webhooks }: Pick<Evidence, 'webhooks'>): number =>
  webhooks.length - new Set(webhooks.map(({ messageId }) => messageId)).size

/** First receipts that came after those of later events of their job. */
export function outOfOrder({ webhooks }: Pick<Evidence, 'webhooks'>): number {
  const seen = new Set<string>()
  const last = new Map<number, number>()
  let count = 0
  for (const { messageId, event, job } of webhooks) {
    if (seen.has(messageId)) continue
    seen.add(messageId)
    if (event < (last.get(job) ?? 0)) count++
    last.set(job, Math.max(event, last.get(job) ?? 0))
  }
  return count
}
