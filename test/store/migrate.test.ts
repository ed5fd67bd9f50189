import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Database } from '../../src/store/database.ts'
import { migrate } from '../../src/store/migrate.ts'
import type { Migration } from '../../src/store/migrate.ts'
import { migrations } from '../../src/store/migrations/all.ts'
import { listKeys } from '../../src/access/key-rows.ts'
import { listChanges, recordChanges } from '../../src/store/changes.ts'
import { listFilms } from '../../src/store/films.ts'
import { countToApprove } from '../../src/store/job-lists.ts'
import { countEnded } from '../../src/store/statistics.ts'
import { kinds, newPlace } from './open-database.ts'
import type { Place } from './open-database.ts'

const first: Migration = {
  id: 1,
  name: 'things',
  statements: ['create table things (id {{identity}}, size {{integer}}, weight {{real}}, content {{bytes}})'],
}
const second: Migration = {
  id: 2,
  name: 'names',
  statements: ['alter table things add column name text', `insert into things (name) values ('a')`],
}
const broken: Migration = {
  id: 2,
  name: 'broken',
  statements: ['alter table things add column name text', 'insert into nothing values (1)'],
}

describe.each(kinds)('migrations on %s', (kind) => {
  let place: Place
  let database: Database

  beforeEach(async () => {
    place = await newPlace(kind)
    database = await place.open()
  })

  afterEach(async () => {
    await database.close()
    await place.remove()
  })

  it('are applied in order, each once', async () => {
    expect(await migrate(database, [first])).toEqual(['things'])
    expect(await migrate(database, [first, second])).toEqual(['names'])
    expect(await migrate(database, [first, second])).toEqual([])
    expect(await database.all('select id, name from things')).toEqual([{ id: 1, name: 'a' }])
  })

  it('are applied wholly or not at all', async () => {
    await expect(migrate(database, [first, broken])).rejects.toMatchObject({ code: 'failed' })
    expect(await migrate(database, [first, second])).toEqual(['names'])
  })

  it('refuse a database of a newer program', async () => {
    await migrate(database, [first, second])
    await expect(migrate(database, [first])).rejects.toMatchObject({
      code: 'too_old',
      message: expect.stringContaining('has migration 2 (names)'),
    })
  })

  it('refuse a database of another program', async () => {
    await migrate(database, [first])
    await expect(migrate(database, [{ ...first, name: 'other' }])).rejects.toMatchObject({ code: 'too_old' })
  })

  it('refuse ids with gaps, unknown tokens and deferrable constraints', async () => {
    await expect(migrate(database, [second])).rejects.toThrow('must have the id 1')
    const token = { id: 1, name: 'token', statements: ['create table a (b {{date}})'] }
    await expect(migrate(database, [token])).rejects.toThrow('{{date}}')
    const deferred = ['create table a (b {{integer}} references a (b) DEFERRABLE initially deferred)']
    await expect(migrate(database, [{ id: 1, name: 'a', statements: deferred }])).rejects.toThrow(
      'DEFERRABLE',
    )
  })

  it('find who made the jobs of older programs, which were changed, and whose their photographs are', async () => {
    const before = migrations.slice(
      0,
      migrations.findIndex(({ name }) => name === 'rights'),
    )
    await migrate(database, before)
    const [one, other] = ['a'.repeat(64), 'b'.repeat(64)]
    const asset = (id: string) =>
      `insert into assets (id, content_type, width, height, size, master, inserted_at) values ('${id}', '', 1, 1, 1, '', 0)`
    const job = (id: number, client: string, revision: number) =>
      `insert into jobs (id, type, status, video_name, priority, parameters, storyboard, progress, price_book, client_id,
        revision, inserted_at, updated_at) values (${id}, '', 'pending', '', 50, '{}', '{}', '{}', '', '${client}', ${revision}, 0, 0)`
    const scene = (id: string, jobId: number, ids: readonly string[]) =>
      `insert into scenes (id, job_id, position, status, prompt, duration, asset_ids, transition, model, renderer, progress,
        tries, inserted_at, updated_at) values ('${id}', ${jobId}, 0, 'pending', '', 1, '${JSON.stringify(ids)}', '', '', '', 0, 0, 0, 0)`
    const made = (jobId: number, by: string) =>
      `insert into events (topic, type, job_id, data, actor, inserted_at) values ('', 'job_created', ${jobId}, '{}', '${by}', 0)`
    await database.transaction(async (tx) => {
      await tx.run(
        `insert into keys (id, name, scopes, hash, inserted_at) values ('k1', 'shop', 'submit', $1, 0)`,
        [new Uint8Array(32)],
      )
      for (const statement of [
        asset(one),
        asset(other),
        job(1, 'acme', 1),
        job(2, '', 3),
        job(3, 'acme', 1),
        scene('s1', 1, [one]),
        scene('s2', 2, [other]),
        scene('s3', 3, [one, other]),
        made(1, 'shop'),
        made(2, 'local'),
      ])
        await tx.run(statement)
    })
    await migrate(database, migrations)
    expect(await database.all('select id, made_by, edited from jobs order by id')).toEqual([
      { id: 1, made_by: 'k1', edited: 0 },
      { id: 2, made_by: null, edited: 1 },
      { id: 3, made_by: null, edited: 0 },
    ])
    expect(await database.all('select asset_id, client_id from asset_clients order by asset_id')).toEqual([
      { asset_id: one, client_id: 'acme' },
      { asset_id: other, client_id: 'acme' },
    ])
  })

  it('keep the names of older jobs as they are looked for, and what unanswered requests had made', async () => {
    await migrate(
      database,
      migrations.slice(
        0,
        migrations.findIndex(({ name }) => name === 'effects'),
      ),
    )
    const request = `insert into requests (id, principal, target, idempotency_key, fingerprint, job_id, status, inserted_at)
      values ($1, '', '', $2, $3, $4, $5, 0)`
    await database.transaction(async (tx) => {
      for (let id = 1; id <= 1500; id++)
        await tx.run(
          `insert into jobs (id, type, status, video_name, priority, parameters, storyboard, progress, price_book, client_id,
             inserted_at, updated_at) values ($1, '', 'pending', $2, 50, '{}', '{}', '{}', '', '', 0, 0)`,
          [id, `ÉCOLE ${id}`],
        )
      await tx.run(request, [1, 'made', new Uint8Array([1]), 7, null])
      await tx.run(request, [2, 'answered', new Uint8Array([1]), 8, 201])
      await tx.run(request, [3, 'begun', new Uint8Array([1]), null, null])
    })
    await migrate(database, migrations)
    expect(await database.get('select count(*) as n from job_names')).toEqual({ n: 1500 })
    expect(await database.get('select folded from job_names where job_id = 1500')).toEqual({
      folded: 'école 1500',
    })
    expect(await database.all('select request_id, part, result from effects')).toEqual([
      { request_id: 1, part: '', result: '7' },
    ])
  })

  it('find in a database of the last program what needs a person, who failed and what was made', async () => {
    const before = migrations.slice(
      0,
      migrations.findIndex(({ name }) => name === 'attention'),
    )
    await migrate(database, before)
    const manifest = { film: { id: 'f', size: 1, contentType: 'video/mp4' }, thumbnail: { id: 't' } }
    await database.transaction(async (tx) => {
      await tx.run(
        `insert into keys (id, name, scopes, hash, inserted_at) values ('k1', 'shop', 'submit', $1, 0)`,
        [new Uint8Array(32)],
      )
      const job = (id: number, status: string, ended: number | null, rejected: string | null) =>
        tx.run(
          `insert into jobs (id, type, status, video_name, priority, parameters, storyboard, progress, price_book, client_id,
             inserted_at, updated_at, ended_at, rejected) values ($1, '', $2, '', 50, '{}', '{}', '{}', '', 'acme', 5, 5, $3, $4)`,
          [id, status, ended, rejected],
        )
      await job(1, 'pending', null, null)
      await job(2, 'pending', null, '{"at":1,"by":"x","note":"n"}')
      await job(3, 'completed', 9, null)
      await tx.run(
        `insert into films (job_id, version, manifest, film, thumbnail, inserted_at) values (3, 1, $1, 'f', 't', 9)`,
        [JSON.stringify(manifest)],
      )
    })
    await migrate(database, migrations)
    expect(await countToApprove(database, 'acme')).toBe(1)
    expect(await countEnded(database, { from: 0, to: 10 }, 10)).toEqual(
      new Map([['completed', new Map([[0, 1]])]]),
    )
    expect((await listKeys(database)).map(({ name, createdBy }) => [name, createdBy])).toEqual([
      ['shop', null],
    ])
    expect(await listFilms(database, 3)).toEqual([
      { version: 1, manifest, chapters: null, insertedAt: 9, removedAt: null },
    ])
    const change = { old: { jobs: null }, new: { jobs: 2 } }
    await database.transaction((tx) => recordChanges(tx, 'limit', change, { by: 'ops' }, 11))
    expect(await listChanges(database, { limit: 5 })).toMatchObject([
      { name: 'jobs', old: null, new: 2, by: 'ops' },
    ])
  })

  it('of this program can be applied', async () => {
    expect(await migrate(database, migrations)).toHaveLength(migrations.length)
  })

  if (kind === 'postgres') {
    it('are applied once by nodes that start at the same time', async () => {
      const nodes = await Promise.all(Array.from({ length: 5 }, () => place.open()))
      const applied = await Promise.all(nodes.map((node) => migrate(node, [first, second])))
      expect(applied.flat().toSorted()).toEqual(['names', 'things'])
      expect(await database.all('select name from things')).toEqual([{ name: 'a' }])
      await Promise.all(nodes.map((node) => node.close()))
    })
  }
})
