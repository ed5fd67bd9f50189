/** What is done with jobs that have ended: named otherwise, shown with an earlier film, deleted. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hold } from './held.ts'
import { type AppHarness, openAppHarness } from '../harness/app.ts'
import { jsonOf, sha256 } from '../harness/ask.ts'

let harness: AppHarness
beforeAll(async () => {
  harness = await openAppHarness()
})
afterAll(() => harness.close())

const ask = async (method: string, path: string, body?: unknown) => {
  const text = JSON.stringify(body)
  const response = await harness.app.request(`/api/v3${path}`, {
    method,
    ...(body !== undefined && {
      body: text,
      headers: { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)) },
    }),
  })
  return { status: response.status, body: await jsonOf(response) }
}
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
const filmOf = async (id: number): Promise<Response> => harness.app.request(`/api/v3/videos/${id}/combined`)

/** A job with a film of each of these texts, the last one shown. */
async function jobWithFilms(...texts: readonly string[]): Promise<number> {
  const { job_id } = await harness.job(1)
  await harness.finish(job_id, bytesOf(texts[0]!))
  for (const text of texts.slice(1)) {
    const ended = Promise.withResolvers<void>()
    const end = harness.pubsub.subscribe(
      'jobs:completed',
      (event) => event.job_id === job_id && ended.resolve(),
    )
    harness.show(bytesOf(text))
    const [scene] = (await ask('GET', `/jobs/${job_id}/scenes`)).body.scenes
    expect((await ask('POST', `/jobs/${job_id}/scenes/${scene.id}/regenerate`)).status).toBe(200)
    await ended.promise
    end()
  }
  return job_id
}

describe('a film that is there', () => {
  test('gets another name, which its file follows, and its history tells both', async () => {
    const id = await jobWithFilms('a film')
    expect(await ask('PATCH', `/jobs/${id}`, { video_name: '14 Elm Street' })).toMatchObject({
      status: 200,
      body: { video_name: '14 Elm Street', status: 'completed', revision: 1 },
    })
    expect((await filmOf(id)).headers.get('content-disposition')).toBe('inline; filename="14 Elm Street.mp4"')
    const { entries } = (await ask('GET', `/jobs/${id}/history`)).body
    expect(entries.at(-1)).toMatchObject({
      type: 'job_updated',
      by: 'local',
      what: 'changed: video_name “Untitled film” → “14 Elm Street”',
      data: { old: { video_name: 'Untitled film' }, new: { video_name: '14 Elm Street' } },
    })
    for (const change of [{ priority: 1 }, { video_name: 'a', run_at: null }])
      expect(await ask('PATCH', `/jobs/${id}`, change)).toMatchObject({
        status: 422,
        body: { error: 'Job cannot be changed', current_status: 'completed' },
      })
  })

  test('gives way to an earlier one, which is the newest version then, and back', async () => {
    const id = await jobWithFilms('first', 'second')
    const shown = (version: number) => ask('POST', `/videos/${id}/versions/${version}/current`)
    expect(await (await filmOf(id)).text()).toBe('second')
    expect(await shown(1)).toEqual({
      status: 200,
      body: { message: 'Film shown successfully', job_id: id, version: 3 },
    })
    const film = await filmOf(id)
    expect([await film.text(), film.headers.get('etag')]).toEqual(['first', `"${sha256(bytesOf('first'))}"`])
    expect((await ask('GET', `/jobs/${id}`)).body).toMatchObject({ status: 'completed', film: { size: 5 } })
    const { versions } = (await ask('GET', `/videos/${id}/versions`)).body
    expect(versions.map(({ version, current, size }: any) => [version, current, size])).toEqual([
      [3, true, 5],
      [2, false, 6],
      [1, false, 5],
    ])
    // What is shown already is not published once more.
    expect((await shown(1)).body.version).toBe(3)
    expect((await shown(2)).body.version).toBe(4)
    expect(await (await filmOf(id)).text()).toBe('second')
    expect((await shown(9)).status).toBe(404)
    expect((await ask('GET', `/jobs/${id}/history`)).body.entries.at(-1).what).toBe(
      'changed: film_version 3 → 2',
    )
  })

  test('has no more versions than are listed: a further one is refused, with what to do', async () => {
    const id = await jobWithFilms('one', 'other')
    const shown = (version: number) => ask('POST', `/videos/${id}/versions/${version}/current`)
    for (let version = 3; version <= 200; version++)
      expect((await shown(2 - (version % 2))).body.version).toBe(version)
    expect(await shown(1)).toMatchObject({
      status: 422,
      body: {
        error: 'Film cannot be shown',
        current_status: 'completed',
        reason: `The job has reached the limit of 200 versions: fetch this version at /api/v3/videos/${id}/versions/1/combined`,
      },
    })
    // What is shown already needs no further one.
    expect((await shown(2)).body.version).toBe(200)
    const { versions } = (await ask('GET', `/videos/${id}/versions`)).body
    expect([versions.length, versions.at(-1).version]).toEqual([200, 1])
  })

  test('is none of a job that has none', async () => {
    const { job_id } = await harness.job(1)
    expect((await ask('POST', `/videos/${job_id}/versions/1/current`)).status).toBe(404)
    await ask('POST', `/jobs/${job_id}/cancel`)
  })
})

describe('a job that is deleted', () => {
  test('is gone with its scenes and films, and its events tell it', async () => {
    const id = await jobWithFilms('to be gone')
    const artifact = sha256(bytesOf('to be gone'))
    expect([...(await harness.coordinator.namedArtifacts([artifact])).keys()]).toEqual([artifact])
    expect(await ask('DELETE', `/jobs/${id}`)).toEqual({
      status: 200,
      body: { message: 'Job deleted successfully', job_id: id },
    })
    for (const path of [`/jobs/${id}`, `/jobs/${id}/scenes`, `/jobs/${id}/history`, `/videos/${id}/versions`])
      expect(await ask('GET', path)).toEqual({
        status: 404,
        body: { error: 'Job not found', job_id: String(id) },
      })
    expect((await filmOf(id)).status).toBe(404)
    expect((await ask('DELETE', `/jobs/${id}`)).status).toBe(404)
    expect((await ask('GET', '/jobs')).body.jobs.map(({ job_id }: any) => job_id)).not.toContain(id)
    // The files go once nothing names them.
    expect([...(await harness.coordinator.namedArtifacts([artifact])).keys()]).toEqual([])
    expect((await ask('GET', '/events?type=job_deleted')).body.events.at(-1)).toMatchObject({
      job_id: id,
      by: 'local',
      data: { video_name: 'Untitled film', status: 'completed' },
    })
    // Its id is never given again.
    expect((await harness.job(1)).job_id).toBeGreaterThan(id)
  })

  test('leaves the clips that another job shows', async () => {
    const [one, other] = [await jobWithFilms('shared'), await jobWithFilms('shared')]
    await ask('DELETE', `/jobs/${one}`)
    expect([...(await harness.coordinator.namedArtifacts([sha256(bytesOf('shared'))])).keys()]).toHaveLength(
      1,
    )
    expect(await (await filmOf(other)).text()).toBe('shared')
  })

  test('has ended before: the others say what to do', async () => {
    const { job_id } = await harness.job(1)
    const refusal = {
      status: 422,
      body: {
        error: 'Job cannot be deleted',
        job_id,
        current_status: 'pending',
        reason: 'Job must be in completed, failed or cancelled state to be deleted: cancel it first',
      },
    }
    expect(await ask('DELETE', `/jobs/${job_id}`)).toEqual(refusal)
    await ask('POST', `/jobs/${job_id}/cancel`)
    expect((await ask('DELETE', `/jobs/${job_id}`)).status).toBe(200)
  })

  test('is not one that others wait for; those that waited for it can’t be retried without it', async () => {
    const { job_id: first } = await harness.job(1)
    const wait = { depends_on: [{ job_id: first, on_failure: 'wait' }] }
    const { job_id: second } = await harness.job(1, wait)
    await ask('POST', `/jobs/${first}/cancel`)
    expect(await ask('DELETE', `/jobs/${first}`)).toMatchObject({
      status: 422,
      body: {
        error: 'Job cannot be deleted',
        reason: `Other jobs wait for this job (${second}): cancel them first, or retry this job`,
      },
    })
    await ask('POST', `/jobs/${second}/cancel`)
    expect((await ask('DELETE', `/jobs/${first}`)).status).toBe(200)
    expect(await ask('POST', `/jobs/${second}/retry`)).toMatchObject({
      status: 422,
      body: {
        reason: `Job ${first}, which this job waits for, was deleted: create a new job`,
      },
    })
    expect((await ask('DELETE', `/jobs/${second}`)).status).toBe(200)
  })

  test('keeps one that failed with it from going on, whatever is changed of that', async () => {
    const { job_id: first } = await harness.job(1)
    const { job_id: second } = await harness.job(1, { depends_on: [first] })
    const failed = Promise.withResolvers<void>()
    harness.pubsub.subscribe('jobs:failed', (event) => event.job_id === second && failed.resolve())
    await harness.coordinator.start()
    await ask('POST', `/jobs/${second}/approve`)
    await ask('POST', `/jobs/${first}/cancel`)
    await failed.promise
    const scenes = `/jobs/${second}/scenes`
    const stays = { status: 201, body: { job_status: 'failed' } }
    const asset_ids = [await harness.picture(77)]
    expect(await ask('POST', scenes, { asset_ids })).toMatchObject(stays)
    expect((await ask('DELETE', `/jobs/${first}`)).status).toBe(200)
    expect(await ask('POST', scenes, { asset_ids })).toMatchObject(stays)
    const [scene] = (await ask('GET', scenes)).body.scenes
    expect((await ask('DELETE', `${scenes}/${scene.id}`)).body.job_status).toBe('failed')
    expect((await ask('DELETE', `/jobs/${second}`)).status).toBe(200)
  })

  test('has no render that a person has to decide', async () => {
    const { job_id } = await harness.job(1)
    const [scene] = (await ask('GET', `/jobs/${job_id}/scenes`)).body.scenes
    await hold(harness, job_id, scene.id)
    await ask('POST', `/jobs/${job_id}/cancel`)
    const resolve = `/jobs/${job_id}/scenes/${scene.id}/resolve`
    expect(await ask('DELETE', `/jobs/${job_id}`)).toMatchObject({
      status: 422,
      body: { reason: expect.stringMatching(/: resolve scene \S+ first$/) },
    })
    expect((await ask('POST', resolve, { resolution: 'absent' })).status).toBe(200)
    expect((await ask('DELETE', `/jobs/${job_id}`)).status).toBe(200)
  })

  test('leaves its events with those who saw it, and with nobody else', async () => {
    const app = harness.appWith({ access: { keysRequired: true, ratePerMinute: 0 } })
    const keyFor = async (name: string, scopes: readonly string[], client_id?: string) =>
      (await harness.coordinator.createKey({ name, scopes, ...(client_id !== undefined && { client_id }) }))
        .secret
    const bound = await keyFor('bound', ['read', 'submit', 'approve'], 'acme')
    const other = await keyFor('other', ['read', 'submit', 'approve'], 'other')
    const [maker, mate] = [await keyFor('maker', ['submit']), await keyFor('mate', ['submit'])]
    const send = (key: string, method: string, path: string, body?: object) => {
      const text = JSON.stringify(body)
      return app.request(`/api/v3${path}`, {
        method,
        headers: {
          authorization: `Bearer ${key}`,
          ...(body && { 'content-type': 'application/json', 'content-length': String(text.length) }),
        },
        ...(body && { body: text }),
      })
    }
    const heard = async (key: string): Promise<readonly string[]> =>
      (await jsonOf(send(key, 'GET', '/events?after=0&limit=500'))).events.map(
        ({ type, job_id }: any) => `${job_id} ${type}`,
      )
    const asset_id = await harness.picture(5)
    await harness.coordinator.letClientSee('acme', asset_id)
    for (const [mine, others] of [
      [bound, other],
      [maker, mate],
    ] as const) {
      const request = { type: 'property_photos', parameters: { photos: [{ asset_id }] } }
      const { job_id } = await jsonOf(send(mine, 'POST', '/jobs', request))
      await send(mine, 'POST', `/jobs/${job_id}/cancel`)
      expect((await send(mine, 'DELETE', `/jobs/${job_id}`)).status).toBe(200)
      // Nobody asked for them before: the feed remembers whose they are.
      const types = ['job_created', 'job_cancelled', 'scene_cancelled', 'job_deleted']
      expect(await heard(mine)).toEqual(types.map((type) => `${job_id} ${type}`))
      expect(await heard(others)).toEqual([])
      for (const path of [`/jobs/${job_id}`, `/jobs/${job_id}/events`, `/jobs/${job_id}/history`])
        expect((await send(mine, 'GET', path)).status).toBe(404)
    }
  })
})
