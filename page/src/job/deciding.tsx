/** What the job costs and what is left afterwards, and the buttons that decide about it. */
import { type KeyboardEvent, useEffect, useId, useMemo, useRef, useState } from 'react'
import { ApiError, type JobAnswer, type SceneAnswer, client } from '../server/client.ts'
import { useLive } from '../server/live.ts'
import { useSession } from '../server/session.tsx'
import { askerSource, budgetsSource, clientSpendSource } from '../server/sources.ts'
import { useAction } from '../ui/action.tsx'
import { Button } from '../ui/button.tsx'
import { useCommands } from '../ui/commands.ts'
import { noteIn } from '../ui/notes.ts'
import { personIn } from '../ui/person.ts'
import { Problem } from '../ui/problem.tsx'
import { Time, useMoney } from '../ui/values.tsx'
import { type Words, useWords } from '../words/words.tsx'
import { type BudgetAfter, budgetsAfter, clientBudget } from './budgets.ts'

interface DecidingProps {
  readonly job: JobAnswer
  readonly scenes: readonly SceneAnswer[]
  /** Scenes that a kept clip serves. */
  readonly reused: ReadonlySet<string>
  /** Scenes with changes that are not saved. */
  readonly unsaved: number
  readonly again: () => void
}

export function Deciding({ job, scenes, reused, unsaved, again }: DecidingProps) {
  const words = useWords()
  const money = useMoney()
  const { can, session } = useSession()
  const { costs } = job
  // Budgets concern all clients: a key that is bound to one does not see them.
  const seesBudgets = can('read') && session?.session?.client_id == null
  const saved = scenes.reduce((sum, { id, price }) => sum + (reused.has(id) ? (price ?? 0) : 0), 0)
  return (
    <aside className="deciding card" aria-label={words.deciding.title}>
      <dl className="sums">
        {job.needs_approval && (
          <>
            <dt>{words.costs.toPay}</dt>
            <dd className="sums-main">{money(job.to_approve)}</dd>
          </>
        )}
        <dt>{words.costs.spent}</dt>
        <dd>{costs.spent === 0 ? words.deciding.nothing : money(costs.spent)}</dd>
        <dt>{words.costs.reserved}</dt>
        <dd>{costs.reserved === 0 ? words.deciding.nothing : money(costs.reserved)}</dd>
        {reused.size > 0 && (
          <>
            <dt>{words.deciding.reused(reused.size)}</dt>
            <dd>{words.deciding.insteadOf(money(saved))}</dd>
          </>
        )}
      </dl>
      <Asked job={job} />
      {seesBudgets && job.needs_approval && costs.to_pay !== 0 && <Budgets job={job} />}
      <PlanNotes scenes={scenes} />
      {job.rejected && <Rejected job={job} again={again} />}
      {job.needs_approval && can('approve') && <Approve job={job} unsaved={unsaved} again={again} />}
      {job.needs_approval && !can('approve') && <p className="small quiet">{words.deciding.othersApprove}</p>}
    </aside>
  )
}

function Asked({ job }: { readonly job: JobAnswer }) {
  const words = useWords()
  const { data } = useLive(askerSource(job.job_id))
  const by = data?.entries[0]?.by
  return (
    <p className="small quiet">
      {by !== undefined && <>{words.deciding.askedBy(personIn(by, words))} · </>}
      <Time at={job.inserted_at} />
      {job.deadline_at !== null && (
        <>
          {' · '}
          <strong>
            {words.deciding.deadline} <Time at={job.deadline_at} />
          </strong>
        </>
      )}
    </p>
  )
}

function Budgets({ job }: { readonly job: JobAnswer }) {
  const { data } = useLive(budgetsSource)
  if (!data || data.budgets.length === 0) return null
  const ofClient = clientBudget(data, job.client_id)
  if (ofClient?.used === null && job.client_id !== null)
    return <WithClientSpend job={job} clientId={job.client_id} />
  return <BudgetList budgets={budgetsAfter(data, job, undefined)} />
}

/** The budget of each client does not say what this one has used. */
function WithClientSpend({ job, clientId }: { readonly job: JobAnswer; readonly clientId: string }) {
  const { data: budgets } = useLive(budgetsSource)
  const { data: spend } = useLive(clientSpendSource(clientId))
  if (!budgets || !spend) return null
  return <BudgetList budgets={budgetsAfter(budgets, job, spend.rows[0] ?? { spent: 0, reserved: 0 })} />
}

function BudgetList({ budgets }: { readonly budgets: readonly BudgetAfter[] }) {
  const words = useWords()
  const money = useMoney()
  const exact = (usd: number): string => (usd === 0 ? words.deciding.nothing : money(usd))
  if (budgets.length === 0) return null
  return (
    <section className="budgets small" aria-label={words.deciding.budgets}>
      <h2>{words.deciding.budgets}</h2>
      <ul>
        {budgets.map(({ name, limit, after }) => (
          <li key={name} data-exceeded={after < 0}>
            <span>{words.deciding.budgetName(name)}</span>
            <span className="quiet">{words.deciding.left(exact(Math.max(0, after)), money(limit))}</span>
            {after < 0 && (
              <p className="note">
                {name === 'job'
                  ? words.deciding.jobExceeded(money(-after))
                  : words.deciding.exceeded(money(-after))}
              </p>
            )}
          </li>
        ))}
      </ul>
    </section>
  )
}

/** What differs from the request, said once for all scenes that it concerns. */
function PlanNotes({ scenes }: { readonly scenes: readonly SceneAnswer[] }) {
  const words = useWords()
  const notes = useMemo(() => {
    const places = new Map<string, number[]>()
    for (const { notes: told, position } of scenes)
      for (const note of told) {
        const shared = noteIn(note, words)
        const known = places.get(shared)
        if (known) known.push(position + 1)
        else places.set(shared, [position + 1])
      }
    return [...places]
  }, [scenes, words])
  if (notes.length === 0) return null
  const shown = 4
  const line = ([note, places]: readonly [string, readonly number[]]) => (
    <li key={note}>
      <strong>{words.deciding.scenesNamed(places, scenes.length)}</strong> {note}
    </li>
  )
  return (
    <section className="plan-notes small" aria-label={words.deciding.notes}>
      <h2>{words.deciding.notes}</h2>
      <ul>{notes.slice(0, shown).map(line)}</ul>
      {notes.length > shown && (
        <details>
          <summary>{words.deciding.moreNotes(notes.length - shown)}</summary>
          <ul>{notes.slice(shown).map(line)}</ul>
        </details>
      )}
    </section>
  )
}

function Rejected({ job, again }: Pick<DecidingProps, 'job' | 'again'>) {
  const words = useWords()
  const { can } = useSession()
  const submit = useAction(() => client.submitJob(job.job_id).finally(again))
  if (!job.rejected) return null
  const { by, note, at } = job.rejected
  return (
    <div className="note rejected">
      <p>
        {words.job.sentBack(by === null ? '' : personIn(by, words), note)} (<Time at={at} />)
      </p>
      {submit.error !== undefined && <Problem error={submit.error} />}
      {(can('submit') || can('approve')) && (
        <Button disabled={submit.isRunning} onClick={() => void submit.run()}>
          {words.deciding.submitAgain}
        </Button>
      )}
    </div>
  )
}

/** What a person can do after a refusal, by what its answer holds. */
function adviceOn(error: unknown, { deciding }: Words): string | undefined {
  if (!(error instanceof ApiError)) return undefined
  const { body } = error
  if ('budget' in body) return deciding.afterBudget
  if ('revision' in body) return deciding.afterChange
  if (body.reason?.includes('budget') === true) return deciding.afterUnpriced
  return 'estimated_cost' in body ? deciding.afterPrices : undefined
}

/** Long enough to see that the sum is another one before a click or a key approves it. */
const seenMs = 800

/** Whether a value has changed just now. */
function useIsNew(value: string): boolean {
  const [seen, setSeen] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => setSeen(value), seenMs)
    return () => clearTimeout(timer)
  }, [value])
  return seen !== value
}

const modKey = /Mac|iPhone|iPad/.test(navigator.platform) ? '⌘' : 'Ctrl'

function Approve({ job, unsaved, again }: Pick<DecidingProps, 'job' | 'unsaved' | 'again'>) {
  const words = useWords()
  const money = useMoney()
  const unknownId = useId()
  const isUnknown = job.to_approve === null
  const [acceptedRevision, setAcceptedRevision] = useState<number>()
  const isAccepted = acceptedRevision === job.revision
  const [isSendingBack, setSendingBack] = useState(false)
  // After a refusal the new sum is shown, and offered.
  const shown = `${job.revision} ${job.to_approve}`
  // The job is shown as it was until it has been read again.
  const approved = useRef<string>(undefined)
  const approve = useAction(async () => {
    try {
      await client.approveJob(job, isUnknown ? { accept_unknown_cost: true } : {})
      approved.current = shown
    } finally {
      again()
    }
  })
  const advice = adviceOn(approve.error, words)
  const isNew = useIsNew(shown)
  const isHindered = unsaved > 0 || (isUnknown && !isAccepted) || isNew
  const run = (): void => {
    if (!isHindered && !isSendingBack && approved.current !== shown) void approve.run()
  }
  // Not a single letter: it spends money.
  const price = isUnknown ? null : money(job.to_approve)
  useCommands([
    { name: words.approve(price), keys: 'mod+enter', run },
    { name: words.job.sendBack, keys: 's', run: () => setSendingBack(true) },
  ])
  return (
    <>
      {approve.error !== undefined && (
        <>
          <Problem error={approve.error} />
          {advice !== undefined && <p className="small">{advice}</p>}
        </>
      )}
      {isUnknown && (
        <div className="note">
          <p>{words.deciding.unknown}</p>
          <label htmlFor={unknownId} className="accept">
            <input
              id={unknownId}
              type="checkbox"
              checked={isAccepted}
              onChange={({ target }) => setAcceptedRevision(target.checked ? job.revision : undefined)}
            />
            {words.deciding.acceptUnknown}
          </label>
        </div>
      )}
      {unsaved > 0 && <p className="note small">{words.deciding.unsaved(unsaved)}</p>}
      <Button
        kind="main"
        size="large"
        aria-keyshortcuts="Control+Enter"
        disabled={approve.isRunning || isHindered || isSendingBack}
        onClick={run}
      >
        {job.to_approve === 0 ? words.approveFree : words.approve(price)}
        <kbd aria-hidden="true">{modKey}+↵</kbd>
      </Button>
      {isSendingBack ? (
        <SendBack job={job} again={again} close={() => setSendingBack(false)} />
      ) : (
        <Button aria-keyshortcuts="s" onClick={() => setSendingBack(true)}>
          {words.job.sendBack}
          <kbd aria-hidden="true">S</kbd>
        </Button>
      )}
    </>
  )
}

function SendBack({
  job,
  again,
  close,
}: Pick<DecidingProps, 'job' | 'again'> & { readonly close: () => void }) {
  const words = useWords()
  const id = useId()
  const [note, setNote] = useState('')
  const reject = useAction(() => client.rejectJob(job.job_id, { note: note.trim() }).finally(again))
  const isReady = note.trim() !== '' && !reject.isRunning
  const send = (): void => {
    if (isReady) void reject.run().then((isDone) => isDone && close())
  }
  const press = (event: KeyboardEvent): void => {
    if (event.key === 'Escape') close()
    else if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) send()
    else return
    event.preventDefault()
    event.stopPropagation()
  }
  return (
    <form
      className="send-back"
      onKeyDown={press}
      onSubmit={(event) => {
        event.preventDefault()
        send()
      }}
    >
      <div className="field">
        <label htmlFor={id}>{words.job.whatToChange}</label>
        <textarea
          id={id}
          className="input"
          rows={3}
          maxLength={500}
          value={note}
          autoFocus
          onChange={({ target }) => setNote(target.value)}
        />
      </div>
      {reject.error !== undefined && <Problem error={reject.error} />}
      <div className="line-actions">
        <Button type="submit" kind="main" aria-keyshortcuts="Control+Enter" disabled={!isReady}>
          {words.job.sendBack}
        </Button>
        <Button aria-keyshortcuts="Escape" onClick={close}>
          {words.scene.leave}
          <kbd aria-hidden="true">Esc</kbd>
        </Button>
      </div>
    </form>
  )
}
