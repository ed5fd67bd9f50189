/** What runs and where, what waits and why, what it costs and what fails; limits, budgets and pauses are changed here. */
import type { ReactNode } from 'react'
import { Budgets } from '../overview/budgets.tsx'
import { useDollars } from '../overview/card.tsx'
import { Changes, Nodes, Storage } from '../overview/places.tsx'
import { Queue } from '../overview/queue.tsx'
import { PauseButton, Renderers } from '../overview/renderers.tsx'
import { type Figures, type Window, useFigures, useSpend, windows } from '../overview/sources.ts'
import { dayOf } from '../overview/days.ts'
import { Spend } from '../overview/spend.tsx'
import { Failures, Throughput, Times } from '../overview/throughput.tsx'
import { Link, setQuery, useAddress } from '../router.tsx'
import { useSession } from '../server/session.tsx'
import { personIn } from '../ui/person.ts'
import { Time } from '../ui/values.tsx'
import { useWords } from '../words/words.tsx'

export function Overview() {
  const words = useWords()
  const { can, session } = useSession()
  if (!can('read'))
    return (
      <div className="overview">
        <h1>{words.nav.overview}</h1>
        <p className="note">{words.overview.notAllowed}</p>
      </div>
    )
  // What concerns all clients is closed to a key of one.
  return session?.session?.client_id == null ? <OfAll /> : <OfOneClient />
}

function OfOneClient() {
  const words = useWords()
  const spend = useSpend()
  return (
    <div className="overview">
      <h1>{words.nav.overview}</h1>
      <Spend spend={spend} budgets={[]} />
    </div>
  )
}

function OfAll() {
  const words = useWords()
  const { can } = useSession()
  const { searchParams } = useAddress()
  const window = windows.find((one) => one === searchParams.get('window')) ?? '24h'
  const figures = useFigures(window)
  const { limits, budgets, spend, changes } = figures
  const isNew = hasNothing(figures)
  const onPause = (): void => {
    limits.again()
    changes.again()
  }
  return (
    <div className="overview">
      <header className="overview-head">
        <h1>{words.nav.overview}</h1>
        <div className="line-actions">
          {!isNew && <WindowChoice window={window} />}
          {can('admin') && limits.data && <PauseButton paused={limits.data.paused} onSet={onPause} />}
        </div>
      </header>
      {limits.data?.paused && (
        <p className="note" role="status">
          {words.overview.allPausedBy(
            personIn(limits.data.paused.by ?? '', words),
            limits.data.paused.reason ?? '',
          )}
          , <Time at={limits.data.paused.since} />
        </p>
      )}
      {isNew ? <Teaching /> : <Tiles {...figures} />}
      <div className="overview-cards">
        <Renderers {...figures} />
        {!isNew && <Queue {...figures} />}
        <Budgets {...figures} />
        {!isNew && <Spend spend={spend} budgets={budgets.data?.budgets ?? []} />}
        {!isNew && <Times {...figures} />}
        {!isNew && <Throughput {...figures} />}
        {!isNew && <Failures {...figures} />}
        <Nodes {...figures} />
        <Changes {...figures} />
        <Storage {...figures} />
      </div>
    </div>
  )
}

/** Nothing was ever made here, as far as these figures reach. */
const hasNothing = ({ statistics, queue, spend }: Figures): boolean =>
  statistics.data !== undefined &&
  queue.data !== undefined &&
  spend.data !== undefined &&
  statistics.data.models.length === 0 &&
  Object.values(statistics.data.totals).every((count) => count === 0) &&
  queue.data.scenes === 0 &&
  spend.data.rows.length === 0

function Teaching() {
  const words = useWords()
  const { can } = useSession()
  return (
    <div className="empty">
      <h2>{words.overview.empty}</h2>
      <p className="quiet overview-about">{words.overview.emptyNext}</p>
      {can('submit') && (
        <Link className="button" data-kind="main" to="/new">
          {words.overview.makeFilm}
        </Link>
      )}
    </div>
  )
}

function WindowChoice({ window }: { readonly window: Window }) {
  const words = useWords()
  return (
    <fieldset className="period">
      <legend className="unseen">{words.overview.window}</legend>
      {windows.map((one) => (
        <label key={one}>
          <input
            type="radio"
            name="window"
            className="unseen"
            checked={one === window}
            onChange={() => setQuery({ window: one === '24h' ? undefined : one })}
          />
          <span>{words.overview.windows[one]}</span>
        </label>
      ))}
    </fieldset>
  )
}

function Tiles({ limits, queue, spend, budgets, statistics }: Figures) {
  const words = useWords()
  const money = useDollars()
  const renderers = Object.values(limits.data?.renderers ?? {})
  const sum = (of: (one: (typeof renderers)[number]) => number): number =>
    renderers.reduce((all, one) => all + of(one), 0)
  const today = dayOf(Date.now())
  const spent = spend.data?.rows
    .filter(({ day }) => day === today)
    .reduce((all, row) => all + (row.spent ?? 0), 0)
  const dayBudget = budgets.data?.budgets.find(({ name }) => name === 'day')?.limit
  const totals = statistics.data?.totals
  return (
    <dl className="tiles">
      <Tile
        name={words.overview.rendering}
        more={words.overview.ofAll(String(sum((one) => one.max_concurrency)))}
      >
        {limits.data && sum((one) => one.in_flight)}
      </Tile>
      <Tile name={words.overview.waiting}>{queue.data && words.scenes(queue.data.scenes)}</Tile>
      <Tile
        name={words.overview.spentToday}
        more={dayBudget === undefined ? undefined : words.overview.ofAll(money(dayBudget))}
      >
        {spent !== undefined && money(spent)}
      </Tile>
      <Tile name={words.overview.completed}>{totals?.completed}</Tile>
      <Tile name={words.overview.failed} tone={totals && totals.failed > 0 ? 'bad' : undefined}>
        {totals?.failed}
      </Tile>
    </dl>
  )
}

function Tile({
  name,
  more,
  tone,
  children,
}: {
  readonly name: string
  readonly more?: string | undefined
  readonly tone?: 'bad' | undefined
  readonly children: ReactNode
}) {
  return (
    <div className="tile" data-tone={tone}>
      <dt className="small quiet">{name}</dt>
      <dd>
        {children} {more !== undefined && <span className="small quiet">{more}</span>}
      </dd>
    </div>
  )
}
