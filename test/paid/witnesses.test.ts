/** What speaks for a render that was asked for and not answered, and what people are told and may do about it. */
import { describe, expect, test } from 'vitest'
import type { FakeOptions } from '../../src/fake-replicate/provider.ts'
import { answerText, hang } from '../../src/fake-replicate/reply.ts'
import { type Till, asksForList, intercept, openTill, sceneOf } from './till.ts'
import { type WorldOptions, assetOf, hour, minute, second } from './world.ts'

const ledger = async (till: Till, query = ''): Promise<readonly any[]> =>
  (await till.get(`/ledger${query}`)).entries
const lines = (till: Till): string => till.world.life!.lines.join('\n')

async function approved(till: Till, scenes: readonly (number | object)[] = [0]) {
  const { job_id } = await till.job(scenes)
  await till.approve(job_id)
  return job_id as number
}

const isNow = (till: Till, status: string) => async (): Promise<boolean> =>
  (await ledger(till))[0]?.status === status

/** A render of the same account, made by somebody else. */
async function foreignRender(till: Till, input: object): Promise<string> {
  const url = 'https://api.replicate.test/v1/models/google/veo-3.1-fast/predictions'
  const headers = new Headers({ authorization: 'Bearer r8_fake', 'content-type': 'application/json' })
  await till.world.fake.handle({ method: 'POST', url, headers, body: Buffer.from(JSON.stringify({ input })) })
  await till.world.settle()
  return till.posts().at(-1)!.prediction!
}

const unreached = (fake: FakeOptions, options: WorldOptions = {}): Promise<Till> =>
  openTill({ isReached: false, ...options, fake })

describe('a render that may have been accepted', () => {
  test('is found by its seed where the provider shows copies of the pictures instead of our addresses', async () => {
    await using till = await unreached({ plan: { 1: 'reset_after' }, shows: 'copies' })
    expect(await till.ended(await approved(till))).toMatchObject({
      status: 'completed',
      costs: { spent: 0.4 },
    })
    expect(till.posts()).toHaveLength(1)
  })

  test('is found by the webhook that came to its own address, though it carries no mark', async () => {
    await using till = await openTill({ fake: { plan: { 1: 'reset_after' }, shows: 'seedless' } })
    expect(await till.ended(await approved(till))).toMatchObject({
      status: 'completed',
      costs: { spent: 0.4 },
    })
    expect(till.posts()).toHaveLength(1)
  })

  test('is held, and told, where one without a mark was made then of the same model and words', async () => {
    await using till = await unreached({ plan: { 1: 'reset_after' }, shows: 'seedless' })
    const job_id = await approved(till)
    await till.until(isNow(till, 'held'), 10 * minute)
    const { prediction } = till.posts()[0]!
    const [entry] = await ledger(till, '?status=held')
    expect(entry).toMatchObject({
      job_id,
      account: 'fake',
      candidates: [{ prediction_id: prediction, state: 'succeeded', created_at: expect.any(String) }],
    })
    const [scene] = await till.scenes(job_id)
    expect(scene.waiting).toMatchObject({
      code: 'held',
      reason: expect.stringMatching(new RegExp(`without the mark.*${prediction} \\(succeeded, of 2026-`)),
    })
    await till.ask('POST', `/jobs/${job_id}/scenes/${scene.id}/resolve`, {
      resolution: 'adopt',
      prediction_id: prediction,
    })
    expect(await till.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
    expect((await till.get('/ledger')).unaccounted).toEqual([])
    expect(till.posts()).toHaveLength(1)
  })

  test.each([
    ['another model', {}, 'minimax/hailuo-02'],
    ['other words', { prompt: 'Something else.' }, 'google/veo-3.1-fast'],
  ])('is absent where one without a mark was made then of %s', async (_name, members, model) => {
    await using till = await unreached({ plan: { 1: 'reset_before' } })
    const job_id = await approved(till, [sceneOf(0, { model })])
    await till.until(isNow(till, 'unknown'))
    await foreignRender(till, { prompt: sceneOf(0).prompt, duration: 4, ...members })
    expect((await till.ended(job_id)).status).toBe('completed')
  })

  test('is held where the provider fetched its picture, and its list does not show it', async () => {
    await using till = await unreached({ plan: { 1: 'reset_unlisted' } }, { fetchesPictures: true })
    const job_id = await approved(till)
    await till.until(isNow(till, 'held'), hour)
    expect((await ledger(till))[0].failure.reason).toMatch(/has fetched a picture of it/)
    await till.pass(hour)
    expect(till.posts()).toHaveLength(1)
    const [scene] = await till.scenes(job_id)
    await till.ask('POST', `/jobs/${job_id}/scenes/${scene.id}/resolve`, {
      resolution: 'adopt',
      prediction_id: till.posts()[0]!.prediction,
    })
    await till.ended(job_id)
    expect((await ledger(till))[0].charged).toBe(0.4)
  })

  test.each([
    ['at once', false],
    ['by the next process', true],
  ])('and is held is adopted %s when its webhook tells of its end', async (_name, dies) => {
    await using till = await openTill({
      fetchesPictures: true,
      fake: { plan: { 1: 'reset_unlisted' }, renderMs: 20 * minute, rates: { webhook_lost: 1 } },
    })
    const job_id = await approved(till)
    await till.until(isNow(till, 'held'), hour)
    till.world.fake.set({ rates: dies ? { read_error: 1 } : {} })
    await till.until(() => till.bills().length === 1)
    await till.pass(minute)
    if (dies) {
      till.world.life!.kill()
      // As an earlier version left it, which followed none that is held.
      await till.world.database.transaction((tx) => tx.run('delete from tasks'))
      await till.reborn(second)
    }
    till.world.fake.set({ rates: {} })
    expect(await till.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
    expect(till.posts()).toHaveLength(1)
  })

  test('is found in a list however much was sent along with others', async () => {
    await using till = await unreached({ plan: { 91: 'reset_after' }, renderMs: hour })
    for (let n = 1; n <= 90; n++)
      await foreignRender(till, { prompt: `the ${n}th`, image: 'https://x.test/1' })
    till.world.fake.set({ listedPictureBytes: 800_000 })
    await approved(till)
    await till.until(isNow(till, 'submitted'), 10 * minute)
    expect(lines(till)).not.toMatch(/Cannot compare/)
  })
})

describe('a token of another account', () => {
  const elsewhere = { otherAccounts: { r8_other: 'somebody-else' } }

  test('says nothing about what was sent from the first one, and is told at once', async () => {
    await using till = await unreached({
      ...elsewhere,
      plan: { 1: 'reset_before' },
      renderMs: 10 * minute,
    })
    const job_id = await approved(till, [0, 1])
    await till.until(async () => {
      const statuses = new Set((await ledger(till)).map(({ status }) => status))
      return statuses.has('unknown') && statuses.has('submitted')
    })
    await till.reborn(0, { token: 'r8_other' })
    await till.pass(2 * second)
    expect(lines(till)).toMatch(
      /token of replicate belongs to the account somebody-else, and 2 renders were sent from fake/,
    )
    await till.pass(hour)
    const entries = await ledger(till)
    expect(new Set(entries.map(({ status, account }) => `${status} in ${account}`))).toEqual(
      new Set(['submitted in fake', 'unknown in fake']),
    )
    const waits = (await till.scenes(job_id)).map(({ waiting }) => waiting?.reason ?? '').join()
    expect(waits).toMatch(/the token belongs to the account somebody-else, and this was sent from fake/)
    expect(till.posts()).toHaveLength(2)
    await till.reborn(0, { token: 'r8_fake' })
    expect((await till.ended(job_id)).costs.spent).toBe(till.billedUsd())
  })
})

describe('a provider that answers no request for a render', () => {
  test('is asked for one at a time, ever more seldom, and no job fails by it', async () => {
    const longMs = 3 * hour
    await using till = await unreached({ outages: [[0, longMs]] }, { maxConcurrency: 4 })
    const jobs = [await approved(till, [0, 1, 2]), await approved(till, [3, 4, 5])]
    await till.pass(30 * minute)
    const sent = till.posts().map(({ at }) => at)
    // Four at once, before it is known.
    expect(sent.length).toBeLessThanOrEqual(4 + 8)
    const pauses = sent.slice(5).map((at, index) => at - sent[index + 4]!)
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(20 * second)
    const waits = (await Promise.all(jobs.map((id) => till.scenes(id)))).flat().map(({ waiting }) => waiting)
    expect(waits).toContainEqual(
      expect.objectContaining({
        code: 'provider_pause',
        reason: expect.stringMatching(/replicate does not accept renders \(HTTP 503\)/),
      }),
    )
    expect((await till.get('/limits')).renderers.replicate.provider_pause).toMatchObject({
      reason: 'HTTP 503',
    })
    for (const id of jobs)
      expect(await till.ended(id)).toMatchObject({ status: 'completed', costs: { spent: 1.2, reserved: 0 } })
    expect(lines(till)).toMatch(/replicate accepts renders again/)
  })

  test('is asked for others after a restart, though what became of the last request is not known', async () => {
    await using till = await unreached({ outages: [[0, 30 * minute]] }, { maxConcurrency: 4 })
    const job_id = await approved(till, [0, 1, 2, 3, 4, 5])
    await till.pass(29 * minute)
    let hung = 0
    intercept(till, (request) => {
      if (request.method === 'POST' && request.url.endsWith('/predictions') && hung++ === 0) return hang
      return hung > 0 && asksForList(request) ? answerText(500, 'text/plain', '') : undefined
    })
    await till.until(() => hung === 1)
    till.world.fake.set({ outages: [] })
    await till.reborn(second)
    await till.pass(10 * second)
    const statuses = (await till.scenes(job_id)).map(({ status }) => status)
    expect(statuses.filter((status) => status === 'completed')).toHaveLength(5)
  })

  test('is asked for others where one cannot be made ready', async () => {
    await using till = await unreached({ outages: [[0, 3 * minute]] }, { maxConcurrency: 4 })
    const broken = await approved(till, [7])
    await till.pass(5 * second)
    const job_id = await approved(till, [0, 1, 2])
    await till.world.database.transaction((tx) => tx.run('delete from assets where id = $1', [assetOf(7)]))
    expect(await till.ended(job_id)).toMatchObject({ status: 'completed' })
    expect(await till.ended(broken)).toMatchObject({ status: 'failed', error: { code: 'not_ready' } })
  })
})

/** A scene whose attempt is held: one that may be it was made, without a mark. */
async function held(fake: FakeOptions = {}, options: WorldOptions = {}) {
  const till = await unreached({ plan: { 1: 'reset_after' }, shows: 'seedless', ...fake }, options)
  const job_id = await approved(till)
  await till.until(isNow(till, 'held'), 10 * minute)
  const [scene] = await till.scenes(job_id)
  const candidate = till.posts()[0]!.prediction!
  const resolve = (resolution: object) =>
    till.ask('POST', `/jobs/${job_id}/scenes/${scene.id}/resolve`, resolution)
  return { till, job_id, scene, candidate, resolve, [Symbol.asyncDispose]: till[Symbol.asyncDispose] }
}

describe('a held attempt', () => {
  test('keeps no equal scene of another job waiting', async () => {
    await using opened = await held()
    const { till } = opened
    expect(await till.ended(await approved(till))).toMatchObject({
      status: 'completed',
      costs: { spent: 0.4 },
    })
  })

  test.each(['cancel', 'fail'])('is told where its job has ended (%s), and retried it waits', async (how) => {
    await using opened = await held()
    const { till, job_id, scene, candidate, resolve } = opened
    if (how === 'cancel') await till.ask('POST', `/jobs/${job_id}/cancel`)
    else await till.world.life!.coordinator.failJob(job_id, 'It took too long')
    expect((await till.get(`/jobs/${job_id}`)).waiting?.code).toBe('held')
    expect((await till.scenes(job_id))[0].waiting.code).toBe('held')
    expect(await ledger(till, '?status=held')).toMatchObject([{ scene_id: scene.id, reserved: 0.4 }])
    expect((await till.ask('POST', `/jobs/${job_id}/retry`, { max_cost: 2 })).status).toBe(200)
    await till.pass(hour)
    expect(till.posts()).toHaveLength(1)
    expect((await till.scenes(job_id))[0].waiting.code).toBe('held')
    await resolve({ resolution: 'adopt', prediction_id: candidate })
    await till.until(async () => (await ledger(till))[0].charged === 0.4)
  })

  test('whose candidate a person refused is rendered, and the candidate told as nobody’s', async () => {
    await using opened = await held()
    const { till, job_id, candidate, resolve } = opened
    expect((await resolve({ resolution: 'absent' })).status).toBe(200)
    expect((await till.get('/ledger')).unaccounted).toMatchObject([
      { prediction_id: candidate, state: 'succeeded', charged: null },
    ])
    expect(lines(till)).toMatch(new RegExp(`${candidate} at replicate is not the render of attempt`))
    expect((await till.ended(job_id)).status).toBe('completed')
  })

  test('whose named render is not there keeps its candidates, and none is told as nobody’s', async () => {
    await using opened = await held()
    const { till, candidate, resolve } = opened
    await resolve({ resolution: 'adopt', prediction_id: 'nosuchprediction' })
    await till.pass(minute)
    const { entries, unaccounted } = await till.get('/ledger')
    expect(entries).toMatchObject([{ status: 'held', candidates: [{ prediction_id: candidate }] }])
    expect(unaccounted).toEqual([])
  })

  test('for which a wrong id was named can be decided anew while that cannot be looked at', async () => {
    await using opened = await held({ otherAccounts: { r8_other: 'somebody-else' } })
    const { till, job_id, candidate, resolve } = opened
    await till.reborn(second, { token: 'r8_other' })
    await resolve({ resolution: 'adopt', prediction_id: 'nosuchprediction' })
    await till.pass(2 * minute)
    expect((await resolve({ resolution: 'adopt', prediction_id: candidate })).status).toBe(200)
    await till.reborn(second, { token: 'r8_fake' })
    expect(await till.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
  })

  test('beside another one of its scene is decided by an id that is among the other one’s', async () => {
    await using opened = await held({ plan: { 1: 'reset_after', 2: 'reset_after' } })
    const { till, job_id, scene, candidate, resolve } = opened
    await till.ask('POST', `/jobs/${job_id}/cancel`)
    await till.ask('PUT', `/jobs/${job_id}/scenes/${scene.id}`, { prompt: 'Another look.' })
    await till.ask('POST', `/jobs/${job_id}/retry`, { max_cost: 2, revision: 2 })
    await till.until(async () => (await ledger(till, '?status=held')).length === 2, hour)
    const other = till.posts()[1]!.prediction!
    expect((await resolve({ resolution: 'adopt', prediction_id: other })).status).toBe(200)
    await till.ended(job_id)
    expect(await ledger(till)).toMatchObject([
      { status: 'succeeded', prediction_id: other },
      { status: 'held', candidates: [{ prediction_id: candidate }] },
    ])
  })

  test.each([0, 1])(
    'of two opposite decisions takes one, and tells the other so (%i first)',
    async (first) => {
      await using opened = await held()
      const { till, job_id, candidate, resolve } = opened
      const decisions = [{ resolution: 'adopt', prediction_id: candidate }, { resolution: 'absent' }]
      const answers = await Promise.all([decisions[first]!, decisions[1 - first]!].map(resolve))
      expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 422])
      const isAdopted = answers[first === 0 ? 0 : 1]!.status === 200
      expect(await till.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
      expect(till.posts()).toHaveLength(isAdopted ? 1 : 2)
    },
  )
})

describe('an attempt that is looked for', () => {
  const looked = async () => {
    const till = await unreached({ plan: { 1: 'reset_unlisted' } })
    const job_id = await approved(till)
    await till.until(isNow(till, 'unknown'))
    const [scene] = await till.scenes(job_id)
    const resolve = (resolution: object) =>
      till.ask('POST', `/jobs/${job_id}/scenes/${scene.id}/resolve`, resolution)
    return { till, job_id, resolve, [Symbol.asyncDispose]: till[Symbol.asyncDispose] }
  }

  test('is adopted by the id that a person names', async () => {
    await using opened = await looked()
    const { till, job_id, resolve } = opened
    const { prediction } = till.posts()[0]!
    expect((await resolve({ resolution: 'adopt', prediction_id: prediction })).status).toBe(200)
    expect(await till.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
    expect(till.posts()).toHaveLength(1)
  })

  test('is sent again at once where a person knows that it is absent', async () => {
    await using opened = await looked()
    const { till, job_id, resolve } = opened
    expect((await resolve({ resolution: 'absent' })).status).toBe(200)
    await till.until(() => till.posts().length === 2, minute)
    expect((await resolve({ resolution: 'absent' })).body.reason).toBe('It has no held attempt to decide')
    expect((await till.ended(job_id)).status).toBe('completed')
  })
})
