import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Database } from '../../src/store/database.ts'
import { requireSqliteVersion } from '../../src/store/sqlite-connection.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { newFolder } from './open-database.ts'

describe('the database in a file', () => {
  let folder: string
  let path: string
  let database: Database

  beforeEach(async () => {
    folder = newFolder()
    path = join(folder, 'jobs.db')
    database = openSqlite({ path })
    await database.transaction((tx) => tx.run('create table things (id integer primary key, content text)'))
  })

  afterEach(async () => {
    await database.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const add = (content: string): Promise<number> =>
    database.transaction((tx) => tx.run('insert into things (content) values ($1)', [content]))
  const count = async (): Promise<unknown> =>
    (await database.get('select count(*) as count from things'))?.['count']

  it('syncs each commit', async () => {
    // 2 is full: the WAL is synced before a commit returns. Both are settings of the connection.
    const settings = await database.transaction(async (tx) => [
      await tx.get('pragma synchronous'),
      await tx.get('pragma journal_mode'),
      await tx.get('pragma foreign_keys'),
    ])
    expect(settings).toEqual([{ synchronous: 2 }, { journal_mode: 'wal' }, { foreign_keys: 1 }])
  })

  it('says that the disk is full, keeps what it had, reads on, and writes again when there is room', async () => {
    await add('small')
    const limitPages = (pages: string): Promise<unknown> =>
      database.transaction((tx) => tx.get(`pragma max_page_count = ${pages}`))
    const pages = await database.transaction((tx) => tx.get('pragma page_count'))
    await limitPages(String(Number(pages?.['page_count']) + 3))

    // There is room for one of the large ones.
    const large = 'x'.repeat(10_000)
    const outcomes = await Promise.allSettled([add(large), add(large), add('small'), add(large)])
    const codes = outcomes.map((outcome) => (outcome.status === 'rejected' ? codeOf(outcome.reason) : 'kept'))
    expect(codes).toEqual(['kept', 'disk_full', 'kept', 'disk_full'])
    expect(await count()).toBe(3)
    await expect(add(large)).rejects.toMatchObject({ code: 'disk_full' })
    expect(await count()).toBe(3)

    await limitPages('1000000')
    await add(large)
    expect(await count()).toBe(4)
  })

  it('commits nothing more of a work that goes on after the disk was full', async () => {
    await database.transaction((tx) => tx.get('pragma max_page_count = 5'))
    const going = database.transaction(async (tx) => {
      await tx.run('insert into things (content) values ($1)', ['x'.repeat(100_000)]).catch(() => {})
      await tx.run('insert into things (content) values ($1)', ['small']).catch(() => {})
    })
    await expect(going).rejects.toMatchObject({ code: 'disk_full' })
    expect(await count()).toBe(0)
  })

  it('keeps all that was acknowledged when the process is killed', async () => {
    await database.close()
    const module = new URL('../../src/store/sqlite.ts', import.meta.url).href
    const program = `
      const { openSqlite } = await import(${JSON.stringify(module)})
      const database = openSqlite({ path: ${JSON.stringify(path)} })
      let next = 1
      const write = async () => {
        for (;;) {
          const id = next++
          await database.transaction((tx) => tx.run('insert into things (id) values ($1)', [id]))
          process.stdout.write(id + '\\n')
        }
      }
      for (let index = 0; index < 20; index++) void write()`
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const acknowledged: number[] = []
    const exited = once(child, 'exit')
    for await (const line of createInterface(child.stdout)) {
      acknowledged.push(Number(line))
      if (acknowledged.length === 500) child.kill('SIGKILL')
    }
    expect(await exited).toEqual([null, 'SIGKILL'])
    // A line cut off by the kill is shorter than its number: it names another row, written before.
    database = openSqlite({ path })
    const kept = new Set((await database.all('select id from things')).map((row) => row['id']))
    expect(acknowledged.filter((id) => !kept.has(id))).toEqual([])
    expect(await database.get('pragma integrity_check')).toEqual({ integrity_check: 'ok' })
  })

  it('waits shortly for another process that writes, then says that it is busy', async () => {
    const other = openSqlite({ path })
    const held = Promise.withResolvers<void>()
    const release = Promise.withResolvers<void>()
    const holding = other.transaction(async () => {
      held.resolve()
      await release.promise
    })
    await held.promise
    await expect(add('a')).rejects.toMatchObject({ code: 'busy' })
    expect(await count()).toBe(0)
    release.resolve()
    await holding
    await add('a')
    expect(await count()).toBe(1)
    await other.close()
  })

  it('refuses a file that is no database, and a folder that is not there', () => {
    expect(() => openSqlite({ path: import.meta.filename })).toThrow(/not a database/)
    expect(() => openSqlite({ path: join(folder, 'missing', 'jobs.db') })).toThrow(/unable to open/)
  })

  it('refuses a SQLite that could corrupt it', () => {
    for (const version of ['3.51.2', '3.50.9', '2.99.99']) {
      expect(() => requireSqliteVersion(version)).toThrow(`SQLite ${version} is too old`)
    }
    for (const version of ['3.51.3', '3.53.0', '4.0.0']) requireSqliteVersion(version)
  })

  it('writes only inside transactions', async () => {
    await expect(database.get(`insert into things (content) values ('a') returning id`)).rejects.toThrow(
      'readonly',
    )
  })
})

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : error
}
