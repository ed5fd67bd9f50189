/** Every render at a provider that carries our mark is accounted for by an attempt, or an alarm names it. */
import type { Host } from '../host.ts'
import { type Attempt, type RenderEnd, isCharged } from '../job/attempt.ts'
import { type Log, logLine } from '../log.ts'
import { findAttempt, findAttemptOfRender, listUnmatched, setHinted } from '../store/attempts.ts'
import type { Database, Transaction } from '../store/database.ts'
import { findStray, forgetWebhooks, putStray } from '../store/provider.ts'
import type { Engine } from '../engine/engine.ts'
import { dayOf } from '../job/price.ts'
import type { News } from './news.ts'
import { book } from './treasury.ts'

/** A render as a provider lists it. */
export interface ListedRender {
  readonly id: string
  readonly state: RenderEnd | 'running'
  /** The request's input as text; null where the provider has removed it. */
  readonly inputText: string | null
}

export interface Accounts {
  /**
   * Compares what a provider lists with the attempts. Resolves to the renders that nobody wants and that run: they
   * are ours by their mark, their attempt was given up, and they cost money as long as they run.
   */
  accountFor(renderer: string, renders: readonly ListedRender[]): Promise<readonly string[]>
}

/** The text that an attempt's render carries at the provider: who we are, and which attempt it is. */
export const markOf = (installationId: string, attemptId: string): string =>
  `wc-${installationId}-${attemptId}`

const marks = /wc-([0-9a-f]{12})-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/

/** Providers keep what was sent for an hour; an attempt that was sent earlier can't be told by it. */
const lookBackMs = 2 * 3_600_000

/** Longer than a signature counts. */
const forgetWebhooksMs = 24 * 3_600_000

export interface AccountsOptions {
  readonly database: Database
  readonly engine: Engine
  readonly host: Host
  readonly log: Log
  readonly installationId: string
  readonly news: News
}

export function createAccounts(options: AccountsOptions): Accounts {
  const { database, engine, host, log, installationId, news } = options

  /** The attempt that a render's input names: by our mark in it, or by another text that only this attempt sent. */
  const named = async (
    tx: Transaction,
    { inputText }: ListedRender,
    unmatched: readonly Attempt[],
  ): Promise<{ readonly mark: string; readonly attempt: Attempt | undefined } | undefined> => {
    if (inputText === null) return undefined
    const [mark, installation, attemptId] = marks.exec(inputText) ?? []
    if (mark !== undefined && installation === installationId)
      return { mark, attempt: await findAttempt(tx, attemptId!) }
    for (const attempt of unmatched) {
      const found = attempt.marks.find((text) => inputText.includes(text))
      if (found !== undefined) return { mark: found, attempt }
    }
    return undefined
  }

  const account = async (
    tx: Transaction,
    renderer: string,
    render: ListedRender,
    unmatched: readonly Attempt[],
  ): Promise<boolean> => {
    const known = await findAttemptOfRender(tx, renderer, render.id)
    if (known) {
      if (known.status === 'submitted' && render.state !== 'running') tx.afterCommit(() => news.of(known.id))
      return false
    }
    const found = await named(tx, render, unmatched)
    const { attempt } = found ?? {}
    if (!found) return false
    if (attempt && (await setHinted(tx, attempt.id, render.id, host.now())) > 0) {
      // Whoever follows it looks; of one that is held nobody does any more.
      const { id, jobId } = attempt
      await engine.enqueue(tx, { kind: 'follow-render', subject: id, jobId })
      tx.afterCommit(() => news.of(id))
      return false
    }
    return isStray(tx, renderer, render, found.mark, attempt)
  }

  const isStray = async (
    tx: Transaction,
    renderer: string,
    { id: providerId, state }: ListedRender,
    mark: string,
    attempt: Attempt | undefined,
  ): Promise<boolean> => {
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

  return {
    accountFor: (renderer, renders) =>
      database.transaction(async (tx) => {
        const unmatched = await listUnmatched(tx, renderer, host.now() - lookBackMs)
        await forgetWebhooks(tx, host.now() - forgetWebhooksMs)
        const unwanted: string[] = []
        for (const render of renders)
          if (await account(tx, renderer, render, unmatched)) unwanted.push(render.id)
        return unwanted
      }),
  }
}
