import { describe, expect, test } from 'vitest'
import type { Fault } from '../../src/fake-replicate/fault.ts'
import { answerProblem } from '../../src/fake-replicate/reply.ts'
import { type Simulation, intercept, openSimulation, requestOf, sceneOf } from '../harness/simulation.ts'
import { hour, minute, second } from '../harness/harness.ts'

const cancel = (simulation: Simulation, jobId: number | string) =>
  simulation.ask('POST', `/jobs/${jobId}/cancel`)
const ledger = async (simulation: Simulation, query = '') => (await simulation.get(`/ledger${query}`)).entries

/** A job that ends, of one scene unless more are given, at a provider that this goes wrong at. */
async function ended(simulation: Simulation, scenes: readonly number[] = [0]) {
  const { job_id } = await simulation.job(scenes)
  await simulation.approve(job_id)
  const job = await simulation.ended(job_id)
  return { job, job_id: job_id as number, scenes: await simulation.scenes(job_id) }
}

/** Times of the requests for renders, since the simulation began. */
const times = (simulation: Simulation): number[] =>
  simulation.posts().map(({ at }) => at - Date.UTC(2026, 0, 1))

describe('a provider that asks to wait', () => {
  test.each<Fault>(['throttle_header', 'throttle_body'])(
    'is obeyed by all jobs, and that costs no try (%s)',
    async (fault) => {
      await using simulation = await openSimulation({ startDelayMs: second, fake: { plan: { 1: fault } } })
      const jobs: number[] = []
      for (const picture of [0, 1, 2]) jobs.push((await simulation.job([picture])).job_id)
      for (const jobId of jobs) await simulation.approve(jobId)
      for (const jobId of jobs) {
        const job = await simulation.ended(jobId)
        expect(job).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
        expect((await simulation.scenes(jobId))[0].tries).toBe(1)
      }
      expect(times(simulation)[0]).toBe(0)
      expect(Math.min(...times(simulation).slice(1))).toBeGreaterThanOrEqual(30 * second)
      expect(simulation.posts()).toHaveLength(4)
    },
  )

  test('again and again never fails a scene', async () => {
    const plan = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [n + 1, 'throttle_header' as const]))
    await using simulation = await openSimulation({ fake: { plan } })
    const { job, scenes } = await ended(simulation)
    expect(job).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
    expect(scenes[0].tries).toBe(1)
    expect(simulation.posts()).toHaveLength(21)
  })

  test('because there is no credit is asked again in a minute, and says so meanwhile', async () => {
    await using simulation = await openSimulation({ fake: { plan: { 1: 'no_credit' } }, maxConcurrency: 1 })
    const { job_id } = await simulation.job([0, 1])
    await simulation.approve(job_id)
    await simulation.until(() => simulation.posts().length === 1)
    await simulation.settle()
    expect((await simulation.scenes(job_id))[1].waiting).toMatchObject({
      code: 'provider_pause',
      reason: expect.stringMatching(/insufficient credit/),
      until: '2026-01-01T00:01:00.000Z',
    })
    expect(simulation.life.lines.join('\n')).toMatch(/Nothing is started at replicate for 60 s: .*credit/)
    expect((await simulation.ended(job_id)).status).toBe('completed')
    expect(times(simulation)[1]).toBeGreaterThanOrEqual(minute)
    expect(await ledger(simulation, `?job_id=${job_id}`)).toContainEqual(
      expect.objectContaining({ status: 'refused', charged: 0, reserved: 0 }),
    )
  })

  test('because the token is wrong goes on once it is right, and nobody hears the token', async () => {
    await using simulation = await openSimulation({ fake: { token: 'r8_another' } })
    const { job_id } = await simulation.job([0])
    await simulation.approve(job_id)
    await simulation.pass(10 * minute)
    expect(simulation.posts()).toEqual([])
    const [scene] = await simulation.scenes(job_id)
    expect(scene).toMatchObject({ status: 'pending', tries: 0, waiting: { code: expect.any(String) } })
    expect(scene.error).toMatchObject({
      code: 'not_allowed',
      reason: expect.stringMatching(/valid authentication/),
    })
    expect(JSON.stringify([simulation.life.lines, await ledger(simulation), scene])).not.toMatch(/r8_/)
    simulation.fake.set({ token: 'r8_fake' })
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
  })
})

test.each([400, 405, 501])(
  'a provider that does not tell its account (HTTP %i) is waited for, and fails no job',
  async (status) => {
    await using simulation = await openSimulation({ isReached: false })
    let isSilent = true
    intercept(simulation, ({ url }) =>
      isSilent && url.endsWith('/v1/account') ? answerProblem(status, 'No', 'Not here') : undefined,
    )
    await simulation.reborn(second)
    const { job_id } = await simulation.job([0])
    await simulation.approve(job_id)
    await simulation.pass(hour)
    expect((await simulation.scenes(job_id))[0]).toMatchObject({
      status: 'pending',
      waiting: { reason: expect.stringMatching(/Not here/) },
    })
    isSilent = false
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed' })
  },
)

describe('what the provider refuses for good', () => {
  test.each<[Fault, string, RegExp]>([
    ['refuse', 'bad_input', /^- input\.prompt: is not acceptable$/],
    ['fails_content', 'content_refused', /flagged as sensitive.*\(E005\)/],
    ['fails_input', 'bad_input', /^Invalid input: the image could not be read$/],
  ])('fails the scene at once, with its words (%s)', async (fault, code, reason) => {
    await using simulation = await openSimulation({ fake: { plan: { 1: fault } }, maxConcurrency: 1 })
    const { job, job_id, scenes } = await ended(simulation, [0, 1])
    expect(job).toMatchObject({
      status: 'failed',
      error: { code, reason: expect.stringMatching(reason), scene_id: scenes[0].id },
      costs: { spent: 0, reserved: 0 },
    })
    expect(scenes).toMatchObject([
      { status: 'failed', tries: 1, error: { code } },
      { status: 'pending', waiting: { code: 'job_not_approved', reason: 'the job is failed' } },
    ])
    await simulation.pass(hour)
    expect(simulation.posts()).toHaveLength(1)
    expect(simulation.life.lines.join('\n')).toContain(`Task failed for job ${job_id}: ${job.error.reason}`)
  })
})

describe('what may go better another time', () => {
  test('is tried again, and three times in all', async () => {
    const plan = { 1: 'fails_transient', 2: 'preempted', 3: 'fails_transient' } as const
    await using simulation = await openSimulation({ fake: { plan } })
    const { job, scenes } = await ended(simulation)
    expect(job).toMatchObject({ status: 'failed', costs: { spent: 0, reserved: 0 } })
    expect(scenes[0]).toMatchObject({ tries: 3, error: { code: 'provider_error' } })
    await simulation.pass(hour)
    expect(simulation.posts()).toHaveLength(3)
    expect((await ledger(simulation)).map(({ status, charged }: any) => [status, charged])).toEqual([
      ['failed', 0],
      ['failed', 0],
      ['failed', 0],
    ])
  })

  test('and did is paid once', async () => {
    await using simulation = await openSimulation({
      fake: { plan: { 1: 'fails_transient', 2: 'preempted' } },
    })
    const { job, scenes } = await ended(simulation)
    expect(job).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
    expect(scenes[0]).toMatchObject({ tries: 3, error: null })
    expect(simulation.posts()).toHaveLength(3)
  })

  test.each<Fault>(['read_error', 'read_reset', 'read_malformed', 'read_hang', 'read_throttle'])(
    'because the provider could not be read is no reason for another render (%s)',
    async (fault) => {
      await using simulation = await openSimulation({ fake: { rates: { [fault]: 0.6 } } })
      expect((await ended(simulation)).job).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
      expect(simulation.posts()).toHaveLength(1)
    },
  )
})

describe('a render that was charged', () => {
  test('and ended by the provider is never followed by another unasked', async () => {
    await using simulation = await openSimulation({ fake: { plan: { 1: 'stalls' } } })
    const { job, job_id, scenes } = await ended(simulation)
    expect(job).toMatchObject({
      status: 'failed',
      error: {
        code: 'render_cancelled',
        reason: expect.stringMatching(/while it ran; that is taken to be charged/),
      },
      costs: { spent: 0.4, reserved: 0 },
    })
    await simulation.pass(2 * hour)
    expect(simulation.posts()).toHaveLength(1)
    const path = `/jobs/${job_id}/scenes/${scenes[0].id}/regenerate`
    expect((await simulation.ask('POST', path)).body).toMatchObject({ to_approve: 0.4, job_status: 'failed' })
    await simulation.pass(hour)
    expect(simulation.posts()).toHaveLength(1)
    await simulation.approve(job_id)
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.8 } })
  })

  test.each<Fault>(['output_truncated', 'output_cut', 'output_error', 'output_slow', 'output_wrong'])(
    'is fetched again where that went wrong (%s)',
    async (fault) => {
      await using simulation = await openSimulation({ fake: { plan: { 1: fault } } })
      expect((await ended(simulation)).job).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
      expect(simulation.posts()).toHaveLength(1)
    },
  )

  test.each<[string, object, string, RegExp]>([
    ['gone', { plan: { 1: 'output_gone' } }, 'clip_lost', /rendered and paid for.*Nothing is bought instead/],
    ['no clip', { rates: { output_wrong: 1 } }, 'clip_damaged', /not whole/],
  ])(
    'and whose clip is %s fails the scene with words, and is bought again only after approval',
    async (_name, fake, code, reason) => {
      await using simulation = await openSimulation({ fake })
      const { job, job_id, scenes } = await ended(simulation)
      expect(job).toMatchObject({
        status: 'failed',
        error: { code, reason: expect.stringMatching(reason) },
        costs: { spent: 0.4, reserved: 0 },
      })
      await simulation.pass(3 * hour)
      expect(simulation.posts()).toHaveLength(1)
      simulation.fake.set({ rates: {} })
      const path = `/jobs/${job_id}/scenes/${scenes[0].id}/regenerate`
      expect((await simulation.ask('POST', path)).body).toMatchObject({ to_approve: 0.4 })
      expect((await simulation.scenes(job_id))[0].waiting.code).toBe('approval')
      await simulation.approve(job_id)
      expect(await simulation.ended(job_id)).toMatchObject({
        status: 'completed',
        error: null,
        costs: { spent: 0.8 },
      })
      expect(simulation.posts()).toHaveLength(2)
    },
  )
})

describe('a job is cancelled', () => {
  test('while it renders: that is ended at the provider, and what stays charged is told', async () => {
    await using simulation = await openSimulation({ fake: { renderMs: 10 * minute } })
    const { job_id } = await simulation.job([0, 1])
    await simulation.approve(job_id)
    await simulation.until(() => simulation.posts().length === 2)
    await simulation.pass(second)
    expect(await cancel(simulation, job_id)).toMatchObject({
      status: 200,
      body: {
        message: 'Job cancelled successfully',
        job_id,
        status: 'cancelled',
        costs: { currency: 'USD', approved: 0.8, reserved: 0.8, spent: 0 },
      },
    })
    await simulation.until(() => simulation.bills().length === 2, minute)
    await simulation.pass(minute)
    expect(simulation.bills().map(({ status }) => status)).toEqual(['canceled', 'canceled'])
    expect(await simulation.get(`/jobs/${job_id}`)).toMatchObject({
      status: 'cancelled',
      costs: { reserved: 0, spent: 0.8 },
    })
    expect((await ledger(simulation)).map(({ status, charged }: any) => [status, charged])).toEqual([
      ['cancelled', 0.4],
      ['cancelled', 0.4],
    ])
  })

  test('before the provider has begun: that costs nothing', async () => {
    await using simulation = await openSimulation({ fake: { startMs: 10 * minute } })
    const { job_id } = await simulation.job([0])
    await simulation.approve(job_id)
    await simulation.until(() => simulation.posts().length === 1)
    await simulation.pass(second)
    await cancel(simulation, job_id)
    await simulation.pass(minute)
    expect(simulation.bills()).toMatchObject([{ status: 'aborted', billed_micros: 0 }])
    expect((await simulation.get(`/jobs/${job_id}`)).costs).toMatchObject({ spent: 0, reserved: 0 })
  })

  test('before anything was sent: nothing is sent any more', async () => {
    await using simulation = await openSimulation({ startDelayMs: minute })
    const { job_id } = await simulation.job([0, 1, 2])
    await simulation.approve(job_id)
    await simulation.until(() => simulation.posts().length === 1)
    await cancel(simulation, job_id)
    await simulation.pass(hour)
    expect(simulation.posts()).toHaveLength(1)
    expect((await simulation.get('/ledger')).totals).toEqual({ reserved: 0, spent: simulation.billedUsd() })
  })

  test('while nobody knows whether the provider accepted: it is found, and ended there', async () => {
    await using simulation = await openSimulation({
      isReached: false,
      fake: { plan: { 1: 'reset_after' }, renderMs: 10 * minute, listLagMs: 30 * second },
    })
    const { job_id } = await simulation.job([0])
    await simulation.approve(job_id)
    await simulation.until(async () => (await ledger(simulation))[0]?.status === 'unknown')
    await cancel(simulation, job_id)
    await simulation.until(() => simulation.bills().length === 1, 5 * minute)
    await simulation.pass(minute)
    expect((await ledger(simulation))[0]).toMatchObject({
      status: 'cancelled',
      charged: simulation.billedUsd(),
    })
    expect(simulation.posts()).toHaveLength(1)
  })

  test('though its clip is being fetched: what was paid for is kept for another job', async () => {
    await using simulation = await openSimulation({ fake: { rates: { output_error: 1 } } })
    const { job_id } = await simulation.job([0])
    await simulation.approve(job_id)
    await simulation.until(() => simulation.bills().length === 1)
    await simulation.pass(5 * second)
    await cancel(simulation, job_id)
    simulation.fake.set({ rates: {} })
    await simulation.pass(5 * minute)
    expect((await simulation.ask('POST', '/estimates', requestOf([0]))).body).toMatchObject({
      scenes_to_pay: 0,
    })
  })

  test('once; and not after it has ended', async () => {
    await using simulation = await openSimulation()
    const pending = (await simulation.job([sceneOf(5)])).job_id
    expect(await cancel(simulation, pending)).toMatchObject({
      status: 200,
      body: { costs: { approved: 0, reserved: 0, spent: 0 } },
    })
    const { job_id } = await ended(simulation)
    for (const [id, current_status] of [
      [pending, 'cancelled'],
      [job_id, 'completed'],
    ] as const)
      expect(await cancel(simulation, id)).toEqual({
        status: 422,
        body: {
          error: 'Job cannot be cancelled',
          job_id: id,
          current_status,
          reason: 'Job must be in pending, approved or processing state to be cancelled',
        },
      })
    expect(await cancel(simulation, 99_999)).toEqual({
      status: 404,
      body: { error: 'Job not found', job_id: '99999' },
    })
  })
})
