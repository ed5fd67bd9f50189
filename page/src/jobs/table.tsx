/** The rows of the list. Only those in sight are in the document, so that a hundred thousand scroll as one does. */
import { useVirtualizer } from '@tanstack/react-virtual'
import {
  type KeyboardEvent,
  type MouseEvent,
  memo,
  useCallback,
  useEffect,
  useRef,
  useState,
  useSyncExternalStore,
} from 'react'
import { Link, go, setQuery } from '../router.tsx'
import type { JobRow } from '../server/job-pages.ts'
import { useWords } from '../words/words.tsx'
import { Cell, type ColumnName, columnTitle, isNumber, templateOf } from './columns.tsx'
import type { Selection } from './selection.ts'

const narrow = matchMedia('(width < 48rem)')
const watchWidth = (wake: () => void): (() => void) => {
  narrow.addEventListener('change', wake)
  return () => narrow.removeEventListener('change', wake)
}

/** Read on before the last row is in sight. */
const ahead = 100

interface TableProps {
  readonly rows: readonly JobRow[]
  readonly isMore: boolean
  readonly more: () => void
  readonly see: (first: number, last: number) => void
  readonly columns: readonly ColumnName[]
  readonly isOldestFirst: boolean
  readonly selection: Selection
}

export function Table({ rows, isMore, more, see, columns, isOldestFirst, selection }: TableProps) {
  const words = useWords()
  const isNarrow = useSyncExternalStore(watchWidth, () => narrow.matches)
  const height = isNarrow ? 64 : 40
  const scroller = useRef<HTMLDivElement>(null)
  const [active, setActive] = useState(0)
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => height,
    overscan: 10,
  })
  const items = virtual.getVirtualItems()
  const [first, last] = [items[0]?.index ?? 0, items.at(-1)?.index ?? 0]
  useEffect(() => see(first, last), [see, first, last])
  useEffect(() => {
    if (isMore && last >= rows.length - ahead) more()
  }, [last, rows.length, isMore, more])
  useEffect(() => virtual.measure(), [virtual, height])
  useEffect(() => {
    // The keys are for the list, unless a person has gone elsewhere.
    if (document.activeElement === document.body) scroller.current?.focus({ preventScroll: true })
  }, [])

  const move = (to: number): void => {
    const next = Math.max(0, Math.min(rows.length - 1, to))
    setActive(next)
    virtual.scrollToIndex(next)
  }
  const { toggle, chooseAll, chosen } = selection
  const latestToggle = useRef(toggle)
  useEffect(() => {
    latestToggle.current = toggle
  })
  const choose = useCallback((index: number, isRange: boolean) => {
    setActive(index)
    latestToggle.current(index, isRange)
  }, [])
  const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? height) / height) - 1)
  const acts: Readonly<Record<string, (event: KeyboardEvent) => void>> = {
    ArrowDown: () => move(active + 1),
    ArrowUp: () => move(active - 1),
    j: () => move(active + 1),
    k: () => move(active - 1),
    PageDown: () => move(active + page),
    PageUp: () => move(active - page),
    Home: () => move(0),
    End: () => move(rows.length - 1),
    Enter: () => rows[active] && go(`/jobs/${rows[active].job_id}`),
    ' ': (event) => toggle(active, event.shiftKey),
    x: (event) => toggle(active, event.shiftKey),
    X: (event) => toggle(active, event.shiftKey),
    Escape: () => chooseAll(false),
  }
  const press = (event: KeyboardEvent): void => {
    // A link or a box has its keys to itself.
    if (event.target !== event.currentTarget) return
    const isAll = event.key === 'a' && (event.ctrlKey || event.metaKey)
    const act = isAll ? () => chooseAll(true) : event.ctrlKey || event.metaKey ? undefined : acts[event.key]
    if (!act) return
    event.preventDefault()
    act(event)
  }

  const areAll = rows.length > 0 && chosen.size >= rows.length
  return (
    <div className="table" ref={(table) => table?.style.setProperty('--columns', templateOf(columns))}>
      <div className="table-row table-head">
        <span className="table-wide">
          <input
            type="checkbox"
            aria-label={words.jobList.chooseAll}
            checked={areAll}
            ref={(box) => {
              if (box) box.indeterminate = chosen.size > 0 && !areAll
            }}
            onChange={({ target }) => chooseAll(target.checked)}
          />
          {words.jobList.columns.film}
        </span>
        {columns.map((name) =>
          name === 'made' ? (
            <button
              key={name}
              type="button"
              className="table-sort"
              aria-label={`${columnTitle(words, name)}: ${isOldestFirst ? words.jobList.newestFirst : words.jobList.oldestFirst}`}
              title={isOldestFirst ? words.jobList.newestFirst : words.jobList.oldestFirst}
              onClick={() => setQuery({ order: isOldestFirst ? undefined : 'oldest' })}
            >
              {columnTitle(words, name)} <span aria-hidden="true">{isOldestFirst ? '↑' : '↓'}</span>
            </button>
          ) : (
            <span key={name} className={isNumber(name) ? 'table-number' : undefined}>
              {columnTitle(words, name)}
            </span>
          ),
        )}
      </div>
      <div
        className="table-body"
        ref={scroller}
        role="grid"
        aria-label={words.nav.jobs}
        aria-rowcount={isMore ? -1 : rows.length}
        aria-colcount={columns.length + 1}
        aria-multiselectable="true"
        aria-activedescendant={
          active >= first && active <= last && rows[active] ? `job-${rows[active].job_id}` : undefined
        }
        tabIndex={0}
        onKeyDown={press}
      >
        <div role="presentation" style={{ height: virtual.getTotalSize(), position: 'relative' }}>
          {items.map(({ index, start }) => {
            const row = rows[index]
            return (
              row && (
                <Row
                  key={row.job_id}
                  row={row}
                  top={start}
                  height={height}
                  index={index}
                  columns={columns}
                  isActive={index === active}
                  isChosen={chosen.has(row.job_id)}
                  choose={choose}
                />
              )
            )
          })}
        </div>
      </div>
    </div>
  )
}

interface RowProps {
  readonly row: JobRow
  readonly top: number
  readonly height: number
  readonly index: number
  readonly columns: readonly ColumnName[]
  readonly isActive: boolean
  readonly isChosen: boolean
  readonly choose: (index: number, isRange: boolean) => void
}

const Row = memo(function Row({ row, top, height, index, columns, isActive, isChosen, choose }: RowProps) {
  const words = useWords()
  const pick = (event: MouseEvent): void => choose(index, event.shiftKey)
  return (
    <div
      className="table-row"
      role="row"
      id={`job-${row.job_id}`}
      aria-rowindex={index + 1}
      aria-selected={isChosen}
      data-active={isActive}
      style={{ transform: `translateY(${top}px)`, height }}
    >
      <span role="gridcell" className="table-wide">
        <input
          type="checkbox"
          tabIndex={-1}
          checked={isChosen}
          aria-label={words.jobList.choose(row.video_name)}
          onClick={pick}
          readOnly
        />
        <Link className="table-name" to={`/jobs/${row.job_id}`} tabIndex={-1}>
          {row.video_name}
        </Link>
        <span className="quiet small">#{row.job_id}</span>
      </span>
      {columns.map((name) => (
        <span
          key={name}
          role="gridcell"
          className={isNumber(name) ? 'table-cell table-number' : 'table-cell'}
          data-column={name}
        >
          <Cell row={row} name={name} />
        </span>
      ))}
    </div>
  )
})
