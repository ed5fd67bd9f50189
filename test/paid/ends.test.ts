/** What ends a render at a provider, and what does not: one answer may be old, refused or lost. */
import { describe, expect, test } from 'vitest'
import type { Fault } from '../../src/fake-replicate/fault.ts'
import { countTroubled } from '../../src/store/counts.ts'
import { clipOf } from '../harness/provider.ts'
import { type Answer, answerText } from '../../src/fake-replicate/reply.ts'
import { type Simulation, intercept, openSimulation, requestOf } from '../harness/simulation.ts'
import { hour, minute, second } from '../harness/harness.ts'

const ledger = async (simulation: Simulation): Promise<readonly any[]> =>
  (await simulation.get('/ledger')).entries
const lines = (simulation: Simulation): string => simulation.life.lines.join('\n')
const billedAt = (simulation: Simulation): number => simulation.bills()[0]!.at

async function approved(simulation: Simulation, pictures: readonly number[] = [0]): Promise<number> {
  const { job_id } = await simulation.job(pictures)
  await simulation.approve(job_id)
  return job_id
}

/** Whoever delivers clips answers a fetch with this; with undefined, with the clip. */
const delivers = (simulation: Simulation, answer: () => Answer | undefined): void =>
  intercept(simulation, ({ method, url }) =>
    method === 'GET' && !url.includes('/v1/') ? answer() : undefined,
  )

const page = (text: string): Answer => answerText(200, 'text/html', `<html>${text}`)

const waitingOf = async (simulation: Simulation, jobId: number): Promise<any> =>
  (await simulation.scenes(jobId))[0].waiting

describe('a clip that is paid for', () => {
  test.each<[Fault, number]>([
    ['read_stale', 0.8],
    ['read_absent', 0.8],
    ['output_absent', 1],
  ])('is not given up for answers that are behind (%s)', async (fault, rate) => {
    await using simulation = await openSimulation({ fake: { rates: { [fault]: rate } } })
    expect(await simulation.ended(await approved(simulation))).toMatchObject({
      status: 'completed',
      costs: { spent: 0.4 },
    })
    expect(simulation.posts()).toHaveLength(1)
  })

  test('is fetched from where it was, though the provider does not name it any more', async () => {
    await using simulation = await openSimulation({ fake: { rates: { output_error: 1 } } })
    const job_id = await approved(simulation)
    await simulation.until(async () => (await waitingOf(simulation, job_id))?.code === 'fetching')
    simulation.fake.set({ rates: { read_stale: 1 } })
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed' })
    expect(simulation.clock.now() - billedAt(simulation)).toBeLessThan(2 * minute)
  })

  test('is waited for where it comes after the success, and it says for how long', async () => {
    await using simulation = await openSimulation({ fake: { plan: { 1: 'output_late' }, renderMs: 9000 } })
    const job_id = await approved(simulation)
    await simulation.until(async () =>
      (await waitingOf(simulation, job_id))?.reason.includes('cannot be fetched yet'),
    )
    const { code, reason, until } = await waitingOf(simulation, job_id)
    expect(code).toBe('fetching')
    expect(reason).toMatch(/rendered and paid for.*\(the provider names no clip yet\)/)
    expect(Date.parse(until) - billedAt(simulation)).toBeGreaterThan(hour)
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
  })

  test('is gone when the provider has said so for minutes, and no sooner', async () => {
    await using simulation = await openSimulation({ fake: { plan: { 1: 'output_gone' } } })
    expect(await simulation.ended(await approved(simulation))).toMatchObject({
      status: 'failed',
      error: { code: 'clip_lost', reason: expect.stringMatching(/HTTP 404/) },
    })
    const goneMs = simulation.clock.now() - billedAt(simulation)
    expect(goneMs).toBeGreaterThanOrEqual(3 * minute)
    expect(goneMs).toBeLessThan(6 * minute)
  })

  test('is gone at once when the provider says that it has removed it', async () => {
    await using simulation = await openSimulation()
    const job_id = await approved(simulation)
    await simulation.until(() => simulation.posts().length === 1)
    await simulation.pass(500)
    await simulation.reborn(2 * hour)
    const backAt = simulation.clock.now()
    expect(await simulation.ended(job_id)).toMatchObject({
      status: 'failed',
      error: { reason: expect.stringMatching(/the provider has removed it/) },
    })
    expect(simulation.clock.now() - backAt).toBeLessThan(minute)
  })

  test('that comes broken is fetched again as long as the provider has it, and says so', async () => {
    await using simulation = await openSimulation({ fake: { rates: { output_wrong: 1 } } })
    const job_id = await approved(simulation)
    await simulation.until(() => simulation.bills().length === 1)
    await simulation.pass(30 * minute)
    expect(await waitingOf(simulation, job_id)).toMatchObject({
      code: 'fetching',
      reason: expect.stringMatching(
        /its clip is bad \(it is not whole\); the bytes are kept, and will be fetched/,
      ),
      until: expect.stringMatching(/^2026-01-01T01:0/),
    })
    const [{ id }] = await simulation.scenes(job_id)
    const kept = await simulation.life.app.request(`/api/v3/videos/${job_id}/clips/${id}`)
    expect([kept.status, await kept.text()]).toEqual([200, expect.stringContaining('Just a moment')])
    simulation.fake.set({ rates: {} })
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
    const texts = [...simulation.kept.values()].map((bytes) => Buffer.from(bytes).toString())
    expect(texts).toContain(Buffer.from(clipOf(simulation.posts()[0]!.prediction!)).toString())
    expect(simulation.posts()).toHaveLength(1)
  })

  test('that comes broken, and after that as other pages, is kept as it came first, and they are not', async () => {
    await using simulation = await openSimulation()
    let fetches = 0
    const damaged = 'clip of which a little is missing'
    delivers(simulation, () => (++fetches === 1 ? answerText(200, 'video/mp4', damaged) : page(`${fetches}`)))
    const job_id = await approved(simulation)
    await simulation.until(() => fetches > 10)
    await simulation.settle()
    const [{ id }] = await simulation.scenes(job_id)
    const kept = await simulation.life.app.request(`/api/v3/videos/${job_id}/clips/${id}`)
    expect(await kept.text()).toBe(damaged)
    expect(simulation.kept.size).toBe(1)
  })

  test('that comes broken for minutes is not gone for one answer that it is not there', async () => {
    await using simulation = await openSimulation()
    const answers: string[] = []
    delivers(simulation, () => {
      const brokenUntil = billedAt(simulation) + 4 * minute
      if (answers.length === 0 || (simulation.clock.now() > brokenUntil && !answers.includes('gone late'))) {
        answers.push(answers.length === 0 ? 'gone' : 'gone late')
        return answerText(404, 'text/plain', 'no')
      }
      if (answers.includes('gone late')) return undefined
      answers.push('broken')
      return page(`${answers.length}`)
    })
    expect(await simulation.ended(await approved(simulation))).toMatchObject({ status: 'completed' })
    expect(answers.at(-1)).toBe('gone late')
  })
})

describe('a provider that cannot be read', () => {
  const faults = [
    'read_error',
    'read_reset',
    'read_closed',
    'read_malformed',
    'read_hang',
    'read_throttle',
  ] as const
  test.each<Fault>(faults)('is told of within a minute, and when it is over (%s)', async (fault) => {
    await using simulation = await openSimulation({ isReached: false, fake: { renderMs: 10 * minute } })
    const job_id = await approved(simulation)
    await simulation.until(async () => (await ledger(simulation))[0]?.prediction_id != null)
    await simulation.pass(5 * second)
    simulation.fake.set({ rates: { [fault]: 1 } })
    const since = simulation.clock.now()
    await simulation.pass(minute)
    const waiting = await waitingOf(simulation, job_id)
    expect(waiting).toMatchObject({ code: 'unreadable', until: null })
    expect(Math.abs(Date.parse(waiting.since) - since)).toBeLessThan(5 * second)
    expect(waiting.reason).not.toMatch(/fetch failed|other side closed|read ECONN/)
    expect((await simulation.get(`/jobs/${job_id}`)).waiting).toMatchObject({ code: 'unreadable' })
    expect(await countTroubled(simulation.database)).toEqual(new Map([['replicate', 1]]))
    const told = /Attempt \S+ of job 1 cannot be read at replicate; trying again: /g
    expect(lines(simulation).match(told)).toHaveLength(1)
    simulation.fake.set({ rates: {} })
    await simulation.pass(2 * minute)
    expect(await waitingOf(simulation, job_id)).toBeNull()
    expect(await countTroubled(simulation.database)).toEqual(new Map())
    expect(lines(simulation)).toMatch(/Attempt \S+ of job 1 can be read at replicate again/)
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed' })
    expect(lines(simulation).match(told)).toHaveLength(1)
  })

  test('once says nothing, and costs no more than a moment', async () => {
    await using simulation = await openSimulation({ isReached: false, fake: { renderMs: 2 * minute } })
    const job_id = await approved(simulation)
    await simulation.pass(90 * second)
    simulation.fake.set({ rates: { read_error: 1 } })
    await simulation.pass(1500)
    simulation.fake.set({ rates: {} })
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed' })
    expect(simulation.clock.now() - billedAt(simulation)).toBeLessThan(5 * second)
    expect(lines(simulation)).not.toMatch(/cannot be read/)
  })

  test('or its list: a lost answer is looked into, and says what stands against it', async () => {
    await using simulation = await openSimulation({ isReached: false, fake: { plan: { 1: 'reset_before' } } })
    const job_id = await approved(simulation)
    await simulation.until(async () => (await ledger(simulation))[0]?.status === 'unknown')
    const { until } = await waitingOf(simulation, job_id)
    expect(Date.parse(until) - simulation.clock.now()).toBeGreaterThan(2 * minute)
    simulation.fake.set({ token: 'r8_another' })
    await simulation.pass(minute)
    expect(await waitingOf(simulation, job_id)).toMatchObject({
      code: 'unknown',
      reason: expect.stringMatching(/the provider cannot be read: .*valid authentication/),
      until: null,
    })
  })

  test('tells of no such render for a moment: nothing is given up, however late it is', async () => {
    await using simulation = await openSimulation({ isReached: false, fake: { renderMs: 20 * minute } })
    const job_id = await approved(simulation)
    await simulation.until(async () => (await ledger(simulation))[0]?.prediction_id != null)
    // Longer than the provider lets anything run.
    await simulation.reborn(50 * minute)
    simulation.fake.set({ rates: { read_absent: 1 } })
    await simulation.pass(minute)
    simulation.fake.set({ rates: {} })
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
  })
})

describe('a cancel that is refused', () => {
  test.each<Fault>(['cancel_conflict', 'cancel_invalid', 'cancel_absent'])(
    'leaves a render that is paid for: its clip is kept, its place and money are let go (%s)',
    async (fault) => {
      await using simulation = await openSimulation({
        isReached: false,
        maxConcurrency: 1,
        fake: { plan: { 1: fault }, renderMs: 30 * second },
      })
      const job_id = await approved(simulation)
      await simulation.until(() => simulation.posts().length === 1)
      await simulation.pass(5 * second)
      await simulation.ask('POST', `/jobs/${job_id}/cancel`)
      await simulation.until(() => simulation.bills().length === 1, minute)
      await simulation.pass(minute)
      expect((await simulation.get(`/jobs/${job_id}`)).costs).toMatchObject({ reserved: 0, spent: 0.4 })
      expect((await ledger(simulation))[0]).toMatchObject({
        status: 'succeeded',
        charged: simulation.billedUsd(),
      })
      expect((await simulation.ask('POST', '/estimates', requestOf([0]))).body).toMatchObject({
        scenes_to_pay: 0,
      })
      expect(await simulation.ended(await approved(simulation, [1]))).toMatchObject({ status: 'completed' })
    },
  )
})

test('a render that was cancelled before it began costs nothing in the books, and is tried again', async () => {
  await using simulation = await openSimulation({ fake: { plan: { 1: 'cancels_queued' } } })
  const job_id = await approved(simulation)
  await simulation.until(async () => (await simulation.scenes(job_id))[0].error !== null)
  expect((await simulation.scenes(job_id))[0].error).toMatchObject({
    code: 'render_aborted',
    reason: 'the provider ended it before it began; that is taken to cost nothing',
  })
  expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
  expect((await ledger(simulation)).map(({ status, charged }) => [status, charged])).toEqual([
    ['succeeded', 0.4],
    ['failed', 0],
  ])
  expect(simulation.billedUsd()).toBe(0.4)
})

test('a provider that names a wait of one second is asked again after one second', async () => {
  await using simulation = await openSimulation({ fake: { plan: { 1: 'throttle_second' } } })
  await simulation.ended(await approved(simulation))
  const [first, again] = simulation.posts()
  expect(again!.at - first!.at).toBeGreaterThanOrEqual(second)
  expect(again!.at - first!.at).toBeLessThan(3 * second)
})
