/** Reconciliation: every render at a provider with our mark has an attempt, or the log warns of an orphan. */
import { type Attempt, type RenderEnd, isCharged } from '../../job/attempt.ts'
import { logLine } from '../../log.ts'
import {
  accountsInFlight,
  findAttempt,
  findAttemptOfRender,
  isHinted,
  listUnmatched,
  setHinted,
} from '../../store/attempts.ts'
import type { Reader, Transaction } from '../../store/database.ts'
import { findOrphan, forgetWebhooks, putOrphan } from '../../store/provider.ts'
import { dayOf } from '../../job/price.ts'
import { book } from '../admission/budget-snapshot.ts'
import type { Context } from '../context.ts'

/** A render as a provider lists it. */
export interface ListedRender {
  readonly id: string
  readonly state: RenderEnd | 'running'
  /** The mark that `marksAt` found in its input; null if none. */
  readonly mark: string | null
}

/** The text that marks an attempt's render at the provider: the installation and the attempt. */
export const markOf = (installationId: string, attemptId: string): string =>
  `wc-${installationId}-${attemptId}`

/** Renders compared in one transaction, which blocks other writes. */
const comparedAtOnce = 200

/** Providers keep a request's input for an hour; an older attempt cannot be recognised by it. */
const lookBackMs = 2 * 3_600_000

/** Longer than a webhook's signature is valid. */
const forgetWebhooksMs = 24 * 3_600_000

/** The start of every mark of this installation. */
const ownPrefix = ({ installationId }: Context): string => markOf(installationId, '')

const unmatchedAt = (context: Context, reader: Reader, renderer: string): Promise<readonly Attempt[]> =>
  listUnmatched(reader, renderer, context.host.now() - lookBackMs)

/** The attempt that a mark identifies: by its id in our own mark, or because only this attempt sent this text. */
const named = async (
  context: Context,
  tx: Transaction,
  renderer: string,
  mark: string,
): Promise<Attempt | undefined> =>
  mark.startsWith(ownPrefix(context))
    ? findAttempt(tx, mark.slice(ownPrefix(context).length))
    : (await unmatchedAt(context, tx, renderer)).find(({ marks }) => marks.includes(mark))

async function account(
  context: Context,
  tx: Transaction,
  renderer: string,
  render: ListedRender,
): Promise<boolean> {
  const { signal, host, engine } = context
  const known = await findAttemptOfRender(tx, renderer, render.id)
  if (known) {
    if (known.status === 'submitted' && render.state !== 'running')
      tx.afterCommit(() => signal.notify(known.id))
    return false
  }
  const { mark } = render
  if (mark === null) return false
  const attempt = await named(context, tx, renderer, mark)
  // The attempt that sent this text has its render already.
  if (!attempt && !mark.startsWith(ownPrefix(context))) return false
  if (attempt && (await setHinted(tx, attempt.id, render.id, host.now())) > 0) {
    // The task that follows an attempt reads the hint; a held attempt has no such task until one is enqueued.
    const { id, jobId } = attempt
    await engine.enqueue(tx, { kind: 'follow-render', subject: id, jobId })
    tx.afterCommit(() => signal.notify(id))
    return false
  }
  return isOrphan(context, tx, renderer, render, mark, attempt)
}

async function isOrphan(
  context: Context,
  tx: Transaction,
  renderer: string,
  { id: providerId, state }: ListedRender,
  mark: string,
  attempt: Attempt | undefined,
): Promise<boolean> {
  const { host, log } = context
  const now = host.now()
  const before = await findOrphan(tx, renderer, providerId)
  const chargedMicros = state === 'running' ? null : isCharged(state) ? (attempt?.costMicros ?? null) : 0
  const insertedAt = before?.insertedAt ?? now
  const attemptId = attempt?.id ?? null
  const orphan = { renderer, providerId, mark, attemptId, state, chargedMicros, insertedAt }
  await putOrphan(tx, orphan)
  if ((before?.chargedMicros ?? null) === null)
    await book(tx, { day: dayOf(insertedAt), clientId: attempt?.clientId ?? '', chargedMicros })
  if (!before) tx.afterCommit(() => logLine.orphanRender(log, orphan))
  return state === 'running' && attempt !== undefined
}

/** Notes the account of a provider's token; warns, once for each other account, of attempts sent from it. */
export async function accountIs(context: Context, renderer: string, name: string): Promise<void> {
  const { database, log } = context
  for (const [other, attempts] of await accountsInFlight(database, renderer)) {
    if (other === name || context.warnedAccounts.has(other)) continue
    context.warnedAccounts.add(other)
    logLine.otherAccount(log, renderer, name, other, attempts)
  }
}

/** Finds our mark, or a text that only one attempt sent, in a request's input; nothing else of the input is kept. */
export async function marksAt(
  context: Context,
  renderer: string,
): Promise<(inputText: string) => string | undefined> {
  const { database } = context
  const sent = (await unmatchedAt(context, database, renderer)).flatMap(({ marks }) => marks)
  const prefix = ownPrefix(context)
  const ownMark = new RegExp(`${prefix}[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
  const others = sent.filter((mark) => !mark.startsWith(prefix))
  return (inputText) => ownMark.exec(inputText)?.[0] ?? others.find((mark) => inputText.includes(mark))
}

/**
 * Compares a provider's list with the attempts. Resolves to the running renders to cancel: they carry our mark, their
 * attempt has ended, and they cost money while they run.
 */
export async function accountFor(
  context: Context,
  renderer: string,
  renders: readonly ListedRender[],
): Promise<readonly string[]> {
  const { database, host } = context
  await database.transaction((tx) => forgetWebhooks(tx, host.now() - forgetWebhooksMs))
  const unwanted: string[] = []
  for (let at = 0; at < renders.length; at += comparedAtOnce) {
    const some = renders.slice(at, at + comparedAtOnce)
    const found = await database.transaction(async (tx) => {
      const running: string[] = []
      for (const render of some) if (await account(context, tx, renderer, render)) running.push(render.id)
      return running
    })
    unwanted.push(...found)
  }
  return unwanted
}

/**
 * Whether a render that `accountFor` has found is still no attempt's own: a person may have adopted it since. Asked directly
 * before its cancel, in a transaction of the lead's run, whose token it checks: a node that has lost the lead is refused.
 */
export const isUnwanted = (context: Context, renderer: string, renderId: string): Promise<boolean> =>
  context.database.transaction(
    async (tx) =>
      !(await findAttemptOfRender(tx, renderer, renderId)) && !(await isHinted(tx, renderer, renderId)),
  )
