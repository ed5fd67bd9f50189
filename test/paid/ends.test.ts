/** What ends a render at a provider, and what does not: one answer may be old, refused or lost. */
import { describe, expect, test } from 'vitest'
import type { Fault } from '../../src/fake-replicate/fault.ts'
import { countTroubled } from '../../src/store/counts.ts'
import { clipOf } from './house.ts'
import { type Answer, answerText } from '../../src/fake-replicate/reply.ts'
import { type Till, intercept, openTill, requestOf } from './till.ts'
import { hour, minute, second } from './world.ts'

const ledger = async (till: Till): Promise<readonly any[]> => (await till.get('/ledger')).entries
const lines = (till: Till): string => till.world.life!.lines.join('\n')
const billedAt = (till: Till): number => till.bills()[0]!.at

async function approved(till: Till, pictures: readonly number[] = [0]): Promise<number> {
  const { job_id } = await till.job(pictures)
  await till.approve(job_id)
  return job_id
}

/** Whoever delivers clips answers a fetch with this; with undefined, with the clip. */
const delivers = (till: Till, answer: () => Answer | undefined): void =>
  intercept(till, ({ method, url }) => (method === 'GET' && !url.includes('/v1/') ? answer() : undefined))

const page = (text: string): Answer => answerText(200, 'text/html', `<html>${text}`)

const waitingOf = async (till: Till, jobId: number): Promise<any> => (await till.scenes(jobId))[0].waiting

describe('a clip that is paid for', () => {
  test.each<[Fault, number]>([
    ['read_stale', 0.8],
    ['read_absent', 0.8],
    ['output_absent', 1],
  ])('is not given up for answers that are behind (%s)', async (fault, rate) => {
    await using till = await openTill({ fake: { rates: { [fault]: rate } } })
    expect(await till.ended(await approved(till))).toMatchObject({
      status: 'completed',
      costs: { spent: 0.4 },
    })
    expect(till.posts()).toHaveLength(1)
  })

  test('is fetched from where it was, though the provider does not name it any more', async () => {
    await using till = await openTill({ fake: { rates: { output_error: 1 } } })
    const job_id = await approved(till)
    await till.until(async () => (await waitingOf(till, job_id))?.code === 'fetching')
    till.world.fake.set({ rates: { read_stale: 1 } })
    expect(await till.ended(job_id)).toMatchObject({ status: 'completed' })
    expect(till.world.clock.now() - billedAt(till)).toBeLessThan(2 * minute)
  })

  test('is waited for where it comes after the success, and it says for how long', async () => {
    await using till = await openTill({ fake: { plan: { 1: 'output_late' }, renderMs: 9000 } })
    const job_id = await approved(till)
    await till.until(async () => (await waitingOf(till, job_id))?.reason.includes('cannot be fetched yet'))
    const { code, reason, until } = await waitingOf(till, job_id)
    expect(code).toBe('fetching')
    expect(reason).toMatch(/rendered and paid for.*\(the provider names no clip yet\)/)
    expect(Date.parse(until) - billedAt(till)).toBeGreaterThan(hour)
    expect(await till.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
  })

  test('is gone when the provider has said so for minutes, and no sooner', async () => {
    await using till = await openTill({ fake: { plan: { 1: 'output_gone' } } })
    expect(await till.ended(await approved(till))).toMatchObject({
      status: 'failed',
      error: { code: 'clip_lost', reason: expect.stringMatching(/HTTP 404/) },
    })
    const goneMs = till.world.clock.now() - billedAt(till)
    expect(goneMs).toBeGreaterThanOrEqual(3 * minute)
    expect(goneMs).toBeLessThan(6 * minute)
  })

  test('is gone at once when the provider says that it has removed it', async () => {
    await using till = await openTill()
    const job_id = await approved(till)
    await till.until(() => till.posts().length === 1)
    await till.pass(500)
    await till.reborn(2 * hour)
    const backAt = till.world.clock.now()
    expect(await till.ended(job_id)).toMatchObject({
      status: 'failed',
      error: { reason: expect.stringMatching(/the provider has removed it/) },
    })
    expect(till.world.clock.now() - backAt).toBeLessThan(minute)
  })

  test('that comes broken is fetched again as long as the provider has it, and says so', async () => {
    await using till = await openTill({ fake: { rates: { output_wrong: 1 } } })
    const job_id = await approved(till)
    await till.until(() => till.bills().length === 1)
    await till.pass(30 * minute)
    expect(await waitingOf(till, job_id)).toMatchObject({
      code: 'fetching',
      reason: expect.stringMatching(
        /its clip is bad \(it is not whole\); the bytes are kept, and will be fetched/,
      ),
      until: expect.stringMatching(/^2026-01-01T01:0/),
    })
    const [{ id }] = await till.scenes(job_id)
    const kept = await till.world.life!.app.request(`/api/v3/videos/${job_id}/clips/${id}`)
    expect([kept.status, await kept.text()]).toEqual([200, expect.stringContaining('Just a moment')])
    till.world.fake.set({ rates: {} })
    expect(await till.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
    const texts = [...till.world.kept.values()].map((bytes) => Buffer.from(bytes).toString())
    expect(texts).toContain(Buffer.from(clipOf(till.posts()[0]!.prediction!)).toString())
    expect(till.posts()).toHaveLength(1)
  })

  test('that comes broken, and after that as other pages, is kept as it came first, and they are not', async () => {
    await using till = await openTill()
    let fetches = 0
    const damaged = 'clip of which a little is missing'
    delivers(till, () => (++fetches === 1 ? answerText(200, 'video/mp4', damaged) : page(`${fetches}`)))
    const job_id = await approved(till)
    await till.until(() => fetches > 10)
    await till.world.settle()
    const [{ id }] = await till.scenes(job_id)
    const kept = await till.world.life!.app.request(`/api/v3/videos/${job_id}/clips/${id}`)
    expect(await kept.text()).toBe(damaged)
    expect(till.world.kept.size).toBe(1)
  })

  test('that comes broken for minutes is not gone for one answer that it is not there', async () => {
    await using till = await openTill()
    const answers: string[] = []
    delivers(till, () => {
      const brokenUntil = billedAt(till) + 4 * minute
      if (answers.length === 0 || (till.world.clock.now() > brokenUntil && !answers.includes('gone late'))) {
        answers.push(answers.length === 0 ? 'gone' : 'gone late')
        return answerText(404, 'text/plain', 'no')
      }
      if (answers.includes('gone late')) return undefined
      answers.push('broken')
      return page(`${answers.length}`)
    })
    expect(await till.ended(await approved(till))).toMatchObject({ status: 'completed' })
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
    await using till = await openTill({ isReached: false, fake: { renderMs: 10 * minute } })
    const job_id = await approved(till)
    await till.until(async () => (await ledger(till))[0]?.prediction_id != null)
    await till.pass(5 * second)
    till.world.fake.set({ rates: { [fault]: 1 } })
    const since = till.world.clock.now()
    await till.pass(minute)
    const waiting = await waitingOf(till, job_id)
    expect(waiting).toMatchObject({ code: 'unreadable', until: null })
    expect(Math.abs(Date.parse(waiting.since) - since)).toBeLessThan(5 * second)
    expect(waiting.reason).not.toMatch(/fetch failed|other side closed|read ECONN/)
    expect((await till.get(`/jobs/${job_id}`)).waiting).toMatchObject({ code: 'unreadable' })
    expect(await countTroubled(till.world.database)).toEqual(new Map([['replicate', 1]]))
    const told = /Attempt \S+ of job 1 cannot be read at replicate; trying again: /g
    expect(lines(till).match(told)).toHaveLength(1)
    till.world.fake.set({ rates: {} })
    await till.pass(2 * minute)
    expect(await waitingOf(till, job_id)).toBeNull()
    expect(await countTroubled(till.world.database)).toEqual(new Map())
    expect(lines(till)).toMatch(/Attempt \S+ of job 1 can be read at replicate again/)
    expect(await till.ended(job_id)).toMatchObject({ status: 'completed' })
    expect(lines(till).match(told)).toHaveLength(1)
  })

  test('once says nothing, and costs no more than a moment', async () => {
    await using till = await openTill({ isReached: false, fake: { renderMs: 2 * minute } })
    const job_id = await approved(till)
    await till.pass(90 * second)
    till.world.fake.set({ rates: { read_error: 1 } })
    await till.pass(1500)
    till.world.fake.set({ rates: {} })
    expect(await till.ended(job_id)).toMatchObject({ status: 'completed' })
    expect(till.world.clock.now() - billedAt(till)).toBeLessThan(5 * second)
    expect(lines(till)).not.toMatch(/cannot be read/)
  })

  test('or its list: a lost answer is looked into, and says what stands against it', async () => {
    await using till = await openTill({ isReached: false, fake: { plan: { 1: 'reset_before' } } })
    const job_id = await approved(till)
    await till.until(async () => (await ledger(till))[0]?.status === 'unknown')
    const { until } = await waitingOf(till, job_id)
    expect(Date.parse(until) - till.world.clock.now()).toBeGreaterThan(2 * minute)
    till.world.fake.set({ token: 'r8_another' })
    await till.pass(minute)
    expect(await waitingOf(till, job_id)).toMatchObject({
      code: 'unknown',
      reason: expect.stringMatching(/the provider cannot be read: .*valid authentication/),
      until: null,
    })
  })

  test('tells of no such render for a moment: nothing is given up, however late it is', async () => {
    await using till = await openTill({ isReached: false, fake: { renderMs: 20 * minute } })
    const job_id = await approved(till)
    await till.until(async () => (await ledger(till))[0]?.prediction_id != null)
    // Longer than the provider lets anything run.
    await till.reborn(50 * minute)
    till.world.fake.set({ rates: { read_absent: 1 } })
    await till.pass(minute)
    till.world.fake.set({ rates: {} })
    expect(await till.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
  })
})

describe('a cancel that is refused', () => {
  test.each<Fault>(['cancel_conflict', 'cancel_invalid', 'cancel_absent'])(
    'leaves a render that is paid for: its clip is kept, its place and money are let go (%s)',
    async (fault) => {
      await using till = await openTill({
        isReached: false,
        maxConcurrency: 1,
        fake: { plan: { 1: fault }, renderMs: 30 * second },
      })
      const job_id = await approved(till)
      await till.until(() => till.posts().length === 1)
      await till.pass(5 * second)
      await till.ask('POST', `/jobs/${job_id}/cancel`)
      await till.until(() => till.bills().length === 1, minute)
      await till.pass(minute)
      expect((await till.get(`/jobs/${job_id}`)).costs).toMatchObject({ reserved: 0, spent: 0.4 })
      expect((await ledger(till))[0]).toMatchObject({ status: 'succeeded', charged: till.billedUsd() })
      expect((await till.ask('POST', '/estimates', requestOf([0]))).body).toMatchObject({ scenes_to_pay: 0 })
      expect(await till.ended(await approved(till, [1]))).toMatchObject({ status: 'completed' })
    },
  )
})

test('a render that was cancelled before it began costs nothing in the books, and is tried again', async () => {
  await using till = await openTill({ fake: { plan: { 1: 'cancels_queued' } } })
  const job_id = await approved(till)
  await till.until(async () => (await till.scenes(job_id))[0].error !== null)
  expect((await till.scenes(job_id))[0].error).toMatchObject({
    code: 'render_aborted',
    reason: 'the provider ended it before it began; that is taken to cost nothing',
  })
  expect(await till.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
  expect((await ledger(till)).map(({ status, charged }) => [status, charged])).toEqual([
    ['succeeded', 0.4],
    ['failed', 0],
  ])
  expect(till.billedUsd()).toBe(0.4)
})

test('a provider that names a wait of one second is asked again after one second', async () => {
  await using till = await openTill({ fake: { plan: { 1: 'throttle_second' } } })
  await till.ended(await approved(till))
  const [first, again] = till.posts()
  expect(again!.at - first!.at).toBeGreaterThanOrEqual(second)
  expect(again!.at - first!.at).toBeLessThan(3 * second)
})
