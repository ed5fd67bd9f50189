/** Which render at a provider is an attempt's own. */
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
import { insertWebhook, findStray, forgetStray } from '../../store/provider.ts'
import type { Context } from '../context.ts'
import { providerAnswers } from './cooldown.ts'
import { doubt, hold } from './unknown.ts'

/** Providers tell for an hour what was sent: longer ago no mark can be found. */
const marksToldMs = 2 * 3_600_000

/** The attempt that has a render, or whose mark is in what was sent for it. */
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

/** A render that was found or named for an attempt is another one's: neither is left to look for it for ever. */
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

/** Of these renders at a provider, those that attempts account for. */
export const knownRenders = (
  context: Context,
  renderer: string,
  renderIds: readonly string[],
): Promise<ReadonlySet<string>> => listKnownRenders(context.database, renderer, renderIds)

/**
 * The provider has it under this id. Where the render is another attempt's, that one keeps it, and this one is settled
 * otherwise: looked for, or held. `inputText`: what was sent for it, in which another attempt's mark may be found.
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
    await takeFromStrays(tx, attempt.renderer, renderId)
    tx.afterCommit(() => context.signal.notify(attemptId))
    tx.afterCommit(context.wakeAdmission)
  })

/** The render that was named for a held attempt is not its own: a person decides again. */
export const hintRefused = (context: Context, attemptId: string, renderId: string): Promise<void> =>
  context.database.transaction(async (tx) => {
    const reason = `the provider has no render ${renderId} that could be it`
    await forgetHint(tx, attemptId, renderId, { code: 'held', reason }, context.host.now())
  })

/** A message of the provider, committed; it has its effect once. */
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
    // Whoever follows it looks; of one that is held nobody does any more.
    if ((await setHinted(tx, attemptId, renderId, context.host.now())) > 0)
      await context.engine.enqueue(tx, { kind: 'follow-render', subject: attemptId, jobId: attempt.jobId })
    tx.afterCommit(() => context.signal.notify(attemptId))
    return 'new'
  })

/** What was booked for a render that no attempt accounted for is booked by the attempt that has adopted it. */
async function takeFromStrays(tx: Transaction, renderer: string, renderId: string): Promise<void> {
  const stray = await findStray(tx, renderer, renderId)
  if (!stray) return
  await forgetStray(tx, renderer, renderId)
  const owner = stray.attemptId === null ? undefined : await findAttempt(tx, stray.attemptId)
  if (stray.chargedMicros)
    await addSpending(tx, dayOf(stray.insertedAt), owner?.clientId ?? '', -stray.chargedMicros)
}
