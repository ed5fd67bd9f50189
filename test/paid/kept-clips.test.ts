/** FFmpeg fails on a clip that was paid for: the bytes are kept, nothing is bought again, and a retry costs nothing. */
import { describe, expect, test } from 'vitest'
import { MediaError } from '../../src/media/ffmpeg.ts'
import { type Simulation, openSimulation } from '../harness/simulation.ts'
import { clipOf } from '../harness/provider.ts'
import { hour, minute, second } from '../harness/harness.ts'

/** FFmpeg as it is for this test: `failures` says how often more it fails at each work. */
function ffmpeg(failures: { take?: number; fit?: number }, code: MediaError['code'] = 'killed') {
  const left = { take: 0, fit: 0, ...failures }
  return {
    left,
    onFfmpeg(work: 'take' | 'fit') {
      if (left[work]-- > 0) throw new MediaError(code, 'FFmpeg crashed (SIGSEGV)')
    },
  }
}

async function approved(simulation: Simulation, pictures: readonly number[] = [0]): Promise<number> {
  const { job_id } = await simulation.job(pictures)
  await simulation.approve(job_id)
  return job_id
}

const waitsFor = async (simulation: Simulation, jobId: number, code: string): Promise<any> => {
  await simulation.until(async () => (await simulation.scenes(jobId))[0].waiting?.code === code, minute)
  return (await simulation.scenes(jobId))[0].waiting
}

const clipBytes = async (simulation: Simulation, jobId: number, sceneId: string): Promise<string> => {
  const response = await simulation.life.app.request(`/api/v3/videos/${jobId}/clips/${sceneId}`)
  expect(response.status).toBe(200)
  return response.text()
}

const paidBytes = (simulation: Simulation): string =>
  Buffer.from(clipOf(simulation.posts()[0]!.prediction!)).toString()

const retry = (simulation: Simulation, jobId: number, body?: object) =>
  simulation.ask('POST', `/jobs/${jobId}/retry`, body)

const works = ['take', 'fit'] as const

describe.each(works)('FFmpeg crashes on a paid clip (%s)', (work) => {
  test('a few times: the job says so, is not stuck at 5 %, and then has its film', async () => {
    const { onFfmpeg } = ffmpeg({ [work]: 2 })
    await using simulation = await openSimulation({ onFfmpeg })
    const job_id = await approved(simulation)
    const waiting = await waitsFor(simulation, job_id, 'ffmpeg_failed')
    expect(waiting).toMatchObject({
      reason: 'FFmpeg crashed (SIGSEGV), attempt 1 of 5 on the paid clip; the clip is kept',
      until: expect.stringMatching(/^2026-/),
    })
    const job = await simulation.get(`/jobs/${job_id}`)
    expect(job).toMatchObject({ status: 'processing', waiting: { code: 'ffmpeg_failed' } })
    expect(job.progress_percentage).toBeGreaterThan(80)
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
    expect((await simulation.scenes(job_id))[0]).toMatchObject({ waiting: null, error: null })
    expect(simulation.posts()).toHaveLength(1)
  })

  test('each time: the scene fails with what was paid, and the bytes can be had', async () => {
    await using simulation = await openSimulation(ffmpeg({ [work]: 1000 }))
    const job_id = await approved(simulation)
    const job = await simulation.ended(job_id)
    const [scene] = await simulation.scenes(job_id)
    expect(job).toMatchObject({ status: 'failed', costs: { spent: 0.4, reserved: 0 }, error: scene.error })
    expect(scene.error).toMatchObject({
      code: 'ffmpeg_failed',
      reason: `FFmpeg crashed (SIGSEGV), attempt 5 of 5 on the paid clip. $0.40 was paid and the clip is stored: GET /api/v3/videos/${job_id}/clips/${scene.id} returns it unmodified, and a retry of the job uses it again at no further cost`,
    })
    expect(await clipBytes(simulation, job_id, scene.id)).toBe(paidBytes(simulation))
    await simulation.pass(3 * hour)
    expect(simulation.posts()).toHaveLength(1)
  })

  test('each time: a retry takes the kept clip for nothing, long after the provider has removed it', async () => {
    const { left, onFfmpeg } = ffmpeg({ [work]: 1000 })
    await using simulation = await openSimulation({ onFfmpeg })
    const job_id = await approved(simulation)
    await simulation.ended(job_id)
    await simulation.pass(3 * hour)
    for (let again = 0; again < 2; again++) {
      expect((await retry(simulation, job_id)).status).toBe(200)
      expect(await simulation.ended(job_id)).toMatchObject({
        status: 'failed',
        error: { code: 'ffmpeg_failed' },
      })
    }
    left[work] = 0
    expect((await retry(simulation, job_id)).status).toBe(200)
    expect(await simulation.ended(job_id)).toMatchObject({
      status: 'completed',
      error: null,
      costs: { approved: 0.4, spent: 0.4 },
    })
    expect(simulation.posts()).toHaveLength(1)
    expect(simulation.billedUsd()).toBe(0.4)
  })

  test('and money is left: a retry spends none of it', async () => {
    const { left, onFfmpeg } = ffmpeg({ [work]: 1000 })
    await using simulation = await openSimulation({ onFfmpeg })
    const { job_id } = await simulation.job([0])
    await simulation.approve(job_id, { max_cost: 10 })
    await simulation.ended(job_id)
    expect((await retry(simulation, job_id, { max_cost: 10 })).status).toBe(200)
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'failed' })
    left[work] = 0
    await retry(simulation, job_id, { max_cost: 10 })
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed' })
    expect(simulation.posts()).toHaveLength(1)
  })

  test('and the process dies while it waits: the next one goes on, and buys nothing', async () => {
    await using simulation = await openSimulation(ffmpeg({ [work]: 3 }))
    const job_id = await approved(simulation)
    await waitsFor(simulation, job_id, 'ffmpeg_failed')
    await simulation.reborn(2 * hour)
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
    expect(simulation.posts()).toHaveLength(1)
  })

  test('and the job is cancelled meanwhile: the clip stays, and a retry takes it', async () => {
    await using simulation = await openSimulation(ffmpeg({ [work]: 2 }))
    const job_id = await approved(simulation)
    await waitsFor(simulation, job_id, 'ffmpeg_failed')
    expect((await simulation.ask('POST', `/jobs/${job_id}/cancel`)).status).toBe(200)
    expect((await retry(simulation, job_id)).status).toBe(200)
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
    expect(simulation.posts()).toHaveLength(1)
  })

  test('and the scene is regenerated: that buys another, once it is approved', async () => {
    const { left, onFfmpeg } = ffmpeg({ [work]: 1000 })
    await using simulation = await openSimulation({ onFfmpeg })
    const job_id = await approved(simulation)
    await simulation.ended(job_id)
    const [{ id }] = await simulation.scenes(job_id)
    const answer = await simulation.ask('POST', `/jobs/${job_id}/scenes/${id}/regenerate`)
    expect(answer.body).toMatchObject({ to_approve: 0.4 })
    left[work] = 0
    await simulation.approve(job_id)
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.8 } })
  })

  test('that two scenes of the job want: a retry serves both for nothing', async () => {
    const { left, onFfmpeg } = ffmpeg({ [work]: 1000 })
    await using simulation = await openSimulation({ onFfmpeg })
    const job_id = await approved(simulation, [0, 0])
    await simulation.ended(job_id)
    left[work] = 0
    expect((await retry(simulation, job_id)).status).toBe(200)
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
    expect(simulation.posts()).toHaveLength(1)
  })
})

test('a retry costs nothing where an equal scene stands before the one that has paid', async () => {
  const { left, onFfmpeg } = ffmpeg({ take: 1000 })
  await using simulation = await openSimulation({ onFfmpeg })
  const job_id = await approved(simulation, [1, 0])
  await simulation.ended(job_id)
  const [, paid] = await simulation.scenes(job_id)
  left.take = 0
  const { prompt, asset_ids } = paid
  await simulation.ask('PUT', `/jobs/${job_id}/scenes/${(await simulation.scenes(job_id))[0].id}`, {
    prompt,
    asset_ids,
  })
  const posts = simulation.posts().length
  expect((await retry(simulation, job_id)).status).toBe(200)
  expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed' })
  expect(simulation.posts()).toHaveLength(posts)
})

describe('a paid clip', () => {
  test.each<MediaError['code']>(['killed', 'hung', 'too_long', 'unusable'])(
    'is kept whatever ended FFmpeg (%s)',
    async (code) => {
      await using simulation = await openSimulation(ffmpeg({ take: 3 }, code))
      const job_id = await approved(simulation)
      await waitsFor(simulation, job_id, 'ffmpeg_failed')
      expect(simulation.kept.size).toBe(1)
      expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed' })
    },
  )

  test('that waits for room on the disk spends no try', async () => {
    await using simulation = await openSimulation(ffmpeg({ take: 20 }, 'disk_full'))
    const job_id = await approved(simulation)
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed' })
  })

  test('that never decodes is fetched again for an hour, then kept as it came', async () => {
    await using simulation = await openSimulation({ fake: { rates: { output_wrong: 1 } } })
    const job_id = await approved(simulation)
    expect(await simulation.ended(job_id)).toMatchObject({
      status: 'failed',
      error: {
        code: 'clip_damaged',
        reason: expect.stringMatching(/\$0\.40 was paid and the clip is stored/),
      },
    })
    const [{ id }] = await simulation.scenes(job_id)
    expect(await clipBytes(simulation, job_id, id)).not.toBe(paidBytes(simulation))
    // A page of somebody else's runs nowhere as ours.
    const response = await simulation.life.app.request(`/api/v3/videos/${job_id}/clips/${id}`)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'application/octet-stream',
      'content-disposition': expect.stringMatching(/^attachment; filename="Untitled film - scene 1\.html"/),
    })
    expect(simulation.clock.now() - simulation.bills()[0]!.at).toBeGreaterThan(hour)
    // A retry verifies what is kept, and finds that the provider has nothing better any more.
    expect((await retry(simulation, job_id)).status).toBe(200)
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'failed', costs: { spent: 0.4 } })
    expect(await clipBytes(simulation, job_id, id)).not.toBe(paidBytes(simulation))
    expect(simulation.posts()).toHaveLength(1)
  })

  test('whose job waits for its place when it is retried costs nothing all the same', async () => {
    const { left, onFfmpeg } = ffmpeg({ take: 1000 })
    await using simulation = await openSimulation({ onFfmpeg, fake: { renderMs: 10 * second } })
    const job_id = await approved(simulation)
    await simulation.ended(job_id)
    left.take = 0
    await simulation.ask('PUT', '/limits', { jobs: 1 })
    const other = await approved(simulation, [1])
    expect((await retry(simulation, job_id)).status).toBe(200)
    expect((await simulation.get(`/jobs/${job_id}`)).status).toBe('approved')
    expect(await simulation.ended(other)).toMatchObject({ status: 'completed' })
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
    expect(simulation.posts()).toHaveLength(2)
  })
})

describe('a paid clip that is much shorter than was paid for', () => {
  const short = 'it is a single picture, and 4 seconds were paid for'

  test('is held: its scene fails with what was paid, before it is part of a film', async () => {
    await using simulation = await openSimulation({ short })
    const job_id = await approved(simulation)
    const job = await simulation.ended(job_id)
    const [scene] = await simulation.scenes(job_id)
    expect(job).toMatchObject({
      status: 'failed',
      error: {
        code: 'clip_short',
        reason: `${short}. $0.40 was paid and the clip is stored: GET /api/v3/videos/${job_id}/clips/${scene.id} returns it unmodified, and a retry of the job uses it despite its length at no further cost`,
      },
    })
    expect(await clipBytes(simulation, job_id, scene.id)).toBe(paidBytes(simulation))
    await simulation.pass(3 * hour)
    expect(simulation.posts()).toHaveLength(1)
  })

  test('is taken as it is by whoever retries its job after that, and this is told', async () => {
    await using simulation = await openSimulation({ short })
    const job_id = await approved(simulation)
    await simulation.ended(job_id)
    await simulation.reborn(2 * hour)
    expect((await retry(simulation, job_id)).status).toBe(200)
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
    expect(simulation.posts()).toHaveLength(1)
    expect(simulation.life.lines.join('\n')).toMatch(/is short, and is taken: it is a single picture/)
  })

  test('is taken as it is after a retry, though FFmpeg fails on it first', async () => {
    const { left, onFfmpeg } = ffmpeg({})
    await using simulation = await openSimulation({ short, onFfmpeg })
    const job_id = await approved(simulation)
    await simulation.ended(job_id)
    left.take = 1
    await retry(simulation, job_id)
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
  })

  test('is bought anew where its scene is regenerated', async () => {
    await using simulation = await openSimulation({ short })
    const job_id = await approved(simulation)
    await simulation.ended(job_id)
    const [{ id }] = await simulation.scenes(job_id)
    await simulation.ask('POST', `/jobs/${job_id}/scenes/${id}/regenerate`)
    await simulation.approve(job_id)
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'failed', costs: { spent: 0.8 } })
  })

  test('is taken where that is configured, and told in the log', async () => {
    await using simulation = await openSimulation({ short, shortClips: 'take' })
    const job_id = await approved(simulation)
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
    expect(simulation.life.lines.join('\n')).toMatch(
      /of job \d+ is short, and is taken: it is a single picture/,
    )
  })
})

test.each([
  ['\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm', 'video/webm', /^inline; filename="Untitled film - scene 1\.webm"/],
  ['\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR', 'image/png', /^inline; filename="Untitled film - scene 1\.png"/],
  ['\0\x01\x02\x03', 'application/octet-stream', /^attachment; filename="Untitled film - scene 1\.bin"/],
])('a paid clip that cannot be used is given as what it is: %j', async (text, type, disposition) => {
  const bytes = Buffer.from(text, 'latin1')
  await using simulation = await openSimulation({ bytes })
  const job_id = await approved(simulation)
  expect(await simulation.ended(job_id)).toMatchObject({ status: 'failed' })
  const [{ id }] = await simulation.scenes(job_id)
  const response = await simulation.life.app.request(`/api/v3/videos/${job_id}/clips/${id}`)
  expect(response.headers.get('content-type')).toBe(type)
  expect(response.headers.get('content-disposition')).toMatch(disposition)
  expect(Buffer.from(await response.arrayBuffer())).toEqual(bytes)
})
