import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AppHarness, openAppHarness } from '../harness/app.ts'
import { jsonOf } from '../harness/ask.ts'

let harness: AppHarness
beforeAll(async () => {
  harness = await openAppHarness()
})
afterAll(() => harness.close())

const ask = async (method: string, path: string, body?: unknown) => {
  const response = await harness.app.request(`/api/v3${path}`, {
    method,
    ...(body !== undefined && {
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', 'content-length': String(JSON.stringify(body).length) },
    }),
  })
  return { status: response.status, body: await jsonOf(response) }
}

const pending = async (members: Parameters<AppHarness['job']>[1] = {}): Promise<number> =>
  (await harness.job(1, members)).job_id

describe('a job that is cancelled', () => {
  test('stays so, with the reason that was given in its history', async () => {
    const id = await pending()
    expect(await ask('POST', `/jobs/${id}/cancel`, { reason: 'wrong house' })).toMatchObject({
      status: 200,
      body: { message: 'Job cancelled successfully', job_id: id, status: 'cancelled', costs: { spent: 0 } },
    })
    expect((await ask('GET', `/jobs/${id}`)).body).toMatchObject({
      status: 'cancelled',
      current_stage: 'cancelled',
      waiting: null,
    })
    expect(await ask('POST', `/jobs/${id}/cancel`)).toEqual({
      status: 422,
      body: {
        error: 'Job cannot be cancelled',
        job_id: id,
        current_status: 'cancelled',
        reason: 'Job must be in pending, approved or processing state to be cancelled',
      },
    })
  })

  test('goes on when it is retried, and only then', async () => {
    const id = await pending()
    expect(await ask('POST', `/jobs/${id}/retry`)).toMatchObject({
      status: 422,
      body: {
        error: 'Job cannot be retried',
        current_status: 'pending',
        reason: 'Job must be in failed or cancelled state to be retried',
      },
    })
    await ask('POST', `/jobs/${id}/cancel`)
    expect(await ask('POST', `/jobs/${id}/retry`, { reason: 'it was the right house' })).toMatchObject({
      status: 200,
      body: {
        message: 'Job retried successfully',
        job_id: id,
        status: 'approved',
        scenes_kept: 0,
        scenes_to_render: 1,
      },
    })
    expect((await ask('POST', '/jobs/99999/retry')).body).toEqual({ error: 'Job not found', job_id: '99999' })
    expect((await ask('POST', `/jobs/${id}/retry`, { max: 1 })).body).toMatchObject({
      reason: expect.stringContaining('unknown member "max"'),
    })
  })
})

describe('a job that waits', () => {
  test('is changed by PATCH: priority, name, start and deadline', async () => {
    const id = await pending()
    const change = {
      priority: 90,
      video_name: 'Lake AppHarness',
      run_at: '2031-01-01T00:00:00Z',
      deadline_at: '2031-01-02T00:00:00+02:00',
    }
    expect(await ask('PATCH', `/jobs/${id}`, change)).toMatchObject({
      status: 200,
      body: {
        job_id: id,
        priority: 90,
        video_name: 'Lake AppHarness',
        run_at: '2031-01-01T00:00:00.000Z',
        deadline_at: '2031-01-01T22:00:00.000Z',
      },
    })
    expect((await ask('PATCH', `/jobs/${id}`, { run_at: null })).body).toMatchObject({
      run_at: null,
      priority: 90,
    })
    expect(await ask('PATCH', `/jobs/${id}`, { priority: 101 })).toMatchObject({
      status: 422,
      body: { field: 'priority', reason: 'must be at most 100' },
    })
  })

  test('rests while it is paused, and says since when and why', async () => {
    const id = await pending()
    const paused = await ask('POST', `/jobs/${id}/pause`, { reason: 'the agent is on holiday' })
    expect(paused).toMatchObject({
      status: 200,
      body: { message: 'Job paused successfully', status: 'pending' },
    })
    const { body } = await ask('GET', `/jobs/${id}`)
    expect(body.paused_at).toMatch(/Z$/)
    expect(body.waiting).toMatchObject({ code: 'approval' })
    expect(await ask('POST', `/jobs/${id}/resume`)).toMatchObject({ status: 200, body: { job_id: id } })
    expect((await ask('POST', `/jobs/${id}/resume`)).status).toBe(422)
  })

  test.each([
    'http://169.254.169.254/',
    'http://localhost:4000/',
    'ftp://example.com',
    'https://a:b@example.com/',
  ])('is not told of at an address that may not be reached: %s', async (webhook_url) => {
    const asset_id = await harness.picture(1)
    const request = { type: 'property_photos', parameters: { photos: [{ asset_id }] }, webhook_url }
    expect(await ask('POST', '/jobs', request)).toMatchObject({ status: 422, body: { field: 'webhook_url' } })
    expect(await ask('POST', '/estimates', request)).toMatchObject({ status: 422 })
  })

  test('is told of at its webhook_url, of the events it names', async () => {
    const id = await pending({
      webhook_url: 'https://example.com/hook',
      webhook_events: ['job_completed', 'jobs:failed'],
    })
    expect((await ask('GET', `/webhooks/endpoints?job_id=${id}`)).body.endpoints).toMatchObject([
      {
        job_id: id,
        url: 'https://example.com/hook',
        event_types: ['job_completed', 'jobs:failed'],
        status: 'enabled',
      },
    ])
  })

  test('tells what it depends on, and how failed renders are tried again', async () => {
    const first = await pending()
    const retry = { max_tries: 5, delay: 1.5, classes: { machine: { max_tries: 2 } } }
    const id = await pending({ depends_on: [{ job_id: first, on_failure: 'ignore' }], retry })
    expect((await ask('GET', `/jobs/${id}`)).body).toMatchObject({
      retry,
      depends_on: [{ job_id: first, on_failure: 'ignore', met: false, status: 'pending' }],
      waiting: { code: 'approval', reason: 'waiting for approval', until: null },
    })
  })
})

describe('many jobs at once', () => {
  test('are approved and cancelled, each with its own answer', async () => {
    const ids = [await pending(), await pending()]
    await ask('POST', `/jobs/${ids[1]}/cancel`)
    expect(await ask('POST', '/jobs/approve', { job_ids: [...ids, 99_999] })).toEqual({
      status: 200,
      body: {
        done: 1,
        refused: 2,
        results: [
          { job_id: ids[0], status: 'approved' },
          {
            job_id: ids[1],
            error: 'Job cannot be approved',
            current_status: 'cancelled',
            reason: 'Job must be in pending state to be approved',
          },
          { job_id: 99_999, error: 'Job not found' },
        ],
      },
    })
    expect((await ask('POST', '/jobs/cancel', { job_ids: [ids[0]], reason: 'all of it' })).body).toEqual({
      done: 1,
      refused: 0,
      results: [{ job_id: ids[0], status: 'cancelled' }],
    })
  })

  test.each([
    [{ job_ids: [] }, 'job_ids'],
    [{ job_ids: [1, 1] }, 'job_ids'],
    [{ job_ids: ['1'] }, 'job_ids[0]'],
    [{ job_ids: Array.from({ length: 201 }, (_, index) => index + 1) }, 'job_ids'],
    [{}, 'job_ids'],
  ])('are refused where the list is wrong (%#)', async (body, field) => {
    expect(await ask('POST', '/jobs/approve', body)).toMatchObject({ status: 422, body: { field } })
  })
})

describe('the list of jobs', () => {
  test('is found by states, client, name and time', async () => {
    const parameters = { client_id: 'finder' }
    const one = await pending({ parameters, video_name: 'Red 100% House_1' })
    const two = await pending({ parameters, video_name: 'Blue Barn' })
    await ask('POST', `/jobs/${two}/cancel`)
    const found = async (query: string): Promise<number[]> =>
      (await ask('GET', `/jobs?client_id=finder&${query}`)).body.jobs.map(
        (job: { job_id: number }) => job.job_id,
      )
    expect(await found('status=pending,cancelled')).toEqual([two, one])
    expect(await found('status=cancelled')).toEqual([two])
    expect(await found('q=hOUSE')).toEqual([one])
    expect(await found(`q=${encodeURIComponent('100% house_1')}`)).toEqual([one])
    expect(await found(`q=${encodeURIComponent('100%%')}`)).toEqual([])
    const { inserted_at } = (await ask('GET', `/jobs/${one}`)).body
    expect(await found(`created_before=${inserted_at}`)).toEqual([])
    expect(await found(`created_after=${inserted_at}`)).toEqual([two, one])
    expect(await ask('GET', '/jobs?created_after=soon')).toMatchObject({
      status: 400,
      body: {
        field: 'created_after',
        reason: 'must be a time in ISO 8601 with its zone, such as 2026-11-25T18:00:00Z',
      },
    })
  })

  test('is paged rightly while jobs are added: none is missed, none comes twice', async () => {
    const parameters = { client_id: 'pager' }
    const made: number[] = []
    for (let n = 0; n < 5; n++) made.push(await pending({ parameters }))
    const seen: number[] = []
    for (let cursor: string | null = ''; cursor !== null;) {
      const { body } = await ask('GET', `/jobs?client_id=pager&limit=2${cursor && `&cursor=${cursor}`}`)
      seen.push(...body.jobs.map((job: { job_id: number }) => job.job_id))
      cursor = body.next_cursor
      await pending({ parameters })
    }
    expect(seen).toEqual(made.toReversed())
  })
})

describe('the limits', () => {
  test('are told and changed, and a pause of all is seen there', async () => {
    expect((await ask('GET', '/limits')).body).toEqual({
      jobs: { limit: null, processing: expect.any(Number), changed: null },
      paused: null,
      renderers: {
        local: {
          max_concurrency: 4,
          start_delay_ms: 0,
          starts_per_minute: null,
          configured: { max_concurrency: 4, start_delay_ms: 0 },
          in_flight: expect.any(Number),
          paused: null,
          provider_pause: null,
          changed: null,
        },
      },
    })
    const set = await ask('PUT', '/limits', { jobs: 7, renderers: { local: { max_concurrency: 2 } } })
    expect(set.body).toMatchObject({ jobs: { limit: 7 }, renderers: { local: { max_concurrency: 2 } } })
    expect((await ask('PUT', '/limits', { jobs: null })).body.jobs.limit).toBeNull()
    expect((await ask('POST', '/pause', { reason: 'move' })).body.paused).toMatchObject({
      by: 'local',
      reason: 'move',
    })
    expect((await ask('POST', '/resume')).body.paused).toBeNull()
    expect(await ask('POST', '/pause', { renderer: 'nowhere' })).toMatchObject({
      status: 422,
      body: { field: 'renderer', reason: 'Unknown renderer "nowhere"; available: local' },
    })
    expect(await ask('PUT', '/limits', { jobs: -1 })).toMatchObject({ status: 422, body: { field: 'jobs' } })
  })
})
