import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { latestMoment, ownTimes, putBack, setSeen } from '../../src/store/clock.ts'
import type { Database } from '../../src/store/database.ts'
import { onSqlite } from '../database-kind.ts'
import { newMigratedPlace, type Place } from './open-database.ts'

/** Numbers of events, and the row that this is about. */
const givenTimes = ['jobs.run_at', 'jobs.deadline_at', 'keys.expires_at']

// A stray's says on which day it was booked.
const others = ['removed_events.until', 'clock.seen_at', 'strays.inserted_at']

describe('the times in the tables', () => {
  let place: Place
  let database: Database
  beforeEach(async () => {
    place = await newMigratedPlace()
    database = await place.open()
  })
  afterEach(async () => {
    await database.close()
    await place.remove()
  })

  const columns = async (): Promise<readonly string[]> => {
    const rows = await database.all(
      onSqlite
        ? `select m.name as "table", c.name as "column" from sqlite_master m, pragma_table_info(m.name) c
           where m.type = 'table' and c.type = 'INTEGER' or m.type = 'table' and c.type = 'integer'`
        : `select table_name as "table", column_name as "column" from information_schema.columns
           join information_schema.tables using (table_schema, table_name)
           where table_schema = current_schema() and table_type = 'BASE TABLE' and data_type = 'bigint'`,
    )
    return rows.map(({ table, column }) => `${String(table)}.${String(column)}`)
  }
  const named = (times: Readonly<Record<string, readonly string[]>>): string[] =>
    Object.entries(times).flatMap(([table, names]) => names.map((name) => `${table}.${name}`))

  it('are each known for one that this program writes, or one that a user gives', async () => {
    const times = (await columns()).filter((name) => /(?:_at|_since|\.until|\.at|_until|_before)$/.test(name))
    const known = [...named(ownTimes), ...givenTimes, ...others]
    expect(times.toSorted()).toEqual(known.toSorted())
  })

  it('are as far from a clock that was put back as they were from the one before', async () => {
    const now = Date.UTC(2026, 0, 1)
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: -1e9, max: 1e9 }), { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 1000, max: 1e10 }),
        async (offsets, byMs) => {
          await database.transaction(async (tx) => {
            await tx.run('delete from tasks')
            for (const [index, offset] of offsets.entries())
              await tx.run(
                `insert into tasks (kind, subject, job_id, run_at, tries) values ('stitch-film', $1, 1, $2, 0)`,
                [String(index), now + offset],
              )
            await putBack(tx, now - byMs, byMs)
          })
          const rows = await database.all('select subject, run_at from tasks')
          for (const { subject, run_at } of rows) {
            const before = now + offsets[Number(subject)]!
            const after = Number(run_at)
            // What had passed by both clocks stays; everything else is as far away as it was.
            if (before <= now - byMs) expect(after).toBe(before)
            else expect(after - (now - byMs)).toBe(before - now)
          }
        },
      ),
      { seed: 5, numRuns: 50 },
    )
  })

  it('tell the latest moment that is known of', async () => {
    expect(await latestMoment(database)).toBe(0)
    await database.transaction((tx) => setSeen(tx, 5))
    expect(await latestMoment(database)).toBe(5)
    await database.transaction((tx) =>
      tx.run(
        `insert into events (topic, type, job_id, data, inserted_at) values ('jobs:created', 'job_created', 1, '{}', 9)`,
      ),
    )
    expect(await latestMoment(database)).toBe(9)
    await database.transaction((tx) => putBack(tx, 4, 5))
    expect(await database.get('select inserted_at from events')).toEqual({ inserted_at: 4 })
  })
})
