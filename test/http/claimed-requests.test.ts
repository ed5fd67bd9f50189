/** Requests with an Idempotency-Key that reach several nodes. */
import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { type IdempotentRequest, createIdempotent } from '../../src/access/idempotency.ts'
import { DatabaseError } from '../../src/store/database.ts'
import { createClock } from '../clock.ts'
import { delegating } from '../harness/data.ts'
import { silentLog } from '../harness/harness.ts'
import { settle } from '../harness/settle.ts'
import { newMigratedPlace } from '../store/open-database.ts'

const request: IdempotentRequest = {
  principal: 'p',
  target: 'POST /jobs',
  key: 'film-1',
  fingerprint: createHash('sha256').update('a film').digest(),
}
const made = {
  status: 201,
  contentType: 'application/json',
  location: null,
  body: Buffer.from('{"job_id":1}'),
}

test('a response that could not be stored is stored when the database is back, for the other nodes', async () => {
  const place = await newMigratedPlace()
  try {
    const shared = await place.open()
    const clock = createClock()
    let isAway = false
    const nodeOf = (id: string) =>
      createIdempotent({
        database: {
          ...delegating(shared),
          transaction: (work) =>
            isAway
              ? Promise.reject(new DatabaseError('busy', 'the database is away'))
              : shared.transaction(work),
        },
        host: clock,
        log: silentLog,
        nodes: { id, areShared: true, isAlive: () => Promise.resolve(true) },
      })
    const [first, second] = [nodeOf('a'), nodeOf('b')]
    const unexpected = () => Promise.reject(new Error('it is done already'))
    const done = await first.answerOnce(request, () => {
      isAway = true
      return Promise.resolve(made)
    })
    expect(done).toBe('done')
    // An outage of two minutes.
    for (let seconds = 0; seconds < 120; seconds++) {
      clock.advance(1000)
      await settle()
    }
    isAway = false
    expect(await second.answerOnce(request, unexpected)).toBe('running')
    clock.advance(1000)
    await expect
      .poll(async () => {
        await settle()
        return second.answerOnce(request, unexpected)
      })
      .toMatchObject({ status: 201 })
  } finally {
    await place.remove()
  }
})
