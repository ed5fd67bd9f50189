import { describe, expect, test } from 'vitest'
import { type Till, openTill, sceneOf } from './till.ts'
import { hour, minute, second } from './world.ts'

const retry = (till: Till, jobId: number, body?: object) => till.ask('POST', `/jobs/${jobId}/retry`, body)
const cancel = (till: Till, jobId: number) => till.ask('POST', `/jobs/${jobId}/cancel`)
const clips = async (till: Till, jobId: number) =>
  (await till.scenes(jobId)).map(({ clip_url }) => clip_url !== null)

/** A job of two scenes of which the second was refused for its content. */
async function halfDone(till: Till): Promise<number> {
  const { job_id } = await till.job([0, 1])
  await till.approve(job_id)
  expect((await till.ended(job_id)).status).toBe('failed')
  return job_id
}

describe('a job that failed is retried', () => {
  test('keeps the clips that are paid for, and pays for the others alone', async () => {
    await using till = await openTill({ maxConcurrency: 1, fake: { plan: { 2: 'fails_content' } } })
    const job_id = await halfDone(till)
    expect(await clips(till, job_id)).toEqual([true, false])
    expect(await retry(till, job_id)).toMatchObject({
      status: 200,
      body: { status: 'approved', scenes_kept: 1, scenes_to_render: 1 },
    })
    expect(await till.ended(job_id)).toMatchObject({
      status: 'completed',
      error: null,
      costs: { spent: 0.8 },
    })
    expect(till.posts()).toHaveLength(3)
  })

  test('after it was cancelled while it was charged: what it costs more has to be allowed', async () => {
    await using till = await openTill({ fake: { renderMs: 10 * minute } })
    const { job_id } = await till.job([0])
    await till.approve(job_id)
    await till.until(() => till.posts().length === 1)
    await till.pass(second)
    await cancel(till, job_id)
    await till.until(() => till.bills().length === 1, 5 * minute)
    await till.pass(minute)
    expect(await retry(till, job_id)).toEqual({
      status: 422,
      body: {
        error: 'Job cannot be retried',
        job_id,
        current_status: 'cancelled',
        reason: 'It costs $0.40 more than was approved: allow $0.80 in all with max_cost',
        estimated_cost: 0.4,
        total_cost: 0.8,
      },
    })
    expect((await till.get(`/jobs/${job_id}`)).status).toBe('cancelled')
    expect((await retry(till, job_id, { max_cost: 0.7 })).status).toBe(422)
    expect((await retry(till, job_id, { max_cost: 0.8, reason: 'it is wanted after all' })).status).toBe(200)
    expect(await till.ended(job_id)).toMatchObject({
      status: 'completed',
      costs: { approved: 0.8, spent: 0.8 },
    })
  })

  test('while its render is still being ended at the provider: it takes that one if it succeeds, and buys none beside it', async () => {
    await using till = await openTill({
      isReached: false,
      fake: { renderMs: 20 * second, plan: { 1: 'reset_after' }, listLagMs: 30 * second },
    })
    const { job_id } = await till.job([0])
    await till.approve(job_id)
    await till.until(async () => (await till.get('/ledger')).entries[0]?.status === 'unknown')
    await cancel(till, job_id)
    const answer = await retry(till, job_id, { max_cost: 0.8 })
    expect(answer.status).toBe(200)
    expect((await till.scenes(job_id))[0].waiting).toMatchObject({ code: 'same_render' })
    expect(await till.ended(job_id)).toMatchObject({ status: 'completed' })
    expect(till.billedUsd()).toBeLessThanOrEqual(0.8)
    expect((await till.get('/ledger')).totals).toEqual({ reserved: 0, spent: till.billedUsd() })
  })

  test('while its render is still being ended: one that succeeds and whose clip is lost is not bought again', async () => {
    await using till = await openTill({
      isReached: false,
      fake: { renderMs: 20 * second, plan: { 1: 'reset_after' }, listLagMs: 30 * second },
    })
    const { job_id } = await till.job([0])
    await till.approve(job_id)
    await till.until(async () => (await till.get('/ledger')).entries[0]?.status === 'unknown')
    await cancel(till, job_id)
    expect((await retry(till, job_id, { max_cost: 10 })).status).toBe(200)
    till.world.fake.set({ rates: { output_gone: 1 } })
    expect(await till.ended(job_id)).toMatchObject({
      status: 'failed',
      error: { code: 'clip_lost' },
      costs: { spent: 0.4 },
    })
    expect(till.posts()).toHaveLength(1)
  })

  test('without ever having been approved: its cost has to be allowed', async () => {
    await using till = await openTill()
    const { job_id } = await till.job([0])
    await cancel(till, job_id)
    expect(await retry(till, job_id)).toMatchObject({ status: 422, body: { total_cost: 0.4 } })
    expect((await retry(till, job_id, { max_cost: 0.4 })).status).toBe(200)
    expect((await till.ended(job_id)).status).toBe('completed')
  })
})

describe('a failed render is tried again by the job’s own policy', () => {
  test('as often as it says, and then the job fails', async () => {
    const plan = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [n + 1, 'fails_transient' as const]))
    await using till = await openTill({ fake: { plan } })
    const { job_id } = await till.job([0], { retry: { max_tries: 5, delay: 10, max_delay: 20 } })
    await till.approve(job_id)
    expect((await till.ended(job_id)).status).toBe('failed')
    expect(till.posts()).toHaveLength(5)
    const gaps = till.posts().map(({ at }, n, all) => (n === 0 ? 0 : at - all[n - 1]!.at))
    expect(Math.max(...gaps)).toBeLessThan(60 * second)
    expect(Math.min(...gaps.slice(1))).toBeGreaterThanOrEqual(5 * second)
  })

  test('by the class of what went wrong', async () => {
    const plan = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [n + 1, 'fails_transient' as const]))
    await using till = await openTill({ fake: { plan } })
    const { job_id } = await till.job([0], {
      retry: { max_tries: 5, classes: { provider: { max_tries: 1 } } },
    })
    await till.approve(job_id)
    expect((await till.ended(job_id)).status).toBe('failed')
    expect(till.posts()).toHaveLength(1)
  })
})

describe('a deadline', () => {
  test('ends what runs at the provider, and nothing is spent any more', async () => {
    await using till = await openTill({ maxConcurrency: 1, fake: { renderMs: 10 * minute } })
    const { job_id } = await till.job([0, 1], { deadline_at: '2026-01-01T00:05:00Z' })
    await till.approve(job_id)
    expect(await till.ended(job_id)).toMatchObject({
      status: 'failed',
      error: { code: 'deadline_passed' },
      ended_at: expect.stringMatching(/^2026-01-01T00:05:0/),
    })
    await till.pass(30 * minute)
    expect(till.posts()).toHaveLength(1)
    expect(till.bills().map(({ status }) => status)).toEqual(['canceled'])
    expect((await till.get(`/jobs/${job_id}`)).costs).toMatchObject({ reserved: 0, spent: 0.4 })
  })

  describe.each(['a scene is added', 'a scene is deleted', 'the added scene is approved'] as const)(
    'has failed a job: when %s,',
    (what) => {
      test('it stays failed and costs nothing until it is retried with another', async () => {
        await using till = await openTill()
        const { job_id } = await till.job([0, 1], { deadline_at: '2026-01-01T00:30:00Z' })
        await till.ask('POST', `/jobs/${job_id}/pause`)
        await till.approve(job_id, what === 'the added scene is approved' ? {} : { max_cost: 10 })
        await till.pass(hour)
        const missed = await till.get(`/jobs/${job_id}`)
        expect(missed).toMatchObject({ status: 'failed', error: { code: 'deadline_passed' } })
        const posts = till.posts().length
        const scenes = `/jobs/${job_id}/scenes`
        const edited =
          what === 'a scene is deleted'
            ? await till.ask('DELETE', `${scenes}/${(await till.scenes(job_id))[1].id}`)
            : await till.ask('POST', scenes, sceneOf(2))
        expect(edited.body).toMatchObject({ job_status: 'failed' })
        const { revision } = edited.body
        if (what === 'the added scene is approved')
          expect(await till.ask('POST', `/jobs/${job_id}/approve`, { revision, max_cost: 10 })).toEqual({
            status: 422,
            body: {
              error: 'Job cannot be approved',
              job_id,
              current_status: 'failed',
              reason: 'Its deadline has passed: retry it with another deadline_at, or null for none',
            },
          })
        await till.pass(hour)
        expect(till.posts()).toHaveLength(posts)
        expect((await till.get(`/jobs/${job_id}`)).status).toBe('failed')
        expect((await retry(till, job_id, { deadline_at: null, revision, max_cost: 10 })).status).toBe(200)
        expect((await till.ended(job_id)).status).toBe('completed')
      })
    },
  )

  test('that has passed is not that of the next film of a job that kept it', async () => {
    await using till = await openTill({ fake: { renderMs: 10 * minute } })
    const { job_id } = await till.job([0, 1], { deadline_at: '2026-01-01T00:30:00Z' })
    await till.approve(job_id, { max_cost: 10 })
    expect((await till.ended(job_id)).status).toBe('completed')
    await till.pass(hour)
    const [scene] = await till.scenes(job_id)
    const again = () => till.ask('POST', `/jobs/${job_id}/scenes/${scene.id}/regenerate`)
    expect((await again()).body).toMatchObject({ job_status: 'approved' })
    expect(await till.ended(job_id)).toMatchObject({
      status: 'completed',
      deadline_at: null,
      costs: { spent: 1.2 },
    })
    const reopenings = await till.world.database.all(
      "select data from events where type = 'job_retried' order by id",
    )
    expect(JSON.parse(String(reopenings.at(-1)!['data']))).toMatchObject({
      old: { deadline_at: '2026-01-01T00:30:00.000Z' },
      new: { deadline_at: null },
    })
  })

  test('that has passed before a change is approved is not that of the next film either', async () => {
    await using till = await openTill({ fake: { renderMs: 10 * minute } })
    const { job_id } = await till.job([0], { deadline_at: '2026-01-01T00:30:00Z' })
    await till.approve(job_id)
    expect((await till.ended(job_id)).status).toBe('completed')
    await till.pass(hour)
    await till.ask('POST', `/jobs/${job_id}/scenes`, sceneOf(1))
    expect((await till.get(`/jobs/${job_id}`)).deadline_at).not.toBeNull()
    await till.approve(job_id)
    expect(await till.ended(job_id)).toMatchObject({ status: 'completed', deadline_at: null })
  })

  test('that is still to come holds for the next film too', async () => {
    await using till = await openTill()
    const { job_id } = await till.job([0], { deadline_at: '2026-01-01T01:00:00Z' })
    await till.approve(job_id, { max_cost: 10 })
    expect((await till.ended(job_id)).status).toBe('completed')
    const [scene] = await till.scenes(job_id)
    await till.ask('POST', `/jobs/${job_id}/scenes/${scene.id}/regenerate`)
    expect(await till.ended(job_id)).toMatchObject({
      status: 'completed',
      deadline_at: '2026-01-01T01:00:00.000Z',
    })
  })
})

describe('starts in a minute', () => {
  test('are no more than the limit, over all jobs, and can be changed while running', async () => {
    await using till = await openTill({ maxConcurrency: 100, fake: { renderMs: second } })
    await till.ask('PUT', '/limits', { renderers: { replicate: { starts_per_minute: 3 } } })
    const ids: number[] = []
    for (let n = 0; n < 4; n++) ids.push((await till.job([2 * n, 2 * n + 1])).job_id)
    for (const id of ids) await till.approve(id)
    for (const id of ids) await till.ended(id)
    const times = till.posts().map(({ at }) => at)
    expect(times).toHaveLength(8)
    for (const [n, at] of times.entries())
      if (n >= 3) expect(at - times[n - 3]!).toBeGreaterThanOrEqual(minute)
  })

  test('and nothing is sent while the provider is paused, also of what is ready to be sent', async () => {
    await using till = await openTill({ startDelayMs: 30 * second })
    const { job_id } = await till.job([0, 1, 2])
    await till.approve(job_id)
    await till.until(() => till.posts().length === 1)
    await till.ask('POST', '/pause', { renderer: 'replicate' })
    await till.pass(10 * minute)
    expect(till.posts()).toHaveLength(1)
    await till.ask('POST', '/resume', { renderer: 'replicate' })
    expect((await till.ended(job_id)).status).toBe('completed')
  })
})
