/** The real server on a disk that runs full at every moment: nothing fails, nothing is lost, work resumes by itself. */
import { readdirSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ask, createJob, jobUntil, picture, type ServerProcess, startServer, upload } from './process.ts'
import { canMountSmallDisk, mountSmallDisk, type SmallDisk } from './small-disk.ts'

const whereMountable = describe.skipIf(!canMountSmallDisk())

whereMountable('a server whose disk is full (needs the right to mount a small one)', () => {
  let disk: SmallDisk
  let directory: string
  let server: ServerProcess
  /** One scene at a time, so that each moment can be met; no reserve, so that the disk is what refuses. */
  const start = async (): Promise<ServerProcess> =>
    (server = await startServer(directory, { LOCAL_MAX_CONCURRENCY: '1', MIN_FREE_DISK_MB: '0' }))
  beforeAll(async () => {
    disk = mountSmallDisk(24)
    directory = disk.directory
    await start()
  })
  afterAll(async () => {
    await server.kill('SIGKILL')
    disk.remove()
  })

  const kept = (): string[] =>
    readdirSync(join(directory, 'artifacts'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ name }) => name)
      .toSorted()
  const full = {
    error: 'Storage is full',
    reason: 'Nothing was changed. Send the request again when there is room on the disk',
  }
  /** The next line that was not there before and has these words. */
  const hear = async (words: string, from: number): Promise<void> => {
    await expect.poll(() => server.lines.slice(from).join('\n'), { timeout: 20_000 }).toContain(words)
  }
  const expectAnswering = async (jobId: number): Promise<void> => {
    expect((await ask(server, 'GET', '/livez')).status).toBe(200)
    expect((await ask(server, 'GET', '/api/v3/jobs')).status).toBe(200)
    expect((await ask(server, 'GET', `/api/v3/jobs/${jobId}/scenes`)).status).toBe(200)
  }
  const approve = (jobId: number) => ask(server, 'POST', `/api/v3/jobs/${jobId}/approve`)
  const finished = async (jobId: number): Promise<void> => {
    const { job, scenes } = await jobUntil(server, jobId, ({ status }) => status === 'completed')
    expect(scenes.map(({ tries }) => tries)).toEqual(scenes.map(() => 1))
    const film = await fetch(`${server.url}${job.film.url}`)
    expect((await film.arrayBuffer()).byteLength).toBe(job.film.size)
    // A task that is over beside the film may still remove its folder.
    await expect.poll(() => readdirSync(join(directory, 'work')), { timeout: 20_000 }).toEqual([])
  }

  it('refuses what it would have to write, changes nothing, and reads on', async () => {
    const jobId = await createJob(server, 1)
    const { body: job } = await ask(server, 'GET', `/api/v3/jobs/${jobId}`)
    const { photos } = job.parameters
    const before = kept()
    const from = server.lines.length

    disk.fill()
    await expect(upload(server, await picture(200))).rejects.toThrow(JSON.stringify(full))
    const again = { type: 'property_photos', parameters: { photos } }
    expect(await ask(server, 'POST', '/api/v3/jobs', again)).toEqual({ status: 507, body: full })
    expect(await approve(jobId)).toEqual({ status: 507, body: full })

    expect(await ask(server, 'GET', `/api/v3/jobs/${jobId}`)).toEqual({ status: 200, body: job })
    const photo = await fetch(`${server.url}/api/v3/assets/${photos[0].asset_id}/data`)
    expect(Buffer.from(await photo.arrayBuffer())).toEqual(await picture(0))
    await expectAnswering(jobId)
    expect(kept()).toEqual(before)
    // A task that is over beside the film may still remove its folder.
    await expect.poll(() => readdirSync(join(directory, 'work')), { timeout: 20_000 }).toEqual([])
    for (const refused of ['POST /api/v3/assets', 'POST /api/v3/jobs', `POST /api/v3/jobs/${jobId}/approve`])
      await hear(`No room left on the disk: ${refused} is refused with 507`, from)

    disk.empty()
    expect((await approve(jobId)).status).toBe(200)
    await finished(jobId)
  })

  it('keeps nothing of a picture that it cannot keep to the end, however little room is wanting', async () => {
    const said = new Set<number>()
    for (let pages = 0; pages < 16; pages++) {
      disk.fill(pages * 4096)
      const before = kept()
      const response = await fetch(`${server.url}/api/v3/assets`, {
        method: 'POST',
        body: new Uint8Array(await picture(101 + pages)),
        headers: { 'content-type': 'image/jpeg' },
      })
      expect([201, 507]).toContain(response.status)
      expect(kept().length - before.length).toBe(response.status === 201 ? 2 : 0)
      said.add(response.status)
      disk.empty()
    }
    expect(said.size).toBe(2)
  })

  it('lets a render wait without failing or counting it, and ends it when there is room', async () => {
    const jobId = await createJob(server, 2, { clip_duration: 2 })
    const from = server.lines.length
    expect((await approve(jobId)).status).toBe(200)
    await jobUntil(server, jobId, (_, scenes) => scenes.some(({ status }) => status === 'processing'))
    disk.fill()
    await hear(`No room left on the disk: a render-scene task of job ${jobId} waits`, from)
    await expectAnswering(jobId)
    // A second time, to see that it neither gives up nor hurries.
    await hear(`No room left on the disk: a render-scene task of job ${jobId} waits`, server.lines.length)
    expect((await ask(server, 'GET', `/api/v3/jobs/${jobId}`)).body).toMatchObject({
      status: 'processing',
      error: null,
    })
    disk.empty()
    await finished(jobId)
  })

  it('lets a film wait whose clips are all there, and ends it when there is room', async () => {
    const photos = []
    for (let shade = 0; shade < 4; shade++)
      photos.push({ asset_id: await upload(server, await noise(shade)) })
    const { body } = await ask(server, 'POST', '/api/v3/jobs', {
      type: 'property_photos',
      parameters: { photos, clip_duration: 1, resolution: '360p', transition: 'cut' },
    })
    const jobId: number = body.job_id
    const from = server.lines.length
    await approve(jobId)
    await jobUntil(server, jobId, (_, scenes) => scenes[3].status === 'processing')
    // Room for the last clip, which is there twice until it is kept, but not for all four once more.
    const sizes = await Promise.all(
      (await ask(server, 'GET', `/api/v3/jobs/${jobId}/scenes`)).body.scenes
        .slice(0, 3)
        .map(async ({ clip_url }: { clip_url: string }) =>
          Number((await fetch(`${server.url}${clip_url}`, { method: 'HEAD' })).headers.get('content-length')),
        ),
    )
    disk.fill(Math.max(...sizes) * 2.7)
    await hear(`No room left on the disk: a stitch-film task of job ${jobId} waits`, from)
    await expectAnswering(jobId)
    expect((await ask(server, 'GET', `/api/v3/jobs/${jobId}`)).body).toMatchObject({
      status: 'processing',
      current_stage: 'stitching',
    })
    disk.empty()
    await finished(jobId)
  })

  it('is told clearly when it is started on it, and starts when there is room', async () => {
    const jobId = await createJob(server, 1)
    await approve(jobId)
    await server.kill('SIGTERM')
    disk.fill()
    await expect(startServer(directory)).rejects.toThrow(
      `coordinator: The disk of ${directory} is full. Nothing is lost`,
    )
    disk.empty()
    await start()
    await finished(jobId)
  })
})

whereMountable('a server with a reserve on its disk (needs the right to mount a small one)', () => {
  let disk: SmallDisk
  let server: ServerProcess
  beforeAll(async () => {
    disk = mountSmallDisk(64)
    server = await startServer(disk.directory, { LOCAL_MAX_CONCURRENCY: '1', MIN_FREE_DISK_MB: '16' })
  })
  afterAll(async () => {
    await server.kill('SIGKILL')
    disk.remove()
  })

  const megabyte = 1_000_000
  const free = (): number => {
    const { bavail, bsize } = statfsSync(disk.directory)
    return bavail * bsize
  }
  const lacking = /^The disk has 1[0-2] MB free; 16 MB \(MIN_FREE_DISK_MB\) are reserved for paid clips/
  const expectReserve = (): void => expect(free()).toBeGreaterThan(10 * megabyte)

  it('refuses uploads and new jobs, starts no render, and goes on by itself when there is room', async () => {
    const jobId = await createJob(server, 2)
    const { body: job } = await ask(server, 'GET', `/api/v3/jobs/${jobId}`)
    const { photos } = job.parameters

    disk.fill(12 * megabyte)
    for (const [type, body] of [
      ['image/jpeg', new Uint8Array(await picture(200))],
      ['application/json', JSON.stringify({ type: 'property_photos', parameters: { photos } })],
    ] as const) {
      const response = await fetch(`${server.url}/api/v3/${type === 'image/jpeg' ? 'assets' : 'jobs'}`, {
        method: 'POST',
        body,
        headers: { 'content-type': type },
      })
      const answer = JSON.parse(await response.text())
      expect([response.status, answer.error]).toEqual([507, 'Storage is full'])
      expect(answer.reason).toMatch(lacking)
    }
    expect((await ask(server, 'POST', `/api/v3/jobs/${jobId}/approve`)).status).toBe(200)
    await jobUntil(server, jobId, ({ waiting }) => waiting?.code === 'disk')
    const ready = await ask(server, 'GET', '/readyz')
    expect([ready.status, ready.body.checks.disk]).toEqual([503, expect.stringMatching(lacking)])
    expectReserve()

    disk.empty()
    await jobUntil(server, jobId, ({ status }) => status === 'completed')
  })

  it('lets what was begun wait before the reserve is used, and counts no try', async () => {
    const jobId = await createJob(server, 3, { clip_duration: 2 })
    await ask(server, 'POST', `/api/v3/jobs/${jobId}/approve`)
    await jobUntil(server, jobId, (_, scenes) => scenes.some(({ status }) => status === 'completed'))
    disk.fill(12 * megabyte)
    await jobUntil(server, jobId, ({ waiting }) => waiting?.code === 'disk')
    expectReserve()
    disk.empty()
    const { scenes } = await jobUntil(server, jobId, ({ status }) => status === 'completed')
    expect(scenes.map(({ tries }) => tries)).toEqual([1, 1, 1])
  })
})

/** A picture that compresses badly. */
const noise = (shade: number): Promise<Buffer> =>
  sharp({
    create: {
      width: 640,
      height: 360,
      channels: 3,
      background: 'white',
      noise: { type: 'gaussian', mean: 100 + shade * 20, sigma: 60 },
    },
  })
    .jpeg()
    .toBuffer()
