/**
 * A request with an Idempotency-Key has its effect once and gets the same response for a day. Its row is inserted before
 * the work and stores the response after it. In between, the verb's own transaction stores the verb's result (`once`). So
 * a request that a crash left without a response goes through its route again: verbs that had their effect resolve to the
 * stored result, and the response is built from that.
 */
import { waitsForStorage } from '../disk-full.ts'
import { secretToldBefore } from '../job/errors.ts'
import type { Actor } from '../job/event.ts'
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
  setClaim,
  setRequestAnswer,
  takeRequest,
} from './idempotency-rows.ts'

export type { KeptAnswer } from './idempotency-rows.ts'

export interface IdempotentRequest extends RequestIdentity {
  /** SHA-256 of the request's content. */
  readonly fingerprint: Uint8Array
}

/**
 * Does the work of the request whose row is `id`. `hasEffect`: the effect exists, and only the response is missing.
 * Resolves to the response to replay; to undefined if the request may be retried.
 */
export type IdempotentWork = (
  id: number,
  before: { readonly hasEffect: boolean },
) => Promise<KeptAnswer | undefined>

/**
 * `running`: this process, or another node that is alive, is working on the same request. `other_request`: the key was used for another one. `too_many`:
 * the principal has reached the limit of stored requests.
 */
export type Answered = 'done' | 'running' | 'other_request' | 'too_many' | KeptAnswer

export interface Idempotent {
  answerOnce(request: IdempotentRequest, work: IdempotentWork): Promise<Answered>
}

/** Limit for each principal within `keptForMs`. */
export const mostKeptRequests = 20_000
/** Longer than any response but that of a job with many scenes, which is built again from the stored result. */
const mostKeptBytes = 128 << 10
/** For a response that could not be stored. */
const keepAgainMs = 1000
const keptForMs = 24 * 60 * 60 * 1000
/** More than one, so that old rows get fewer; few enough to keep a request fast. */
const forgottenAtOnce = 20

/** Converts a verb's result to JSON for storage, and back. */
export interface Kept<Result> {
  keep(result: Result): unknown
  again(tx: Transaction, kept: unknown): Promise<Result>
}

/** A small result that JSON can hold. */
export const whole = <Result>(): Kept<Result> => ({
  keep: (result) => result,
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the value that `keep` stored
  again: (_, kept) => Promise.resolve(kept as Result),
})

/** For secrets, which only the first response contains. */
export const keptSecret: Kept<never> = {
  keep: () => null,
  again: () => Promise.reject(secretToldBefore()),
}

/**
 * The stored result of this request; undefined if it had no effect yet. For a verb with checks outside its effect's
 * transaction: a repeated request must not fail a check that passed the first time.
 */
export async function doneBefore<Result>(
  database: Database,
  { request, part = '' }: Actor = {},
  { again }: Kept<Result>,
): Promise<Result | undefined> {
  const before = request === undefined ? undefined : await findEffect(database, request, part)
  return before && database.transaction((tx) => again(tx, before.kept))
}

/**
 * Runs a verb's effect in one transaction, at most once for each request. The same transaction stores the result, which a
 * repeated request gets. A refusal (thrown) has no effect and may be retried, so checks whose outcome may change belong
 * into `effect`.
 */
export const once = <Result>(
  database: Database,
  actor: Actor | undefined,
  { keep, again }: Kept<Result>,
  effect: (tx: Transaction) => Promise<Result>,
): Promise<Result> =>
  database.transaction(async (tx) => {
    const { request, part = '' } = actor ?? {}
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
  nodes,
}: {
  readonly database: Database
  readonly host: Host
  readonly log: Log
  /** Whose requests are in flight: of this process alone, or of several nodes, each of which claims its own. */
  readonly nodes: {
    readonly id: string
    readonly areShared: boolean
    isAlive(id: string): Promise<boolean>
  }
}): Idempotent {
  const claimedBy = nodes.areShared ? nodes.id : null
  /** Running requests of this process, with their fingerprints. */
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
      if (found) {
        const isTheirs = found.claimedBy !== null && found.claimedBy !== claimedBy
        if (found.answer !== null || isTheirs) return { ...found, isTheirs, hasEffect: false }
        if (found.claimedBy !== claimedBy) await setClaim(tx, found.id, claimedBy)
        return { ...found, isTheirs, hasEffect: await hasEffect(tx, found.id) }
      }
      if ((await countRequests(tx, identity.principal)) >= mostKeptRequests) return 'too_many' as const
      const id = await insertRequest(tx, identity, { fingerprint, insertedAt: now, claimedBy })
      return { id, isNew: true as const }
    })

  /** Never rejects: the effect stands even if its response cannot be stored. */
  const keep = async (name: string, id: number, answer: KeptAnswer | undefined): Promise<void> => {
    const kept = answer && answer.body.length <= mostKeptBytes ? answer : undefined
    const record = () =>
      database.transaction(async (tx) => {
        if (kept) await setRequestAnswer(tx, id, kept)
        else if ((await deleteUnanswered(tx, id)) === 0 && claimedBy !== null) await setClaim(tx, id, null)
      })
    await record().catch((error: unknown) => {
      logLine.answerNotKept(log, error)
      // Other nodes wait for the claim of a node that lives.
      if (claimedBy !== null) void keepLater(name, record)
    })
  }

  /** However long an outage takes: else this node's claim would keep the request from the others as long as it lives. */
  const keepLater = async (name: string, record: () => Promise<void>): Promise<void> => {
    for (;;) {
      await host.sleep(keepAgainMs)
      // The request was repeated here, and that run keeps its response.
      if (running.has(name)) return
      try {
        return await record()
      } catch (error) {
        if (!waitsForStorage(error)) return
      }
    }
  }

  const run = async (
    name: string,
    id: number,
    work: IdempotentWork,
    before: { readonly hasEffect: boolean },
  ): Promise<'done'> => {
    let answer: KeptAnswer | undefined
    try {
      answer = await work(id, before)
    } finally {
      await keep(name, id, answer)
    }
    return 'done'
  }

  const answer = async (
    name: string,
    request: IdempotentRequest,
    work: IdempotentWork,
  ): Promise<Answered> => {
    const begun = await begin(request)
    if (begun === 'too_many') return begun
    if ('isNew' in begun) return run(name, begun.id, work, { hasEffect: false })
    if (!isSame(begun.fingerprint, request.fingerprint)) return 'other_request'
    if (begun.answer) return begun.answer
    if (!begun.isTheirs) return run(name, begun.id, work, begun)
    if (await nodes.isAlive(begun.claimedBy!)) return 'running'
    const taken = await database.transaction(async (tx) => {
      const id = await takeRequest(tx, request, begun, nodes.id)
      return id === undefined ? undefined : { id, hasEffect: await hasEffect(tx, id) }
    })
    return taken ? run(name, taken.id, work, taken) : 'running'
  }

  return {
    async answerOnce(request, work) {
      const name = JSON.stringify([request.principal, request.target, request.key])
      const other = running.get(name)
      if (other) return isSame(other, request.fingerprint) ? 'running' : 'other_request'
      running.set(name, request.fingerprint)
      try {
        return await answer(name, request, work)
      } finally {
        running.delete(name)
      }
    },
  }
}

const isSame = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0
