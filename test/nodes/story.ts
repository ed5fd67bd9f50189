/**
 * One story: three nodes make films of a provider's clips while faults strike, a client repeats what it got no answer to, and
 * others listen. At its end all of it is held against the provider's ledger and the rows.
 */
import { copyFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { seeded } from '../../src/fake-replicate/chance.ts'
import { picture } from '../server/process.ts'
import { type Client, createClient } from './client.ts'
import { type Cluster, type Life, linesOf, microsPerClip, model, openCluster, urlOf } from './cluster.ts'
import { type Inflicted, inflict, planFaults } from './faults.ts'
import { type Evidence, type ProviderEntry, busiest, doubled, judge, outOfOrder } from './judge.ts'
import { followNodes, receiveWebhooks } from './listeners.ts'
import { settled } from './rows.ts'
import { type Takeover, measureTakeovers } from './takeover.ts'

export interface StoryOptions {
  readonly jobs: number
  readonly scenes: number
  /** How long faults strike at most; they end with the last film. */
  readonly seconds: number
  readonly seed: number
  readonly clip: Uint8Array
  readonly nodes?: number
  readonly cap?: number
  readonly everyMs?: number
  readonly restartEveryMs?: number
  readonly longestMs?: number
  readonly renderMs?: readonly [number, number]
  /** The share of the time over which the jobs come. Default: half. */
  readonly spread?: number
  /** Called with a line for who watches. */
  readonly say?: (line: string) => void
  /** Where the ledger and the logs are kept where a promise was broken. */
  readonly keepIn?: string
}

export interface Outcome {
  readonly seed: number
  readonly broken: readonly string[]
  readonly faults: ReadonlyMap<string, number>
  readonly figures: Readonly<Record<string, number | string>>
  /** What happened when, of the faults. */
  readonly lines: readonly string[]
}

const webhookTypes = new Set([
  'job_created',
  'job_approved',
  'job_completed',
  'job_failed',
  'scene_completed',
])
const pictures = 6
/** Until everything has ended, beyond twice the time of the faults: the machine may be busy with other work. */
const restMs = 240_000

export async function play(options: StoryOptions): Promise<Outcome> {
  const { seconds, seed, say = () => undefined } = options
  const { nodes = 3, cap = 6, everyMs = 4000, restartEveryMs = 60_000, longestMs = 40_000 } = options
  const random = seeded(seed)
  const plan = planFaults({ seconds, nodes, everyMs, restartEveryMs, longestMs, random })
  const begun = performance.now()
  const cluster = await openCluster({
    nodes,
    cap,
    seed,
    clip: options.clip,
    renderMs: options.renderMs ?? [300, 1500],
  })
  const receiver = await receiveWebhooks()
  const urls = cluster.nodes.map(({ front }) => urlOf(front))
  const client = createClient({ urls, name: `story-${seed}`, deadline: begun + 2 * seconds * 1000 + restMs })
  const calm = new AbortController()
  let inflicted: Inflicted | undefined
  const reader = followNodes(urls, seeded(seed + 1), [2000, 10_000])
  try {
    const { status, body } = await client.ask('POST', '/webhooks/endpoints', {
      url: receiver.url,
      event_types: [...webhookTypes],
    })
    if (status !== 201) throw new Error(`no endpoint: ${JSON.stringify(body)}`)
    const orders = orderJobs(options, random)
    const assets: string[] = []
    for (let n = 0; n < pictures; n++)
      assets.push((await client.ask('POST', '/assets', await picture(n * 50))).body.id)
    say(`begins after ${Math.round((performance.now() - begun) / 1000)} s`)
    const striking = performance.now()
    const takeovers = measureTakeovers(cluster.postgresUrl)
    inflicted = inflict(plan, cluster, { signal: calm.signal, onKilled: takeovers.begin })
    void sleep(seconds * 1000, undefined, { signal: calm.signal }).then(
      () => calm.abort(),
      () => undefined,
    )
    const { created, retries } = await makeFilms({
      orders,
      assets,
      client,
      comingMs: seconds * 1000 * (options.spread ?? 0.5),
      say,
      begun: striking,
    })
    const madeMs = performance.now() - striking
    calm.abort()
    await inflicted.ended
    const judged = await gather({ cluster, client, cap, created, orders, reader, receiver, say })
    const broken = [...judge(judged), ...client.wrong, ...reader.wrong, ...diedAlone(cluster)]
    if (broken.length > 0) keep(cluster, options.keepIn, say)
    return {
      seed,
      broken,
      faults: inflicted.counts,
      lines: inflicted.lines,
      figures: {
        ...figuresOf(judged, cluster, client),
        retries: retries.length === 0 ? 0 : retries.join('; '),
        seconds: Math.round(madeMs / 1000),
        stream_connections: reader.connections,
        ...takeoverFigures(await takeovers.ended()),
        ...(await countersOf(urls)),
      },
    }
  } catch (error) {
    keep(cluster, options.keepIn, say)
    return {
      seed,
      broken: [error instanceof Error ? (error.stack ?? error.message) : String(error), ...client.wrong],
      faults: inflicted?.counts ?? new Map(),
      lines: inflicted?.lines ?? [],
      figures: {},
    }
  } finally {
    calm.abort()
    await inflicted?.ended.catch(() => undefined)
    await reader.close()
    await receiver.close()
    await cluster.close()
  }
}

interface Order {
  readonly prompts: readonly string[]
  readonly transition: 'cut' | 'fade'
  /** So long after its approval it is cancelled. */
  readonly cancelAfterMs: number | undefined
}

const cancelledShare = 0.1

/** One scene in eight is equal to an earlier one, of another job or of its own: one clip serves both. */
function orderJobs({ jobs, scenes, seed }: StoryOptions, random: () => number): readonly Order[] {
  const used: string[] = []
  return Array.from({ length: jobs }, (_job, job) => ({
    transition: random() < 0.05 ? 'fade' : 'cut',
    cancelAfterMs: random() < cancelledShare ? random() * 15_000 : undefined,
    prompts: Array.from({ length: scenes }, (_scene, scene) => {
      const earlier = random() < 0.125 ? used[Math.floor(random() * used.length)] : undefined
      if (earlier === undefined) used.push(`Story ${seed}, look ${job}.${scene}.`)
      return earlier ?? used.at(-1)!
    }),
  }))
}

const promptsOf = (orders: readonly Order[]): readonly string[] => orders.flatMap(({ prompts }) => prompts)

/** Equal prompts get equal pictures. */
const pictureOf = (prompt: string): number =>
  Buffer.from(prompt).reduce((sum, byte) => sum + byte, 0) % pictures

interface Making {
  readonly orders: readonly Order[]
  readonly assets: readonly string[]
  readonly client: Client
  /** Over which the jobs come. */
  readonly comingMs: number
  readonly begun: number
  readonly say: (line: string) => void
}

/** Resolves when all films are there. */
async function makeFilms({ orders, assets, client, comingMs, begun, say }: Making) {
  const created: number[] = []
  const retries: string[] = []
  const cancelling: Promise<unknown>[] = []
  const submit = async (order: Order, index: number): Promise<void> => {
    await sleep(Math.max(0, (index / orders.length) * comingMs - (performance.now() - begun)))
    const boards = order.prompts.map((prompt) => ({ asset_ids: [assets[pictureOf(prompt)]], prompt }))
    const made = await client.ask('POST', '/jobs', {
      type: 'property_photos',
      parameters: {
        photos: boards.map(({ asset_ids: [asset_id] }) => ({ asset_id, room: 'room' })),
        model,
        resolution: '360p',
        clip_duration: 1,
        transition: order.transition,
      },
      storyboard: { scenes: boards },
    })
    if (made.status !== 201) throw new Error(`a job was refused: ${JSON.stringify(made.body)}`)
    created.push(made.body.job_id)
    const approved = await client.ask('POST', `/jobs/${made.body.job_id}/approve`)
    if (approved.status !== 200)
      throw new Error(`job ${made.body.job_id} was not approved: ${JSON.stringify(approved.body)}`)
    if (order.cancelAfterMs === undefined) return
    // Its lane goes on meanwhile.
    cancelling.push(
      sleep(order.cancelAfterMs).then(() => client.ask('POST', `/jobs/${made.body.job_id}/cancel`)),
    )
  }
  const queue = [...orders.entries()]
  const lane = async (): Promise<void> => {
    for (let next = queue.shift(); next; next = queue.shift()) await submit(next[1], next[0])
  }
  const submitting = Promise.all(Array.from({ length: 4 }, lane))
  submitting.catch(() => undefined)
  let said = 0
  for (;;) {
    await Promise.race([sleep(1500), submitting.then(() => sleep(500))])
    const statuses = await listJobs(client)
    for (const { id, status } of statuses)
      if (status === 'failed') {
        const { body } = await client.ask('GET', `/jobs/${id}`)
        retries.push(`job ${id}: ${body.error?.reason ?? JSON.stringify(body.error)}`)
        await client.ask('POST', `/jobs/${id}/retry`)
      }
    const done = statuses.filter(({ status }) => status === 'completed' || status === 'cancelled').length
    if (performance.now() - begun > said) {
      said = performance.now() - begun + 20_000
      say(`${Math.round((performance.now() - begun) / 1000)} s: ${done} of ${statuses.length} jobs ended`)
    }
    if (done === orders.length) break
  }
  await submitting
  await Promise.all(cancelling)
  return { created, retries }
}

async function listJobs(
  client: Client,
): Promise<readonly { readonly id: number; readonly status: string }[]> {
  const found: { id: number; status: string }[] = []
  let cursor: string | null = null
  do {
    const { body } = await client.ask('GET', `/jobs?limit=200${cursor === null ? '' : `&cursor=${cursor}`}`)
    for (const { job_id: id, status } of body.jobs) found.push({ id, status })
    cursor = body.next_cursor
  } while (cursor !== null)
  return found
}

interface Gathering {
  readonly cluster: Cluster
  readonly client: Client
  readonly cap: number
  readonly created: readonly number[]
  readonly orders: readonly Order[]
  readonly reader: { readonly heard: readonly number[] }
  readonly receiver: { readonly received: Evidence['webhooks'] }
  readonly say: (line: string) => void
}

async function gather({
  cluster,
  client,
  cap,
  created,
  orders,
  reader,
  receiver,
  say,
}: Gathering): Promise<Evidence> {
  const jobs: Evidence['jobs'][number][] = []
  for (const { id, status } of await listJobs(client)) {
    const { body } = await client.ask('GET', `/jobs/${id}`)
    jobs.push({ id, status, filmSize: body.film?.size ?? null, readSize: await filmSize(cluster, id) })
  }
  const rows = await settled(cluster, ({ events }) => {
    const heard = new Set(reader.heard)
    const sent = new Set(receiver.received.map(({ event }) => event))
    return events.every(({ id, type }) => heard.has(id) && (!webhookTypes.has(type) || sent.has(id)))
  })
  say(`${rows.events.length} events, ${rows.tasks} tasks left`)
  const ledger = await client.ask('GET', '/ledger?limit=1')
  return {
    cap,
    created,
    jobs,
    wanted: new Set(promptsOf(orders.filter(({ cancelAfterMs }) => cancelAfterMs === undefined))),
    givenUp: new Set(promptsOf(orders.filter(({ cancelAfterMs }) => cancelAfterMs !== undefined))),
    provider: linesOf(cluster.ledgerPath).map((line) => JSON.parse(line) as ProviderEntry),
    spentMicros: Math.round(ledger.body.totals.spent * 1e6),
    reservedMicros: Math.round(ledger.body.totals.reserved * 1e6),
    unaccounted: ledger.body.unaccounted.length,
    undecided: rows.undecided,
    events: rows.events,
    stream: [...reader.heard],
    deliveries: rows.deliveries,
    films: rows.films,
    files: rows.files,
    stored: await cluster.store.read(),
    subscribers: heardIn(cluster),
    webhookTypes,
    webhooks: [...receiver.received],
    tasksLeft: rows.tasks,
  }
}

const heardIn = (cluster: Cluster): Evidence['subscribers'] =>
  cluster.nodes.flatMap(({ name, lives }) =>
    lives.map(({ heardPath, end }, life) => ({
      name: `life ${life} of ${name}`,
      isWhole: end === undefined,
      heard: linesOf(heardPath).map(Number),
    })),
  )

async function filmSize(cluster: Cluster, jobId: number): Promise<number | null> {
  for (let turn = 0; turn < 6; turn++) {
    const { front } = cluster.nodes[turn % cluster.nodes.length]!
    const response = await fetch(`${urlOf(front)}/api/v3/videos/${jobId}/combined`, {
      signal: AbortSignal.timeout(10_000),
    }).catch(() => undefined)
    const bytes = await response?.bytes().catch(() => undefined)
    if (response?.status === 200 && bytes) return bytes.length
  }
  return null
}

/** Processes that ended though nobody had killed them, after they had listened. */
const diedAlone = ({ nodes }: Cluster): readonly string[] =>
  nodes.flatMap(({ name, lives }) =>
    lives.flatMap(({ end, isKilled, listened, logPath }) =>
      end === undefined || isKilled || !listened
        ? []
        : [`${name} ended by itself (${end}): ${linesOf(logPath).slice(-3).join(' ').slice(-600)}`],
    ),
  )

function figuresOf(evidence: Evidence, { nodes }: Cluster, { statuses }: Client) {
  const posts = evidence.provider.filter(({ what }) => what === 'post').length
  const ended = evidence.provider.filter((entry) => entry.what === 'ended')
  const billed = ended.filter((entry) => entry.billed_micros > 0).length
  return {
    jobs: evidence.jobs.length,
    cancelled: evidence.jobs.filter(({ status }) => status === 'cancelled').length,
    wanted: evidence.wanted.size,
    posts,
    billed,
    booked: evidence.spentMicros / microsPerClip,
    busiest: busiest(evidence.provider),
    lives: nodes.reduce((sum, { lives }) => sum + lives.length, 0),
    failed_starts: nodes.reduce(
      (sum, { lives }) =>
        sum + lives.filter(({ listened, isKilled, end }) => !listened && !isKilled && end).length,
      0,
    ),
    events: evidence.events.length,
    lost_runs: nodes.reduce((sum, { lives }) => sum + lives.reduce((of, life) => of + lostIn(life), 0), 0),
    artifacts: evidence.stored.length,
    artifacts_of_no_row: evidence.stored.filter(({ id }) => !evidence.files.has(id)).length,
    heard_by_subscribers: evidence.subscribers.reduce((sum, { heard }) => sum + heard.length, 0),
    webhooks: evidence.webhooks.length,
    webhooks_twice: doubled(evidence),
    webhooks_out_of_order: outOfOrder(evidence),
    answers: [...statuses].map(([status, count]) => `${status}: ${count}`).join(', '),
  }
}

/** Runs of tasks that others had taken over when their node came back. */
const lostIn = ({ logPath }: Life): number =>
  linesOf(logPath).filter((line) => line.includes('Another node has a ')).length

function takeoverFigures(all: readonly Takeover[]): Record<string, string> {
  const shown = (some: readonly Takeover[]): string => {
    const sorted = some.map(({ ms }) => ms).toSorted((a, b) => a - b)
    return sorted.length === 0
      ? 'none'
      : `${sorted.length} tasks, median ${sorted[Math.floor(sorted.length / 2)]} ms, worst ${sorted.at(-1)} ms`
  }
  return {
    takeovers: shown(all.filter(({ isDisturbed }) => !isDisturbed)),
    takeovers_during_a_restart: shown(all.filter(({ isDisturbed }) => isDisturbed)),
  }
}

/** What the nodes that live at the end have counted of collisions and lost tasks. */
async function countersOf(urls: readonly string[]): Promise<Record<string, number>> {
  const sums: Record<string, number> = {}
  for (const url of urls) {
    const response = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(5000) }).catch(
      () => undefined,
    )
    for (const line of (await response?.text())?.split('\n') ?? []) {
      const [, name, value] =
        /^(\w*(?:collision|repeat|lost|takeover|taken_over)\w*)(?:\{[^}]*\})? ([\d.e+]+)$/.exec(line) ?? []
      if (name !== undefined) sums[name] = (sums[name] ?? 0) + Number(value)
    }
  }
  return sums
}

function keep(
  { folder, nodes, ledgerPath }: Cluster,
  into: string | undefined,
  say: (line: string) => void,
): void {
  if (into === undefined || !existsSync(into)) return
  const paths = [ledgerPath, ...nodes.flatMap(({ lives }) => lives.map(({ logPath }) => logPath))]
  for (const path of paths)
    if (existsSync(path)) copyFileSync(path, join(into, path.slice(folder.length + 1).replaceAll('/', '-')))
  say(`the ledger and the logs are in ${into}`)
}
