/** Matches renders at a provider with attempts. */
import type { Attempt } from '../../job/attempt.ts'
import { dayOf } from '../../job/price.ts'
import {
  findAttemptOfRender,
  listUnmatched,
  forgetHint,
  setHinted,
  knownRenders as listKnownRenders,
  findAttempt,
  setAdopted,
} from '../../store/attempts.ts'
import type { Transaction } from '../../store/database.ts'
import { addSpending } from '../../store/money.ts'
import { insertWebhook, findOrphan, forgetOrphan } from '../../store/provider.ts'
import type { Context } from '../context.ts'
import { providerAnswers } from './cooldown.ts'
import { doubt, hold } from './unknown.ts'

/** Providers keep a request's input for an hour; in older renders no mark can be found. */
const marksToldMs = 2 * 3_600_000

/** The attempt that owns a render, by its id or by the mark in its input. */
async function ownerOf(
  context: Context,
  tx: Transaction,
  { id, renderer, marks }: Attempt,
  renderId: string,
  inputText: string | null,
): Promise<Attempt | undefined> {
  const { host } = context
  const known = await findAttemptOfRender(tx, renderer, renderId)
  if (known || inputText === null) return known
  const isIn = (mark: string): boolean => inputText.includes(mark)
  if (marks.some(isIn)) return undefined
  const unmatched = await listUnmatched(tx, renderer, host.now() - marksToldMs)
  return unmatched.find(
    (other) =>
      other.id !== id && (other.status === 'unknown' || other.status === 'held') && other.marks.some(isIn),
  )
}

/** The render found or named for an attempt belongs to another: holds this attempt, and hints the owner. */
async function notItsOwn(
  context: Context,
  tx: Transaction,
  attempt: Attempt,
  renderId: string,
  owner: Attempt,
): Promise<void> {
  const { host, engine, signal } = context
  const which = owner.clientId === attempt.clientId ? `, ${owner.id} of job ${owner.jobId}` : ''
  const reason = `${renderId} is the render of another attempt${which}`
  if (attempt.status === 'intended') await doubt(context, tx, attempt.id, reason)
  else if (attempt.status === 'unknown') await hold(context, tx, attempt.id, reason, [])
  else if (attempt.status === 'held')
    await forgetHint(tx, attempt.id, renderId, { code: 'held', reason }, host.now())
  if ((await setHinted(tx, owner.id, renderId, host.now())) === 0) return
  await engine.enqueue(tx, { kind: 'follow-render', subject: owner.id, jobId: owner.jobId })
  tx.afterCommit(() => signal.notify(owner.id))
}

/** Those of the given renders that an attempt owns. */
export const knownRenders = (
  context: Context,
  renderer: string,
  renderIds: readonly string[],
): Promise<ReadonlySet<string>> => listKnownRenders(context.database, renderer, renderIds)

/**
 * The provider has the attempt under this id. If the render belongs to another attempt, that one keeps it, and this one
 * becomes unknown or held. `inputText`: the input that was sent, which may contain another attempt's mark.
 */
export const renderAccepted = (
  context: Context,
  attemptId: string,
  renderId: string,
  inputText: string | null = null,
): Promise<void> =>
  context.database.transaction(async (tx) => {
    const attempt = await findAttempt(tx, attemptId)
    if (!attempt) return
    const owner = await ownerOf(context, tx, attempt, renderId, inputText)
    if (owner?.id === attemptId) return
    if (owner) return notItsOwn(context, tx, attempt, renderId, owner)
    if (!(await setAdopted(tx, attemptId, renderId, context.host.now()))) return
    await providerAnswers(tx, context.log, attempt.renderer)
    await takeFromOrphans(tx, attempt.renderer, renderId)
    tx.afterCommit(() => context.signal.notify(attemptId))
    tx.afterCommit(context.wakeAdmission)
  })

/** The render named for a held attempt is not its own: it stays held. */
export const hintRefused = (context: Context, attemptId: string, renderId: string): Promise<void> =>
  context.database.transaction(async (tx) => {
    const reason = `the provider has no matching render ${renderId}`
    await forgetHint(tx, attemptId, renderId, { code: 'held', reason }, context.host.now())
  })

/** Commits a provider's webhook; a repeated one has no effect. */
export const webhookReceived = (
  context: Context,
  {
    id,
    attemptId,
    renderId,
  }: {
    readonly id: string
    readonly attemptId: string
    readonly renderId: string
  },
): Promise<'new' | 'known' | 'no such attempt'> =>
  context.database.transaction(async (tx) => {
    const attempt = await findAttempt(tx, attemptId)
    if (!attempt) return 'no such attempt'
    if ((await insertWebhook(tx, id, attemptId, context.host.now())) === 0) return 'known'
    // The task that follows an attempt reads the hint; a held attempt has no such task until one is enqueued.
    if ((await setHinted(tx, attemptId, renderId, context.host.now())) > 0)
      await context.engine.enqueue(tx, { kind: 'follow-render', subject: attemptId, jobId: attempt.jobId })
    tx.afterCommit(() => context.signal.notify(attemptId))
    return 'new'
  })

/** Moves the charge of an orphan render to the attempt that has adopted it. */
async function takeFromOrphans(tx: Transaction, renderer: string, renderId: string): Promise<void> {
  const orphan = await findOrphan(tx, renderer, renderId)
  if (!orphan) return
  await forgetOrphan(tx, renderer, renderId)
  const owner = orphan.attemptId === null ? undefined : await findAttempt(tx, orphan.attemptId)
  if (orphan.chargedMicros)
    await addSpending(tx, dayOf(orphan.insertedAt), owner?.clientId ?? '', -orphan.chargedMicros)
}
