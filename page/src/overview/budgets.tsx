/** Budgets: how much of each is used, how long it lasts, who changed it; added, changed and removed here. */
import { useEffect, useId, useRef, useState } from 'react'
import { type BudgetsAnswer, type SpendAnswer, client } from '../server/client.ts'
import { useSession } from '../server/session.tsx'
import { useAction } from '../ui/action.tsx'
import { Button } from '../ui/button.tsx'
import { Problem } from '../ui/problem.tsx'
import { useWords } from '../words/words.tsx'
import { Card, Changed, Editor, numberIn, useDollars } from './card.tsx'
import { paceOf } from './pace.ts'
import type { Figures } from './sources.ts'

type Budget = BudgetsAnswer['budgets'][number]

export function Budgets({ budgets, spend, changes }: Figures) {
  const words = useWords()
  const { can } = useSession()
  const onSet = (): void => {
    budgets.again()
    changes.again()
  }
  return (
    <Card
      title={words.overview.budgets}
      live={budgets}
      head={can('admin') && budgets.data && <AddBudget known={budgets.data.budgets} onSet={onSet} />}
    >
      {({ budgets: all }) =>
        all.length === 0 ? (
          <p className="quiet">{words.overview.noBudgets}</p>
        ) : (
          <ul className="lines">
            {all.toSorted(byRank).map((budget) => (
              <BudgetLine key={budget.name} budget={budget} rows={spend.data?.rows ?? []} onSet={onSet} />
            ))}
          </ul>
        )
      }
    </Card>
  )
}

const ranks: readonly string[] = ['day', 'total', 'client', 'job']
/** What holds for everything first, that of single clients last, by name. */
const byRank = ({ name: one }: Budget, { name: other }: Budget): number => {
  const [first, second] = [one, other].map((name) =>
    ranks.includes(name) ? ranks.indexOf(name) : ranks.length,
  )
  return first! - second! || one.localeCompare(other)
}

function BudgetLine({
  budget,
  rows,
  onSet,
}: {
  readonly budget: Budget
  readonly rows: SpendAnswer['rows']
  readonly onSet: () => void
}) {
  const words = useWords()
  const money = useDollars()
  const { can } = useSession()
  const { name, limit, used, changed } = budget
  const title = words.overview.budgetName(name)
  const taken = used ? used.spent + used.reserved : 0
  const line = useRef<HTMLLIElement>(null)
  const id = `budget-${name}`
  // The list of what waits leads to one; it is drawn after the browser has looked for it.
  useEffect(() => {
    if (decodeURIComponent(location.hash) === `#${id}`) line.current?.scrollIntoView({ block: 'center' })
  }, [id])
  return (
    <li className="budget" id={id} ref={line}>
      <div className="renderer-head">
        <strong>{title}</strong>
        {can('admin') && <BudgetEditor budget={budget} onSet={onSet} />}
      </div>
      {used ? (
        <>
          <span className="budget-bar" data-full={taken >= limit} aria-hidden="true">
            <span style={{ inlineSize: `${percent(used.spent, limit)}%` }} />
            <span data-reserved="true" style={{ inlineSize: `${percent(used.reserved, limit)}%` }} />
          </span>
          <p>
            {words.overview.budgetUsed(money(taken), money(limit))}
            {used.reserved > 0 && (
              <span className="quiet">, {words.overview.reserved(money(used.reserved))}</span>
            )}
          </p>
          <Pace budget={budget} taken={taken} rows={rows} />
        </>
      ) : (
        <p>{words.overview.budgetEach(money(limit))}</p>
      )}
      <Changed
        changed={changed}
        from={typeof changed?.from === 'number' ? money(changed.from) : words.overview.nothing}
      />
    </li>
  )
}

const percent = (part: number, whole: number): number =>
  whole > 0 ? Math.min(100, (part / whole) * 100) : part > 0 ? 100 : 0

function Pace({
  budget,
  taken,
  rows,
}: {
  readonly budget: Budget
  readonly taken: number
  readonly rows: SpendAnswer['rows']
}) {
  const words = useWords()
  const money = useDollars()
  if (taken >= budget.limit) return <p className="small warn">{words.overview.usedUp}</p>
  const pace = paceOf(budget.name, budget.limit - taken, taken, rows, Date.now())
  if (!pace) return null
  return (
    <p className="small quiet">
      {'days' in pace
        ? words.overview.lastsDays(pace.days)
        : words.overview.byMidnight(money(pace.byMidnight))}
    </p>
  )
}

function BudgetEditor({ budget, onSet }: { readonly budget: Budget; readonly onSet: () => void }) {
  const words = useWords()
  const set = useAction(async (limit: number | null, close: () => void) => {
    await client.setBudgets({ [budget.name]: limit })
    close()
    onSet()
  })
  return (
    <Editor
      label={words.overview.change}
      title={words.overview.changeOf(words.overview.budgetName(budget.name))}
    >
      {(close) => (
        <form
          className="editor-form"
          onSubmit={(event) => {
            event.preventDefault()
            const limit = numberIn(new FormData(event.currentTarget), 'limit')
            if (limit !== null) void set.run(limit, close)
          }}
        >
          <DollarsField initial={budget.limit} />
          {set.error !== undefined && <Problem error={set.error} />}
          <div className="line-actions">
            <Button kind="main" type="submit" disabled={set.isRunning}>
              {words.overview.save}
            </Button>
            <Button kind="danger" disabled={set.isRunning} onClick={() => void set.run(null, close)}>
              {words.overview.remove}
            </Button>
          </div>
        </form>
      )}
    </Editor>
  )
}

function DollarsField({ initial }: { readonly initial?: number }) {
  const words = useWords()
  return (
    <label className="editor-field">
      <span className="small quiet">{words.overview.dollars}</span>
      <input
        name="limit"
        className="input"
        type="number"
        min={0}
        step={0.01}
        required
        defaultValue={initial}
      />
    </label>
  )
}

const kinds = ['day', 'total', 'client', 'oneClient', 'job'] as const
type Kind = (typeof kinds)[number]

function AddBudget({ known, onSet }: { readonly known: readonly Budget[]; readonly onSet: () => void }) {
  const words = useWords()
  const id = useId()
  const free = kinds.filter((one) => !known.some(({ name }) => name === one))
  const [chosen, setChosen] = useState<Kind>('oneClient')
  const kind = free.includes(chosen) ? chosen : 'oneClient'
  const set = useAction(async (name: string, limit: number, close: () => void) => {
    await client.setBudgets({ [name]: limit })
    close()
    onSet()
  })
  return (
    <Editor label={words.overview.addBudget} title={words.overview.addBudget}>
      {(close) => (
        <form
          className="editor-form"
          onSubmit={(event) => {
            event.preventDefault()
            const form = new FormData(event.currentTarget)
            const whose = form.get('client')
            const limit = numberIn(form, 'limit')
            const name =
              kind === 'oneClient' ? `client:${typeof whose === 'string' ? whose.trim() : ''}` : kind
            if (limit !== null) void set.run(name, limit, close)
          }}
        >
          <div className="editor-field">
            <label className="small quiet" htmlFor={id}>
              {words.overview.budgetFor}
            </label>
            <select
              id={id}
              className="input"
              value={kind}
              onChange={({ target }) => setChosen(free.find((one) => one === target.value) ?? 'oneClient')}
            >
              {free.map((one) => (
                <option key={one} value={one}>
                  {words.overview.budgetKinds[one]}
                </option>
              ))}
            </select>
          </div>
          {kind === 'oneClient' && (
            <label className="editor-field">
              <span className="small quiet">{words.overview.client}</span>
              <input name="client" className="input" required maxLength={200} />
            </label>
          )}
          <DollarsField />
          {set.error !== undefined && <Problem error={set.error} />}
          <Button kind="main" type="submit" disabled={set.isRunning}>
            {words.overview.save}
          </Button>
        </form>
      )}
    </Editor>
  )
}
