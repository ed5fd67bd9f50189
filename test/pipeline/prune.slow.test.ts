import { afterEach, describe, expect, it } from 'vitest'
import type { RetentionLimits } from '../../src/job/storage.ts'
import { eventBounds } from '../../src/store/events.ts'
import { artifactPrefixes } from '../../src/artifact/artifact.ts'
import { type PruneHarness, clipBytes, filmBytes, openPruneHarness } from '../harness/pruning.ts'
import { day, hour } from '../harness/harness.ts'
import { eventsSettle } from '../harness/settled-events.ts'

let harness: PruneHarness
afterEach(() => harness.close())
const open = async (limits: Partial<RetentionLimits>): Promise<PruneHarness> =>
  (harness = await openPruneHarness(limits))

const film = (jobId: number) => harness.ask('GET', `/api/v3/videos/${jobId}/combined`)
const clip = async (jobId: number) => {
  const [scene] = await harness.coordinator.scenes(jobId)
  return harness.ask('GET', `/api/v3/videos/${jobId}/clips/${scene!.id}`)
}
const regenerate = async (jobId: number) => {
  const [scene] = await harness.coordinator.scenes(jobId)
  return harness.ask('POST', `/api/v3/jobs/${jobId}/scenes/${scene!.id}/regenerate`)
}
const finished = async (shade: number, members?: object): Promise<number> => {
  const jobId = await harness.job([await harness.picture(shade)], members)
  await harness.finish(jobId)
  return jobId
}
const nothing = { count: 0, bytes: 0 }

describe('without limits', () => {
  it('nothing is removed, however old', async () => {
    await open({})
    const jobId = await finished(1)
    harness.clock.advance(3650 * day)
    expect(await harness.prune.now()).toEqual({
      isDryRun: false,
      events: 0,
      stored: { films: nothing, clips: nothing, inputs: nothing, orphans: nothing },
      oldest: { films: null, clips: null, inputs: null, orphans: null },
      examples: [],
      overBytes: 0,
    })
    expect((await film(jobId)).status).toBe(200)
    expect((await clip(jobId)).status).toBe(200)
  })
})

describe('films', () => {
  it('go when their jobs have been over for so long, and whoever asks is told', async () => {
    await open({ filmsDays: 30 })
    const old = await finished(1)
    harness.clock.advance(20 * day)
    const young = await finished(2)
    harness.clock.advance(11 * day)
    expect((await harness.prune.now()).stored.films).toEqual({
      count: 2,
      bytes: filmBytes + 'thumbnail 2'.length,
    })
    const removed_at = new Date(harness.clock.now()).toISOString()
    expect(await film(old)).toEqual({
      status: 410,
      body: {
        error: 'Film was removed',
        reason: expect.stringContaining('Create the job again'),
        removed_at,
      },
    })
    expect((await harness.ask('GET', `/api/v3/videos/${old}/thumbnail`)).status).toBe(410)
    const { body } = await harness.ask('GET', `/api/v3/videos/${old}/versions`)
    expect(body.versions).toMatchObject([{ version: 1, removed_at }])
    expect((await harness.ask('GET', body.versions[0].url)).status).toBe(410)
    // The job, and what it cost, stay.
    expect((await harness.ask('GET', `/api/v3/jobs/${old}`)).body.status).toBe('completed')
    expect((await clip(old)).status).toBe(200)
    expect((await film(young)).status).toBe(200)
    // Its clips are there, so it can be had again, for the price of a stitch.
    expect((await regenerate(old)).status).toBe(200)
  })

  it('of earlier versions go first, and stay while a new one is made', async () => {
    await open({ filmsDays: 30 })
    const jobId = await finished(1)
    await harness.coordinator.pause()
    await regenerate(jobId)
    harness.clock.advance(31 * day)
    // It is shown until there is another.
    expect((await harness.prune.now()).stored.films).toEqual(nothing)
    expect((await film(jobId)).status).toBe(200)
    await harness.coordinator.resume()
    await expect.poll(async () => (await harness.coordinator.job(jobId)).status).toBe('completed')
    expect((await harness.prune.now()).stored.films.bytes).toBe(filmBytes + 'thumbnail 2'.length)
    expect((await film(jobId)).status).toBe(200)
    expect((await harness.ask('GET', `/api/v3/videos/${jobId}/versions/1/combined`)).status).toBe(410)
  })

  it('that two jobs share stay until neither is to keep it', async () => {
    await open({ filmsDays: 30 })
    const [first, second] = [await finished(1), await finished(2)]
    const { film: shared } = await harness.coordinator.job(first)
    await harness.database.transaction(async (tx) => {
      await tx.run(
        'update films set film = $1, thumbnail = $2, manifest = $3, inserted_at = $4 where job_id = $5',
        [
          shared!.film.id,
          shared!.thumbnail.id,
          JSON.stringify(shared),
          harness.clock.now() + 10 * day,
          second,
        ],
      )
      await tx.run('update jobs set ended_at = $1, result = $2 where id = $3', [
        harness.clock.now() + 10 * day,
        Buffer.from(JSON.stringify(shared)),
        second,
      ])
    })
    harness.clock.advance(31 * day)
    await harness.prune.now()
    expect((await film(second)).status).toBe(200)
    harness.clock.advance(10 * day)
    await harness.prune.now()
    expect([(await film(first)).status, (await film(second)).status]).toEqual([410, 410])
  })
})

describe('clips', () => {
  it('go with the kept renders, and their job is not rendered anew', async () => {
    await open({ clipsDays: 30 })
    const jobId = await finished(1)
    harness.clock.advance(31 * day)
    expect((await harness.prune.now()).stored.clips).toEqual({ count: 1, bytes: clipBytes })
    expect(await clip(jobId)).toMatchObject({ status: 410, body: { error: 'Clip was removed' } })
    expect((await film(jobId)).status).toBe(200)
    expect(await regenerate(jobId)).toMatchObject({
      status: 422,
      body: {
        error: 'Job cannot be rendered again',
        job_id: jobId,
        current_status: 'completed',
        reason: expect.stringMatching(/^The job's clips were removed at .*: create the job again$/),
      },
    })
    expect((await harness.coordinator.job(jobId)).status).toBe('completed')
    // The same pictures are rendered, and paid for, again.
    const again = await finished(1)
    expect((await clip(again)).status).toBe(200)
  })

  it('that were paid for and could not be used stay as long as their job may be retried', async () => {
    await open({ clipsDays: 30 })
    const jobId = await harness.job([await harness.picture(1)])
    const paid = await harness.keep('paid for')
    await harness.database.transaction(async (tx) => {
      await tx.run(
        `insert into attempts (id, job_id, scene_id, renderer, model, status, client_id, day, render_key, clip, fetched, inserted_at, updated_at)
         select 'a', job_id, id, 'replicate', 'm', 'succeeded', '', '', render_key, 'lost', $1, 0, 0 from scenes where job_id = $2`,
        [paid, jobId],
      )
      await tx.run(`update scenes set status = 'failed', attempt_id = 'a' where job_id = $1`, [jobId])
      await tx.run(`update jobs set status = 'failed', ended_at = $1 where id = $2`, [
        harness.clock.now(),
        jobId,
      ])
    })
    harness.clock.advance(29 * day)
    expect((await harness.prune.now()).stored).toMatchObject({ clips: nothing, orphans: nothing })
    expect(await clip(jobId)).toMatchObject({ status: 200, body: 'paid for' })
    harness.clock.advance(2 * day)
    expect((await harness.prune.now()).stored.clips).toEqual({ count: 1, bytes: 'paid for'.length })
    expect((await clip(jobId)).status).toBe(410)
    expect(await harness.ask('POST', `/api/v3/jobs/${jobId}/retry`)).toMatchObject({
      status: 422,
      body: { reason: expect.stringMatching(/^The job's clips were removed at/) },
    })
  })

  it('that a later job took stay as long as that one', async () => {
    await open({ clipsDays: 30 })
    const first = await finished(1)
    harness.clock.advance(20 * day)
    const second = await finished(1)
    const [of] = await harness.coordinator.scenes(second)
    expect(of!.attemptId).toBeNull()
    harness.clock.advance(11 * day)
    expect((await harness.prune.now()).stored.clips).toEqual(nothing)
    expect((await clip(second)).status).toBe(200)
    expect((await regenerate(first)).status).toBe(422)
    harness.clock.advance(20 * day)
    expect((await harness.prune.now()).stored.clips.count).toBe(1)
  })

  it('that a job waits to take stay, though it has not been approved', async () => {
    await open({ clipsDays: 30 })
    await finished(1)
    const waiting = await harness.job([await harness.picture(1)])
    harness.clock.advance(31 * day)
    expect((await harness.prune.now()).stored.clips).toEqual(nothing)
    await harness.finish(waiting)
    const [scene] = await harness.coordinator.scenes(waiting)
    expect(scene!.attemptId).toBeNull()
  })

  it('that a scene is about to take stay', async () => {
    await open({ clipsDays: 30 })
    await finished(1)
    const waiting = await harness.job([await harness.picture(1)])
    await harness.database.transaction(async (tx) => {
      await tx.run(`update jobs set status = 'processing' where id = $1`, [waiting])
      await tx.run(`update scenes set status = 'processing' where job_id = $1`, [waiting])
    })
    harness.clock.advance(31 * day)
    expect((await harness.prune.now()).stored.clips).toEqual(nothing)
  })

  it('of a finished job whose change waits for approval stay', async () => {
    await open({ clipsDays: 30 })
    const jobId = await finished(1)
    await harness.database.transaction((tx) =>
      tx.run(`update scenes set status = 'pending' where job_id = $1`, [jobId]),
    )
    harness.clock.advance(400 * day)
    expect((await harness.prune.now()).stored.clips).toEqual(nothing)
  })

  it('that never were do not keep a cancelled job from being retried', async () => {
    await open({ clipsDays: 30 })
    const jobId = await harness.job([await harness.picture(1)])
    await harness.coordinator.cancelJob(jobId)
    harness.clock.advance(31 * day)
    await harness.prune.now()
    expect((await harness.ask('POST', `/api/v3/jobs/${jobId}/retry`, {})).status).toBe(200)
    await expect.poll(async () => (await harness.coordinator.job(jobId)).status).toBe('completed')
    harness.clock.advance(day)
    await harness.prune.now()
    expect((await clip(jobId)).status).toBe(200)
  })
})

describe('inputs', () => {
  it('go when no job has shown them for so long, and can be uploaded again', async () => {
    await open({ inputsDays: 30 })
    const jobId = await finished(1)
    const asset = await harness.picture(1)
    harness.clock.advance(31 * day)
    expect((await harness.prune.now()).stored.inputs.count).toBe(2)
    expect(await harness.ask('GET', `/api/v3/assets/${asset}`)).toMatchObject({
      status: 410,
      body: { error: 'Asset was removed', reason: expect.stringContaining('Upload it again') },
    })
    expect(await regenerate(jobId)).toMatchObject({
      status: 422,
      body: { reason: expect.stringContaining(`upload them again first: ${asset}`) },
    })
    await expect(harness.job([asset])).rejects.toThrow(/upload it first/)
    expect(await harness.picture(1)).toBe(asset)
    expect((await harness.ask('GET', `/api/v3/assets/${asset}/data`)).status).toBe(200)
    expect((await regenerate(jobId)).status).toBe(200)
  })

  it('stay while a job needs them, though it is old and waits', async () => {
    await open({ inputsDays: 30 })
    const [first, second] = [await harness.picture(1), await harness.picture(2)]
    await harness.job([first])
    harness.clock.advance(365 * day)
    await harness.prune.now()
    expect((await harness.ask('GET', `/api/v3/assets/${first}/data`)).status).toBe(200)
    expect((await harness.ask('GET', `/api/v3/assets/${second}/data`)).status).toBe(410)
  })

  it('that a job ended with lately, or that were uploaded again, stay', async () => {
    await open({ inputsDays: 30 })
    const shown = await harness.picture(1)
    const again = await harness.picture(2)
    const jobId = await harness.job([shown])
    harness.clock.advance(20 * day)
    await harness.finish(jobId)
    await harness.picture(2)
    harness.clock.advance(20 * day)
    await harness.prune.now()
    for (const id of [shown, again])
      expect((await harness.ask('GET', `/api/v3/assets/${id}`)).status).toBe(200)
  })

  it('that a job comes for between the look and the removal stay', async () => {
    await open({ inputsDays: 30 })
    const asset = await harness.picture(1)
    harness.clock.advance(31 * day)
    const inputs = await harness.coordinator.inputsInUse(harness.clock.now() - 30 * day)
    const page = { before: harness.clock.now() - 30 * day, after: undefined, limit: 10 }
    const old = await harness.coordinator.removable('asset', page)
    expect(old).toHaveLength(1)
    await harness.job([asset])
    expect(await harness.coordinator.letGo(old, { before: page.before, inputs })).toEqual([])
    expect((await harness.ask('GET', `/api/v3/assets/${asset}`)).status).toBe(200)
  })
})

describe('events', () => {
  it('go when their jobs have ended, oldest first, and who resumes before them is told', async () => {
    await open({ eventsDays: 90 })
    const waiting = await harness.job([await harness.picture(1)])
    const ended = await finished(2)
    harness.clock.advance(91 * day)
    const young = await finished(3)
    const before = await harness.database.all('select job_id from events')
    const gone = before.filter(({ job_id }) => job_id === ended).length
    await eventsSettle(harness.database)
    expect(await harness.prune.now()).toMatchObject({ events: gone })
    const left = await harness.database.all('select distinct job_id from events order by job_id')
    expect(left.map(({ job_id }) => job_id)).toEqual([waiting, young])
    const { oldest } = await eventBounds(harness.database)
    expect(oldest).toBeGreaterThan(gone)
  })

  it('of a job that goes on in the meantime stay', async () => {
    await open({ eventsDays: 90 })
    const jobId = await finished(1)
    harness.clock.advance(91 * day)
    const old = await harness.coordinator.oldEvents(harness.clock.now() - 90 * day, 0)
    expect(old.ids.length).toBeGreaterThan(0)
    await harness.coordinator.pause()
    await regenerate(jobId)
    expect(await harness.coordinator.removeEvents(old.ids)).toBe(0)
  })

  it('stay until everybody has been told of them', async () => {
    await open({ eventsDays: 90 })
    await finished(1)
    await harness.ask('POST', '/api/v3/webhooks/endpoints', { url: 'https://hooks.example/x' })
    await finished(2)
    await eventsSettle(harness.database)
    const kept = await harness.database.all(
      'select id from events where id > (select event_id from webhook_state) order by id',
    )
    expect(kept.length).toBeGreaterThan(0)
    harness.clock.advance(91 * day)
    await harness.prune.now()
    expect(await harness.database.all('select id from events order by id')).toEqual(kept)
  })
})

describe('beyond the bytes that may be stored', () => {
  it('the oldest goes first, until it is enough', async () => {
    await open({ maxStoredBytes: 2 * (filmBytes + clipBytes) + 1000 })
    const jobs: number[] = []
    for (let shade = 0; shade < 5; shade++) {
      jobs.push(await finished(shade))
      harness.clock.advance(day)
    }
    const total = async (): Promise<number> => (await harness.prune.storage()).stored.films.bytes
    expect(await total()).toBeGreaterThan(4 * filmBytes)
    harness.clock.advance(hour)
    expect((await harness.prune.now()).overBytes).toBe(0)
    const states = await Promise.all(jobs.map(async (jobId) => (await film(jobId)).status))
    expect(states).toEqual(states.toSorted((one, other) => other - one))
    expect(states.at(0)).toBe(410)
    expect(states.at(-1)).toBe(200)
    const { body } = await harness.ask('GET', '/api/v3/storage')
    expect(body.stored.total.bytes).toBeLessThanOrEqual(body.limits.max_stored_bytes)
  })

  it('what jobs need and what is new stays, and the log says so', async () => {
    await open({ maxStoredBytes: 1 })
    const waiting = await harness.picture(1)
    await harness.job([waiting])
    const jobId = await finished(2)
    await harness.prune.now()
    expect((await film(jobId)).status).toBe(200)
    harness.clock.advance(2 * hour)
    const { overBytes } = await harness.prune.now()
    expect((await film(jobId)).status).toBe(410)
    expect((await harness.ask('GET', `/api/v3/assets/${waiting}/data`)).status).toBe(200)
    expect(overBytes).toBeGreaterThan(0)
    expect(harness.lines.at(-1)).toContain('more are stored than MAX_STORED_GB allows')
  })
})

describe('files that nothing names', () => {
  it('go a day after a crash has left them', async () => {
    await open({})
    const orphan = await harness.keep('nobody came to name it')
    harness.clock.advance(23 * hour)
    await harness.prune.now()
    expect(await harness.artifacts.stat(orphan)).toBeDefined()
    harness.clock.advance(2 * hour)
    expect((await harness.prune.now()).stored.orphans).toEqual({ count: 1, bytes: 22 })
    expect(await harness.artifacts.stat(orphan)).toBeUndefined()
  })

  it('are found by the hourly looks of a day, wherever they lie', async () => {
    await open({})
    const orphans: string[] = []
    for (let index = 0; index < 40; index++) orphans.push(await harness.keep(`orphan ${index}`))
    harness.clock.advance(25 * hour)
    for (let looks = 0; looks < 24; looks++) await harness.nextHour()
    expect(harness.listed.toSorted()).toEqual(artifactPrefixes)
    const left = await Promise.all(orphans.map((id) => harness.artifacts.stat(id)))
    expect(left.filter(Boolean)).toEqual([])
  })

  it('stay while an attempt that was sent may need them', async () => {
    await open({})
    const picture = await harness.keep('a picture in the shape of the film')
    await harness.database.transaction((tx) =>
      tx.run(
        `insert into attempts (id, job_id, scene_id, renderer, model, status, client_id, day, render_key, inputs, inserted_at, updated_at)
         values ('a', 1, 's', 'replicate', 'm', 'unknown', '', '', '', $1, 0, 0)`,
        [JSON.stringify([picture])],
      ),
    )
    harness.clock.advance(30 * day)
    await harness.prune.now()
    expect(await harness.artifacts.stat(picture)).toBeDefined()
  })
})

describe('over HTTP', () => {
  it('what is stored is told, and what would go, before it does', async () => {
    await open({ filmsDays: 30, maxStoredBytes: 1e9 })
    await finished(1)
    await harness.keep('an orphan')
    const { body } = await harness.ask('GET', '/api/v3/storage')
    expect(body).toMatchObject({
      stored: {
        films: { files: 2, bytes: filmBytes + 'thumbnail 2'.length },
        clips: { files: 1, bytes: clipBytes },
        inputs: { files: 2 },
        other: { files: 1, bytes: 9 },
        total: { files: 6 },
      },
      free_bytes: 5e9,
      limits: {
        retain_days: { events: null, films: 30, clips: null, inputs: null },
        max_stored_bytes: 1e9,
      },
      oldest: { event: expect.any(String), film: expect.any(String) },
    })
    harness.clock.advance(31 * day)
    const would = await harness.ask('POST', '/api/v3/storage/prune', { dry_run: true })
    expect(would.body).toMatchObject({
      dry_run: true,
      removed: { films: { files: 2 }, other: { files: 1, bytes: 9 } },
      oldest: { film: expect.any(String), clip: null, input: null, other: expect.any(String) },
      examples: [
        { kind: 'other', job_id: null, bytes: 9 },
        { kind: 'films', job_id: 1 },
        { kind: 'films', job_id: 1 },
      ],
      over_bytes: 0,
    })
    expect((await film(1)).status).toBe(200)
    const did = await harness.ask('POST', '/api/v3/storage/prune')
    expect(did.body).toEqual({ ...would.body, dry_run: false })
    expect((await film(1)).status).toBe(410)
    expect((await harness.ask('POST', '/api/v3/storage/prune', { dry: true })).status).toBe(422)
  })
})
