/**
 * A request that carries a key of its client's own has its effect once and is answered alike as often as it comes, for a
 * day. Its row is inserted before the work and gets the answer after it. Between them a verb's own transaction keeps what
 * the verb came to (`once`). So a request that a crash left without an answer is simply sent through its route again:
 * verbs that have had their effect resolve to what was kept, and the answer is made from that.
 */
import { secretToldBefore } from '../job/errors.ts'
import type { Asked } from '../job/event.ts'
import type { Host } from '../host.ts'
import { type Log, logLine } from '../log.ts'
import type { Database, Transaction } from '../store/database.ts'
import {
  type KeptAnswer,
  type RequestIdentity,
  countRequests,
  deleteRequest,
  deleteRequestsBefore,
  deleteUnanswered,
  findEffect,
  findRequest,
  hasEffect,
  insertEffect,
  insertRequest,
  setRequestAnswer,
} from './idempotency-rows.ts'

export type { KeptAnswer } from './idempotency-rows.ts'

export interface IdempotentRequest extends RequestIdentity {
  /** SHA-256 of all that makes the request. */
  readonly fingerprint: Uint8Array
}

/**
 * Does the work of the request whose row is `id`. `hasEffect`: it had its effect before, and lacks its answer alone.
 * Resolves to what to answer again; to undefined where it may be tried again.
 */
export type IdempotentWork = (
  id: number,
  before: { readonly hasEffect: boolean },
) => Promise<KeptAnswer | undefined>

/**
 * `running`: the same request is being worked on in this process. `other_request`: the key was used for another. `too_many`:
 * as many of this principal's are kept as may be.
 */
export type Answered = 'done' | 'running' | 'other_request' | 'too_many' | KeptAnswer

export interface Idempotent {
  answerOnce(request: IdempotentRequest, work: IdempotentWork): Promise<Answered>
}

/** For each principal, in `keptForMs`. */
export const mostKeptRequests = 20_000
/** Longer than any answer but that of a job of many scenes, which is made anew from what was kept. */
const mostKeptBytes = 128 << 10
const keptForMs = 24 * 60 * 60 * 1000
/** More than come in with one request, so that old ones get fewer; not so many that a request is slow. */
const forgottenAtOnce = 20

/** What is kept of a verb's result, as JSON, and how it becomes the result again. */
export interface Kept<Result> {
  keep(result: Result): unknown
  again(tx: Transaction, kept: unknown): Promise<Result>
}

/** A small result that JSON can hold. */
export const whole = <Result>(): Kept<Result> => ({
  keep: (result) => result,
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as it was kept
  again: (_, kept) => Promise.resolve(kept as Result),
})

/** It is told by the first answer alone. */
export const keptSecret: Kept<never> = {
  keep: () => null,
  again: () => Promise.reject(secretToldBefore()),
}

/**
 * What this request came to before; undefined where it has had no effect yet. For a verb that can't check everything
 * within its effect's transaction: what it would refuse by now may have been done.
 */
export async function doneBefore<Result>(
  database: Database,
  { request, part = '' }: Asked = {},
  { again }: Kept<Result>,
): Promise<Result | undefined> {
  const before = request === undefined ? undefined : await findEffect(database, request, part)
  return before && database.transaction((tx) => again(tx, before.kept))
}

/**
 * Runs a verb's effect in one transaction, at most once for each request: the same transaction keeps what it came to, and
 * the same request gets that. What is refused (thrown) has no effect and may be tried again. So whatever may be otherwise
 * the next time is checked in `effect`.
 */
export const once = <Result>(
  database: Database,
  asked: Asked | undefined,
  { keep, again }: Kept<Result>,
  effect: (tx: Transaction) => Promise<Result>,
): Promise<Result> =>
  database.transaction(async (tx) => {
    const { request, part = '' } = asked ?? {}
    if (request === undefined) return effect(tx)
    const before = await findEffect(tx, request, part)
    if (before) return again(tx, before.kept)
    const result = await effect(tx)
    await insertEffect(tx, request, part, keep(result))
    return result
  })

export function createIdempotent({
  database,
  host,
  log,
}: {
  readonly database: Database
  readonly host: Host
  readonly log: Log
}): Idempotent {
  /** What runs in this process, with its fingerprint. */
  const running = new Map<string, Uint8Array>()

  const begin = ({ fingerprint, ...identity }: IdempotentRequest) =>
    database.transaction(async (tx) => {
      const now = host.now()
      await deleteRequestsBefore(tx, now - keptForMs, forgottenAtOnce)
      let found = await findRequest(tx, identity)
      if (found && found.insertedAt < now - keptForMs) {
        await deleteRequest(tx, found.id)
        found = undefined
      }
      if (found) return { ...found, hasEffect: found.answer === null && (await hasEffect(tx, found.id)) }
      if ((await countRequests(tx, identity.principal)) >= mostKeptRequests) return 'too_many' as const
      return { id: await insertRequest(tx, identity, fingerprint, now), isNew: true as const }
    })

  /** What was done stays done, whether or not its answer can be kept. */
  const keep = async (id: number, answer: KeptAnswer | undefined): Promise<void> => {
    const kept = answer && answer.body.length <= mostKeptBytes ? answer : undefined
    await database
      .transaction(async (tx) => {
        if (kept) await setRequestAnswer(tx, id, kept)
        else await deleteUnanswered(tx, id)
      })
      .catch((error: unknown) => logLine.answerNotKept(log, error))
  }

  const run = async (
    id: number,
    work: IdempotentWork,
    before: { readonly hasEffect: boolean },
  ): Promise<'done'> => {
    let answer: KeptAnswer | undefined
    try {
      answer = await work(id, before)
    } finally {
      await keep(id, answer)
    }
    return 'done'
  }

  const answer = async (request: IdempotentRequest, work: IdempotentWork): Promise<Answered> => {
    const begun = await begin(request)
    if (begun === 'too_many') return begun
    if ('isNew' in begun) return run(begun.id, work, { hasEffect: false })
    if (!isSame(begun.fingerprint, request.fingerprint)) return 'other_request'
    return begun.answer ?? run(begun.id, work, begun)
  }

  return {
    async answerOnce(request, work) {
      const name = JSON.stringify([request.principal, request.target, request.key])
      const other = running.get(name)
      if (other) return isSame(other, request.fingerprint) ? 'running' : 'other_request'
      running.set(name, request.fingerprint)
      try {
        return await answer(request, work)
      } finally {
        running.delete(name)
      }
    },
  }
}

const isSame = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0
