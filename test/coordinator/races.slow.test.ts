/**
 * 200 verbs at once on one job, again and again, on the whole paid path over a real database: whoever wins, one wins, the log
 * tells it, and whoever loses is told why. The fake's ledger says at the end whether it was paid for once.
 */
import { setImmediate } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { RefusedError } from '../../src/job/errors.ts'
import type { Actor, JobEvent } from '../../src/job/event.ts'
import { type JobStatus, finalJobStatuses, jobVerbs, sceneStatuses } from '../../src/job/lifecycle.ts'
import { type Clock, createClock } from '../clock.ts'
import { onSqlite } from '../database-kind.ts'
import { jobEvents } from '../harness/job-events.ts'
import { type Simulation, openSimulation, requestOf } from '../harness/simulation.ts'

/** Each of ten kinds several times: five states to begin in, all at once or staggered. Collisions take time on PostgreSQL. */
const rounds = onSqlite ? 100 : 20

let simulation: Simulation
beforeAll(async () => {
  simulation = await openSimulation({ maxConcurrency: 50 })
})
afterAll(() => simulation[Symbol.asyncDispose]())

const coordinator = () => simulation.life.coordinator
const eventsOf = (jobId: number): Promise<readonly JobEvent[]> => jobEvents(simulation.database, jobId)

type Verb = 'approve' | 'cancel' | 'complete' | 'fail' | 'retry'

const act: { readonly [verb in Verb]: (jobId: number, actor: Actor) => Promise<unknown> } = {
  approve: (jobId, actor) => coordinator().approveJob(jobId, { max_cost: 100 }, actor),
  cancel: (jobId, actor) => coordinator().cancelJob(jobId, actor),
  complete: (jobId) => coordinator().completeJob(jobId, new Uint8Array([1])),
  fail: (jobId, actor) => coordinator().failJob(jobId, 'a person says so', actor),
  retry: (jobId, actor) => coordinator().retryJob(jobId, { max_cost: 100 }, actor),
}
const calls: readonly (readonly [Verb, number])[] = [
  ['approve', 40],
  ['cancel', 40],
  ['complete', 40],
  ['fail', 20],
  ['retry', 40],
]
/** Five messages of the provider, each delivered four times. */
const messages = 5
const deliveries = 4

const told: { readonly [verb in Verb]: JobEvent['type'] } = {
  approve: 'job_approved',
  cancel: 'job_cancelled',
  complete: 'job_completed',
  fail: 'job_failed',
  retry: 'job_retried',
}

/** Where a round begins. */
const starts = ['pending', 'processing', 'failed', 'cancelled', 'completed'] as const

async function jobIn(status: (typeof starts)[number], round: number): Promise<number> {
  // Pictures of its own, so that no round takes the clips of another.
  const scene = { prompt: `Round ${round}.` }
  const job = await coordinator().createJob(
    requestOf([
      { asset_ids: ['0'.repeat(64)], duration: 4, model: 'google/veo-3.1-fast', ...scene },
      { asset_ids: ['0'.repeat(63) + '1'], duration: 4, model: 'google/veo-3.1-fast', ...scene },
    ]),
  )
  if (status === 'pending') return job.id
  await coordinator().approveJob(job.id)
  // The renders are at the provider.
  await simulation.settle()
  if (status === 'failed') await coordinator().failJob(job.id, 'before the race')
  if (status === 'cancelled') await coordinator().cancelJob(job.id)
  if (status === 'completed') await coordinator().completeJob(job.id, new Uint8Array([1]))
  expect((await coordinator().job(job.id)).status).toBe(status)
  return job.id
}

interface Answer {
  readonly verb: Verb
  readonly by: string
  readonly error?: unknown
}

function shuffled<T>(items: readonly T[], clock: Clock): T[] {
  const left = [...items]
  return items.map(() => left.splice(Math.floor(clock.random() * left.length), 1)[0]!)
}

/** The states that the log leads through, in order; throws where one may not follow the other. */
function replay(events: readonly JobEvent[]): readonly JobStatus[] {
  const states: JobStatus[] = ['pending']
  for (const { id, type } of events) {
    const now = states.at(-1)!
    const verbs = {
      job_approved: ['approve', 'regenerate'],
      job_processing: ['start'],
      job_completed: ['complete'],
      job_failed: ['fail'],
      job_cancelled: ['cancel'],
      job_retried: ['retry', 'regenerate'],
    }[type as string] as readonly (keyof typeof jobVerbs)[] | undefined
    if (!verbs) continue
    // A job that goes on may be allowed to spend more.
    if (type === 'job_approved' && (now === 'approved' || now === 'processing')) continue
    const verb = verbs.find((name) => (jobVerbs[name].from as readonly JobStatus[]).includes(now))
    if (!verb) throw new Error(`event ${id}: ${type} of a job that is ${now}`)
    states.push(jobVerbs[verb].to)
  }
  return states
}

async function race(jobId: number, clock: Clock, isStaggered: boolean) {
  const events = await eventsOf(jobId)
  const { attempt_id: attemptId } = events.findLast(({ data }) => 'attempt_id' in data)?.data ?? {}
  const answers: Answer[] = []
  const heard: { readonly id: string; readonly outcome: string }[] = []
  const asks: (() => Promise<void>)[] = []
  for (const [verb, count] of calls)
    for (let index = 0; index < count; index++)
      asks.push(async () => {
        const by = `${verb} ${index}`
        try {
          await act[verb](jobId, { by })
          answers.push({ verb, by })
        } catch (error) {
          answers.push({ verb, by, error })
        }
      })
  for (let message = 0; message < messages; message++)
    for (let delivery = 0; delivery < deliveries; delivery++)
      asks.push(async () => {
        const id = `job ${jobId}, message ${message}`
        const outcome = await coordinator().webhookReceived({
          id,
          attemptId: typeof attemptId === 'string' ? attemptId : 'none',
          renderId: 'of somebody else',
        })
        heard.push({ id, outcome })
      })
  expect(asks).toHaveLength(200)
  await Promise.all(
    shuffled(asks, clock).map(async (ask) => {
      // Between them what they have caused goes on: scenes are started, sent, cancelled.
      const turns = isStaggered ? Math.floor(clock.random() * 12) : 0
      for (let turn = 0; turn < turns; turn++) await setImmediate()
      await ask()
    }),
  )
  return { answers, heard, attemptId, known: events.length }
}

test(`200 verbs at once on one job, ${rounds} times`, async () => {
  const clock = createClock(20_261_125)
  const won = new Map<string, number>()
  for (let round = 0; round < rounds; round++) {
    const start = starts[round % starts.length]!
    const jobId = await jobIn(start, round)
    const { answers, heard, attemptId, known } = await race(jobId, clock, round % 2 === 1)
    const log = await eventsOf(jobId)
    const news = log.slice(known)

    // Each answer that says yes is one event, and each event one answer that said yes.
    for (const verb of Object.keys(told) as Verb[]) {
      const winners = answers.filter((answer) => answer.verb === verb && answer.error === undefined)
      const events = news.filter(({ type }) => type === told[verb])
      expect(events, `round ${round}: ${verb}`).toHaveLength(winners.length)
      if (verb !== 'complete')
        expect(new Set(events.map(({ by }) => by))).toEqual(new Set(winners.map(({ by }) => by)))
      won.set(verb, (won.get(verb) ?? 0) + winners.length)
    }

    // Who lost is told the state that was found, in which it could not be.
    const states = replay(log)
    for (const { verb, by, error } of answers.filter((answer) => answer.error !== undefined)) {
      if (!(error instanceof RefusedError)) throw new Error(`round ${round}: ${by}`, { cause: error })
      const { refusal } = error
      expect(['transition_refused', 'job_refused', 'approval_refused']).toContain(refusal.code)
      if (!('currentStatus' in refusal)) throw new Error(`round ${round}: ${by} is not told the state`)
      expect(states).toContain(refusal.currentStatus)
      if (refusal.code === 'transition_refused')
        expect(jobVerbs[verb].from).not.toContain(refusal.currentStatus)
    }
    expect((await coordinator().job(jobId)).status).toBe(states.at(-1))

    // Each message has one effect, however often it comes.
    for (let message = 0; message < messages; message++) {
      const outcomes = heard.filter(({ id }) => id === `job ${jobId}, message ${message}`)
      const expected =
        attemptId === undefined
          ? Array(deliveries).fill('no such attempt')
          : ['known', 'known', 'known', 'new']
      expect(outcomes.map(({ outcome }) => outcome).toSorted()).toEqual(expected)
    }

    // It goes on from there to its end, whatever that is.
    await simulation.until(async () => isFinal((await coordinator().job(jobId)).status))
    const after = replay(await eventsOf(jobId))
    const { status } = await coordinator().job(jobId)
    expect(after.at(-1)).toBe(status)
    for (const scene of await coordinator().scenes(jobId)) {
      expect(sceneStatuses).toContain(scene.status)
      expect(scene.status).not.toBe('processing')
    }
  }

  // Each verb has won now and then, or nothing was raced for. On PostgreSQL too few rounds are run for each to win.
  if (onSqlite) for (const verb of Object.keys(told)) expect(won.get(verb), verb).toBeGreaterThan(4)
  else expect([...won.values()].reduce((sum, wins) => sum + wins, 0)).toBeGreaterThanOrEqual(rounds)
  // What was sent has ended, no attempt was sent twice, and the books are the provider's.
  const open = `select 1 from attempts where status in ('intended', 'submitted', 'unknown', 'held')`
  await simulation.until(async () => (await simulation.database.get(open)) === undefined)
  const attempts = await simulation.database.all(`select charged_micros, posted_at from attempts`)
  expect(simulation.posts()).toHaveLength(attempts.filter(({ posted_at }) => posted_at !== null).length)
  const books = attempts.reduce((sum, { charged_micros }) => sum + Number(charged_micros), 0)
  expect(simulation.billedUsd()).toBe(Math.round(books) / 1_000_000)
  expect(simulation.billedUsd()).toBeGreaterThan(0)
})

const isFinal = (status: JobStatus): boolean => (finalJobStatuses as readonly JobStatus[]).includes(status)
