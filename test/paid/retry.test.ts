import { describe, expect, test } from 'vitest'
import { type Simulation, openSimulation, sceneOf } from '../harness/simulation.ts'
import { hour, minute, second } from '../harness/harness.ts'

const retry = (simulation: Simulation, jobId: number, body?: object) =>
  simulation.ask('POST', `/jobs/${jobId}/retry`, body)
const cancel = (simulation: Simulation, jobId: number) => simulation.ask('POST', `/jobs/${jobId}/cancel`)
const clips = async (simulation: Simulation, jobId: number) =>
  (await simulation.scenes(jobId)).map(({ clip_url }) => clip_url !== null)

/** A job of two scenes of which the second was refused for its content. */
async function halfDone(simulation: Simulation): Promise<number> {
  const { job_id } = await simulation.job([0, 1])
  await simulation.approve(job_id)
  expect((await simulation.ended(job_id)).status).toBe('failed')
  return job_id
}

describe('a job that failed is retried', () => {
  test('keeps the clips that are paid for, and pays for the others alone', async () => {
    await using simulation = await openSimulation({
      maxConcurrency: 1,
      fake: { plan: { 2: 'fails_content' } },
    })
    const job_id = await halfDone(simulation)
    expect(await clips(simulation, job_id)).toEqual([true, false])
    expect(await retry(simulation, job_id)).toMatchObject({
      status: 200,
      body: { status: 'approved', scenes_kept: 1, scenes_to_render: 1 },
    })
    expect(await simulation.ended(job_id)).toMatchObject({
      status: 'completed',
      error: null,
      costs: { spent: 0.8 },
    })
    expect(simulation.posts()).toHaveLength(3)
  })

  test('after it was cancelled while it was charged: what it costs more has to be allowed', async () => {
    await using simulation = await openSimulation({ fake: { renderMs: 10 * minute } })
    const { job_id } = await simulation.job([0])
    await simulation.approve(job_id)
    await simulation.until(() => simulation.posts().length === 1)
    await simulation.pass(second)
    await cancel(simulation, job_id)
    await simulation.until(() => simulation.bills().length === 1, 5 * minute)
    await simulation.pass(minute)
    expect(await retry(simulation, job_id)).toEqual({
      status: 422,
      body: {
        error: 'Job cannot be retried',
        job_id,
        current_status: 'cancelled',
        reason: 'It costs $0.40 more than was approved: set max_cost to $0.80 to approve the total',
        estimated_cost: 0.4,
        total_cost: 0.8,
      },
    })
    expect((await simulation.get(`/jobs/${job_id}`)).status).toBe('cancelled')
    expect((await retry(simulation, job_id, { max_cost: 0.7 })).status).toBe(422)
    expect(
      (await retry(simulation, job_id, { max_cost: 0.8, reason: 'it is wanted after all' })).status,
    ).toBe(200)
    expect(await simulation.ended(job_id)).toMatchObject({
      status: 'completed',
      costs: { approved: 0.8, spent: 0.8 },
    })
  })

  test('while its render is still being ended at the provider: it takes that one if it succeeds, and buys none beside it', async () => {
    await using simulation = await openSimulation({
      isReached: false,
      fake: { renderMs: 20 * second, plan: { 1: 'reset_after' }, listLagMs: 30 * second },
    })
    const { job_id } = await simulation.job([0])
    await simulation.approve(job_id)
    await simulation.until(async () => (await simulation.get('/ledger')).entries[0]?.status === 'unknown')
    await cancel(simulation, job_id)
    const answer = await retry(simulation, job_id, { max_cost: 0.8 })
    expect(answer.status).toBe(200)
    expect((await simulation.scenes(job_id))[0].waiting).toMatchObject({ code: 'same_render' })
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed' })
    expect(simulation.billedUsd()).toBeLessThanOrEqual(0.8)
    expect((await simulation.get('/ledger')).totals).toEqual({ reserved: 0, spent: simulation.billedUsd() })
  })

  test('while its render is still being ended: one that succeeds and whose clip is lost is not bought again', async () => {
    await using simulation = await openSimulation({
      isReached: false,
      fake: { renderMs: 20 * second, plan: { 1: 'reset_after' }, listLagMs: 30 * second },
    })
    const { job_id } = await simulation.job([0])
    await simulation.approve(job_id)
    await simulation.until(async () => (await simulation.get('/ledger')).entries[0]?.status === 'unknown')
    await cancel(simulation, job_id)
    expect((await retry(simulation, job_id, { max_cost: 10 })).status).toBe(200)
    simulation.fake.set({ rates: { output_gone: 1 } })
    expect(await simulation.ended(job_id)).toMatchObject({
      status: 'failed',
      error: { code: 'clip_lost' },
      costs: { spent: 0.4 },
    })
    expect(simulation.posts()).toHaveLength(1)
  })

  test('without ever having been approved: its cost has to be allowed', async () => {
    await using simulation = await openSimulation()
    const { job_id } = await simulation.job([0])
    await cancel(simulation, job_id)
    expect(await retry(simulation, job_id)).toMatchObject({ status: 422, body: { total_cost: 0.4 } })
    expect((await retry(simulation, job_id, { max_cost: 0.4 })).status).toBe(200)
    expect((await simulation.ended(job_id)).status).toBe('completed')
  })
})

describe('a failed render is tried again by the job’s own policy', () => {
  test('as often as it says, and then the job fails', async () => {
    const plan = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [n + 1, 'fails_transient' as const]))
    await using simulation = await openSimulation({ fake: { plan } })
    const { job_id } = await simulation.job([0], { retry: { max_tries: 5, delay: 10, max_delay: 20 } })
    await simulation.approve(job_id)
    expect((await simulation.ended(job_id)).status).toBe('failed')
    expect(simulation.posts()).toHaveLength(5)
    const gaps = simulation.posts().map(({ at }, n, all) => (n === 0 ? 0 : at - all[n - 1]!.at))
    expect(Math.max(...gaps)).toBeLessThan(60 * second)
    expect(Math.min(...gaps.slice(1))).toBeGreaterThanOrEqual(5 * second)
  })

  test('by the class of what went wrong', async () => {
    const plan = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [n + 1, 'fails_transient' as const]))
    await using simulation = await openSimulation({ fake: { plan } })
    const { job_id } = await simulation.job([0], {
      retry: { max_tries: 5, classes: { provider: { max_tries: 1 } } },
    })
    await simulation.approve(job_id)
    expect((await simulation.ended(job_id)).status).toBe('failed')
    expect(simulation.posts()).toHaveLength(1)
  })
})

describe('a deadline', () => {
  test('ends what runs at the provider, and nothing is spent any more', async () => {
    await using simulation = await openSimulation({ maxConcurrency: 1, fake: { renderMs: 10 * minute } })
    const { job_id } = await simulation.job([0, 1], { deadline_at: '2026-01-01T00:05:00Z' })
    await simulation.approve(job_id)
    expect(await simulation.ended(job_id)).toMatchObject({
      status: 'failed',
      error: { code: 'deadline_passed' },
      ended_at: expect.stringMatching(/^2026-01-01T00:05:0/),
    })
    await simulation.pass(30 * minute)
    expect(simulation.posts()).toHaveLength(1)
    expect(simulation.bills().map(({ status }) => status)).toEqual(['canceled'])
    expect((await simulation.get(`/jobs/${job_id}`)).costs).toMatchObject({ reserved: 0, spent: 0.4 })
  })

  describe.each(['a scene is added', 'a scene is deleted', 'the added scene is approved'] as const)(
    'has failed a job: when %s,',
    (what) => {
      test('it stays failed and costs nothing until it is retried with another', async () => {
        await using simulation = await openSimulation()
        const { job_id } = await simulation.job([0, 1], { deadline_at: '2026-01-01T00:30:00Z' })
        await simulation.ask('POST', `/jobs/${job_id}/pause`)
        await simulation.approve(job_id, what === 'the added scene is approved' ? {} : { max_cost: 10 })
        await simulation.pass(hour)
        const missed = await simulation.get(`/jobs/${job_id}`)
        expect(missed).toMatchObject({ status: 'failed', error: { code: 'deadline_passed' } })
        const posts = simulation.posts().length
        const scenes = `/jobs/${job_id}/scenes`
        const edited =
          what === 'a scene is deleted'
            ? await simulation.ask('DELETE', `${scenes}/${(await simulation.scenes(job_id))[1].id}`)
            : await simulation.ask('POST', scenes, sceneOf(2))
        expect(edited.body).toMatchObject({ job_status: 'failed' })
        const { revision } = edited.body
        if (what === 'the added scene is approved')
          expect(await simulation.ask('POST', `/jobs/${job_id}/approve`, { revision, max_cost: 10 })).toEqual(
            {
              status: 422,
              body: {
                error: 'Job cannot be approved',
                job_id,
                current_status: 'failed',
                reason: 'Its deadline has passed: retry it with another deadline_at, or null for none',
              },
            },
          )
        await simulation.pass(hour)
        expect(simulation.posts()).toHaveLength(posts)
        expect((await simulation.get(`/jobs/${job_id}`)).status).toBe('failed')
        expect((await retry(simulation, job_id, { deadline_at: null, revision, max_cost: 10 })).status).toBe(
          200,
        )
        expect((await simulation.ended(job_id)).status).toBe('completed')
      })
    },
  )

  test('that has passed is not that of the next film of a job that kept it', async () => {
    await using simulation = await openSimulation({ fake: { renderMs: 10 * minute } })
    const { job_id } = await simulation.job([0, 1], { deadline_at: '2026-01-01T00:30:00Z' })
    await simulation.approve(job_id, { max_cost: 10 })
    expect((await simulation.ended(job_id)).status).toBe('completed')
    await simulation.pass(hour)
    const [scene] = await simulation.scenes(job_id)
    const again = () => simulation.ask('POST', `/jobs/${job_id}/scenes/${scene.id}/regenerate`)
    expect((await again()).body).toMatchObject({ job_status: 'approved' })
    expect(await simulation.ended(job_id)).toMatchObject({
      status: 'completed',
      deadline_at: null,
      costs: { spent: 1.2 },
    })
    const reopenings = await simulation.database.all(
      "select data from events where type = 'job_retried' order by id",
    )
    expect(JSON.parse(String(reopenings.at(-1)!['data']))).toMatchObject({
      old: { deadline_at: '2026-01-01T00:30:00.000Z' },
      new: { deadline_at: null },
    })
  })

  test('that has passed before a change is approved is not that of the next film either', async () => {
    await using simulation = await openSimulation({ fake: { renderMs: 10 * minute } })
    const { job_id } = await simulation.job([0], { deadline_at: '2026-01-01T00:30:00Z' })
    await simulation.approve(job_id)
    expect((await simulation.ended(job_id)).status).toBe('completed')
    await simulation.pass(hour)
    await simulation.ask('POST', `/jobs/${job_id}/scenes`, sceneOf(1))
    expect((await simulation.get(`/jobs/${job_id}`)).deadline_at).not.toBeNull()
    await simulation.approve(job_id)
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed', deadline_at: null })
  })

  test('that is still to come holds for the next film too', async () => {
    await using simulation = await openSimulation()
    const { job_id } = await simulation.job([0], { deadline_at: '2026-01-01T01:00:00Z' })
    await simulation.approve(job_id, { max_cost: 10 })
    expect((await simulation.ended(job_id)).status).toBe('completed')
    const [scene] = await simulation.scenes(job_id)
    await simulation.ask('POST', `/jobs/${job_id}/scenes/${scene.id}/regenerate`)
    expect(await simulation.ended(job_id)).toMatchObject({
      status: 'completed',
      deadline_at: '2026-01-01T01:00:00.000Z',
    })
  })
})

describe('starts in a minute', () => {
  test('are no more than the limit, over all jobs, and can be changed while running', async () => {
    await using simulation = await openSimulation({ maxConcurrency: 100, fake: { renderMs: second } })
    await simulation.ask('PUT', '/limits', { renderers: { replicate: { starts_per_minute: 3 } } })
    const ids: number[] = []
    for (let n = 0; n < 4; n++) ids.push((await simulation.job([2 * n, 2 * n + 1])).job_id)
    for (const id of ids) await simulation.approve(id)
    for (const id of ids) await simulation.ended(id)
    const times = simulation.posts().map(({ at }) => at)
    expect(times).toHaveLength(8)
    for (const [n, at] of times.entries())
      if (n >= 3) expect(at - times[n - 3]!).toBeGreaterThanOrEqual(minute)
  })

  test('and nothing is sent while the provider is paused, also of what is ready to be sent', async () => {
    await using simulation = await openSimulation({ startDelayMs: 30 * second })
    const { job_id } = await simulation.job([0, 1, 2])
    await simulation.approve(job_id)
    await simulation.until(() => simulation.posts().length === 1)
    await simulation.ask('POST', '/pause', { renderer: 'replicate' })
    await simulation.pass(10 * minute)
    expect(simulation.posts()).toHaveLength(1)
    await simulation.ask('POST', '/resume', { renderer: 'replicate' })
    expect((await simulation.ended(job_id)).status).toBe('completed')
  })
})
