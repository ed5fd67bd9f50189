import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemHost, type Host } from '../../src/host.ts'
import type { Database, SqlValue, Transaction } from '../../src/store/database.ts'
import { migrate } from '../../src/store/migrate.ts'
import { kinds, newPlace, type Place } from './open-database.ts'

const tables = [
  {
    id: 1,
    name: 'things',
    statements: [
      `create table things (id {{identity}}, name text, amount {{integer}} not null default 0,
        weight {{real}}, content {{bytes}}, constraint amount_is_not_negative check (amount >= 0))`,
      'create unique index things_by_name on things (name)',
      'create table parts (id {{identity}}, thing_id {{integer}} not null references things (id))',
    ],
  },
]

const add = 'insert into things (name, amount) values ($1, $2)'
const names = async (reader: Pick<Database, 'all'>): Promise<SqlValue[]> =>
  (await reader.all('select name from things order by id')).map((row) => row['name'] ?? null)

describe.each(kinds)('the database on %s', (kind) => {
  let place: Place
  let database: Database
  const clock = createClock()
  const effectErrors: unknown[] = []

  beforeEach(async () => {
    place = await newPlace(kind)
    database = await place.open({ host: clock.host, onEffectError: (error) => effectErrors.push(error) })
    await migrate(database, tables)
    effectErrors.length = 0
  })

  afterEach(async () => {
    await database.close()
    await place.remove()
  })

  const amountOf = async (name: string): Promise<SqlValue | undefined> =>
    (await database.get('select amount from things where name = $1', [name]))?.['amount']

  it('shows what a transaction wrote as soon as it resolves, also to another connection', async () => {
    const id = await database.transaction(async (tx) => {
      const row = await tx.get('insert into things (name) values ($1) returning id', ['a'])
      expect(await tx.run('update things set amount = $2 where id = $1', [row?.['id'] ?? null, 7])).toBe(1)
      return row?.['id']
    })
    expect(await database.get('select id, amount from things')).toEqual({ id, amount: 7 })
    await database.close()
    database = await place.open()
    expect(await database.get('select id, amount from things')).toEqual({ id, amount: 7 })
  })

  it('gives nothing, or no rows, where there is nothing', async () => {
    expect(await database.get('select id from things')).toBeUndefined()
    expect(await database.all('select id from things')).toEqual([])
    expect(await database.transaction((tx) => tx.run('delete from things'))).toBe(0)
  })

  it('rolls back a work that throws and passes its error on, without taking others along', async () => {
    const error = new Error('no')
    const outcomes = await Promise.allSettled(
      Array.from({ length: 30 }, (_, index) =>
        database.transaction(async (tx) => {
          await tx.run(add, [`thing ${index}`, 0])
          if (index % 3 === 1) throw error
        }),
      ),
    )
    const failed = outcomes.filter((outcome) => outcome.status === 'rejected')
    expect(failed.filter((outcome) => outcome.reason === error)).toHaveLength(10)
    expect(await names(database)).toHaveLength(20)
  })

  it('counts 1,000 raised at once, each reading before it writes', async () => {
    await database.transaction((tx) => tx.run(add, ['counter', 0]))
    await Promise.all(
      Array.from({ length: 1000 }, () =>
        database.transaction(async (tx) => {
          const row = await tx.get('select amount from things where name = $1', ['counter'])
          const amount = Number(row?.['amount'])
          await tx.run('update things set amount = $1 where name = $2', [amount + 1, 'counter'])
        }),
      ),
    )
    expect(await amountOf('counter')).toBe(1000)
  }, 30_000)

  it('keeps a cap that each transaction checks by counting rows', async () => {
    const admitted = await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        database.transaction(async (tx) => {
          const row = await tx.get('select count(*) as count from things')
          if (Number(row?.['count']) >= 4) return false
          await tx.run(add, [`thing ${index}`, 0])
          return true
        }),
      ),
    )
    expect(admitted.filter(Boolean)).toHaveLength(4)
    expect(await names(database)).toHaveLength(4)
  })

  it('shows no rows of a transaction that is not committed', async () => {
    const written = Promise.withResolvers<void>()
    const looked = Promise.withResolvers<void>()
    const writing = database.transaction(async (tx) => {
      await tx.run(add, ['a', 0])
      expect(await names(tx)).toEqual(['a'])
      written.resolve()
      await looked.promise
    })
    await written.promise
    expect(await names(database)).toEqual([])
    looked.resolve()
    await writing
    expect(await names(database)).toEqual(['a'])
  })

  it('reads one moment in a snapshot, whatever is committed meanwhile', async () => {
    await database.transaction((tx) => tx.run(add, ['a', 0]))
    const begun = Promise.withResolvers<void>()
    const written = begun.promise.then(() => database.transaction((tx) => tx.run(add, ['b', 0])))
    const [first, second] = await database.snapshot(async (reader) => {
      const before = await names(reader)
      begun.resolve()
      // No work may await others: this one stands for their commit at the worst moment.
      await written
      return [before, await names(reader)]
    })
    expect(second).toEqual(first)
    expect(await names(database)).toEqual(['a', 'b'])
  })

  it('calls the effects in order, when their rows can be seen, before it resolves', async () => {
    const calls: string[] = []
    let seen: Promise<SqlValue[]> | undefined
    await database.transaction(async (tx) => {
      tx.afterCommit(() => calls.push('first'))
      await tx.run(add, ['a', 0])
      tx.afterCommit(() => {
        calls.push('second')
        seen = names(database)
      })
      expect(calls).toEqual([])
    })
    expect(calls).toEqual(['first', 'second'])
    expect(await seen).toEqual(['a'])
  })

  it('has as many effects as its rows need', async () => {
    let calls = 0
    await database.transaction(async (tx) => {
      await tx.run(add, ['many', 0])
      for (let count = 0; count < 200_000; count++) tx.afterCommit(() => calls++)
    })
    expect(calls).toBe(200_000)
  })

  it('calls no effect of a transaction that is rolled back', async () => {
    const calls: string[] = []
    const failing = database.transaction(async (tx) => {
      tx.afterCommit(() => calls.push('called'))
      await tx.run('insert into parts (thing_id) values ($1)', [99])
    })
    await expect(failing).rejects.toThrow()
    expect(calls).toEqual([])
  })

  it('reports an effect that throws, and calls the others', async () => {
    const calls: string[] = []
    const error = new Error('no')
    await database.transaction(async (tx) => {
      tx.afterCommit(() => {
        throw error
      })
      tx.afterCommit(() => calls.push('second'))
      await tx.run(add, ['a', 0])
    })
    expect(calls).toEqual(['second'])
    expect(effectErrors).toEqual([error])
    expect(await names(database)).toEqual(['a'])
  })

  it('lets an effect start another transaction', async () => {
    let following: Promise<unknown> | undefined
    await database.transaction(async (tx) => {
      tx.afterCommit(() => (following = database.transaction((next) => next.run(add, ['b', 0]))))
      await tx.run(add, ['a', 0])
    })
    await following
    expect(await names(database)).toEqual(['a', 'b'])
  })

  it.each([
    ['unique', add, ['a', 1], /things.name|things_by_name/],
    ['check', add, ['b', -1], /amount_is_not_negative/],
    ['not null', 'insert into parts (thing_id) values ($1)', [null], /thing_id/],
    ['foreign key', 'insert into parts (thing_id) values ($1)', [99], /foreign key/i],
  ] as const)('refuses what breaks a constraint (%s) as a conflict', async (_, sql, params, message) => {
    await database.transaction((tx) => tx.run(add, ['a', 0]))
    const outcomes = await Promise.allSettled([
      database.transaction((tx) => tx.run(sql, params)),
      database.transaction((tx) => tx.run(add, ['fine', 0])),
    ])
    expect(outcomes[0]).toMatchObject({ reason: { name: 'DatabaseError', code: 'conflict' } })
    expect(outcomes[0]).toHaveProperty('reason.message', expect.stringMatching(message))
    expect(await names(database)).toEqual(['a', 'fine'])
  })

  it('appends rows that the next statement of the transaction sees, with ids that rise', async () => {
    const append = 'insert into things (name, amount) values ($1, $2)'
    const [first, second] = await database.transaction(async (tx) => {
      const ids = [await tx.append(append, ['a', 0]), await tx.append(append, ['b', 0])]
      expect(await names(tx)).toEqual(['a', 'b'])
      return ids
    })
    expect(second).toBeGreaterThan(first!)
    expect(await database.get('select name from things where id = $1', [second!])).toEqual({ name: 'b' })
  })

  it('fails the transaction of a statement that failed, even where the work goes on', async () => {
    const going = database.transaction(async (tx) => {
      await tx.run(add, ['a', 0])
      await tx.run(add, ['a', 0]).catch(() => {})
      return 'fine'
    })
    await expect(going).rejects.toMatchObject({ code: 'conflict' })
    expect(await names(database)).toEqual([])
  })

  it('names the statement that makes no sense', async () => {
    const failing = database.transaction((tx) => tx.run('insert into nothing (a) values ($1)', [1]))
    await expect(failing).rejects.toMatchObject({
      code: 'failed',
      message: expect.stringContaining('nothing'),
    })
    await expect(database.get('select nothing from things')).rejects.toMatchObject({ code: 'failed' })
    await expect(database.get('select id from things where id = $1', [])).rejects.toMatchObject({
      code: 'failed',
    })
  })

  it.each([
    ['an emoji', 'name', 'fin 🎬 "quoted" \'single\' \\ \n\t\u0001'],
    ['empty text', 'name', ''],
    ['text of digits', 'name', '007'],
    ['the largest integer', 'amount', Number.MAX_SAFE_INTEGER],
    ['a fraction', 'weight', 0.1],
    ['a whole number in a real column', 'weight', -5],
    ['a tiny number', 'weight', 5e-324],
    ['a huge number', 'weight', 1.5e15],
    ['null', 'name', null],
    ['bytes', 'content', new Uint8Array([0, 1, 2, 254, 255])],
    ['no bytes', 'content', new Uint8Array()],
    ['a part of a buffer', 'content', new Uint8Array(new Uint8Array([9, 8, 7, 6]).buffer, 1, 2)],
  ] as const)('gives back %s as it was given', async (_, column, value) => {
    const written = await database.transaction((tx) =>
      tx.get(`insert into things (${column}) values ($1) returning ${column} as value`, [value]),
    )
    expect(written).toEqual({ value })
    expect(await database.get(`select ${column} as value from things`)).toEqual({ value })
  })

  it('replaces half a surrogate pair', async () => {
    await database.transaction((tx) => tx.run(add, ['a\ud800b', 0]))
    expect(await names(database)).toEqual(['a\ufffdb'])
  })

  it.each([
    ['U+0000', 'a\0b', 'U+0000'],
    ['undefined', undefined, 'undefined'],
    ['a boolean', true, 'boolean'],
    ['a bigint', 1n, 'bigint'],
    ['a date', new Date(0), 'object'],
    ['NaN', Number.NaN, 'NaN'],
    ['infinity', Number.POSITIVE_INFINITY, 'Infinity'],
    ['an inexact integer', 2 ** 53, '2^53-1'],
  ])('refuses %s, naming the placeholder', async (_, value, reason) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what a caller without types may give
    const params = ['a', value] as SqlValue[]
    const failing = database.transaction((tx) =>
      tx.run('insert into things (name, content) values ($1, $2)', params),
    )
    await expect(failing).rejects.toMatchObject({ code: 'failed', message: expect.stringContaining('$2') })
    await expect(failing).rejects.toThrow(reason)
    expect(await names(database)).toEqual([])
  })

  it('counts, sums, averages and compares to numbers', async () => {
    await database.transaction(async (tx) => {
      await tx.run(add, ['a', 1])
      await tx.run(add, ['b', 4])
    })
    const row = await database.get(
      `select count(*) as count, sum(amount) as sum, avg(amount) as average, max(amount) as max,
        exists (select 1 from things where amount > $1) as any_more, sum(weight) as weight from things`,
      [4],
    )
    expect(row).toEqual({ count: 2, sum: 5, average: 2.5, max: 4, any_more: 0, weight: null })
  })

  it('takes placeholders in any order and several times, and none in text or comments', async () => {
    await database.transaction(async (tx) => {
      await tx.run(`insert into things (amount, name) values ($2, 'costs $1' || $1) -- $3`, ['a', 3])
      await tx.run('update things set amount = amount + $1 where amount = $2 or amount < $1', [2, 3])
    })
    expect(await database.get('select name, amount from things')).toEqual({ name: 'costs $1a', amount: 5 })
  })

  it('binds whole numbers as integers', async () => {
    const row = await database.get('select cast(cast($1 as bigint) as text) as text', [5])
    expect(row).toEqual({ text: '5' })
  })

  it('takes statements that are started together', async () => {
    const counts = await database.transaction((tx) =>
      Promise.all([
        tx.run(add, ['a', 0]),
        tx.run(add, ['b', 0]),
        tx.get('select count(*) as count from things'),
      ]),
    )
    expect(counts).toEqual([1, 1, { count: 2 }])
  })

  it('rolls back a work that stands still, with a clear error, and goes on with the others', async () => {
    const started = Promise.withResolvers<void>()
    const stuck = database.transaction(async (tx) => {
      await tx.run(add, ['stuck', 0])
      started.resolve()
      await new Promise(() => {})
    })
    const other = database.transaction((tx) => tx.run(add, ['other', 0]))
    const outcome = expect(stuck).rejects.toMatchObject({
      code: 'failed',
      message: expect.stringContaining('ran no statement for 10000 ms'),
    })
    await started.promise
    await clock.advance(9_999)
    await clock.advance(1)
    await outcome
    await other
    expect(await names(database)).toEqual(['other'])
  })

  it('keeps what was written beside a work that stands still, and does not wait for it again', async () => {
    const started = Promise.withResolvers<void>()
    const before = database.transaction((tx) => tx.run(add, ['before', 0]))
    const stuck = database.transaction(async (tx) => {
      await tx.run(add, ['stuck', 0])
      started.resolve()
      await new Promise(() => {})
    })
    const outcome = expect(stuck).rejects.toMatchObject({ code: 'failed' })
    const after = database.transaction((tx) => tx.run(add, ['after', 0]))
    await started.promise
    await clock.advance(9_999)
    await clock.advance(1)
    await outcome
    await Promise.all([before, after])
    expect(new Set(await names(database))).toEqual(new Set(['before', 'after']))
  })

  it('refuses a statement after the end of its transaction', async () => {
    let kept: Transaction | undefined
    await database.transaction(async (tx) => {
      kept = tx
      await tx.run(add, ['a', 0])
    })
    await expect(kept?.run(add, ['b', 0])).rejects.toMatchObject({ code: 'failed' })
    expect(await names(database)).toEqual(['a'])
  })

  it('refuses to be used around the transaction inside a work', async () => {
    const refusal = /inside a transaction's work/
    const nested = database.transaction(() => database.transaction((tx) => tx.run(add, ['a', 0])))
    await expect(nested).rejects.toThrow(refusal)
    await expect(database.transaction(() => names(database))).rejects.toThrow(refusal)
    await expect(database.transaction(() => database.get('select 1'))).rejects.toThrow(refusal)
    expect(await names(database)).toEqual([])
  })

  it('finishes what was asked before it closes, and refuses what is asked after', async () => {
    const writing = Array.from({ length: 300 }, (_, index) =>
      database.transaction((tx) => tx.run(add, [`thing ${index}`, 0])),
    )
    const closing = database.close()
    const late: Promise<unknown>[] = [
      database.transaction((tx) => tx.run(add, ['late', 0])),
      database.get('select 1'),
    ]
    for (const call of late) await expect(call).rejects.toMatchObject({ code: 'closed' })
    await closing
    await Promise.all(writing)
    await database.close()
    database = await place.open()
    expect(await names(database)).toHaveLength(300)
  })
})

/** The system's, with a clock that the test moves. */
function createClock(): { host: Host; advance(ms: number): Promise<void> } {
  let nowMs = 0
  const sleepers = new Set<{ until: number; wake: () => void }>()
  return {
    host: {
      ...systemHost,
      monotonic: () => nowMs,
      sleep: (ms, signal) =>
        new Promise((resolve) => {
          if (signal?.aborted) return resolve()
          const sleeper = { until: nowMs + ms, wake: resolve }
          // A sleep without a signal is a pause before another try: the server decides how long, not we.
          if (!signal) return setImmediate(resolve)
          sleepers.add(sleeper)
          signal.addEventListener('abort', () => {
            sleepers.delete(sleeper)
            resolve()
          })
        }),
    },
    advance: async (ms) => {
      nowMs += ms
      for (const sleeper of sleepers) {
        if (sleeper.until > nowMs) continue
        sleepers.delete(sleeper)
        sleeper.wake()
      }
      await new Promise((resolve) => setImmediate(resolve))
    },
  }
}
