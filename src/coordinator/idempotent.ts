/**
 * A request that carries a key of its client's own does its work once and is answered alike as often as it comes, for a
 * day. It is written down before the work and completed after it. One that a crash left without an answer is done again,
 * as its verb looks at the state it finds; but a job that it made is known by the job's own commit, and no other is made.
 */
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
  findRequest,
  insertRequest,
  setRequestAnswer,
  setRequestJob,
} from '../store/idempotency.ts'

export type { KeptAnswer } from '../store/idempotency.ts'

export interface IdempotentRequest extends RequestIdentity {
  /** SHA-256 of all that makes the request. */
  readonly fingerprint: Uint8Array
}

export interface IdempotentWork {
  /** Does what is asked, for the row `id`. Resolves to what to answer again; to undefined where it may be tried again. */
  run(id: number): Promise<KeptAnswer | undefined>
  /** The answer to a request that has made this job, and whose process died before it could say so. */
  answerOfJob(jobId: number): Promise<KeptAnswer>
}

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
/** Longer than any answer but that of a job of many scenes, which is made anew from the job. */
const mostKeptBytes = 128 << 10
const keptForMs = 24 * 60 * 60 * 1000
/** More than come in with one request, so that old ones get fewer; not so many that a request is slow. */
const forgottenAtOnce = 20

/** To be called in the transaction that inserts the job: `requestId` is `Asked.request`. */
export const rememberJob = async (
  tx: Transaction,
  requestId: number | undefined,
  jobId: number,
): Promise<void> => {
  if (requestId !== undefined) await setRequestJob(tx, requestId, jobId)
}

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
      if (found) return found
      if ((await countRequests(tx, identity.principal)) >= mostKeptRequests) return 'too_many' as const
      return { id: await insertRequest(tx, identity, fingerprint, now), isNew: true as const }
    })

  /** What was done stays done, whether or not its answer can be kept. */
  const keep = async (id: number, answer: KeptAnswer | undefined): Promise<void> => {
    const kept = answer && answer.body.length <= mostKeptBytes ? answer : undefined
    await database
      .transaction((tx) => (kept ? setRequestAnswer(tx, id, kept) : deleteUnanswered(tx, id)))
      .catch((error: unknown) => logLine.answerNotKept(log, error))
  }

  const run = async (id: number, work: IdempotentWork): Promise<'done'> => {
    let answer: KeptAnswer | undefined
    try {
      answer = await work.run(id)
    } finally {
      await keep(id, answer)
    }
    return 'done'
  }

  const answer = async (request: IdempotentRequest, work: IdempotentWork): Promise<Answered> => {
    const begun = await begin(request)
    if (begun === 'too_many') return begun
    if ('isNew' in begun) return run(begun.id, work)
    if (!isSame(begun.fingerprint, request.fingerprint)) return 'other_request'
    if (begun.answer) return begun.answer
    if (begun.jobId === null) return run(begun.id, work)
    const rebuilt = await work.answerOfJob(begun.jobId)
    await keep(begun.id, rebuilt)
    return rebuilt
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
