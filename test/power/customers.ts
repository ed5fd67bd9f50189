/**
 * Those who use a server whose power is cut: they send requests side by side, remember what was answered, and hold the
 * next server to it. A request without an answer may have been done or not. So may one that is answered after the power went:
 * a sync that is under way when ext4 is shut down may report success, as no machine without power would.
 */
import { setTimeout } from 'node:timers/promises'
import { sha256 } from '../harness/ask.ts'
import { picture } from '../server/process.ts'

/** What can be under way, by which a cut can be aimed. */
export type Doing = 'upload' | 'create' | 'approve' | 'control' | 'settings' | 'prune' | 'read'

export interface CustomersOptions {
  readonly random: () => number
  /** Jobs are rendered at a provider, for money. */
  readonly isPaid: boolean
  /** Things are removed for their age. */
  readonly isPruned: boolean
}

export interface Customers {
  /** Sends requests, half of them of the kind that is preferred, until `signal` fires and the last is answered, or never will be. */
  work(
    url: string,
    options: { readonly signal: AbortSignal; readonly prefer?: Doing | undefined },
  ): Promise<void>
  /** Whether such a request waits for its answer. */
  isDoing(what: Doing): boolean
  /** Whether a job is in this stage, as far as is known. */
  isIn(stage: 'rendering' | 'stitching'): boolean
  /** The power goes now: what is answered from now on is not counted as answered, until the next check. */
  goDark(): void
  /** Time has passed: what is old may be gone. */
  grow(): void
  /** Holds a new server to all that was answered. */
  check(url: string): Promise<void>
  /** Waits until every job that was approved has its film. */
  settle(url: string): Promise<void>
  readonly counts: Counts
  /** What is wrong, in sentences. */
  readonly wrong: readonly string[]
}

export interface Counts {
  /** 2xx of requests that change something. */
  answers: number
  /** Comparisons of what was answered with what is. */
  checks: number
  unanswered: number
  films: number
}

type State = 'pending' | 'going' | 'cancelled' | 'failed'

interface KnownJob {
  readonly id: number
  readonly mark: string
  state: State
  /** The state that a request without an answer leads to. */
  maybe: State | undefined
  priority: number
  maybePriority: number | undefined
  isCompleted: boolean
  stage: string
  isBusy: boolean
  /** How many requests were made of it: what was read before one of them is old after it. */
  moves: number
}

interface KnownAsset {
  readonly id: string
  readonly age: number
}

interface Answer {
  readonly status: number
  readonly body: any
}

/** So many work side by side, and so many jobs at most are under way. */
const clients = 4
const mostGoing = 5
/** US dollars that any job may spend. */
const plenty = 1000
const settledWithinMs = 10 * 60_000

const stateOf = (status: string): State =>
  status === 'pending' || status === 'cancelled' || status === 'failed' ? status : 'going'

export function createCustomers({ random, isPaid, isPruned }: CustomersOptions): Customers {
  const counts: Counts = { answers: 0, checks: 0, unanswered: 0, films: 0 }
  const wrong: string[] = []
  const jobs: KnownJob[] = []
  let assets: KnownAsset[] = []
  /** Creations without an answer, by mark: the request. */
  const openCreations = new Map<string, object>()
  const budget = { limit: null as number | null, maybe: [] as readonly number[] }
  const events = new Map<number, string>()
  const flying = new Map<Doing, number>()
  let lastEvent = 0
  let isDark = false
  let age = 0
  let agedSince = 0
  let marks = 0

  const below = (most: number): number => Math.floor(random() * most)
  const one = <T>(list: readonly T[]): T | undefined => list[below(list.length)]
  const fly = (what: Doing, by: number): void => void flying.set(what, (flying.get(what) ?? 0) + by)

  /** Undefined where no answer came, or one that leaves it open what was done. */
  const send = async (
    what: Doing,
    url: string,
    init: RequestInit & { readonly json?: object } = {},
  ): Promise<Answer | undefined> => {
    fly(what, 1)
    try {
      const { json, headers, ...rest } = init
      const response = await fetch(url, {
        ...rest,
        ...(json && { body: JSON.stringify(json) }),
        headers: { ...(json && { 'content-type': 'application/json' }), ...(headers as object) },
      })
      const body: unknown = JSON.parse(await response.text())
      if (response.status < 500 && !isDark) {
        if (response.ok && what !== 'read') counts.answers++
        return { status: response.status, body }
      }
    } catch {
      // The connection broke.
    } finally {
      fly(what, -1)
    }
    counts.unanswered++
    return undefined
  }

  const upload = async (url: string): Promise<void> => {
    const bytes = await picture(random() * 360)
    const answer = await send('upload', `${url}/api/v3/assets`, {
      method: 'POST',
      body: new Uint8Array(bytes),
      headers: { 'content-type': 'image/jpeg' },
    })
    if (!answer) return
    if (answer.status !== 201) return void wrong.push(`an upload was refused: ${JSON.stringify(answer)}`)
    if (answer.body.id !== sha256(bytes)) wrong.push(`an upload got the id ${answer.body.id}`)
    assets.push({ id: answer.body.id, age })
  }

  const requestOf = (mark: string): object => ({
    type: 'property_photos',
    parameters: {
      photos: Array.from({ length: 1 + below(3) }, (_, room) => ({
        asset_id: one(assets)!.id,
        room: `room ${room}`,
      })),
      resolution: '360p',
      transition: random() < 0.6 ? 'fade' : 'cut',
      clip_duration: isPaid ? 4 : 1,
      ...(isPaid && { model: 'google/veo-3.1-fast' }),
      campaign_id: mark,
    },
  })

  const create = async (url: string, mark = `mark-${++marks}`): Promise<void> => {
    const request = openCreations.get(mark) ?? requestOf(mark)
    const answer = await send('create', `${url}/api/v3/jobs`, {
      method: 'POST',
      json: request,
      headers: { 'idempotency-key': mark },
    })
    if (!answer) return void openCreations.set(mark, request)
    openCreations.delete(mark)
    if (answer.status === 201) return know(mark, answer.body)
    // A photograph was removed for its age.
    if (isPruned && answer.status === 422) assets = assets.filter((asset) => asset.age === age)
    else wrong.push(`a job was refused: ${JSON.stringify(answer)}`)
  }

  const know = (mark: string, job: any): void =>
    void jobs.push({
      id: job.job_id,
      mark,
      state: stateOf(job.status),
      maybe: undefined,
      priority: job.priority,
      maybePriority: undefined,
      isCompleted: false,
      stage: job.current_stage,
      isBusy: false,
      moves: 0,
    })

  const free = (state: State): KnownJob | undefined =>
    one(jobs.filter((job) => job.state === state && !job.isBusy && !job.isCompleted && !job.maybe))

  const controlled = async (job: KnownJob, work: () => Promise<void>): Promise<void> => {
    job.isBusy = true
    job.moves++
    try {
      await work()
    } finally {
      job.isBusy = false
    }
  }

  const move = async (
    url: string,
    job: KnownJob | undefined,
    verb: 'approve' | 'cancel' | 'retry',
    to: State,
  ): Promise<void> => {
    if (!job) return
    await controlled(job, async () => {
      const what = verb === 'approve' ? 'approve' : 'control'
      const answer = await send(what, `${url}/api/v3/jobs/${job.id}/${verb}`, {
        method: 'POST',
        ...(isPaid && verb !== 'cancel' && { json: { max_cost: plenty } }),
      })
      if (!answer) job.maybe = to
      else if (answer.status === 200) job.state = to
      // It ended meanwhile, or a photograph or clip of it was removed for its age.
      else if (answer.status !== 409 && !(isPruned && answer.status === 422))
        wrong.push(`${verb} of job ${job.id} was refused: ${JSON.stringify(answer)}`)
    })
  }

  const prioritise = async (url: string): Promise<void> => {
    const job = free('going') ?? free('pending')
    if (!job || isPaid || job.maybePriority !== undefined) return
    await controlled(job, async () => {
      const priority = below(101)
      const answer = await send('control', `${url}/api/v3/jobs/${job.id}`, {
        method: 'PATCH',
        json: { priority },
      })
      if (!answer) job.maybePriority = priority
      else if (answer.status === 200) job.priority = priority
    })
  }

  let isBudgeting = false
  const setBudget = async (url: string): Promise<void> => {
    if (isBudgeting) return
    isBudgeting = true
    const limit = below(1000)
    const answer = await send('settings', `${url}/api/v3/budgets`, {
      method: 'PUT',
      json: { 'client:nobody': limit },
    })
    if (!answer) budget.maybe = [...budget.maybe, limit]
    else if (answer.status === 200) Object.assign(budget, { limit, maybe: [] })
    else wrong.push(`a budget was refused: ${JSON.stringify(answer)}`)
    isBudgeting = false
  }

  const prune = async (url: string): Promise<void> => {
    await send('prune', `${url}/api/v3/storage/prune`, { method: 'POST' })
  }

  const going = (): number =>
    jobs.filter(({ state, isCompleted }) => state === 'going' && !isCompleted).length

  const approve = (url: string): Promise<void> =>
    going() < mostGoing ? move(url, free('pending'), 'approve', 'going') : Promise.resolve()

  const control = (url: string): Promise<void> => {
    const chance = random()
    if (chance < 0.4) return prioritise(url)
    if (chance < 0.7) return move(url, free('failed') ?? free('cancelled'), 'retry', 'going')
    return move(url, free(random() < 0.7 ? 'going' : 'pending'), 'cancel', 'cancelled')
  }

  const act = (url: string): Promise<void> => {
    const chance = random()
    if (assets.length < 3 || chance < 0.25) return upload(url)
    if (chance < 0.4) return create(url)
    if (chance < 0.7) return approve(url)
    if (chance < 0.84) return control(url)
    return chance < 0.92 || !isPruned ? setBudget(url) : prune(url)
  }

  const actAs = (what: Doing | undefined, url: string): Promise<void> => {
    if (what === 'upload') return upload(url)
    if (what === 'prune') return prune(url)
    if (what === 'approve') return free('pending') ? approve(url) : act(url)
    return act(url)
  }

  const readEvents = async (url: string, after: number): Promise<readonly { id: number; text: string }[]> => {
    const read: { id: number; text: string }[] = []
    for (let from = after; ;) {
      const answer = await send('read', `${url}/api/v3/events?after=${from}&limit=500`)
      if (answer?.status !== 200) return read
      for (const event of answer.body.events) read.push({ id: event.id, text: JSON.stringify(event) })
      from = answer.body.next_after
      if (!answer.body.more) return read
    }
  }

  const readJob = async (url: string, job: KnownJob): Promise<any> => {
    const answer = await send('read', `${url}/api/v3/jobs/${job.id}`)
    return answer?.status === 200 ? answer.body : undefined
  }

  /** What was seen is promised, too. */
  const watch = async (url: string): Promise<void> => {
    for (const { id, text } of await readEvents(url, lastEvent)) {
      events.set(id, text)
      lastEvent = Math.max(lastEvent, id)
    }
    for (const job of jobs) {
      if (job.state !== 'going' || job.isCompleted || job.isBusy) continue
      const { moves } = job
      const found = await readJob(url, job)
      if (found && job.moves === moves) note(job, found)
    }
  }

  const note = (job: KnownJob, found: any): void => {
    job.stage = found.current_stage
    if (found.status === 'completed' && !job.isCompleted) {
      job.isCompleted = true
      counts.films++
    }
    if (found.status !== 'failed' || job.state === 'failed') return
    job.state = 'failed'
    wrong.push(`job ${job.id} failed: ${JSON.stringify(found.error)}`)
  }

  const checkJob = (job: KnownJob, found: any): void => {
    counts.checks++
    if (!found) return void wrong.push(`job ${job.id} is gone`)
    note(job, found)
    const state = stateOf(found.status)
    const isAllowed = state === job.state || state === job.maybe
    if (!isAllowed) wrong.push(`job ${job.id} was ${job.state} (maybe ${job.maybe}) and is ${found.status}`)
    if (job.isCompleted && found.status !== 'completed')
      wrong.push(`job ${job.id} was completed and is ${found.status}`)
    if (found.priority !== job.priority && found.priority !== job.maybePriority)
      wrong.push(`job ${job.id} had the priority ${job.priority} and has ${found.priority}`)
    job.state = state
    job.maybe = undefined
    job.priority = found.priority
    job.maybePriority = undefined
  }

  const checkAssets = async (url: string): Promise<void> => {
    for (const asset of assets) {
      counts.checks++
      const answer = await send('read', `${url}/api/v3/assets/${asset.id}`)
      if (answer?.status === 200) continue
      const mayBeGone = isPruned && asset.age < age
      if (!mayBeGone) wrong.push(`asset ${asset.id} is gone: ${JSON.stringify(answer)}`)
      assets = assets.filter(({ id }) => id !== asset.id)
    }
    const some = one(assets)
    if (!some) return
    const bytes = await fetch(`${url}/api/v3/assets/${some.id}/data`)
    if (sha256(new Uint8Array(await bytes.arrayBuffer())) !== some.id)
      wrong.push(`the bytes of asset ${some.id} are others`)
  }

  const checkCreations = async (url: string): Promise<void> => {
    for (const mark of openCreations.keys()) {
      // After a day its key counts no more: then nobody would send it again.
      if (agedSince === 0) await create(url, mark)
      const answer = await send('read', `${url}/api/v3/jobs?campaign_id=${mark}`)
      const found: any[] = answer?.body.jobs ?? []
      counts.checks++
      if (found.length > 1) wrong.push(`${mark} made ${found.length} jobs`)
      if (openCreations.delete(mark)) for (const job of found) know(mark, job)
    }
  }

  const checkEvents = async (url: string): Promise<void> => {
    if (events.size === 0) return
    const after = Math.min(...events.keys()) - 1
    const found = new Map((await readEvents(url, after)).map(({ id, text }) => [id, text]))
    for (const [id, text] of events) {
      counts.checks++
      const now = found.get(id)
      if (now === text || (now === undefined && isPruned)) continue
      wrong.push(`event ${id} was ${text} and is ${now}`)
    }
    events.clear()
  }

  const checkBudget = async (url: string): Promise<void> => {
    const answer = await send('read', `${url}/api/v3/budgets`)
    const found: number | null =
      answer?.body.budgets.find(({ name }: { name: string }) => name === 'client:nobody')?.limit ?? null
    counts.checks++
    if (found !== budget.limit && !budget.maybe.includes(found ?? -1))
      wrong.push(`the budget was ${budget.limit} (maybe ${budget.maybe.join(', ')}) and is ${found}`)
    Object.assign(budget, { limit: found, maybe: [] })
  }

  return {
    counts,
    wrong,
    isDoing: (what) => (flying.get(what) ?? 0) > 0,
    isIn: (stage) => jobs.some((job) => job.state === 'going' && !job.isCompleted && job.stage === stage),

    goDark() {
      isDark = true
    },

    grow() {
      age++
      agedSince++
    },

    async work(url, { signal, prefer }) {
      const client = async (): Promise<void> => {
        while (!signal.aborted) {
          await (random() < 0.5 ? act(url) : actAs(prefer, url))
          await setTimeout(random() * 20)
        }
      }
      const watcher = async (): Promise<void> => {
        while (!signal.aborted) {
          await watch(url)
          await setTimeout(30)
        }
      }
      await Promise.all([watcher(), ...Array.from({ length: clients }, client)])
    },

    async check(url) {
      isDark = false
      for (const job of jobs) checkJob(job, await readJob(url, job))
      await checkAssets(url)
      await checkCreations(url)
      await checkEvents(url)
      await checkBudget(url)
      agedSince = 0
    },

    async settle(url) {
      const until = performance.now() + settledWithinMs
      for (;;) {
        await watch(url)
        const stopped = free('failed')
        if (stopped) await move(url, stopped, 'retry', 'going')
        else if (going() === 0) return
        if (performance.now() > until) break
        await setTimeout(50)
      }
      for (const job of jobs)
        if (job.state === 'going' && !job.isCompleted)
          wrong.push(`job ${job.id} comes to no end: ${JSON.stringify(await readJob(url, job))}`)
    },
  }
}
