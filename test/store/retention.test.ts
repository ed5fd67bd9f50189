/** The statements of retention and of the counts, on both databases; what they are for is shown by `test/pipeline/prune.slow.test.ts`. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  countInFlight,
  countJobs,
  countScenes,
  countOrphans,
  countUndelivered,
  listEnded,
  probeWrite,
} from '../../src/store/counts.ts'
import type { Database } from '../../src/store/database.ts'
import { eventBounds } from '../../src/store/events.ts'
import { deleteJobRows, listOwners, listOwnersEver } from '../../src/store/jobs.ts'
import * as retention from '../../src/retention/rows.ts'
import { type Place, newMigratedPlace } from './open-database.ts'

const film = (id: string): string => JSON.stringify({ film: { id }, thumbnail: { id: `${id}-small` } })

describe('retention', () => {
  let place: Place
  let database: Database
  let jobs: { readonly open: number; readonly old: number }

  beforeEach(async () => {
    place = await newMigratedPlace()
    database = await place.open()
    jobs = await database.transaction(async (tx) => {
      const job = (status: string, endedAt: number | null) =>
        tx.insert(
          `insert into jobs (type, status, video_name, priority, parameters, storyboard, progress, price_book, approved_at, ended_at, inserted_at, updated_at)
           values ('t', $1, '', 50, '{}', '{}', '{}', '', 1, $2, 0, 0)`,
          [status, endedAt],
        )
      const [open, old] = [await job('processing', null), await job('completed', 10)]
      for (const [id, jobId, clip, source, key] of [
        ['s1', open, 'clip1', 'source1', 'k1'],
        ['s2', old, 'clip2', 'source2', 'k2'],
        ['s3', old, 'clip3', 'clip3', 'k3'],
      ] as const)
        await tx.run(
          `insert into scenes (id, job_id, position, status, prompt, duration, asset_ids, transition, model, renderer, render_key,
             progress, tries, clip, source, inserted_at, updated_at)
           values ($1, $2, 0, 'completed', '', 1, $3, 'cut', 'm', 'local', $4, 1, 1, $5, $6, 0, 0)`,
          [id, jobId, JSON.stringify([`asset of ${id}`]), key, clip, source],
        )
      for (const [key, artifact] of [
        ['k1', 'source1'],
        ['k2', 'source2'],
        ['loose', 'loose'],
      ] as const)
        await tx.run(
          `insert into renders (render_key, artifact, attempt_id, inserted_at) values ($1, $2, 'a', 5)`,
          [key, artifact],
        )
      for (const [left, right, artifact] of [
        ['clip2', 'clip3', 'seam'],
        ['gone', 'clip1', 'loose seam'],
      ] as const)
        await tx.run(
          `insert into seams (left_clip, right_clip, transition, overlap_frames, sound_phase, artifact, inserted_at)
           values ($1, $2, 'fade', 1, 0, $3, 5)`,
          [left, right, artifact],
        )
      for (const version of [1, 2])
        await tx.run('insert into films (job_id, version, manifest, inserted_at) values ($1, $2, $3, $4)', [
          old,
          version,
          film(`film${version}`),
          version * 5,
        ])
      await tx.run(
        `insert into assets (id, content_type, width, height, size, master, inserted_at) values ('asset', '', 1, 1, 1, 'master', 3)`,
      )
      await tx.run(
        `insert into attempts (id, job_id, scene_id, renderer, model, status, client_id, day, render_key, inputs, inserted_at, updated_at)
         values ('a', $1, 's1', 'replicate', 'm', 'held', '', '', '', '["picture"]', 0, 0)`,
        [open],
      )
      await tx.run(`insert into installation (id, secret) values ('i', 's')`)
      for (const [jobId, at] of [
        [old, 1],
        [open, 2],
        [old, 3],
        [open, 4],
      ] as const)
        await tx.insert(
          `insert into events (topic, type, job_id, data, inserted_at) values ('jobs:created', 'job_created', $1, '{}', $2)`,
          [jobId, at],
        )
      return { open, old }
    })
    while ((await database.transaction((tx) => retention.nameFilms(tx, 1))) > 0);
  })
  afterEach(async () => {
    await database.close()
    await place.remove()
  })

  it('finds films, and takes them once', async () => {
    const old = await retention.listOldFilms(database, 11, undefined, 10)
    expect(old.map(({ version, artifacts }) => [version, ...artifacts])).toEqual([
      [1, 'film1', 'film1-small'],
      [2, 'film2', 'film2-small'],
    ])
    // The job's end is not before that.
    expect(await retention.listOldFilms(database, 10, undefined, 10)).toMatchObject([{ version: 1 }])
    expect(await retention.listOldFilms(database, 11, old[0], 10)).toEqual([old[1]])
    const remove = () => database.transaction((tx) => retention.setFilmRemoved(tx, old[0]!, 11, 99))
    expect([await remove(), await remove()]).toEqual([1, 0])
    expect(await retention.findFilmRemoved(database, jobs.old, 'film1-small')).toBe(99)
    expect(await retention.findFilmRemoved(database, jobs.old, 'film2')).toBeUndefined()
    expect(await retention.listNamed(database, 'films', ['film1', 'film2', 'none'])).toEqual(['film2'])
  })

  it('finds clips, and what else names them', async () => {
    expect(await retention.listOldJobs(database, 11, undefined, 10)).toEqual([{ jobId: jobs.old, at: 10 }])
    expect(await retention.listOldJobs(database, 11, { at: 10, key: jobs.old }, 10)).toEqual([])
    const clips = [...(await retention.listClipsOfJobs(database, [jobs.old])).get(jobs.old)!]
    expect(clips.toSorted()).toEqual(['clip2', 'clip3', 'source2'])
    expect((await retention.listOldRenders(database, 11, undefined, 10)).map(({ key }) => key)).toEqual([
      'loose',
    ])
    expect((await retention.listOldSeams(database, 11, undefined, 10)).map(({ key }) => key)).toEqual([
      'loose seam',
    ])
    await database.transaction(async (tx) => {
      expect(await retention.setClipsRemoved(tx, jobs.old, 11, 99)).toBe(1)
      expect(await retention.setClipsRemoved(tx, jobs.open, 11, 99)).toBe(0)
      expect(await retention.listSeamsOf(tx, clips)).toEqual(['seam'])
      expect(await retention.forgetRenders(tx, 11, [...clips, 'source1'])).toBe(1)
      expect(await retention.forgetSeams(tx, 11, ['seam'])).toBe(1)
    })
    expect(await retention.findClipsRemoved(database, jobs.old)).toEqual({ removedAt: 99, hadClips: true })
    const all = [...clips, 'clip1', 'source1', 'loose', 'loose seam', 'seam']
    expect((await retention.listNamed(database, 'clips', all)).toSorted()).toEqual([
      'clip1',
      'loose',
      'loose seam',
      'source1',
    ])
    await database.transaction((tx) => retention.forgetClipsRemoved(tx, jobs.old))
    expect(await retention.findClipsRemoved(database, jobs.old)).toBeUndefined()
  })

  it('finds inputs, and who needs them', async () => {
    const [old] = await retention.listOldAssets(database, 4, undefined, 10)
    expect(old).toEqual({ at: 3, key: 'asset', master: 'master' })
    expect(await retention.listOldAssets(database, 4, old, 10)).toEqual([])
    expect(await retention.listOpenJobs(database, 0, 10)).toEqual([jobs.open])
    expect(await retention.listEndedSince(database, 10, 'kept', undefined, 10)).toHaveLength(1)
    expect(await retention.listEndedSince(database, 10, 'removed', undefined, 10)).toEqual([])
    expect(await retention.listWaitingForApproval(database, { renderKey: '', sceneId: '' }, 10)).toEqual([])
    expect(await retention.listChangedSince(database, 'events', 0, 2)).toMatchObject({ isMore: true })
    expect([...(await retention.listAssetsOfJobs(database, [jobs.open]))]).toEqual(['asset of s1'])
    expect(await retention.listMissingAssets(database, jobs.open)).toEqual([])
    expect([...(await retention.listInputsInFlight(database))]).toEqual(['picture'])
    expect((await retention.listNamed(database, 'inputs', ['asset', 'master', 'x'])).toSorted()).toEqual([
      'asset',
      'master',
    ])
    await database.transaction((tx) => retention.removeAsset(tx, 'asset', 99))
    expect(await retention.findAssetRemoved(database, 'asset')).toBe(99)
    expect(await retention.listWithoutFilm(database, 0, 10)).toEqual([])
  })

  it('finds old events, and leaves those of open jobs', async () => {
    const old = await retention.listOldEvents(database, 10, 0, 10)
    expect(old).toMatchObject({ ids: [1, 3], after: 3, isMore: false })
    expect(await database.transaction((tx) => retention.deleteEvents(tx, old.ids))).toBe(2)
    expect(await eventBounds(database)).toEqual({ oldest: 4, latest: 4, removed: 3 })
    expect(await retention.findOldest(database)).toEqual({ events: 2, films: 5, clips: 5, inputs: 3 })
  })

  it('knows whose a deleted job was for as long as there are events of it', async () => {
    const owners = async () => new Set((await listOwnersEver(database, [jobs.old, jobs.open])).keys())
    await database.transaction((tx) => deleteJobRows(tx, jobs.old))
    expect(await owners()).toEqual(new Set([jobs.open, jobs.old]))
    expect([...(await listOwners(database, [jobs.old])).keys()]).toEqual([])
    const ids = (await database.all('select id from events where job_id = $1', [jobs.old])).map(({ id }) =>
      Number(id),
    )
    expect(ids.length).toBeGreaterThan(1)
    await database.transaction((tx) => retention.deleteEvents(tx, ids.slice(1)))
    expect(await owners()).toEqual(new Set([jobs.open, jobs.old]))
    await database.transaction((tx) => retention.deleteEvents(tx, ids))
    expect(await owners()).toEqual(new Set([jobs.open]))
  })

  it('counts', async () => {
    expect(Object.fromEntries(await countJobs(database))).toEqual({ processing: 1, completed: 1 })
    expect(Object.fromEntries(await countScenes(database))).toEqual({ completed: 1 })
    expect(await countInFlight(database)).toEqual([{ renderer: 'replicate', status: 'held', count: 1 }])
    expect([await countOrphans(database), await countUndelivered(database)]).toEqual([0, 0])
    expect(await listEnded(database, [jobs.old])).toEqual([
      { id: jobs.old, type: 't', status: 'completed', begunAt: 1, endedAt: 10 },
    ])
    expect(await database.transaction(probeWrite)).toBe(1)
  })
})
