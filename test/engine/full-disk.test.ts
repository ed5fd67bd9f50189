import { setImmediate } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { createEmbeddedEngine } from '../../src/engine/embedded.ts'
import { createLog } from '../../src/log.ts'
import { type Database, DatabaseError } from '../../src/store/database.ts'
import { migrate } from '../../src/store/migrate.ts'
import { migrations } from '../../src/store/migrations/all.ts'
import { createClock } from '../clock.ts'
import { newPlace } from '../store/open-database.ts'

it('an engine whose database has no room begins nothing for a while, and then does all there is', async () => {
  const place = await newPlace('sqlite')
  const database = await place.open()
  await migrate(database, migrations)
  const clock = createClock()
  let isFull = false
  const full = new DatabaseError('disk_full', 'database or disk is full')
  const filling: Database = {
    dialect: database.dialect,
    all: (...asked) => database.all(...asked),
    get: (...asked) => database.get(...asked),
    transaction: (work) => (isFull ? Promise.reject(full) : database.transaction(work)),
    snapshot: (work) => database.snapshot(work),
    close: () => database.close(),
  }
  const lines: string[] = []
  const log = createLog({ level: 'warn', destination: { write: (line) => lines.push(line) } })
  const engine = createEmbeddedEngine({ database: filling, host: clock, log, maxTries: 2 })
  let runs = 0
  const handler = (): Promise<void> => {
    runs++
    return isFull ? Promise.reject(full) : Promise.resolve()
  }
  // One place and several tasks: each that ends makes place for the next.
  const fail = (): never => expect.unreachable('a full disk is nobody’s failure')
  engine.handle('stitch-film', { concurrency: 1, onExhausted: fail }, handler)
  await filling.transaction(async (tx) => {
    for (const subject of ['1', '2', '3'])
      await engine.enqueue(tx, { kind: 'stitch-film', subject, jobId: 1 })
  })

  isFull = true
  await engine.start()
  for (let seconds = 1; seconds <= 60; seconds++) {
    for (let turn = 0; turn < 50; turn++) await setImmediate()
    clock.advance(1000)
  }
  expect(runs).toBeGreaterThan(15)
  expect(runs).toBeLessThan(25)
  expect(lines).toHaveLength(runs)
  expect(lines[0]).toContain('No room left on the disk: a stitch-film task of job 1 waits')

  isFull = false
  while ((await database.all('select * from tasks')).length > 0) {
    await setImmediate()
    clock.advance(100)
  }
  await engine.stop({ graceMs: 0 })
  await database.close()
  await place.remove()
})
