import { rmSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Arbitrary,
  array,
  assert,
  asyncProperty,
  constant,
  constantFrom,
  integer,
  oneof,
  record,
} from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Database, Transaction } from '../../src/store/database.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { newFolder } from './open-database.ts'

const step = oneof(
  record({ kind: constant('add' as const), name: integer({ min: 0, max: 3 }) }),
  record({ kind: constant('raise' as const), name: integer({ min: 0, max: 3 }) }),
  record({ kind: constant('remove' as const), name: integer({ min: 0, max: 3 }) }),
  {
    weight: 4,
    arbitrary: record({ kind: constantFrom('append', 'readLog', 'insertLog', 'trimLog', 'read') }),
  },
  record({ kind: constantFrom('refuse', 'fail', 'swallow') }),
)
type Step = typeof step extends Arbitrary<infer T> ? T : never
const works = array(array(step, { maxLength: 6, size: 'max' }), { minLength: 1, maxLength: 12 })

const append = 'insert into log (what) values ($1)'

async function perform(tx: Transaction, steps: readonly Step[], index: number): Promise<unknown[]> {
  const seen: unknown[] = []
  for (const one of steps) seen.push(await performStep(tx, one, index))
  return seen
}

async function performStep(tx: Transaction, one: Step, index: number): Promise<unknown> {
  switch (one.kind) {
    case 'add':
      return tx.run('insert into things (name) values ($1)', [one.name])
    case 'raise':
      return tx.get('update things set amount = amount + 1 where name = $1 returning amount', [one.name])
    case 'remove':
      return tx.run('delete from things where name = $1', [one.name])
    case 'append':
      return tx.append(append, [`by ${index}`])
    case 'insertLog':
      return tx.insert(append, [`inserted by ${index}`])
    case 'readLog':
      return tx.all('select id, what from log order by id')
    case 'trimLog':
      return tx.run('delete from log where id <= (select max(id) - 2 from log)')
    case 'read':
      return tx.all('select name, amount from things order by name')
    case 'swallow':
      return tx.run('insert into things (name, amount) values (9, null)').catch(() => 'swallowed')
    case 'fail':
      return tx.get('select nothing from things')
    default:
      throw new Error('refused')
  }
}

describe('transactions that commit together', () => {
  let folder: string
  let databases: Database[] = []

  beforeEach(() => {
    folder = newFolder()
  })
  afterEach(async () => {
    for (const database of databases) await database.close()
    databases = []
    rmSync(folder, { recursive: true, force: true })
  })

  const open = async (name: string): Promise<Database> => {
    const database = openSqlite({ path: join(folder, name) })
    databases.push(database)
    await database.transaction(async (tx) => {
      await tx.run(
        'create table things (name integer primary key not null, amount integer not null default 0)',
      )
      await tx.run('create table log (id integer primary key autoincrement, what text not null)')
    })
    return database
  }

  const clear = (database: Database): Promise<unknown> =>
    database.transaction(async (tx) => {
      for (const table of ['things', 'log']) await tx.run(`delete from ${table}`)
      await tx.run(`delete from sqlite_sequence`)
    })

  /** What each work came to, and what it left. */
  const outcome = async (
    database: Database,
    steps: readonly (readonly Step[])[],
    { together }: { together: boolean },
  ): Promise<unknown> => {
    const heard: unknown[] = []
    const run = (index: number): Promise<unknown> =>
      database
        .transaction(async (tx) => {
          tx.afterCommit(() => heard.push(index))
          return perform(tx, steps[index]!, index)
        })
        .then(
          (seen) => ({ seen }),
          (error: unknown) => ({ error: String(error) }),
        )
    const results: unknown[] = []
    if (together) results.push(...(await Promise.all(steps.map((_, index) => run(index)))))
    else for (const index of steps.keys()) results.push(await run(index))
    const [things, log] = await Promise.all([
      database.all('select * from things order by name'),
      database.all('select * from log order by id'),
    ])
    return { results, heard, things, log }
  }

  it('come to what they would one after the other, also where some fail after they wrote', async () => {
    const [one, other] = [await open('one.db'), await open('other.db')]
    await assert(
      asyncProperty(works, async (steps) => {
        await Promise.all([clear(one), clear(other)])
        const together = await outcome(one, steps, { together: true })
        expect(together).toEqual(await outcome(other, steps, { together: false }))
      }),
      { numRuns: 100 },
    )
  })

  it('give no id of a log twice: after a rollback, a removal, a start', async () => {
    const database = await open('ids.db')
    const add = (tx: Transaction): Promise<number> => tx.append(append, ['row'])
    expect(await database.transaction(async (tx) => [await add(tx), await add(tx)])).toEqual([1, 2])
    const refused = database.transaction(async (tx) => {
      await add(tx)
      throw new Error('no')
    })
    await expect(refused).rejects.toThrow('no')
    expect(await database.transaction(add)).toBe(3)
    await database.transaction((tx) => tx.run('delete from log'))
    expect(await database.transaction(add)).toBe(4)
    await database.transaction((tx) => tx.run('delete from log'))
    await database.close()
    databases.push(openSqlite({ path: join(folder, 'ids.db') }))
    expect(await databases.at(-1)!.transaction(add)).toBe(5)
  })

  it('write a long log', async () => {
    const database = await open('long.db')
    const ids = await database.transaction(async (tx) => {
      const appended: number[] = []
      for (let row = 0; row < 100; row++) appended.push(await tx.append(append, [`row ${row}`]))
      return appended
    })
    const rows = await database.all('select id, what from log order by id')
    expect(rows).toEqual(ids.map((id, row) => ({ id, what: `row ${row}` })))
  })

  it('do not take the others along where the log refuses the row of one', async () => {
    const database = await open('refused.db')
    const outcomes = await Promise.allSettled(
      ['one', null, 'three'].map((what) => database.transaction((tx) => tx.append(append, [what]))),
    )
    expect(outcomes).toMatchObject([
      { status: 'fulfilled', value: 1 },
      { status: 'rejected', reason: { code: 'conflict' } },
      { status: 'fulfilled', value: 2 },
    ])
    expect(await database.all('select what from log order by id')).toEqual([
      { what: 'one' },
      { what: 'three' },
    ])
  })

  it('run each once where one is refused, another takes long and a third is refused by the log', async () => {
    const database = await open('once.db')
    const take = (ms: number): void => {
      for (const until = performance.now() + ms; performance.now() < until;);
    }
    const add = (name: number) =>
      database.transaction((tx) => tx.run('insert into things (name) values ($1)', [name]))
    await Promise.allSettled([
      add(1),
      database.transaction(async (tx) => {
        await tx.run('insert into things (name) values (2)')
        throw new Error('refused')
      }),
      database.transaction(async (tx) => {
        take(15)
        await tx.append(append, [null])
      }),
      add(4),
      add(5),
    ])
    await add(6)
    expect(await database.all('select name from things order by name')).toEqual(
      [1, 4, 5, 6].map((name) => ({ name })),
    )
  })

  it('show the columns that a table has now', async () => {
    const database = await open('columns.db')
    const read = 'select * from things'
    await database.transaction((tx) => tx.run('insert into things (name) values (1)'))
    expect(await database.get(read)).toEqual({ name: 1, amount: 0 })
    const refused = database.transaction(async (tx) => {
      await tx.run('alter table things rename column amount to size')
      expect(await tx.get(read)).toEqual({ name: 1, size: 0 })
      throw new Error('no')
    })
    await expect(refused).rejects.toThrow('no')
    expect(await database.get(read)).toEqual({ name: 1, amount: 0 })
    await database.transaction(async (tx) => {
      expect(await tx.get(read)).toEqual({ name: 1, amount: 0 })
      await tx.run('alter table things rename column amount to weight')
    })
    expect(await database.get(read)).toEqual({ name: 1, weight: 0 })
  })
})
