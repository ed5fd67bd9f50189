/** A job is read once for everything that an answer shows: from one snapshot, in few statements. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Database, Reader } from '../../src/store/database.ts'
import { recordTiming } from '../../src/store/timings.ts'
import { type Place, newMigratedPlace } from '../store/open-database.ts'
import { type HeldHarness, openHeldHarness } from '../harness/held-tasks.ts'
import { settle } from '../harness/settle.ts'

let place: Place
let harness: HeldHarness
/** The statements that were read outside a snapshot, and inside one. */
const statements = { outside: 0, inside: 0 }

const countingReader = (reader: Reader, where: keyof typeof statements): Reader => ({
  get: (...query) => {
    statements[where]++
    return reader.get(...query)
  },
  all: (...query) => {
    statements[where]++
    return reader.all(...query)
  },
})

const counting = (database: Database): Database => ({
  ...countingReader(database, 'outside'),
  dialect: database.dialect,
  transaction: (work) => database.transaction(work),
  snapshot: (work) => database.snapshot((reader) => work(countingReader(reader, 'inside'))),
  close: () => database.close(),
})

beforeEach(async () => {
  place = await newMigratedPlace()
  harness = await openHeldHarness({ open: async () => counting(await place.open()), slots: 2 })
  await harness.database.transaction(async (tx) => {
    await recordTiming(tx, { model: 'local', stage: 'render', ms: 10_000, units: 100_000 }, 0)
    await recordTiming(tx, { model: '', stage: 'stitch', ms: 2000, units: 100_000 }, 0)
  })
  await harness.coordinator.start()
})
afterEach(async () => {
  await harness.close()
  await place.remove()
})

const read = async (jobId: number): Promise<number> => {
  // Loops read outside a snapshot.
  await settle()
  statements.inside = statements.outside = 0
  await harness.coordinator.viewWithEta(jobId)
  expect(statements.outside).toBe(0)
  return statements.inside
}

it('takes a number of statements that does not grow with its scenes', async () => {
  const small = await harness.job(2, { force: false })
  const large = await harness.job(8, { force: false, video_name: 'another' })
  const ended = await harness.job(8)
  await harness.coordinator.cancelJob(ended.id)
  expect([await read(small.id), await read(large.id), await read(ended.id)]).toEqual([11, 11, 8])
  await harness.coordinator.approveJob(small.id)
  const task = await harness.next('render-scene')
  await harness.coordinator.beginAttempt(task.subject)
  await harness.coordinator.approveJob(large.id)
  expect([await read(small.id), await read(large.id)]).toEqual([11, 14])
})
