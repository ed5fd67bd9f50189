import { describe, expect, test } from 'vitest'
import type { ArtifactStore } from '../../src/artifact/artifact.ts'
import { frameFormat } from '../../src/job/format.ts'
import { appOver, chunksOf, sha256 } from '../harness/ask.ts'
import { type Simulation, openSimulation } from '../harness/simulation.ts'
import { hour } from '../harness/harness.ts'

/** A simulation whose films say which clips they were made of, and can be fetched. */
async function openCinema() {
  const simulation = await openSimulation()
  const { coordinator, engine } = simulation.life
  const files = new Map<string, Uint8Array>()
  engine.handle(
    'stitch-film',
    { concurrency: 10, onExhausted: (_task, error) => Promise.reject(error) },
    async ({ jobId }) => {
      const { revision, storyboard } = await coordinator.job(jobId)
      const clips = (await coordinator.scenes(jobId)).map(({ clip }) => clip)
      const bytes = Buffer.from(JSON.stringify(clips))
      const id = sha256(bytes)
      files.set(id, bytes)
      const film = { id, size: bytes.length, contentType: 'video/mp4' }
      const thumbnail = { ...film, contentType: 'image/jpeg' }
      const durationMs = storyboard.total_duration * 1000
      const format = frameFormat('720p', '16:9', 24)
      await coordinator.completeJob(jobId, { film, thumbnail, durationMs, frames: 1, format }, revision)
    },
  )
  const artifacts = {
    stat: (id: string) => Promise.resolve(files.has(id) ? { id, size: files.get(id)!.length } : undefined),
    read: (id: string) => Promise.resolve(chunksOf(files.get(id)!)),
  } as Partial<ArtifactStore> as ArtifactStore
  const app = appOver(simulation.life, { artifacts })
  /** The clips of the film at an address. */
  const film = async (address: string): Promise<readonly string[]> => {
    const response = await app.request(address)
    if (response.status !== 200) throw new Error(`${address}: ${response.status}`)
    return JSON.parse(await response.text())
  }
  return { simulation, app, film, [Symbol.asyncDispose]: simulation[Symbol.asyncDispose] }
}

const combined = (jobId: number): string => `/api/v3/videos/${jobId}/combined`

async function finished(simulation: Simulation, members: object = {}) {
  const { job_id } = await simulation.job([0, 1])
  await simulation.approve(job_id, members)
  const job = await simulation.ended(job_id)
  const [first, second] = await simulation.scenes(job_id)
  return { job_id: job_id as number, job, first, second, path: `/jobs/${job_id}/scenes` }
}

const versions = async (simulation: Simulation, jobId: number): Promise<readonly any[]> =>
  (await simulation.get(`/videos/${jobId}/versions`)).versions

describe('a finished job’s film', () => {
  test('is made anew without a scene that was deleted, and the earlier one can still be fetched', async () => {
    await using opened = await openCinema()
    const { simulation, film } = opened
    const { job_id, first, second, path } = await finished(simulation)
    const before = await film(combined(job_id))
    expect(before).toHaveLength(2)
    const chapter = ({ id }: { id: string }, start: number) => ({
      scene_id: id,
      title: null,
      start,
      duration: 4,
      clip: expect.stringMatching(/^[0-9a-f]{64}$/),
    })
    expect(await simulation.get(`/videos/${job_id}/versions`)).toEqual({
      job_id,
      versions: [
        {
          version: 1,
          current: true,
          url: `/api/v3/videos/${job_id}/versions/1/combined`,
          duration: 8,
          size: JSON.stringify(before).length,
          inserted_at: expect.any(String),
          removed_at: null,
          scenes: [chapter(first, 0), chapter(second, 4)],
        },
      ],
    })
    await simulation.ask('DELETE', `${path}/${first.id}`)
    const job = await simulation.ended(job_id)
    expect(job).toMatchObject({ status: 'completed', film: { duration: 4, url: combined(job_id) } })
    expect(await film(combined(job_id))).toEqual([before[1]])
    const all = await versions(simulation, job_id)
    expect(all.map(({ version, duration }) => [version, duration])).toEqual([
      [2, 4],
      [1, 8],
    ])
    expect(await film(all[0].url)).toEqual([before[1]])
    expect(await film(all[1].url)).toEqual(before)
  })

  test('is served as it was while a changed scene waits for approval, and while that is rendered', async () => {
    await using opened = await openCinema()
    const { simulation, film } = opened
    const { job_id, first, path } = await finished(simulation)
    const before = await film(combined(job_id))
    await simulation.ask('PUT', `${path}/${first.id}`, { prompt: 'Another look.' })
    await simulation.pass(hour)
    expect(await film(combined(job_id))).toEqual(before)
    await simulation.approve(job_id)
    await simulation.until(() => simulation.posts().length === 3)
    expect((await simulation.get(`/jobs/${job_id}`)).status).toBe('processing')
    expect(await film(combined(job_id))).toEqual(before)
    await simulation.ended(job_id)
    const after = await film(combined(job_id))
    expect(after[0]).not.toBe(before[0])
    expect(after[1]).toBe(before[1])
    expect((await versions(simulation, job_id)).map(({ version }) => version)).toEqual([2, 1])
  })

  test('is made anew for nothing where only a transition was changed', async () => {
    await using opened = await openCinema()
    const { simulation } = opened
    const { job_id, first, path } = await finished(simulation)
    const changed = await simulation.ask('PUT', `${path}/${first.id}`, { transition: 'fade' })
    expect(changed.body).toMatchObject({ to_approve: 0, scene: { status: 'completed' } })
    expect(await simulation.ended(job_id)).toMatchObject({ film: { duration: 7.5 }, costs: { spent: 0.8 } })
    expect(await versions(simulation, job_id)).toHaveLength(2)
    expect(simulation.posts()).toHaveLength(2)
  })

  test('stays the newest version where what was changed changes nothing of it', async () => {
    await using opened = await openCinema()
    const { simulation } = opened
    const { job_id, job, second, path } = await finished(simulation)
    await simulation.ask('PUT', `${path}/${second.id}`, { title: 'Kitchen', duration: 3.5 })
    await simulation.pass(hour)
    expect(await simulation.get(`/jobs/${job_id}`)).toMatchObject({
      status: 'completed',
      ended_at: job.ended_at,
    })
    expect(await versions(simulation, job_id)).toHaveLength(1)
    expect(simulation.posts()).toHaveLength(2)
  })

  test('is made of the regenerated clip, and of the other one as it was', async () => {
    await using opened = await openCinema()
    const { simulation, film } = opened
    const { job_id, second, path } = await finished(simulation, { max_cost: 2 })
    const before = await film(combined(job_id))
    await simulation.ask('POST', `${path}/${second.id}/regenerate`)
    await simulation.ended(job_id)
    const after = await film(combined(job_id))
    expect(after[0]).toBe(before[0])
    expect(after[1]).not.toBe(before[1])
  })
})

test('a film that was finished is still there where the job was cancelled while it was made anew', async () => {
  await using opened = await openCinema()
  const { simulation, film } = opened
  const { job_id, first, path } = await finished(simulation, { max_cost: 2 })
  const before = await film(combined(job_id))
  await simulation.ask('POST', `${path}/${first.id}/regenerate`)
  await simulation.until(() => simulation.posts().length === 3)
  expect((await simulation.ask('POST', `/jobs/${job_id}/cancel`)).status).toBe(200)
  await simulation.pass(hour)
  expect((await simulation.get(`/jobs/${job_id}`)).status).toBe('cancelled')
  expect(await film(combined(job_id))).toEqual(before)
  expect(await versions(simulation, job_id)).toHaveLength(1)
})

describe('a version of a film', () => {
  test('that isn’t there is told, with the job’s state', async () => {
    await using opened = await openCinema()
    const { simulation, app } = opened
    const { job_id } = await simulation.job([0])
    expect(await versions(simulation, job_id)).toEqual([])
    for (const [path, status, members] of [
      [
        `/api/v3/videos/${job_id}/versions/1/combined`,
        404,
        { job_id, current_status: 'pending', reason: 'There is no version 1 of it' },
      ],
      ['/api/v3/videos/99999/versions', 404, { error: 'Job not found', job_id: '99999' }],
      ['/api/v3/videos/99999/versions/1/combined', 404, { error: 'Job not found', job_id: '99999' }],
      [`/api/v3/videos/${job_id}/versions/0/combined`, 400, { field: 'version' }],
      [`/api/v3/videos/${job_id}/versions/1.5/combined`, 400, { field: 'version' }],
      [`/api/v3/videos/${job_id}/versions/newest/combined`, 400, { field: 'version' }],
    ] as const) {
      const response = await app.request(path)
      expect({ path, status: response.status }).toEqual({ path, status })
      expect(JSON.parse(await response.text())).toMatchObject(members)
    }
  })
})
