/** All jobs: filtered by the address, so that a view can be kept as a bookmark and sent to others. */
import { useMemo, useState } from 'react'
import { Batch } from '../jobs/batch.tsx'
import { type ColumnName, columnNames, columnTitle, keepColumns, keptColumns } from '../jobs/columns.tsx'
import { Filters, queryIn } from '../jobs/filters.tsx'
import { useSelection } from '../jobs/selection.ts'
import { Table } from '../jobs/table.tsx'
import { Views } from '../jobs/views.tsx'
import { Link, useAddress } from '../router.tsx'
import { useJobList } from '../server/job-list.ts'
import { useSession } from '../server/session.tsx'
import { Button } from '../ui/button.tsx'
import { Sheet } from '../ui/sheet.tsx'
import { Problem } from '../ui/problem.tsx'
import { useWords } from '../words/words.tsx'

export function Jobs() {
  const words = useWords()
  const address = useAddress()
  const query = queryIn(address)
  const { rows, isMore, error, more, see } = useJobList(query)
  const [columns, setColumns] = useState(keptColumns)
  const selection = useSelection(rows)
  const { chosen, chooseAll } = selection
  const chosenRows = useMemo(
    () => (chosen.size === 0 ? [] : rows.filter(({ job_id }) => chosen.has(job_id))),
    [rows, chosen],
  )
  const choose = (next: readonly ColumnName[]): void => {
    keepColumns(next)
    setColumns(next)
  }
  const isFiltered = Object.keys(query).some((name) => name !== 'order')
  return (
    <div className="jobs">
      <header className="jobs-head">
        <h1>{words.nav.jobs}</h1>
        <Views />
        <span className="jobs-count small quiet" role="status">
          {words.jobList.listed(rows.length, isMore)}
        </span>
        <Columns columns={columns} choose={choose} />
      </header>
      <Filters address={address} />
      {error !== undefined && <Problem error={error} again={more} />}
      {rows.length === 0 && !isMore ? (
        <Empty isFiltered={isFiltered} />
      ) : (
        <Table
          rows={rows}
          isMore={isMore}
          more={more}
          see={see}
          columns={columns}
          isOldestFirst={query.order === 'oldest'}
          selection={selection}
        />
      )}
      <Batch rows={chosenRows} onDone={() => chooseAll(false)} />
    </div>
  )
}

function Empty({ isFiltered }: { readonly isFiltered: boolean }) {
  const words = useWords()
  const { can } = useSession()
  return (
    <div className="empty">
      <p>{isFiltered ? words.jobList.noMatch : words.jobList.empty}</p>
      {!isFiltered && can('submit') && (
        <>
          <p className="quiet">{words.jobList.emptyNext}</p>
          <Link className="button" data-kind="main" to="/new">
            {words.nav.newFilm}
          </Link>
        </>
      )}
    </div>
  )
}

interface ColumnsProps {
  readonly columns: readonly ColumnName[]
  readonly choose: (columns: readonly ColumnName[]) => void
}

function Columns({ columns, choose }: ColumnsProps) {
  const words = useWords()
  const [isOpen, setOpen] = useState(false)
  return (
    <>
      <Button className="jobs-columns" onClick={() => setOpen(true)}>
        {words.jobList.chooseColumns}
      </Button>
      <Sheet title={words.jobList.chooseColumns} isOpen={isOpen} onClose={() => setOpen(false)}>
        <div className="sheet-form">
          <div className="columns">
            {columnNames.map((name) => (
              <label key={name} className="columns-one">
                <input
                  type="checkbox"
                  checked={columns.includes(name)}
                  onChange={({ target }) =>
                    choose(
                      columnNames.filter((one) => (one === name ? target.checked : columns.includes(one))),
                    )
                  }
                />
                {columnTitle(words, name)}
              </label>
            ))}
          </div>
          <div className="sheet-actions">
            <Button kind="main" onClick={() => setOpen(false)}>
              {words.jobList.close}
            </Button>
          </div>
        </div>
      </Sheet>
    </>
  )
}
