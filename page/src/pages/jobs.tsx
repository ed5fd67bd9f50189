/** All jobs: filtered by the address, so that a view can be kept as a bookmark and sent to others. */
import { useVirtualizer } from '@tanstack/react-virtual'
import { useEffect, useMemo, useRef, useState } from 'react'
import { Link, setQuery, useAddress } from '../router.tsx'
import { type JobsQuery, client } from '../server/client.ts'
import { type JobRow, useJobList } from '../server/job-list.ts'
import { useSession } from '../server/session.tsx'
import { useAction } from '../ui/action.tsx'
import { Button } from '../ui/button.tsx'
import { Problem } from '../ui/problem.tsx'
import { Status, Time, useMoney } from '../ui/values.tsx'
import { useWords } from '../words/words.tsx'

const statuses = ['pending', 'approved', 'processing', 'completed', 'failed', 'cancelled'] as const
const rowHeight = 44

/** Names of the address's query are those of the API. */
const filters = [
  'status',
  'type',
  'client_id',
  'q',
  'created_after',
  'created_before',
  'needs_approval',
] as const

function queryIn({ searchParams }: URL): JobsQuery {
  const given: Record<string, string> = {}
  for (const name of filters) {
    const value = searchParams.get(name)
    if (value) given[name] = value
  }
  return given
}

export function Jobs() {
  const words = useWords()
  const address = useAddress()
  const query = queryIn(address)
  const { rows, isMore, error, more } = useJobList(query)
  const [chosen, setChosen] = useState<ReadonlySet<number>>(new Set())
  const chosenRows = useMemo(() => rows.filter(({ job_id }) => chosen.has(job_id)), [rows, chosen])
  const choose = (jobId: number, isChosen: boolean): void => {
    const next = new Set(chosen)
    if (isChosen) next.add(jobId)
    else next.delete(jobId)
    setChosen(next)
  }
  return (
    <div className="jobs">
      <header className="jobs-head">
        <h1>{words.nav.jobs}</h1>
        <Filters address={address} />
      </header>
      {error !== undefined && <Problem error={error} again={more} />}
      {chosenRows.length > 0 && <Batch rows={chosenRows} onDone={() => setChosen(new Set())} />}
      {rows.length === 0 && !isMore ? (
        <p className="quiet">{words.jobList.empty}</p>
      ) : (
        <Rows rows={rows} isMore={isMore} more={more} chosen={chosen} choose={choose} />
      )}
    </div>
  )
}

function Filters({ address }: { readonly address: URL }) {
  const words = useWords()
  const { searchParams } = address
  const [text, setText] = useState(searchParams.get('q') ?? '')
  useEffect(() => {
    const timer = setTimeout(() => setQuery({ q: text }), 250)
    return () => clearTimeout(timer)
  }, [text])
  return (
    <div className="filters" role="search">
      <input
        type="search"
        className="input"
        aria-label={words.jobList.search}
        placeholder={words.jobList.search}
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      <select
        className="input"
        aria-label={words.jobList.status}
        value={searchParams.get('status') ?? ''}
        onChange={(event) => setQuery({ status: event.target.value })}
      >
        <option value="">{words.jobList.allStatuses}</option>
        {statuses.map((status) => (
          <option key={status} value={status}>
            {words.status[status]}
          </option>
        ))}
      </select>
      <input
        className="input"
        aria-label={words.jobList.client}
        placeholder={words.jobList.client}
        defaultValue={searchParams.get('client_id') ?? ''}
        onBlur={(event) => setQuery({ client_id: event.target.value })}
      />
    </div>
  )
}

interface RowsProps {
  readonly rows: readonly JobRow[]
  readonly isMore: boolean
  readonly more: () => void
  readonly chosen: ReadonlySet<number>
  readonly choose: (jobId: number, isChosen: boolean) => void
}

/** Only the rows in sight are in the document. */
function Rows({ rows, isMore, more, chosen, choose }: RowsProps) {
  const words = useWords()
  const scroller = useRef<HTMLDivElement>(null)
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: 12,
  })
  const shown = virtual.getVirtualItems()
  const last = shown.at(-1)?.index ?? 0
  useEffect(() => {
    if (isMore && last >= rows.length - 30) more()
  }, [last, rows.length, isMore, more])
  return (
    <div className="table" role="table" aria-rowcount={isMore ? -1 : rows.length} aria-label={words.nav.jobs}>
      <div className="table-row table-head" role="row">
        {[
          words.jobList.film,
          words.jobList.client,
          words.jobList.status,
          words.jobList.progress,
          words.jobList.cost,
          words.jobList.made,
        ].map((name, index) => (
          <span key={name} role="columnheader" className={index === 0 ? 'table-wide' : undefined}>
            {name}
          </span>
        ))}
      </div>
      <div className="table-body" ref={scroller} tabIndex={-1}>
        <div style={{ height: virtual.getTotalSize(), position: 'relative' }}>
          {shown.map(({ index, start }) => (
            <Row
              key={rows[index]!.job_id}
              row={rows[index]!}
              top={start}
              index={index}
              isChosen={chosen.has(rows[index]!.job_id)}
              choose={choose}
            />
          ))}
        </div>
      </div>
    </div>
  )
}

interface RowProps {
  readonly row: JobRow
  readonly top: number
  readonly index: number
  readonly isChosen: boolean
  readonly choose: RowsProps['choose']
}

function Row({ row, top, index, isChosen, choose }: RowProps) {
  const words = useWords()
  const money = useMoney()
  return (
    <div
      className="table-row"
      role="row"
      aria-rowindex={index + 1}
      style={{ transform: `translateY(${top}px)`, height: rowHeight }}
    >
      <span role="cell" className="table-wide">
        <input
          type="checkbox"
          checked={isChosen}
          aria-label={words.jobList.choose(row.video_name)}
          onChange={(event) => choose(row.job_id, event.target.checked)}
        />
        <Link to={`/jobs/${row.job_id}`}>{row.video_name}</Link>
        <span className="quiet small">#{row.job_id}</span>
      </span>
      <span role="cell">{row.client_id}</span>
      <span role="cell">
        <Status status={row.status} />
      </span>
      <span role="cell">
        <progress max={100} value={row.progress_percentage} aria-label={words.jobList.progress} />
      </span>
      <span role="cell" className="table-number">
        {money(row.needs_approval ? row.to_approve : row.costs.spent)}
      </span>
      <span role="cell" className="quiet small">
        <Time at={row.inserted_at} />
      </span>
    </div>
  )
}

/** What can be done with several jobs: the button says the sum of all. */
function Batch({ rows, onDone }: { readonly rows: readonly JobRow[]; readonly onDone: () => void }) {
  const words = useWords()
  const money = useMoney()
  const { can } = useSession()
  const waiting = rows.filter(({ needs_approval }) => needs_approval)
  const sum = waiting.every(({ to_approve }) => to_approve !== null)
    ? waiting.reduce((total, { to_approve }) => total + to_approve!, 0)
    : null
  const approve = useAction(async () => {
    // One by one, each with its own revision and sum: a job that has changed since is refused.
    for (const { job_id } of waiting) await client.approveJob(await client.readJob(job_id))
  })
  const cancel = useAction(() => client.cancelJobs({ job_ids: rows.map(({ job_id }) => job_id) }))
  const error = approve.error ?? cancel.error
  const end = (isDone: boolean): void => {
    if (isDone) onDone()
  }
  return (
    <div className="batch card">
      <span>{words.jobs(rows.length)}</span>
      {can('approve') && waiting.length > 0 && (
        <Button kind="main" disabled={approve.isRunning} onClick={() => void approve.run().then(end)}>
          {words.approve(sum === null ? null : money(sum))}
        </Button>
      )}
      {can('submit') && (
        <Button kind="danger" disabled={cancel.isRunning} onClick={() => void cancel.run().then(end)}>
          {words.jobList.cancel}
        </Button>
      )}
      {error !== undefined && <Problem error={error} />}
    </div>
  )
}
