/**
 * One seeded story of what can go wrong on the paid path, told to its end, and then held against the provider's own
 * ledger: who asked for what, what was made, and what was billed.
 */
import type { EndedEntry, Entry, PostEntry } from '../../src/fake-replicate/ledger.ts'
import { type Fault, faults } from '../../src/fake-replicate/fault.ts'
import { seeded } from '../../src/fake-replicate/chance.ts'
import { MediaError } from '../../src/media/ffmpeg.ts'
import type { Coordinator } from '../../src/coordinator/coordinator.ts'
import type { Job } from '../../src/job/job.ts'
import type { Attempt } from '../../src/job/attempt.ts'
import type { Database } from '../../src/store/database.ts'
import { listManualPauses } from '../../src/store/limits.ts'
import { moneyOfLedger } from '../../src/store/money.ts'
import type { FakeOptions } from '../../src/fake-replicate/provider.ts'
import { type Simulation, openSimulation } from '../harness/simulation.ts'
import { assetOf } from '../harness/data.ts'
import { hour, minute, second } from '../harness/harness.ts'

/** From the beginning of a story, ms. */
interface Span {
  readonly afterMs: number
  readonly forMs: number
}

export interface Kill {
  readonly at: number
  readonly when: 'before' | 'after'
  /** How long nobody runs afterwards, ms. */
  readonly downMs: number
}

export interface Story {
  readonly seed: number
  /** Scenes by job, each the pictures it shows: the same ones are the same render. */
  readonly jobs: readonly (readonly number[])[]
  readonly rates: Readonly<Partial<Record<Fault, number>>>
  readonly kills: readonly Kill[]
  readonly maxConcurrency: number
  readonly startDelayMs: number
  readonly isReached: boolean
  readonly listLagMs: readonly [number, number]
  readonly renderMs: readonly [number, number]
  /** Job that is cancelled, and after how long. */
  readonly cancel: { readonly job: number; readonly afterMs: number } | undefined
  /** How long after that it is retried, with money for all of it once more; undefined: never. */
  readonly retryAfterMs: number | undefined
  /** When everything is paused, and for how long. */
  readonly pause: { readonly afterMs: number; readonly forMs: number } | undefined
  readonly dayBudgetUsd: number | undefined
  /** How far the provider's clock is ahead of ours. */
  readonly skewMs: number
  /** FFmpeg's first runs over kept clips that crash. */
  readonly crashes: number
  /** How far our clock is put back at each death, and once while all goes on. */
  readonly putBackMs: number
  /** What the provider's records show of a request. */
  readonly shows: NonNullable<FakeOptions['shows']>
  readonly fetchesPictures: boolean
  /** When the provider answers no request for a render, and for how long. */
  readonly outage: Span | undefined
  /** When the process runs with another account's token, and for how long. */
  readonly elsewhere: Span | undefined
}

export interface Outcome {
  readonly seed: number
  /** What is wrong, in sentences; none: all that is promised held. */
  readonly wrong: readonly string[]
  readonly awaits: number
  readonly posts: number
  readonly rendersBilled: number
  readonly kills: number
  readonly held: number
}

const model = 'google/veo-3.1-fast'

/** 4 s at 720p without sound: $0.40. */
const priceUsd = 0.4

/** Faults that end a scene for good, or lose a clip that was paid for. */
const fatal: ReadonlySet<Fault> = new Set<Fault>([
  'refuse',
  'fails_content',
  'fails_input',
  'output_gone',
  'stalls',
])

/** The share of answers that go wrong at most, at each stage. */
const mostTrouble = 0.85

/** A story from a number: the same one each time. */
export function storyOf(seed: number): Story {
  const random = seeded(seed)
  const below = (most: number): number => Math.floor(random() * most)
  const some = (share: number): boolean => random() < share
  const jobs = Array.from({ length: 1 + below(3) }, () =>
    Array.from({ length: 1 + below(3) }, () => below(6)),
  )
  const struck = new Map<Fault, number>()
  const hardest = some(0.3) ? 0.6 : 0.25
  for (const names of Object.values(faults)) {
    const drawn = names.filter(() => some(0.18)).map((name) => [name, random() * hardest] as const)
    const sum = drawn.reduce((total, [, rate]) => total + rate, 0)
    // A provider that never answers well is not one to be waited for.
    for (const [name, rate] of drawn) struck.set(name, rate * Math.min(1, mostTrouble / sum))
  }
  if (some(0.5)) for (const name of fatal) struck.delete(name)
  const fetchesPictures = some(0.6)
  // Of one that is in no list, a picture that was fetched is the only witness.
  if (!fetchesPictures) struck.delete('reset_unlisted')
  const story: Story = {
    seed,
    jobs,
    rates: Object.fromEntries(struck),
    kills: Array.from({ length: some(0.75) ? 1 + below(3) : 0 }, () => ({
      at: 1 + below(some(0.3) ? 400 : 120),
      when: some(0.5) ? 'before' : 'after',
      downMs: some(0.12) ? 50 * minute + below(60 * minute) : below(some(0.5) ? 2 * second : 3 * minute),
    })),
    maxConcurrency: 1 + below(4),
    startDelayMs: some(0.5) ? 1000 : 0,
    isReached: some(0.6),
    listLagMs: some(0.4) ? [0, minute] : [0, 0],
    renderMs: some(0.3) ? [20 * second, 4 * minute] : [second, 10 * second],
    cancel: some(0.25) ? { job: below(jobs.length), afterMs: below(30 * second) } : undefined,
    retryAfterMs: some(0.5) ? below(some(0.5) ? 10 * second : 5 * minute) : undefined,
    pause: some(0.15) ? { afterMs: below(20 * second), forMs: below(5 * minute) } : undefined,
    ...(some(0.15)
      ? { dayBudgetUsd: priceUsd * (1 + below(4)), skewMs: 0 }
      : { dayBudgetUsd: undefined, skewMs: some(0.3) ? below(6 * hour) - 3 * hour : 0 }),
    crashes: some(0.3) ? below(16) : 0,
    // A budget of the day is another one then.
    putBackMs: 0,
    shows: some(0.25) ? (some(0.5) ? 'copies' : 'seedless') : 'as_sent',
    fetchesPictures,
    outage: some(0.15) ? { afterMs: below(20 * second), forMs: below(90 * minute) } : undefined,
    elsewhere: some(0.15)
      ? { afterMs: below(40 * second), forMs: (some(0.5) ? 36 : 5) * minute + below(9 * minute) }
      : undefined,
  }
  const isPutBack = some(0.15) && story.dayBudgetUsd === undefined
  return isPutBack ? { ...story, putBackMs: below(some(0.5) ? 5 * minute : 6 * hour) } : story
}

/** Three renders for two jobs, two of whose scenes are the same, over a provider that behaves. */
export const plainStory = (isReached: boolean): Story => ({
  seed: 1,
  jobs: [
    [0, 1],
    [1, 2],
  ],
  rates: {},
  kills: [],
  maxConcurrency: 2,
  startDelayMs: 1000,
  isReached,
  listLagMs: [0, minute],
  renderMs: [second, 5 * second],
  cancel: undefined,
  retryAfterMs: undefined,
  pause: undefined,
  dayBudgetUsd: undefined,
  skewMs: 0,
  crashes: 0,
  putBackMs: 0,
  shows: 'as_sent',
  fetchesPictures: false,
  outage: undefined,
  elsewhere: undefined,
})

/** What of it is rendered: two scenes of the four show the same. */
const plainRenders = 3

/** The plain story killed at each await of the outside, before and after what it asked for: each time from its beginning. */
export async function* killedEverywhere(
  isReached: boolean,
  downMs: number,
  crashes = 0,
): AsyncGenerator<Outcome> {
  const plain = { ...plainStory(isReached), crashes }
  const { awaits } = await tell(plain)
  for (let at = 1; at <= awaits; at++)
    for (const when of ['before', 'after'] as const) {
      const outcome = await tell({ ...plain, kills: [{ at, when, downMs }] })
      const { rendersBilled } = outcome
      const billed = rendersBilled === plainRenders ? [] : [`${rendersBilled} renders were billed`]
      const wrong = [...outcome.wrong, ...billed].map((said) => `killed ${when} await ${at}: ${said}`)
      yield { ...outcome, wrong }
    }
}

/** Longer than anything may take: retries, an hour of fetching, six of a provider that can't be read; and with a budget a day a scene. */
const patienceMs = ({ jobs, dayBudgetUsd }: Story): number =>
  40 * hour + (dayBudgetUsd === undefined ? 0 : jobs.flat().length * 24 * hour)

const ownToken = 'r8_fake'
const otherToken = 'r8_of_somebody_else'

/** `open`: on another database than SQLite. */
export async function tell(story: Story, open?: () => Promise<Database>): Promise<Outcome> {
  await using simulation = await openSimulation({
    seed: story.seed,
    maxConcurrency: story.maxConcurrency,
    startDelayMs: story.startDelayMs,
    isReached: story.isReached,
    skewMs: story.skewMs,
    ...(story.crashes > 0 && { onFfmpeg: crashing(story.crashes) }),
    // Bad luck alone should seldom fail a job.
    maxTries: 12,
    fetchesPictures: story.fetchesPictures,
    fake: {
      rates: story.rates,
      listLagMs: story.listLagMs,
      renderMs: story.renderMs,
      shows: story.shows,
      ...(story.outage && { outages: [[story.outage.afterMs, story.outage.afterMs + story.outage.forMs]] }),
      otherAccounts: { [otherToken]: 'somebody-else' },
    },
    budgets: story.dayBudgetUsd === undefined ? {} : { day: story.dayBudgetUsd * 1_000_000 },
    ...(open ? { open } : {}),
  })
  return await toldIn(simulation, story)
}

function crashing(times: number): () => void {
  let left = times
  return () => {
    if (left-- > 0) throw new MediaError('killed', 'FFmpeg crashed (SIGSEGV)')
  }
}

async function toldIn(simulation: Simulation, story: Story): Promise<Outcome> {
  const kills = [...story.kills]
  let awaits = 0
  let deaths = 0
  let token = ownToken
  /** Attempts that were decided by a person. */
  const held = new Set<string>()
  let jobIds: number[] = []

  const begin = async (): Promise<void> => {
    const kill = kills.shift()
    const life = await simulation.start(kill, { token })
    if (kill) downMs = kill.downMs
    awaits += life.awaits()
  }
  let downMs = 0
  const reborn = async (): Promise<void> => {
    deaths++
    simulation.clock.advance(downMs)
    simulation.clock.putBack(story.putBackMs)
    await begin()
  }

  // The jobs are there and approved before anything can die: what an answer has promised is another suite's.
  const first = simulation.life
  for (const pictures of story.jobs) {
    const scenes = pictures.map((picture) => ({ asset_ids: [assetOf(picture)], duration: 4, model }))
    const job = await first.coordinator.createJob({
      type: 'property_photos',
      parameters: { transition: 'cut' },
      storyboard: { scenes },
    })
    jobIds = [...jobIds, job.id]
  }
  first.kill()
  await begin()
  for (const jobId of jobIds) await approve(simulation, jobId, reborn)

  const wishes = wishesOf(simulation, story, jobIds)
  const moves = movesOf(simulation, story)
  const isOver = async (): Promise<boolean> => {
    const move = moves[0]
    if (move && simulation.clock.monotonic() >= move.at) {
      moves.shift()
      token = move.token
      simulation.life.kill()
    }
    if (simulation.life.isDead()) await reborn()
    while (wishes[0] && simulation.clock.monotonic() >= wishes[0].at) {
      const wish = wishes.shift()!
      // Refused where the job has come to its end: that is a caller's lot.
      void wish.ask(simulation.life.coordinator).catch(() => undefined)
      await simulation.settle()
      // Whoever was asked may have died before he had written it down.
      if (wish.isDone && !(await wish.isDone()))
        wishes.push({ ...wish, at: simulation.clock.monotonic() + minute })
    }
    // Whoever looks with another account's token sees nothing there.
    if (token !== otherToken) await decideHeld(simulation, held)
    await allowMore(simulation, held)
    return (
      wishes.length === 0 && moves.length === 0 && !simulation.life.isDead() && (await isSettled(simulation))
    )
  }
  const ended = await simulation.run(isOver, patienceMs(story))
  awaits += simulation.life.awaits()
  // Once more over everything, for what the last minute may have left.
  const never = async (): Promise<boolean> => {
    if (simulation.life.isDead()) await reborn()
    return false
  }
  if (ended) await simulation.run(never, 3 * minute)

  const wrong = await judge(simulation, story, jobIds, { ended, held })
  const bills = simulation.ledger.filter((entry) => entry.what === 'ended')
  return {
    seed: story.seed,
    wrong,
    awaits,
    posts: simulation.ledger.filter(({ what }) => what === 'post').length,
    rendersBilled: bills.filter(({ billed_micros }) => billed_micros > 0).length,
    kills: deaths,
    held: held.size,
  }
}

/** When the process is started anew with which token. */
function movesOf(
  simulation: Simulation,
  { elsewhere }: Story,
): { readonly at: number; readonly token: string }[] {
  if (!elsewhere) return []
  const at = simulation.clock.monotonic() + elsewhere.afterMs
  return [
    { at, token: otherToken },
    { at: at + elsewhere.forMs, token: ownToken },
  ]
}

interface Wish {
  readonly at: number
  readonly ask: (coordinator: Coordinator) => Promise<unknown>
  /** What is asked for again until it is so. */
  readonly isDone?: () => Promise<boolean>
}

/** What people ask for while it goes on, by time. */
function wishesOf(
  simulation: Simulation,
  { cancel, retryAfterMs, pause, putBackMs }: Story,
  jobIds: readonly number[],
): Wish[] {
  const now = simulation.clock.monotonic()
  const wishes: Wish[] = []
  if (putBackMs > 0)
    wishes.push({ at: now + 15 * second, ask: () => Promise.resolve(simulation.clock.putBack(putBackMs)) })
  if (cancel) {
    const jobId = jobIds[cancel.job]!
    const at = now + cancel.afterMs
    wishes.push({ at, ask: (coordinator) => coordinator.cancelJob(jobId) })
    if (retryAfterMs !== undefined)
      wishes.push({
        at: at + retryAfterMs,
        ask: (coordinator) => coordinator.retryJob(jobId, { max_cost: 100 }),
      })
  }
  if (pause) {
    const at = now + pause.afterMs
    wishes.push({ at, ask: (coordinator) => coordinator.pause() })
    wishes.push({
      at: at + pause.forMs,
      ask: (coordinator) => coordinator.resume(),
      isDone: async () => (await listManualPauses(simulation.database)).length === 0,
    })
  }
  return wishes.toSorted((a, b) => a.at - b.at)
}

/** As a caller would: again where the process died before it answered. */
async function approve(simulation: Simulation, jobId: number, reborn: () => Promise<void>): Promise<void> {
  for (;;) {
    let answered = false
    void simulation.life.coordinator
      .approveJob(jobId)
      .then(
        () => undefined,
        () => undefined,
      )
      .then(() => (answered = true))
    await simulation.run(() => Promise.resolve(answered || simulation.life.isDead()), minute)
    if (!simulation.life.isDead()) return
    await reborn()
    const { status } = (await simulation.database.get('select status from jobs where id = $1', [jobId]))!
    if (status !== 'pending') return
  }
}

/** A person looks into the provider's own records, and decides. */
async function decideHeld(simulation: Simulation, held: Set<string>): Promise<void> {
  const rows = await simulation.database.all(
    `select id, job_id, scene_id, hinted_id from attempts where status = 'held'`,
  )
  let isAny = false
  for (const { id, job_id, scene_id, hinted_id } of rows) {
    if (hinted_id !== null) continue
    const post = posts(simulation).find(({ mark }) => mark?.endsWith(String(id)))
    const resolution = post?.created
      ? { resolution: 'adopt', prediction_id: post.prediction! }
      : { resolution: 'absent' }
    void simulation.life.coordinator
      .resolveScene(Number(job_id), String(scene_id), resolution)
      .catch(() => undefined)
    held.add(String(id))
    isAny = true
  }
  if (isAny) await simulation.settle()
}

/** A scene that is equal to a held one is rendered all the same, and what that costs more is allowed. */
async function allowMore(simulation: Simulation, held: ReadonlySet<string>): Promise<void> {
  if (held.size === 0) return
  const waiting = await simulation.database.all(
    `select distinct job_id from scenes where status = 'pending'
       and not exists (select 1 from tasks)
       and not exists (select 1 from attempts where status in ('intended', 'submitted', 'unknown', 'held'))`,
  )
  for (const { job_id } of waiting)
    void simulation.life.coordinator.approveJob(Number(job_id)).catch(() => undefined)
  if (waiting.length > 0) await simulation.settle()
}

async function isSettled(simulation: Simulation): Promise<boolean> {
  const open = await simulation.database.get(
    `select (select count(*) from jobs where status in ('approved', 'processing')) as jobs,
       (select count(*) from attempts where status in ('intended', 'submitted', 'unknown', 'held')) as attempts,
       (select count(*) from tasks) as tasks`,
  )
  return open!.jobs === 0 && open!.attempts === 0 && open!.tasks === 0
}

const posts = (simulation: Simulation): PostEntry[] =>
  simulation.ledger.filter((entry) => entry.what === 'post')
const ends = (simulation: Simulation): EndedEntry[] =>
  simulation.ledger.filter((entry) => entry.what === 'ended')

/** All that is promised, one by one. */
async function judge(
  simulation: Simulation,
  story: Story,
  jobIds: readonly number[],
  { ended, held }: { readonly ended: boolean; readonly held: ReadonlySet<string> },
): Promise<readonly string[]> {
  const wrong: string[] = []
  const say = (isWrong: boolean, sentence: string): void => void (isWrong && wrong.push(sentence))
  const attempts: Attempt[] = []
  for (const jobId of jobIds) attempts.push(...(await simulation.attempts(jobId)))
  // As they were made: a clock that was put back dates a later one before.
  attempts.sort((one, other) => (one.id < other.id ? -1 : 1))
  const asked = posts(simulation)

  say(
    !ended,
    `stuck: ${JSON.stringify(await simulation.database.all('select kind, subject, run_at, tries from tasks'))}; ${attempts.map(({ status }) => status).join()}`,
  )

  const byMark = Map.groupBy(asked, ({ mark }) => mark)
  for (const [mark, ofMark] of byMark)
    say(mark === null || ofMark.length > 1, `attempt ${mark} was posted ${ofMark.length} times`)

  const known = new Set(attempts.map(({ providerId }) => providerId))
  // A picture is served after its fetch is recorded. One that nothing shows, and that got no picture because the process died
  // at that moment, never begins and costs nothing.
  const neverBegun = new Set(
    ends(simulation).flatMap(({ prediction, status }) => (status === 'aborted' ? [prediction] : [])),
  )
  for (const { prediction, created, fault } of asked) {
    const isHarmless = fault === 'reset_unlisted' && neverBegun.has(prediction ?? '')
    say(created && !known.has(prediction) && !isHarmless, `prediction ${prediction} is nobody's`)
  }

  const billed = ends(simulation).reduce((sum, { billed_micros }) => sum + billed_micros, 0)
  const { spentMicros, reservedMicros } = await moneyOfLedger(simulation.database, {})
  say(spentMicros !== billed, `${spentMicros} micros are booked, and ${billed} were billed`)
  say(reservedMicros !== 0, `${reservedMicros} micros are held back for nothing`)
  const books = await simulation.database.get('select coalesce(sum(micros), 0) as micros from spendings')
  say(
    Number(books!.micros) !== billed,
    `the books say ${Number(books!.micros)} micros, and ${billed} were billed`,
  )

  // Whoever has it retried asks for what was charged to be rendered again.
  const retried = story.cancel && story.retryAfterMs !== undefined ? jobIds[story.cancel.job] : undefined
  await judgeRenders(simulation, attempts, { retriedJob: retried, held }, say)
  judgeLost(simulation, story, attempts, say)
  await judgeWords(simulation, attempts, say)
  // FFmpeg's own tries count, too.
  if (story.crashes === 0) await judgeTries(simulation, attempts, say)
  await judgeJobs(simulation, story, jobIds, say)
  judgeLimits(simulation, story, held, say)
  return wrong
}

type Say = (isWrong: boolean, sentence: string) => void

/** Nothing is rendered twice that was rendered well, but what was lost after it was paid for. */
async function judgeRenders(
  simulation: Simulation,
  attempts: readonly Attempt[],
  { retriedJob, held }: { readonly retriedJob: number | undefined; readonly held: ReadonlySet<string> },
  say: Say,
): Promise<void> {
  const good = attempts.filter(({ status, clip }) => status === 'succeeded' && clip === 'kept')
  say(
    attempts.some(({ status, clip }) => status === 'succeeded' && clip === null),
    'a clip that was paid for was neither kept nor lost',
  )
  for (const { id, fetched } of attempts)
    say(
      fetched !== null && !simulation.kept.has(fetched),
      `the clip that attempt ${id} paid for is not in the store`,
    )
  // Equal scenes do not wait for what is held, which may turn out to be rendered, too.
  const atOnce = good.filter(({ id }) => !held.has(id))
  for (const [key, same] of Map.groupBy(atOnce, ({ renderKey }) => renderKey))
    say(same.length > 1, `${key.slice(0, 8)} was rendered well ${same.length} times`)
  const kept = Number((await simulation.database.get('select count(*) as renders from renders'))!.renders)
  say(kept < new Set(good.map(({ renderKey }) => renderKey)).size, 'a clip that was paid for was not kept')
  // Who was charged is never followed by another attempt unasked.
  for (const [, ofScene] of Map.groupBy(attempts, ({ sceneId }) => sceneId)) {
    const charged = ofScene.findIndex(({ chargedMicros }) => (chargedMicros ?? 0) > 0)
    say(
      charged !== -1 && charged < ofScene.length - 1 && ofScene[0]!.jobId !== retriedJob,
      `a scene was charged, and attempted again: ${ofScene.map(({ status }) => status).join()}`,
    )
  }
}

/** A clip is given up only where the provider had removed it, or FFmpeg failed on what is kept. */
function judgeLost(simulation: Simulation, story: Story, attempts: readonly Attempt[], say: Say): void {
  const { skewMs, crashes, putBackMs, kills, elsewhere } = story
  // At each death, also where the process is started anew with another token.
  const behindMs = skewMs + putBackMs * (kills.length + 1 + (elsewhere ? 2 : 0))
  for (const { id, providerId, status, clip, fetched, updatedAt, failure } of attempts) {
    if (status !== 'succeeded' || clip !== 'lost') continue
    const of = (what: Entry['what']): Entry | undefined =>
      simulation.ledger.find((entry) => entry.what === what && entry.prediction === providerId)
    // What the provider dates is told by its clock.
    const isOver = updatedAt + behindMs >= (of('ended')?.at ?? Number.POSITIVE_INFINITY) + hour
    const isOfFfmpeg = crashes > 0 && fetched !== null
    say(
      !of('gone') && !isOver && !isOfFfmpeg,
      `attempt ${id} gave up a clip that was there: ${failure?.reason}`,
    )
  }
}

/** What the sockets call it, where no words explain it. */
const rawWords = /(?<!\()\b(?:E[A-Z]{4,}|UND_ERR_\w+)\b(?! [^()]*\))|fetch failed|other side closed/

/** What people read is in plain words. */
async function judgeWords(simulation: Simulation, attempts: readonly Attempt[], say: Say): Promise<void> {
  const events = await simulation.database.all('select data from events')
  const told = [
    ...attempts.flatMap(({ failure, trouble }) => [failure?.reason, trouble?.reason]),
    ...events.map(({ data }) => String(data)),
  ]
  const raw = told.find((text) => text !== undefined && rawWords.test(text))
  say(raw !== undefined, `raw words are shown: ${raw}`)
}

/** An outage fails no job: what was proven absent is no try. */
async function judgeTries(simulation: Simulation, attempts: readonly Attempt[], say: Say): Promise<void> {
  for (const { id, tries } of await simulation.database.all('select id, tries from scenes')) {
    const tried = attempts.filter(
      ({ sceneId, status, failure }) =>
        sceneId === id && !(status === 'refused' && ['unknown', 'absent'].includes(failure?.code ?? '')),
    )
    // One that takes a kept clip has no attempt.
    say(Number(tries) > tried.length + 1, `a scene had ${String(tries)} tries with ${tried.length} attempts`)
  }
}

async function judgeJobs(
  simulation: Simulation,
  story: Story,
  jobIds: readonly number[],
  say: Say,
): Promise<void> {
  const mayFail =
    Object.keys(story.rates).some((name) => fatal.has(name as Fault)) ||
    story.crashes > 0 ||
    story.kills.some(({ downMs }) => downMs > 40 * minute) ||
    Object.values(story.rates).reduce((sum, rate) => sum + rate, 0) > 0.4
  for (const [index, jobId] of jobIds.entries()) {
    const job: Pick<Job, 'status' | 'error'> = await statusOf(simulation, jobId)
    const isCancelled = story.cancel?.job === index
    const isFine =
      job.status === 'completed' ||
      (isCancelled && job.status === 'cancelled') ||
      (mayFail && job.status === 'failed')
    say(!isFine, `job ${jobId} is ${job.status}: ${JSON.stringify(job.error)}`)
  }
}

async function statusOf(simulation: Simulation, jobId: number): Promise<Pick<Job, 'status' | 'error'>> {
  const row = (await simulation.database.get('select status, error from jobs where id = $1', [jobId]))!
  return {
    status: String(row.status) as Job['status'],
    error: row.error === null ? null : JSON.parse(String(row.error)),
  }
}

/** The first request is sent so soon after the beginning. */
const begunWithin = minute

/** How often a request is struck beside an outage. */
const struckRate = ({ rates }: Story): number =>
  faults.create.reduce((sum, name) => sum + (rates[name] ?? 0), 0)

/** Never more at once than allowed, never sooner than allowed, never over the budget. */
function judgeLimits(simulation: Simulation, story: Story, held: ReadonlySet<string>, say: Say): void {
  const asked = posts(simulation)
  for (const [index, { at }] of asked.slice(1).entries())
    say(at - asked[index]!.at < story.startDelayMs, `two starts lie ${at - asked[index]!.at} ms apart`)
  // What is held takes no place from others, although it may be rendered.
  const isHeld = (mark: string | null): boolean => [...held].some((id) => mark?.endsWith(id))
  const changes = [
    ...asked.filter(({ created, mark }) => created && !isHeld(mark)).map(({ at }) => ({ at, by: 1 })),
    ...ends(simulation)
      .filter(({ mark }) => !isHeld(mark))
      .map(({ at }) => ({ at, by: -1 })),
  ].toSorted((one, other) => one.at - other.at || one.by - other.by)
  let running = 0
  for (const { by } of changes) {
    running += by
    say(running > story.maxConcurrency, `${running} rendered at once, and ${story.maxConcurrency} may`)
  }
  if (story.outage) {
    const { afterMs, forMs } = story.outage
    const from = (asked[0]?.at ?? 0) - begunWithin
    const sent = asked.filter(({ at, created }) => !created && at >= from + afterMs && at < from + forMs)
    // What is under way when it begins, a wait that doubles up to ten minutes, and one for each process that starts.
    const most = story.maxConcurrency + 8 + forMs / (10 * minute) + story.kills.length + 3
    say(
      struckRate(story) === 0 && sent.length > most,
      `${sent.length} requests were sent in an outage of ${forMs} ms`,
    )
  }
  if (story.dayBudgetUsd !== undefined)
    for (const [day, ofDay] of Map.groupBy(ends(simulation), ({ at }) =>
      new Date(at).toISOString().slice(0, 10),
    )) {
      const usd = ofDay.reduce((sum, { billed_micros }) => sum + billed_micros, 0) / 1_000_000
      // A render that is begun before midnight may end after it.
      say(
        usd > story.dayBudgetUsd * 2 + 1e-9,
        `${usd} dollars on ${day}, and ${story.dayBudgetUsd} may be spent`,
      )
    }
}
