/** Every render at a provider that carries our mark is accounted for by an attempt, or an alarm names it. */
import { type Attempt, type RenderEnd, isCharged } from '../../job/attempt.ts'
import { logLine } from '../../log.ts'
import {
  accountsInFlight,
  findAttempt,
  findAttemptOfRender,
  listUnmatched,
  setHinted,
} from '../../store/attempts.ts'
import type { Reader, Transaction } from '../../store/database.ts'
import { findStray, forgetWebhooks, putStray } from '../../store/provider.ts'
import { dayOf } from '../../job/price.ts'
import { book } from '../admission/budget-snapshot.ts'
import type { Context } from '../context.ts'

/** A render as a provider lists it. */
export interface ListedRender {
  readonly id: string
  readonly state: RenderEnd | 'running'
  /** What was found in its input by `marksAt`; null where nothing was. */
  readonly mark: string | null
}

/** The text that an attempt's render carries at the provider: who we are, and which attempt it is. */
export const markOf = (installationId: string, attemptId: string): string =>
  `wc-${installationId}-${attemptId}`

/** Renders that are compared in one transaction: nothing else is written meanwhile. */
const comparedAtOnce = 200

/** Providers keep what was sent for an hour; an attempt that was sent earlier can't be told by it. */
const lookBackMs = 2 * 3_600_000

/** Longer than a signature counts. */
const forgetWebhooksMs = 24 * 3_600_000

/** What marks a render as this installation's. */
const ownPrefix = ({ installationId }: Context): string => markOf(installationId, '')

const unmatchedAt = (context: Context, reader: Reader, renderer: string): Promise<readonly Attempt[]> =>
  listUnmatched(reader, renderer, context.host.now() - lookBackMs)

/** The attempt that a mark names: by its id in ours, or because only this attempt sent such a text. */
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
  // Sent by an attempt that has its render by now.
  if (!attempt && !mark.startsWith(ownPrefix(context))) return false
  if (attempt && (await setHinted(tx, attempt.id, render.id, host.now())) > 0) {
    // Whoever follows it looks; of one that is held nobody does any more.
    const { id, jobId } = attempt
    await engine.enqueue(tx, { kind: 'follow-render', subject: id, jobId })
    tx.afterCommit(() => signal.notify(id))
    return false
  }
  return isStray(context, tx, renderer, render, mark, attempt)
}

async function isStray(
  context: Context,
  tx: Transaction,
  renderer: string,
  { id: providerId, state }: ListedRender,
  mark: string,
  attempt: Attempt | undefined,
): Promise<boolean> {
  const { host, log } = context
  const now = host.now()
  const before = await findStray(tx, renderer, providerId)
  const chargedMicros = state === 'running' ? null : isCharged(state) ? (attempt?.costMicros ?? null) : 0
  const insertedAt = before?.insertedAt ?? now
  const attemptId = attempt?.id ?? null
  const stray = { renderer, providerId, mark, attemptId, state, chargedMicros, insertedAt }
  await putStray(tx, stray)
  if ((before?.chargedMicros ?? null) === null)
    await book(tx, { day: dayOf(insertedAt), clientId: attempt?.clientId ?? '', chargedMicros })
  if (!before) tx.afterCommit(() => logLine.strayRender(log, stray))
  return state === 'running' && attempt !== undefined
}

/** The account that a provider's token belongs to: tells where attempts were sent from another one, once each. */
export async function accountIs(context: Context, renderer: string, name: string): Promise<void> {
  const { database, log } = context
  for (const [other, attempts] of await accountsInFlight(database, renderer)) {
    if (other === name || context.warnedAccounts.has(other)) continue
    context.warnedAccounts.add(other)
    logLine.otherAccount(log, renderer, name, other, attempts)
  }
}

/** Finds what tells that a render is ours in the text of its request: the only part of it that is kept. */
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
 * Compares what a provider lists with the attempts. Resolves to the renders that nobody wants and that run: they
 * are ours by their mark, their attempt was given up, and they cost money as long as they run.
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
