/** What can be done with the chosen jobs: asked first with the sum of all, and told for each afterwards. */
import { type ReactNode, useState } from 'react'
import { Link } from '../router.tsx'
import { type BatchAnswer, approvalOf, client } from '../server/client.ts'
import type { JobRow } from '../server/job-pages.ts'
import { useSession } from '../server/session.tsx'
import { useAction } from '../ui/action.tsx'
import { Button } from '../ui/button.tsx'
import { Confirm } from '../ui/sheet.tsx'
import { useMoney } from '../ui/values.tsx'
import { type Words, useWords } from '../words/words.tsx'

type Kind = 'approve' | 'retry' | 'cancel' | 'priority'
type Results = BatchAnswer['results']

/** The API takes so many jobs at once. */
const atOnce = 200

async function inParts(
  rows: readonly JobRow[],
  ask: (part: readonly JobRow[]) => Promise<BatchAnswer>,
): Promise<Results> {
  const results: Results = []
  for (let from = 0; from < rows.length; from += atOnce)
    results.push(...(await ask(rows.slice(from, from + atOnce))).results)
  return results
}

const idsOf = (rows: readonly JobRow[]): number[] => rows.map(({ job_id }) => job_id)

const hasEnded = ({ status }: JobRow): boolean =>
  status === 'completed' || status === 'failed' || status === 'cancelled'

const canBe: Readonly<Record<Kind, (row: JobRow) => boolean>> = {
  approve: ({ needs_approval }) => needs_approval,
  retry: ({ status }) => status === 'failed' || status === 'cancelled',
  cancel: (row) => !hasEnded(row),
  priority: (row) => !hasEnded(row),
}

const known = (sums: readonly (number | null)[]): number =>
  sums.reduce<number>((total, sum) => total + (sum ?? 0), 0)

const approveWords = (words: Words, money: (usd: number) => string, sum: number): string =>
  sum === 0 ? words.waiting.approveFree : words.approve(money(sum))

export function Batch({ rows, onDone }: { readonly rows: readonly JobRow[]; readonly onDone: () => void }) {
  const words = useWords()
  const money = useMoney()
  const { can } = useSession()
  // As they were shown when it was asked: what is approved is what was seen.
  const [asked, setAsked] = useState<{ readonly kind: Kind; readonly rows: readonly JobRow[] }>()
  const [results, setResults] = useState<Results>()
  const allowed: Readonly<Record<Kind, boolean>> = {
    approve: can('approve'),
    retry: can('approve'),
    cancel: can('submit') || can('approve'),
    priority: can('submit'),
  }
  const rowsFor = (kind: Kind): readonly JobRow[] => (allowed[kind] ? rows.filter(canBe[kind]) : [])
  const toApprove = rowsFor('approve')
  const open = (kind: Kind): void => setAsked({ kind, rows: rowsFor(kind) })
  const isPossible = (kind: Kind): boolean => rowsFor(kind).length > 0
  return (
    <>
      {results && <Told results={results} onClose={() => setResults(undefined)} />}
      {rows.length > 0 && (
        <div className="batch card" role="region" aria-label={words.jobList.chosen}>
          <strong>{words.jobs(rows.length)}</strong>
          {isPossible('approve') && (
            <Button kind="main" onClick={() => open('approve')}>
              {approveWords(words, money, known(toApprove.map(({ to_approve }) => to_approve)))}
            </Button>
          )}
          {isPossible('retry') && <Button onClick={() => open('retry')}>{words.jobList.acts.retry}</Button>}
          {isPossible('priority') && (
            <Button onClick={() => open('priority')}>{words.jobList.acts.priority}</Button>
          )}
          {isPossible('cancel') && (
            <Button kind="danger" onClick={() => open('cancel')}>
              {words.jobList.acts.cancel}
            </Button>
          )}
          <Button className="batch-end" onClick={onDone}>
            {words.jobList.chooseNone}
          </Button>
        </div>
      )}
      {asked && (
        <Ask
          {...asked}
          others={rows.length - asked.rows.length}
          onClose={() => setAsked(undefined)}
          onDone={(told) => {
            setAsked(undefined)
            setResults(told)
            onDone()
          }}
        />
      )}
    </>
  )
}

interface AskProps {
  readonly kind: Kind
  readonly rows: readonly JobRow[]
  /** Chosen jobs of which this cannot be done. */
  readonly others: number
  readonly onClose: () => void
  readonly onDone: (results: Results) => void
}

function Ask({ kind, rows, others, onClose, onDone }: AskProps) {
  const words = useWords()
  const money = useMoney()
  const [acceptsUnknown, setAcceptsUnknown] = useState(false)
  const [priority, setPriority] = useState(rows[0]?.priority ?? 50)
  const unknown = kind === 'approve' ? rows.filter(({ to_approve }) => to_approve === null).length : 0
  const sum = money(known(rows.map(({ to_approve }) => to_approve)))
  const asks: Readonly<Record<Kind, (part: readonly JobRow[]) => Promise<BatchAnswer>>> = {
    // Each by what is shown here: a job that has changed since is refused.
    approve: (part) =>
      client.approveJobs({
        jobs: part.map((row) => ({ job_id: row.job_id, ...approvalOf(row) })),
        ...(acceptsUnknown && { accept_unknown_cost: true }),
      }),
    retry: (part) => client.retryJobs({ job_ids: idsOf(part) }),
    cancel: (part) => client.cancelJobs({ job_ids: idsOf(part) }),
    priority: (part) => client.updateJobs({ job_ids: idsOf(part), priority }),
  }
  const action = useAction(async () => onDone(await inParts(rows, asks[kind])))
  const about: Readonly<Record<Kind, ReactNode>> = {
    approve: words.jobList.approveAbout(words.jobs(rows.length), sum),
    retry: words.jobList.retryAbout(
      words.jobs(rows.length),
      money(
        known(rows.map(({ costs }) => Math.max(0, costs.approved - (costs.spent ?? 0) - costs.reserved))),
      ),
    ),
    cancel: words.jobList.cancelAbout(
      money(known(rows.map(({ costs }) => costs.spent))),
      money(known(rows.map(({ costs }) => costs.reserved))),
    ),
    priority: words.jobList.priorityAbout,
  }
  return (
    <Confirm
      isOpen
      onClose={onClose}
      title={`${words.jobList.acts[kind]}: ${words.jobs(rows.length)}`}
      act={
        kind === 'approve'
          ? approveWords(words, money, known(rows.map(({ to_approve }) => to_approve)))
          : words.jobList.doActs[kind](words.jobs(rows.length))
      }
      keep={words.jobList.keep}
      kind={kind === 'cancel' ? 'danger' : 'main'}
      isRunning={action.isRunning}
      error={action.error}
      onConfirm={() => void action.run()}
    >
      <p>{about[kind]}</p>
      {kind === 'priority' && (
        <label className="field">
          <span className="small quiet">{words.jobList.columns.priority}</span>
          <input
            type="number"
            className="input input-number"
            min={0}
            max={100}
            required
            value={priority}
            onChange={({ target }) => setPriority(target.valueAsNumber)}
          />
        </label>
      )}
      {unknown > 0 && (
        <label className="batch-unknown">
          <input
            type="checkbox"
            checked={acceptsUnknown}
            onChange={({ target }) => setAcceptsUnknown(target.checked)}
          />
          {words.jobList.acceptUnknown(words.jobs(unknown))}
        </label>
      )}
      {others > 0 && <p className="quiet small">{words.jobList.others(words.jobs(others))}</p>}
    </Confirm>
  )
}

/** What became of each. */
function Told({ results, onClose }: { readonly results: Results; readonly onClose: () => void }) {
  const words = useWords()
  const refused = results.filter((result) => 'error' in result)
  return (
    <div className="told card" role="status">
      <div className="told-head">
        <strong>{words.jobList.told(results.length - refused.length, refused.length)}</strong>
        <Button onClick={onClose}>{words.jobList.close}</Button>
      </div>
      {refused.length > 0 && (
        <ul className="told-list">
          {refused.map((result) => (
            <li key={result.job_id}>
              <Link to={`/jobs/${result.job_id}`}>#{result.job_id}</Link>{' '}
              {'reason' in result && typeof result.reason === 'string' ? result.reason : result.error}
            </li>
          ))}
        </ul>
      )}
    </div>
  )
}
