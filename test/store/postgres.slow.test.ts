import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Database } from '../../src/store/database.ts'
import { openPostgres } from '../../src/store/postgres.ts'
import { newPlace } from './open-database.ts'
import type { Place } from './open-database.ts'

describe('the database on a server', () => {
  let place: Place
  let one: Database
  let other: Database

  beforeEach(async () => {
    place = await newPlace('postgres')
    one = await place.open()
    other = await place.open()
    await one.transaction((tx) =>
      tx.run('create table things (id bigint primary key, amount bigint not null)'),
    )
    await one.transaction((tx) => tx.run('insert into things values (1, 0), (2, 0)'))
  })

  afterEach(async () => {
    await Promise.all([one.close(), other.close()])
    await place.remove()
  })

  it('counts what two nodes raise at once, each reading before it writes', async () => {
    await Promise.all(Array.from({ length: 200 }, (_, index) => raise(index % 2 === 0 ? one : other)))
    expect(await one.get('select amount from things where id = 1')).toEqual({ amount: 200 })
  }, 30_000)

  it('runs a work again when two wait for each other, and calls the effects once', async () => {
    const bothHold = barrier(2)
    const calls: string[] = []
    const runs = { one: 0, other: 0 }
    const swap = (database: Database, name: 'one' | 'other', ids: readonly number[]): Promise<void> =>
      database.transaction(async (tx) => {
        tx.afterCommit(() => calls.push(name))
        await tx.run('update things set amount = amount + 1 where id = $1', [ids[0] ?? 0])
        if (runs[name]++ === 0) await bothHold()
        await tx.run('update things set amount = amount + 1 where id = $1', [ids[1] ?? 0])
      })
    await Promise.all([swap(one, 'one', [1, 2]), swap(other, 'other', [2, 1])])
    expect(await one.all('select amount from things')).toEqual([{ amount: 2 }, { amount: 2 }])
    expect(calls.toSorted()).toEqual(['one', 'other'])
    expect(runs.one + runs.other).toBeGreaterThan(2)
  })

  it('runs a work again also where it hides the error of the collision', async () => {
    let runs = 0
    await one.transaction(async (tx) => {
      runs++
      await tx.get('select amount from things where id = 1')
      if (runs === 1) await other.transaction((next) => next.run('update things set amount = 5 where id = 1'))
      await tx.run('update things set amount = amount + 1 where id = 1').catch(() => {
        throw new Error('hidden')
      })
    })
    expect(runs).toBe(2)
    expect(await one.get('select amount from things where id = 1')).toEqual({ amount: 6 })
  })

  it('goes on when another node has changed a table', async () => {
    const select = 'select * from things where id = $1'
    expect(await one.get(select, [1])).toEqual({ id: 1, amount: 0 })
    expect(await one.transaction((tx) => tx.get(select, [1]))).toEqual({ id: 1, amount: 0 })
    await other.transaction((tx) => tx.run('alter table things add column name text'))
    expect(await one.get(select, [1])).toEqual({ id: 1, amount: 0, name: null })
    expect(await one.transaction((tx) => tx.get(select, [1]))).toEqual({ id: 1, amount: 0, name: null })
  })

  it('says that it is busy when the connection is lost before the commit, and goes on', async () => {
    const cut = one.transaction(async (tx) => {
      const row = await tx.get('select pg_backend_pid() as pid')
      await tx.run('update things set amount = 9')
      await other.get('select pg_terminate_backend(cast($1 as int))', [row?.['pid'] ?? null])
      await tx.run('update things set amount = 10')
    })
    await expect(cut).rejects.toMatchObject({ code: 'busy' })
    expect(await one.get('select sum(amount) as sum from things')).toEqual({ sum: 0 })
    await one.transaction((tx) => tx.run('update things set amount = 1'))
    expect(await one.get('select sum(amount) as sum from things')).toEqual({ sum: 2 })
  })

  it('survives the loss of idle connections', async () => {
    await Promise.all(Array.from({ length: 8 }, () => one.get('select 1')))
    await other.all(
      `select pg_terminate_backend(pid) from pg_stat_activity
        where pid <> pg_backend_pid() and query not like 'select pg_terminate%' and state = 'idle'
        and pid in (select pid from pg_stat_activity where query = 'select 1')`,
    )
    await expect.poll(() => one.get('select 1 as one').catch(() => undefined)).toEqual({ one: 1 })
  })

  it('waits for a statement that takes long, because the server says that it works on it', async () => {
    expect(await one.get('select pg_sleep(8)::text as slept')).toEqual({ slept: '' })
    expect(await one.transaction((tx) => tx.get('select pg_sleep(8)::text as slept'))).toEqual({ slept: '' })
  })

  it('refuses a server that does not answer', async () => {
    await expect(
      openPostgres({ connectionString: 'postgresql://nobody@127.0.0.1:1/nothing' }),
    ).rejects.toMatchObject({ code: 'busy' })
  })

  it('commits to disk even where the server is set not to', async () => {
    expect(await one.get(`select current_setting('synchronous_commit') as value`)).toEqual({ value: 'on' })
  })
})

function raise(database: Database): Promise<number> {
  return database.transaction(async (tx) => {
    const row = await tx.get('select amount from things where id = $1', [1])
    return tx.run('update things set amount = $2 where id = $1', [1, Number(row?.['amount']) + 1])
  })
}

/** Resolves for all when `size` have come. */
function barrier(size: number): () => Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  let arrived = 0
  return () => {
    arrived++
    if (arrived === size) resolve()
    return promise
  }
}
