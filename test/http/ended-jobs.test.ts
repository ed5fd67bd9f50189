/** What is done with jobs that have ended: named otherwise, shown with an earlier film, deleted. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hold } from './held.ts'
import { type House, jsonOf, openHouse, sha256 } from './house.ts'

let house: House
beforeAll(async () => {
  house = await openHouse()
})
afterAll(() => house.close())

const ask = async (method: string, path: string, body?: unknown) => {
  const text = JSON.stringify(body)
  const response = await house.app.request(`/api/v3${path}`, {
    method,
    ...(body !== undefined && {
      body: text,
      headers: { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)) },
    }),
  })
  return { status: response.status, body: await jsonOf(response) }
}
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
const filmOf = async (id: number): Promise<Response> => house.app.request(`/api/v3/videos/${id}/combined`)

/** A job with a film of each of these texts, the last one shown. */
async function jobWithFilms(...texts: readonly string[]): Promise<number> {
  const { job_id } = await house.job(1)
  await house.finish(job_id, bytesOf(texts[0]!))
  for (const text of texts.slice(1)) {
    const ended = Promise.withResolvers<void>()
    const end = house.pubsub.subscribe(
      'jobs:completed',
      (event) => event.job_id === job_id && ended.resolve(),
    )
    house.show(bytesOf(text))
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

  test('is none of a job that has none', async () => {
    const { job_id } = await house.job(1)
    expect((await ask('POST', `/videos/${job_id}/versions/1/current`)).status).toBe(404)
    await ask('POST', `/jobs/${job_id}/cancel`)
  })
})

describe('a job that is deleted', () => {
  test('is gone with its scenes and films, and its events tell it', async () => {
    const id = await jobWithFilms('to be gone')
    const artifact = sha256(bytesOf('to be gone'))
    expect([...(await house.coordinator.namedArtifacts([artifact])).keys()]).toEqual([artifact])
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
    expect([...(await house.coordinator.namedArtifacts([artifact])).keys()]).toEqual([])
    expect((await ask('GET', '/events?type=job_deleted')).body.events.at(-1)).toMatchObject({
      job_id: id,
      by: 'local',
      data: { video_name: 'Untitled film', status: 'completed' },
    })
    // Its id is never given again.
    expect((await house.job(1)).job_id).toBeGreaterThan(id)
  })

  test('leaves the clips that another job shows', async () => {
    const [one, other] = [await jobWithFilms('shared'), await jobWithFilms('shared')]
    await ask('DELETE', `/jobs/${one}`)
    expect([...(await house.coordinator.namedArtifacts([sha256(bytesOf('shared'))])).keys()]).toHaveLength(1)
    expect(await (await filmOf(other)).text()).toBe('shared')
  })

  test('has ended before: the others say what to do', async () => {
    const { job_id } = await house.job(1)
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
    const { job_id: first } = await house.job(1)
    const wait = { depends_on: [{ job_id: first, on_failure: 'wait' }] }
    const { job_id: second } = await house.job(1, wait)
    await ask('POST', `/jobs/${first}/cancel`)
    expect(await ask('DELETE', `/jobs/${first}`)).toMatchObject({
      status: 422,
      body: {
        error: 'Job cannot be deleted',
        reason: `Jobs wait for it (${second}): cancel them first, or retry this one`,
      },
    })
    await ask('POST', `/jobs/${second}/cancel`)
    expect((await ask('DELETE', `/jobs/${first}`)).status).toBe(200)
    expect(await ask('POST', `/jobs/${second}/retry`)).toMatchObject({
      status: 422,
      body: {
        reason: `Job ${first}, which it waits for, was deleted: create this one anew`,
      },
    })
    expect((await ask('DELETE', `/jobs/${second}`)).status).toBe(200)
  })

  test('has no render that a person has to decide', async () => {
    const { job_id } = await house.job(1)
    const [scene] = (await ask('GET', `/jobs/${job_id}/scenes`)).body.scenes
    await hold(house, job_id, scene.id)
    await ask('POST', `/jobs/${job_id}/cancel`)
    const resolve = `/jobs/${job_id}/scenes/${scene.id}/resolve`
    expect(await ask('DELETE', `/jobs/${job_id}`)).toMatchObject({
      status: 422,
      body: { reason: expect.stringMatching(/: resolve scene \S+ first$/) },
    })
    expect((await ask('POST', resolve, { resolution: 'absent' })).status).toBe(200)
    expect((await ask('DELETE', `/jobs/${job_id}`)).status).toBe(200)
  })
})
