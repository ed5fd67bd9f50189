/** What runs and where, what it may use, and what it spends: limits, budgets and pauses are changed here. */
import { useState } from 'react'
import { type BudgetsAnswer, type LimitsAnswer, client } from '../server/client.ts'
import { useLive } from '../server/live.ts'
import { budgetsSource, limitsSource, spendSource, storageSource } from '../server/sources.ts'
import { useSession } from '../server/session.tsx'
import { useAction } from '../ui/action.tsx'
import { Button } from '../ui/button.tsx'
import { Problem } from '../ui/problem.tsx'
import { Bytes, Meter, Time, useMoney } from '../ui/values.tsx'
import { useWords } from '../words/words.tsx'

export function Overview() {
  const words = useWords()
  return (
    <div className="overview">
      <h1>{words.nav.overview}</h1>
      <div className="cards">
        <Slots />
        <Budgets />
        <Spend />
        <Storage />
      </div>
    </div>
  )
}

function Slots() {
  const words = useWords()
  const { data, error, again } = useLive(limitsSource)
  const { can } = useSession()
  const change = useAction(async (isPaused: boolean, renderer?: string) => {
    const request = renderer === undefined ? {} : { renderer }
    await (isPaused ? client.resume(request) : client.pause(request))
    again()
  })
  if (!data) return error === undefined ? null : <Problem error={error} again={again} />
  const pauseButton = (paused: LimitsAnswer['paused'], renderer?: string) =>
    can('admin') && (
      <Button disabled={change.isRunning} onClick={() => void change.run(paused !== null, renderer)}>
        {paused ? words.overview.resume : words.overview.pause}
      </Button>
    )
  return (
    <section className="card">
      <header className="card-head">
        <h2>{words.overview.slots}</h2>
        {pauseButton(data.paused)}
      </header>
      {data.paused && (
        <p className="note">{words.overview.pausedBy(data.paused.by ?? '', data.paused.reason ?? '')}</p>
      )}
      {change.error !== undefined && <Problem error={change.error} />}
      <ul className="lines">
        {Object.entries(data.renderers).map(([name, renderer]) => (
          <li key={name} className="line">
            <strong>{name}</strong>
            <Meter value={renderer.in_flight} most={renderer.max_concurrency} />
            <LimitField name={name} renderer={renderer} onSet={again} />
            {pauseButton(renderer.paused, name)}
            {renderer.paused && (
              <p className="note">
                {words.overview.pausedBy(renderer.paused.by ?? '', renderer.paused.reason ?? '')}
              </p>
            )}
            {renderer.provider_pause && (
              <p className="note">
                {renderer.provider_pause.reason} <Time at={renderer.provider_pause.until} />
              </p>
            )}
          </li>
        ))}
      </ul>
    </section>
  )
}

interface LimitFieldProps {
  readonly name: string
  readonly renderer: LimitsAnswer['renderers'][string]
  readonly onSet: () => void
}

function LimitField({ name, renderer, onSet }: LimitFieldProps) {
  const words = useWords()
  const { can } = useSession()
  const set = useAction(async (most: number) => {
    await client.setLimits({ renderers: { [name]: { max_concurrency: most } } })
    onSet()
  })
  return (
    <label className="small quiet">
      {words.overview.atOnce}{' '}
      <input
        key={renderer.max_concurrency}
        className="input input-number"
        type="number"
        min={0}
        defaultValue={renderer.max_concurrency}
        disabled={!can('admin') || set.isRunning}
        onBlur={(event) => {
          const most = Number(event.target.value)
          if (most !== renderer.max_concurrency) void set.run(most)
        }}
      />
    </label>
  )
}

function Budgets() {
  const words = useWords()
  const { data, error, again } = useLive(budgetsSource)
  if (!data) return error === undefined ? null : <Problem error={error} again={again} />
  return (
    <section className="card">
      <h2>{words.overview.budgets}</h2>
      {data.budgets.length === 0 && <p className="quiet">{words.overview.noBudgets}</p>}
      <ul className="lines">
        {data.budgets.map((budget) => (
          <BudgetLine key={budget.name} budget={budget} onSet={again} />
        ))}
      </ul>
    </section>
  )
}

function BudgetLine({
  budget,
  onSet,
}: {
  readonly budget: BudgetsAnswer['budgets'][number]
  readonly onSet: () => void
}) {
  const words = useWords()
  const money = useMoney()
  const { can } = useSession()
  const [isEditing, setEditing] = useState(false)
  const set = useAction(async (limit: number | null) => {
    await client.setBudgets({ [budget.name]: limit })
    setEditing(false)
    onSet()
  })
  const used = budget.used ? budget.used.spent + budget.used.reserved : undefined
  return (
    <li className="line">
      <strong>{words.overview.budgetName(budget.name)}</strong>
      {used !== undefined && (
        <Meter value={used} most={budget.limit} text={`${money(used)} / ${money(budget.limit)}`} />
      )}
      {isEditing ? (
        <form
          onSubmit={(event) => {
            event.preventDefault()
            const given = new FormData(event.currentTarget).get('limit')
            void set.run(given === '' ? null : Number(given))
          }}
        >
          <input
            name="limit"
            className="input input-number"
            type="number"
            step="0.01"
            min="0"
            autoFocus
            defaultValue={budget.limit}
            aria-label={words.overview.budgetName(budget.name)}
          />
        </form>
      ) : (
        can('admin') && <Button onClick={() => setEditing(true)}>{money(budget.limit)}</Button>
      )}
      {set.error !== undefined && <Problem error={set.error} />}
    </li>
  )
}

function Spend() {
  const words = useWords()
  const money = useMoney()
  const { data, error, again } = useLive(spendSource)
  if (!data) return error === undefined ? null : <Problem error={error} again={again} />
  const most = Math.max(0.01, ...data.rows.map(({ spent }) => spent ?? 0))
  return (
    <section className="card">
      <h2>{words.overview.spend}</h2>
      {data.rows.length === 0 && <p className="quiet">{words.overview.nothingSpent}</p>}
      <ul className="lines">
        {data.rows.slice(0, 12).map(({ month, client_id: clientId, spent }) => (
          <li key={`${month} ${clientId}`} className="line">
            <span>
              {month} <span className="quiet">{clientId}</span>
            </span>
            <Meter value={spent ?? 0} most={most} text={money(spent)} />
          </li>
        ))}
      </ul>
    </section>
  )
}

function Storage() {
  const words = useWords()
  const { data, error, again } = useLive(storageSource)
  if (!data) return error === undefined ? null : <Problem error={error} again={again} />
  const { films, clips, inputs, other } = data.stored
  return (
    <section className="card">
      <h2>{words.overview.storage}</h2>
      <dl className="sums">
        {Object.entries({ films, clips, inputs, other }).map(([name, { bytes }]) => (
          <div key={name} className="sums-pair">
            <dt>{words.overview.stored[name as 'films']}</dt>
            <dd>
              <Bytes bytes={bytes} />
            </dd>
          </div>
        ))}
        <div className="sums-pair">
          <dt>{words.overview.free}</dt>
          <dd>
            <Bytes bytes={data.free_bytes} />
          </dd>
        </div>
      </dl>
    </section>
  )
}
