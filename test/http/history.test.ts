import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { wordsFor } from '../../src/coordinator/read/history.ts'
import { type EventType, type JobEvent, eventTypes } from '../../src/job/event.ts'
import { type AppHarness, openAppHarness } from '../harness/app.ts'
import { jsonOf } from '../harness/ask.ts'

let harness: AppHarness
beforeAll(async () => {
  harness = await openAppHarness()
})
afterAll(() => harness.close())

const history = (jobId: number, query = ''): Promise<any> =>
  jsonOf(harness.app.request(`/api/v3/jobs/${jobId}/history${query}`))

describe('the history of a job', () => {
  test('tells who did what, when and why, from its creation to its film', async () => {
    const { job_id } = await harness.job(1, { video_name: 'Harbour' })
    await harness.coordinator.pauseJob(job_id, { reason: 'the client is on the phone' }, { by: 'ada' })
    await harness.coordinator.resumeJob(job_id, { by: 'grace' })
    await harness.finish(job_id, new Uint8Array([1]))
    const answer = await history(job_id)
    expect(answer.job_id).toBe(job_id)
    expect(answer.next_after).toBeNull()
    expect(answer.entries.map(({ what, by }: any) => [what, by])).toEqual([
      ['created, “Harbour”', 'local'],
      ['paused: the client is on the phone', 'ada'],
      ['resumed', 'grace'],
      ['approved', 'coordinator'],
      ['started', 'coordinator'],
      ['scene started, with local', 'coordinator'],
      ['scene completed', 'coordinator'],
      ['completed, film 1', 'coordinator'],
    ])
    expect(answer.entries[0]).toMatchObject({
      type: 'job_created',
      at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    })
    expect(answer.entries[1].reason).toBe('the client is on the phone')
    const [scene] = (await jsonOf(harness.app.request(`/api/v3/jobs/${job_id}/scenes`))).scenes
    expect(answer.entries[5].scene_id).toBe(scene.id)
    // It is the log that everybody else reads.
    const { events } = await jsonOf(harness.app.request(`/api/v3/jobs/${job_id}/events`))
    const told: readonly JobEvent[] = events
    expect(answer.entries.map(({ event_id }: any) => event_id)).toEqual(
      told.filter(({ type }) => type !== 'job_progress').map(({ id }) => id),
    )
  })

  test('tells of progress to whom asks for that', async () => {
    const { job_id } = await harness.job()
    await harness.finish(job_id, new Uint8Array([1]))
    const { entries } = await history(job_id, '?progress=true')
    const progress = entries.filter(({ type }: any) => type === 'job_progress')
    expect(progress.length).toBeGreaterThan(0)
    expect(progress[0].what).toMatch(/^\d+ % done, \w+$/)
  })

  test('comes in pages', async () => {
    const { job_id } = await harness.job()
    await harness.coordinator.approveJob(job_id)
    await harness.coordinator.cancelJob(job_id)
    const whole = await history(job_id)
    const entries = []
    let after: number | null = 0
    for (let pages = 0; after !== null; pages++) {
      const page: any = await history(job_id, `?limit=1&after=${after}`)
      expect(pages).toBeLessThanOrEqual(whole.entries.length)
      entries.push(...page.entries)
      after = page.next_after
    }
    expect(entries).toEqual(whole.entries)
  })
})

test('a change of budgets or limits is logged with who asked, and the values before and after', async () => {
  const put = (path: string, body: object) => {
    const text = JSON.stringify(body)
    const headers = { 'content-type': 'application/json', 'content-length': String(text.length) }
    return harness.app.request(`/api/v3/${path}`, { method: 'PUT', body: text, headers })
  }
  for (const body of [
    { day: 20, total: 100 },
    { day: 25, 'client:acme': null },
    { day: null, total: null },
  ])
    expect((await put('budgets', body)).status).toBe(200)
  for (const jobs of [7, null]) expect((await put('limits', { jobs })).status).toBe(200)
  const changes = harness.logged.filter(({ msg }) => /(?:Budgets|Limits) changed/.test(msg))
  expect(changes).toMatchObject([
    { by: 'local', budgets: { day: 20, total: 100 }, old_budgets: { day: null, total: null } },
    { by: 'local', budgets: { day: 25 }, old_budgets: { day: 20 } },
    { by: 'local', budgets: { day: null, total: null }, old_budgets: { day: 25, total: 100 } },
    { by: 'local', limits: { jobs: 7 }, old_limits: { jobs: null } },
    { by: 'local', limits: { jobs: null }, old_limits: { jobs: 7 } },
  ])
})

describe('what happened is said in words', () => {
  const said: { readonly [type in EventType]: readonly (readonly [JobEvent['data'], string])[] } = {
    job_created: [[{ type: 'property_photos', video_name: 'Harbour' }, 'created, “Harbour”']],
    job_approved: [
      [{ estimated_micros: 800_000, authorised_micros: 800_000 }, 'approved, up to $0.80'],
      [
        {
          authorised_micros: 1_200_000,
          old: { authorised_micros: 800_000 },
          new: { authorised_micros: 1_200_000 },
        },
        'approved, up to $1.20 (was $0.80)',
      ],
      [{ authorised_micros: 800_000, old: { authorised_micros: 0 } }, 'approved, up to $0.80'],
      [{ estimated_micros: 0, authorised_micros: 0 }, 'approved'],
      [{ estimated_micros: 0 }, 'approved'],
    ],
    job_processing: [[{ percentage: 0, stage: 'initializing' }, 'started']],
    job_progress: [[{ percentage: 40, stage: 'rendering' }, '40 % done, rendering']],
    job_completed: [
      [{ film: 'f', version: 2 }, 'completed, film 2'],
      [{}, 'completed'],
    ],
    job_failed: [[{ code: 'failed', reason: 'no picture' }, 'failed: no picture']],
    job_cancelled: [
      [{}, 'cancelled'],
      [{ reason: 'sold' }, 'cancelled: sold'],
    ],
    job_retried: [
      [{ was: 'failed', authorised_micros: 4_500 }, 'retried, up to $0.0045'],
      [{ was: 'completed', reopened: true, authorised_micros: 4_500 }, 'reopened: no approval needed'],
    ],
    job_updated: [
      [{ changed: { priority: 7, run_at: null } }, 'changed: priority, run_at'],
      [
        {
          changed: { priority: 7, video_name: 'b c' },
          old: { priority: 50, video_name: 'a' },
          new: { priority: 7, video_name: 'b c' },
        },
        'changed: priority 50 → 7, video_name a → “b c”',
      ],
      [{ changed: {}, old: {}, new: {} }, 'changed nothing'],
      [{ dependency: 12, status: 'failed' }, 'dependency ended: job 12 is failed'],
    ],
    job_paused: [
      [{}, 'paused'],
      [{ reason: 'lunch' }, 'paused: lunch'],
    ],
    job_resumed: [[{}, 'resumed']],
    job_rejected: [
      [{ reason: 'too long' }, 'rejected: too long'],
      [{}, 'rejected'],
    ],
    job_submitted: [[{}, 'submitted again']],
    job_shared: [
      [
        { version: null, expires_at: '2027-01-01T00:00:00.000Z' },
        'shared by a link until 2027-01-01T00:00:00.000Z',
      ],
      [
        { version: 2, expires_at: '2027-01-01T00:00:00.000Z' },
        'shared by a link until 2027-01-01T00:00:00.000Z, version 2',
      ],
    ],
    job_deleted: [[{ video_name: 'Harbour' }, 'deleted, “Harbour”']],
    scene_added: [[{ position: 1 }, 'scene added, as number 2']],
    scene_processing: [
      [{ renderer: 'replicate', model: 'google/veo-3.1-fast' }, 'scene started, with google/veo-3.1-fast'],
      [{ kept: true }, 'scene started, from a kept clip'],
    ],
    scene_completed: [[{ clip: 'c' }, 'scene completed']],
    scene_failed: [[{ code: 'failed', reason: 'too dark', tries: 3 }, 'scene failed: too dark']],
    scene_retrying: [[{ reason: 'busy', tries: 1 }, 'scene will be retried: busy']],
    scene_rendered: [
      [{ attempt_id: 'a', charged_micros: 250_000 }, 'scene rendered, $0.25 charged'],
      [{ attempt_id: 'a', charged_micros: null }, 'scene rendered, charged at an unknown price'],
    ],
    scene_held: [[{ reason: 'no answer' }, 'scene held until it is resolved: no answer']],
    scene_short: [[{ reason: 'it is a single picture' }, 'short clip accepted: it is a single picture']],
    scene_updated: [
      [{ changed: ['prompt', 'duration'] }, 'scene changed: prompt, duration'],
      [
        {
          changed: ['prompt', 'position', 'title', 'audio'],
          old: { prompt: 'a'.repeat(60), position: 0, title: null, audio: false },
          new: { prompt: 'b', position: 2, title: 'Hall', audio: true },
        },
        `scene changed: prompt “${'a'.repeat(39)}…” → b, position 1 → 3, title none → Hall, audio off → on`,
      ],
      [{ regenerate: true }, 'scene will be rendered again'],
      [{ resolution: 'adopt', prediction_id: 'x6iey' }, 'scene resolved: the provider accepted it as x6iey'],
      [{ resolution: 'absent' }, 'scene resolved: the provider did not accept it'],
    ],
    scene_deleted: [[{ position: 1 }, 'scene deleted']],
    scene_cancelled: [[{}, 'scene cancelled']],
  }

  test.each(eventTypes)('%s', (type) => {
    for (const [data, words] of said[type]) expect(wordsFor({ type, data })).toBe(words)
    // An event may be of a version that told less.
    expect(wordsFor({ type, data: {} })).not.toMatch(/undefined|null|NaN/)
  })
})
