import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemHost } from '../../src/host.ts'
import type { Database } from '../../src/store/database.ts'
import { migrate } from '../../src/store/migrate.ts'
import { migrations } from '../../src/store/migrations/all.ts'
import { moveHistory, ownTables } from '../../src/store/move.ts'
import { installationOf } from '../../src/store/provider.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { listTables } from '../../src/store/tables.ts'
import { delegating, migrated } from '../harness/data.ts'
import { newPlace, type Place } from './open-database.ts'

const fresh = () => ({ id: systemHost.secret(6), secret: systemHost.secret(32) })

/** Rows in every table, also more than a page, and ids whose rows are gone. */
async function fill(database: Database): Promise<void> {
  await database.transaction(async (tx) => {
    await installationOf(tx, fresh())
    const job = `insert into jobs (type, status, video_name, priority, parameters, storyboard, progress, price_book, authorised_micros,
      result, inserted_at, updated_at) values ('t', 'completed', $1, 50, '{}', '{}', '{}', '', 400000, $2, 1, 1)`
    for (let index = 0; index < 450; index++)
      await tx.insert(job, [
        `film ${index} \u{1f3e0} 'x'`,
        index % 2 === 0 ? null : new Uint8Array([0, index % 256, 255]),
      ])
    await tx.run('delete from jobs where id > 440')
    await tx.run(`insert into scenes (id, job_id, position, status, prompt, duration, asset_ids, transition, model, renderer, progress,
      tries, inserted_at, updated_at) select 'scene ' || id, id, 0, 'completed', '', 0.1, '[]', 'cut', '', '', 0.30000000000000004, 1, 1, 1 from jobs`)
    await tx.run(`insert into attempts (id, job_id, scene_id, renderer, model, status, cost_micros, charged_micros, client_id, day, render_key,
      inserted_at, updated_at) select 'attempt ' || id, id, 'scene ' || id, 'replicate', '', 'succeeded', 400000, 400000, '', '', '', 1, 1 from jobs`)
    await tx.run(
      `insert into spendings (day, client_id, micros) select '2026-11-27', '', sum(charged_micros) from attempts`,
    )
    await tx.run(
      `insert into events (topic, type, job_id, data, inserted_at) select 'jobs:created', 'job_created', id, '{}', 1 from jobs`,
    )
    await tx.run(`insert into dependencies (job_id, on_job_id, on_failure, met) values (2, 1, 'fail', 1)`)
    await tx.run(
      `insert into tasks (kind, subject, job_id, run_at, tries) values ('stitch-film', '1', 1, 1, 0)`,
    )
    await tx.run(`update clock set seen_at = 1790000000000`)
  })
}

class Cut extends Error {}

/** Fails as a process that dies at that transaction, before it or after its commit. */
function cutting(database: Database, cut: { left: number; readonly isAfter: boolean }): Database {
  return {
    ...delegating(database),
    async transaction(work) {
      if (cut.left-- > 0) return database.transaction(work)
      if (cut.isAfter && cut.left === -1) await database.transaction(work)
      throw new Cut()
    },
  }
}

describe('moving a history to PostgreSQL', () => {
  let folder: string
  let place: Place
  let source: Database
  let target: Database

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'move-'))
    source = await migrated(openSqlite({ path: join(folder, 'coordinator.db') }))
    await fill(source)
    place = await newPlace('postgres')
    target = await place.open()
  })

  afterEach(async () => {
    await source.close()
    await target.close()
    await place.remove()
    rmSync(folder, { recursive: true })
  })

  const move = (from = source, to = target, targetName = 'postgres://db/films') =>
    moveHistory({ source: from, target: to, targetName, moveFiles: async () => [] })

  it('copies every row of every table, and compares rows and sums', async () => {
    const { isNew, compared } = await move()
    expect(isNew).toBe(true)
    expect(compared.filter((one) => one.source !== one.target)).toEqual([])
    const all = new Map(compared.map(({ what, target: there }) => [what, there]))
    const names = (await listTables(source)).map(({ name }) => name)
    expect(names.filter((name) => !all.has(name)).toSorted()).toEqual(
      names.filter((name) => ownTables.includes(name)).toSorted(),
    )
    expect(all.get('jobs')).toMatch(/^440 rows, /)
    expect(all.get('charged by attempts')).toBe('176.000000 USD')
    expect(all.get('spent by day and client')).toBe('176.000000 USD')
    expect(all.get('authorised for jobs')).toBe('176.000000 USD')
    const job = 'select id, video_name, result from jobs where id = 3'
    expect(await target.get(job)).toEqual(await source.get(job))
    expect(await target.get('select seen_at from clock')).toEqual({ seen_at: 1790000000000 })
    expect(await target.all('select subject, running from tasks')).toEqual([{ subject: '1', running: 0 }])
  })

  it('gives new rows ids above all that were ever given', async () => {
    await move()
    const id = await target.transaction((tx) =>
      tx.insert(
        `insert into jobs (type, status, video_name, priority, parameters, storyboard, progress, price_book, inserted_at, updated_at)
         values ('t', 'pending', 'new', 50, '{}', '{}', '{}', '', 1, 1)`,
      ),
    )
    expect(id).toBe(451)
  })

  it('marks the source, so that no server of any version starts on it, and says where the history is', async () => {
    await move()
    const refused = { code: 'sealed', message: expect.stringContaining('was moved to postgres://db/films') }
    await expect(migrate(source, migrations)).rejects.toMatchObject(refused)
    await expect(source.transaction((tx) => installationOf(tx, fresh()))).rejects.toMatchObject(refused)
    expect(await migrate(target, migrations)).toEqual([])
    // A version without seals reads this row as a migration that it does not know.
    expect(await source.get('select name from migrations where id > 100000')).toEqual({
      name: 'moved to postgres://db/films',
    })
  })

  it('cut off before or after any transaction, it is done by the next call, and at no moment could two servers start', async () => {
    const starts = async (database: Database): Promise<boolean> =>
      migrate(database, migrations).then(
        async () => (await database.all('select id from installation')).length > 0,
        () => false,
      )
    const counted = { left: 1e6, isAfter: false }
    await move(cutting(source, counted), cutting(target, counted))
    const all = 1e6 - counted.left
    const cuts = Array.from({ length: all }, (_, at) => at).filter((at) => at % 9 === 0 || at >= all - 3)
    for (const isAfter of [false, true])
      for (const left of cuts) {
        await target.close()
        await place.remove()
        place = await newPlace('postgres')
        target = await place.open()
        await source.transaction((tx) => tx.run('delete from migrations where id > 100000'))
        const cut = { left, isAfter }
        await expect(move(cutting(source, cut), cutting(target, cut))).rejects.toThrow(Cut)
        expect([await starts(source), await starts(target)]).not.toEqual([true, true])
        const again = await move()
        expect(again.compared.filter((one) => one.source !== one.target)).toEqual([])
        expect([await starts(source), await starts(target)]).toEqual([false, true])
        expect(await target.get('select count(*) as jobs from jobs')).toEqual({ jobs: 440 })
      }
  }, 120_000)

  it('a source that changed after the cut is moved as it is then', async () => {
    const cut = { left: 30, isAfter: false }
    await expect(move(source, cutting(target, cut))).rejects.toThrow(Cut)
    await source.transaction((tx) => tx.run(`update jobs set video_name = 'changed' where id = 1`))
    await move()
    expect(await target.get('select video_name from jobs where id = 1')).toEqual({ video_name: 'changed' })
  })

  it('does nothing the second time', async () => {
    await move()
    await target.transaction((tx) => tx.run(`update jobs set video_name = 'renamed' where id = 1`))
    expect(await move()).toMatchObject({ isNew: false, compared: [] })
    expect(await target.get('select video_name from jobs where id = 1')).toEqual({ video_name: 'renamed' })
    await expect(move(source, target, 'postgres://other/films')).rejects.toMatchObject({
      code: 'in_use',
      message: expect.stringContaining('was moved to postgres://db/films'),
    })
  })

  it('refuses a target with a history of its own, and one that receives another', async () => {
    await migrate(target, migrations)
    await target.transaction((tx) => installationOf(tx, fresh()))
    await expect(move()).rejects.toMatchObject({
      code: 'in_use',
      message:
        'The target has a history of its own (1 rows in installation), as after the start of a node: use an empty database',
    })
    await target.transaction((tx) => tx.run('delete from installation'))
    await target.transaction((tx) =>
      tx.run(
        `insert into migrations (id, name) values (1000000, 'receives the history of installation abc')`,
      ),
    )
    await expect(move()).rejects.toMatchObject({
      code: 'in_use',
      message: expect.stringContaining('receiving the history of installation abc'),
    })
    expect(await migrate(source, migrations)).toEqual([])
  })

  it('says what differs, and leaves the source as it was', async () => {
    const differing = { what: 'artifacts', source: '3', target: '2' }
    const moved = moveHistory({
      source,
      target,
      targetName: 'postgres://db/films',
      async moveFiles() {
        await target.transaction(async (tx) => {
          await tx.run('update attempts set charged_micros = charged_micros + 1 where id = $1', ['attempt 7'])
          await tx.run('delete from events where job_id = 9')
        })
        return [differing]
      },
    })
    await expect(moved).rejects.toThrow(
      /differ: attempts 440 rows.*events 440 rows, digest \w+ and 439 rows.*charged by attempts 176.000000 USD and 176.000001 USD; artifacts 3 and 2$/,
    )
    expect(await migrate(source, migrations)).toEqual([])
    await expect(migrate(target, migrations)).rejects.toMatchObject({ code: 'sealed' })
  })
})
