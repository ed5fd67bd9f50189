import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Database } from '../../src/store/database.ts'
import { migrate } from '../../src/store/migrate.ts'
import type { Migration } from '../../src/store/migrate.ts'
import { migrations } from '../../src/store/migrations/all.ts'
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
