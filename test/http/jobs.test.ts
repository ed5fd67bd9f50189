import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { JobAnswer, JobsAnswer } from '../../src/http/routes/jobs.ts'
import type { ScenesAnswer } from '../../src/http/routes/scenes.ts'
import { type AppHarness, openAppHarness } from '../harness/app.ts'
import { jsonOf } from '../harness/ask.ts'

let harness: AppHarness
beforeAll(async () => {
  harness = await openAppHarness()
})
afterAll(() => harness.close())

const iso = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/
const get = (path: string): Promise<any> => jsonOf(harness.app.request(path))

describe('a job', () => {
  test('is answered with its plan, its cost and where it is found', async () => {
    const asset = await harness.picture(1)
    const response = await harness.app.request('/api/v3/jobs', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        type: 'property_photos',
        parameters: { photos: [{ asset_id: asset, room: 'kitchen' }], campaign_id: 'spring' },
        video_name: 'Harbour 🏡',
      }),
    })
    expect(response.status).toBe(201)
    const job: JobAnswer = await jsonOf(response)
    expect(response.headers.get('location')).toBe(`/api/v3/jobs/${job.job_id}`)
    expect(job).toMatchObject({
      type: 'property_photos',
      status: 'pending',
      video_name: 'Harbour 🏡',
      priority: 50,
      estimated_cost: 0,
      costs: { currency: 'USD', estimated: 0, spent: 0, price_book: '2026-11' },
      progress_percentage: 0,
      current_stage: 'created',
      parameters: { campaign_id: 'spring' },
      storyboard: { format: { width: 1280, height: 720, fps: 24 }, total_duration: 5 },
      error: null,
      film: null,
      approved_at: null,
      started_at: null,
      ended_at: null,
    })
    expect(job.inserted_at).toMatch(iso)
    expect(job.updated_at).toMatch(iso)
    expect(await get(`/api/v3/jobs/${job.job_id}`)).toEqual(job)
  })

  test('is approved once, in the words of the contract, whatever body comes along', async () => {
    const { job_id } = await harness.job()
    const approve = async () =>
      harness.app.request(`/api/v3/jobs/${job_id}/approve`, { method: 'POST', body: '{' })
    const answers = await Promise.all(Array.from({ length: 20 }, approve))
    const approved = answers.filter(({ status }) => status === 200)
    expect(approved).toHaveLength(1)
    expect(await approved[0]!.text()).toBe(
      `{"message":"Job approved successfully","job_id":${job_id},"status":"approved"}`,
    )
    const refused = answers.find(({ status }) => status === 422)!
    expect(await refused.json()).toEqual({
      error: 'Job cannot be approved',
      job_id,
      current_status: 'approved',
      reason: 'Job must be in pending state to be approved',
    })
    expect(answers.filter(({ status }) => status === 422)).toHaveLength(19)
  })

  test('tells where its film and its clips are once they are there', async () => {
    const { job_id } = await harness.job(2)
    await harness.finish(job_id, new Uint8Array(1000))
    const job = await get(`/api/v3/jobs/${job_id}`)
    expect(job).toMatchObject({
      status: 'completed',
      progress_percentage: 100,
      current_stage: 'completed',
      film: {
        url: `/api/v3/videos/${job_id}/combined`,
        thumbnail_url: `/api/v3/videos/${job_id}/thumbnail`,
        width: 1280,
        height: 720,
        fps: 24,
        size: 1000,
        duration: 9.5,
      },
    })
    for (const name of ['approved_at', 'started_at', 'ended_at']) expect(job[name]).toMatch(iso)
    const scenes: ScenesAnswer = await get(`/api/v3/jobs/${job_id}/scenes`)
    expect(scenes).toMatchObject({ job_id, total_scenes: 2, completed_scenes: 2, progress_percentage: 100 })
    for (const [position, scene] of scenes.scenes.entries()) {
      expect(scene).toMatchObject({
        job_id,
        position,
        status: 'completed',
        progress_percentage: 100,
        clip_url: `/api/v3/videos/${job_id}/clips/${scene.id}`,
      })
      expect(await get(`/api/v3/jobs/${job_id}/scenes/${scene.id.toUpperCase()}`)).toEqual(scene)
    }
  })

  test('that a program completed with bytes of its own has no film', async () => {
    const { job_id } = await harness.job()
    await harness.finish(job_id, new Uint8Array(1))
    const other = await harness.job()
    expect(other.film).toBeNull()
    expect((await get(`/api/v3/jobs/${job_id}`)).film).not.toBeNull()
  })

  test('keeps names such as __proto__ harmless', async () => {
    const response = await harness.app.request('/api/v3/jobs', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: `{"type":"property_photos","parameters":{"photos":[{"asset_id":"${await harness.picture(1)}"}],
        "__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}}`,
    })
    expect(response.status).toBe(201)
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
    const job: JobAnswer = await jsonOf(response)
    expect((await harness.app.request(`/api/v3/jobs/${job.job_id}`)).status).toBe(200)
  })
})

describe('too many jobs', () => {
  test('of one client that have not ended are refused, not those of another; then those of all', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'many-jobs-'))
    let full = await openAppHarness({ folder })
    const reopen = async (): Promise<void> => {
      await full.close()
      full = await openAppHarness({ folder })
    }
    try {
      const ofClient = { parameters: { client_id: 'busy' } }
      const { job_id } = await full.job(1, ofClient)
      const copy = (count: number, clientId: string): Promise<number> =>
        full.database.transaction((tx) =>
          tx.run(
            `with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < $2)
             insert into jobs (type, status, video_name, priority, parameters, storyboard, progress, price_book, client_id,
               inserted_at, updated_at)
             select type, status, video_name, priority, '{}', '{}', '{}', price_book, $3, inserted_at, updated_at
             from numbers, jobs where jobs.id = $1`,
            [job_id, count, clientId],
          ),
        )
      await copy(19_998, 'busy')
      await reopen()
      await full.job(1, ofClient)
      await expect(full.job(1, ofClient)).rejects.toThrow(
        'busy has 20000 jobs that have not ended, which is the limit: wait for some, or cancel some',
      )
      await full.coordinator.cancelJob(job_id)
      await full.job(1, ofClient)
      await full.job(1)
      await copy(80_000, 'all the others')
      await reopen()
      const body = { type: 'property_photos', parameters: { photos: [{ asset_id: await full.picture(0) }] } }
      const refused = await full.app.request('/api/v3/jobs', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
      expect(refused.status).toBe(429)
      expect(refused.headers.get('retry-after')).toBe('60')
      expect(await jsonOf(refused)).toMatchObject({ error: 'Too many jobs', limit: 100_000 })
    } finally {
      await full.close()
      await rm(folder, { recursive: true })
    }
  })
})

describe('the list of jobs', () => {
  test('is read page by page, newest first, each job once', async () => {
    const made: number[] = []
    for (let index = 0; index < 5; index++)
      made.unshift((await harness.job(1, { parameters: { client_id: 'pages' } })).job_id)
    const seen: number[] = []
    let cursor: string | null = null
    do {
      const page = await get(`/api/v3/jobs?client_id=pages&limit=2${cursor ? `&cursor=${cursor}` : ''}`)
      seen.push(...page.jobs.map((job: JobAnswer) => job.job_id))
      cursor = page.next_cursor
    } while (cursor)
    expect(seen).toEqual(made)
  })

  test('leaves out what is long, and ends a page that is, without losing a job', async () => {
    const own = Object.fromEntries(Array.from({ length: 64 }, (_, n) => [`m${n}`, 'x'.repeat(980)]))
    const ids: number[] = []
    for (let n = 0; n < 30; n++)
      ids.unshift((await harness.job(1, { parameters: { heavy: 'yes', ...own } })).job_id)
    const long = await harness.job(20, { parameters: { heavy: 'yes', note: 'x'.repeat(2000), short: [1] } })
    const found: number[] = []
    let cursor: string | null = null
    do {
      const at: string = cursor === null ? '' : `&cursor=${cursor}`
      const text = await (await harness.app.request(`/api/v3/jobs?heavy=yes&limit=200${at}`)).text()
      expect(text.length).toBeLessThan(1_300_000)
      const page: JobsAnswer = JSON.parse(text)
      expect(page.jobs.length).toBeGreaterThan(0)
      found.push(...page.jobs.map(({ job_id }) => job_id))
      if (cursor === null)
        expect(page.jobs[0]).toMatchObject({
          job_id: long.job_id,
          parameters: { heavy: 'yes', short: [1] },
          left_out: ['photos', 'note'],
        })
      cursor = page.next_cursor
    } while (cursor !== null)
    expect(found).toEqual([long.job_id, ...ids])
    const whole = await jsonOf(harness.app.request(`/api/v3/jobs/${long.job_id}`))
    expect(whole.parameters).toMatchObject({ note: 'x'.repeat(2000), photos: { length: 20 } })
  })

  test('is filtered by status, type and any free members', async () => {
    const wanted = await harness.job(1, { parameters: { campaign_id: 'a b&c', client_id: 7 } })
    await harness.job(1, { parameters: { campaign_id: 'a b&c', client_id: 8 } })
    const query = new URLSearchParams({ campaign_id: 'a b&c', client_id: '7', status: 'pending' })
    const page = await get(`/api/v3/jobs?${query.toString()}&type=property_photos`)
    const { storyboard: _storyboard, depends_on: _dependsOn, eta: _eta, ...listed } = wanted
    const { scenes: _scenes, ...costs } = listed.costs
    expect(page.jobs).toEqual([{ ...listed, costs, left_out: [] }])
    expect(page.next_cursor).toBeNull()
    expect((await get(`/api/v3/jobs?${query.toString()}&type=image_pairs`)).jobs).toEqual([])
  })

  test.each([
    ['status=finished', 'status', /must be one of pending, approved/],
    ['limit=0', 'limit', /from 1 to 200/],
    ['limit=201', 'limit', /from 1 to 200/],
    ['limit=ten', 'limit', /from 1 to 200/],
    ['cursor=xyz', 'cursor', /next_cursor/],
    ['cursor=%00%ff', 'cursor', /next_cursor/],
    ['status=pending&status=failed', 'status', /./],
    ['client_id=1&client_id=2', 'client_id', /once/],
    [Array.from({ length: 11 }, (_, index) => `label${index}=x`).join('&'), 'label10', /at most 10/],
  ])('refuses %s and says what is wrong', async (query, field, reason) => {
    const response = await harness.app.request(`/api/v3/jobs?${query}`)
    expect(response.status).toBe(400)
    const answer = await jsonOf(response)
    expect(answer.field).toBe(field)
    expect(answer.reason).toMatch(reason)
  })
})
