/** Keys and requests that are answered once, in both databases. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { KeptAnswer } from '../../src/access/idempotency.ts'
import { type AccessContext, identifyKey } from '../../src/access/keys.ts'
import { newMigratedPlace, type Place } from '../store/open-database.ts'
import { type HeldHarness, openHeldHarness } from '../harness/held-tasks.ts'

const answer = (text: string): KeptAnswer => ({
  status: 200,
  contentType: 'text/plain',
  location: null,
  body: new TextEncoder().encode(text),
})

const textOf = (answered: unknown): string =>
  typeof answered === 'object' && answered !== null && 'body' in answered
    ? new TextDecoder().decode(answered.body as Uint8Array)
    : String(answered)

describe('keys', () => {
  let place: Place
  let harness: HeldHarness
  beforeEach(async () => {
    place = await newMigratedPlace()
    harness = await openHeldHarness({ open: () => place.open() })
  })
  afterEach(async () => {
    await harness.close()
    await place.remove()
  })

  it('a key is known by its hash alone, from its making to its end', async () => {
    const { coordinator, clock, database } = harness
    expect(await coordinator.hasKey()).toBe(false)
    const made = await coordinator.createKey({ name: 'ops', scopes: ['admin', 'read'] })
    expect(await coordinator.identifyKey(made.secret)).toMatchObject({
      name: 'ops',
      scopes: ['read', 'admin'],
      lastUsedAt: null,
    })
    expect((await coordinator.keys())[0]).toMatchObject({ lastUsedAt: clock.now() })
    const row = await database.get('select * from keys')
    expect(JSON.stringify(row)).not.toContain(made.secret.slice(17))
    expect(row!['hash']).toHaveLength(32)

    const rotated = await coordinator.rotateKey(made.key.id, { grace_seconds: 60 })
    expect(rotated.key.previousUntil).toBe(clock.now() + 60_000)
    const isLetIn = async () =>
      Promise.all(
        [made, rotated].map(async ({ secret }) => (await coordinator.identifyKey(secret)) !== undefined),
      )
    expect(await isLetIn()).toEqual([true, true])
    clock.advance(60_000)
    expect(await isLetIn()).toEqual([false, true])
    expect(await coordinator.hasKey()).toBe(true)
    await coordinator.revokeKey(made.key.id)
    expect(await isLetIn()).toEqual([false, false])
    expect(await coordinator.hasKey()).toBe(false)
  })

  it('of many that want one name, one gets it', async () => {
    const wanted = Array.from({ length: 8 }, () =>
      harness.coordinator.createKey({ name: 'same', scopes: ['read'] }),
    )
    const outcomes = (await Promise.allSettled(wanted)).map(({ status }) => status)
    expect(outcomes.filter((status) => status === 'fulfilled').length).toBe(1)
    expect((await harness.coordinator.keys()).length).toBe(1)
  })

  it('a key is taken also where its use cannot be noted', async () => {
    const { secret } = await harness.coordinator.createKey({ name: 'ops', scopes: ['read'] })
    const full: AccessContext = {
      database: {
        dialect: harness.database.dialect,
        get: (...asked) => harness.database.get(...asked),
        all: (...asked) => harness.database.all(...asked),
        transaction: () => Promise.reject(new Error('full')),
        snapshot: (work) => harness.database.snapshot(work),
        close: () => Promise.resolve(),
      },
      host: harness.clock,
      log: { warn: () => undefined } as never,
    }
    expect(await identifyKey(full, secret)).toMatchObject({ name: 'ops' })
  })

  it('a request is worked on once, answered alike for a day, and forgotten', async () => {
    const { coordinator, clock } = harness
    const request = { principal: 'ops', target: 'POST /x', key: 'k', fingerprint: new Uint8Array([1]) }
    let runs = 0
    const ask = (
      given: Partial<typeof request> = {},
      outcome: KeptAnswer | undefined = answer(`${++runs}`),
    ) => coordinator.answerOnce({ ...request, ...given }, () => Promise.resolve(outcome))
    expect(await ask()).toBe('done')
    expect(textOf(await ask())).toBe('1')
    expect(await ask({ fingerprint: new Uint8Array([2]) })).toBe('other_request')
    expect(await ask({ principal: 'other' })).toBe('done')
    expect(await ask({ target: 'POST /y' })).toBe('done')
    clock.advance(24 * 60 * 60 * 1000 + 1)
    expect(await ask({ fingerprint: new Uint8Array([2]) })).toBe('done')
  })

  it('work that ends without an answer to keep, or throws, may be done again', async () => {
    const { coordinator } = harness
    const request = { principal: 'ops', target: 'POST /x', key: 'k', fingerprint: new Uint8Array([1]) }
    const ask = (run: () => Promise<KeptAnswer | undefined>) => coordinator.answerOnce(request, run)
    expect(await ask(() => Promise.resolve(undefined))).toBe('done')
    await expect(ask(() => Promise.reject(new Error('broken')))).rejects.toThrow('broken')
    expect(await ask(() => Promise.resolve(answer('well')))).toBe('done')
    expect(textOf(await ask(() => Promise.resolve(answer('again'))))).toBe('well')
  })
})
